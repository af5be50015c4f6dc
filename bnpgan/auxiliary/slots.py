"""A recogniser of slots on the trunk of the discriminator: InfoGAN's Q, DMGAN's Q and MGAN's classifier."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.auxiliary.base import Recogniser
from bnpgan.features import Networks, evaluating

__all__ = ["SlotRecogniser"]


class SlotRecogniser(Recogniser):
    r"""Names the slot, and uniform codes, of a generated image from the last hidden layer of the discriminator.

    .. math:: \lambda \, E\big[ -\log Q(c \mid G(z)) - \lambda_u \log Q(u \mid G(z)) \big]

    with a softmax over the slots c and a Gaussian for each uniform code u. It is the bound of InfoGAN on the mutual
    information of codes and images, but for a constant.

    Args:
        in_dim: number of the discriminator's features.
        capacity: number of slots.
        uniform: number of uniform codes, of which ``z`` has the values before its one-hot slot; see ``Codes``.
        weight: :math:`\lambda` of the generator's loss.
        uniform_weight: :math:`\lambda_u`.
        trunk_weight: :math:`\lambda` of the discriminator's loss, by which its trunk learns to tell slots apart; 0: it
            learns to tell real from generated images and nothing else.

    Raises:
        ValueError: if a size is out of range, or a weight below 0.

    Example:
        >>> import torch
        >>> recogniser = SlotRecogniser(in_dim=16, capacity=10, uniform=2)
        >>> recogniser.head(torch.randn(3, 16)).shape
        torch.Size([3, 14])

    References:
        "InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets", 2016,
        Eqs. 5 and 6;
        "MGAN: Training Generative Adversarial Nets with Multiple Generators", 2018, Eqs. 6 and 7.
    """

    def __init__(
        self,
        in_dim: int,
        capacity: int,
        uniform: int = 0,
        weight: float = 1.0,
        uniform_weight: float = 0.1,
        trunk_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if min(in_dim, capacity) < 1 or min(uniform, weight, uniform_weight, trunk_weight) < 0:
            raise ValueError(
                "in_dim and capacity must be at least 1, uniform and weights at least 0, "
                f"got {in_dim}, {capacity}, {uniform}, {weight}, {uniform_weight}, {trunk_weight}: see SlotRecogniser"
            )
        self.head = nn.Linear(in_dim, capacity + 2 * uniform)
        self.sizes = capacity, uniform, uniform
        self.weight, self.uniform_weight, self.trunk_weight = weight, uniform_weight, trunk_weight

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """The probability of each slot, ``(B, capacity)``."""
        with evaluating(gan.discriminator):
            return self._outputs(gan, images)[0].softmax(1)

    def generator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """By which the generator shows the slot, and Q learns to see it."""
        return self.weight * self._surprise(gan, fake, z, c)

    def discriminator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """By which the trunk learns what tells slots apart."""
        return self.trunk_weight * self._surprise(gan, fake, z, c) if self.trunk_weight else 0.0

    def _surprise(self, gan: Networks, fake: Tensor, z: Tensor, c: Tensor) -> Tensor:
        logits, mean, log_variance = self._outputs(gan, fake)
        surprise = F.cross_entropy(logits, c)
        capacity, uniform, _ = self.sizes
        if uniform:
            codes = z[:, -capacity - uniform : -capacity]
            # As torch's gaussian_nll_loss, which has the host look at the variances.
            log_variance = log_variance.clamp(min=math.log(1e-6))
            nll = 0.5 * (log_variance + (mean - codes).square() * (-log_variance).exp()).sum(1).mean()
            surprise = surprise + self.uniform_weight * nll
        return surprise

    def _outputs(self, gan: Networks, images: Tensor) -> tuple[Tensor, ...]:
        return self.head(gan.discriminator.features(images)).split(self.sizes, 1)  # type: ignore[operator]
