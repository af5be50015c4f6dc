"""A recogniser with a network of its own, which turns images back into latent codes: ClusterGAN's encoder."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.auxiliary.base import Recogniser
from bnpgan.features import Networks

__all__ = ["CodeRecogniser"]


class CodeRecogniser(Recogniser):
    r"""Finds the noise and the slot of a generated image, :math:`E(G([z_n, e_c])) \approx [z_n, e_c]`.

    .. math:: \lambda_n \, E \| z_n - E_n(G(z)) \|^2 / d - \lambda_c \, E \log E_c(G(z))_c

    Args:
        encoder: maps images ``(B, ...)`` to features ``(B, in_dim)``.
        in_dim: number of its features.
        dim: d, size of the noise.
        capacity: number of slots.
        noise_weight: :math:`\lambda_n`.
        slot_weight: :math:`\lambda_c`.

    Raises:
        ValueError: if a size is below 1, or a weight below 0.

    Example:
        >>> recogniser = CodeRecogniser(nn.Linear(2, 16), in_dim=16, dim=5, capacity=10)
        >>> recogniser(None, torch.randn(3, 2)).shape
        torch.Size([3, 15])

    References:
        "ClusterGAN: Latent Space Clustering in Generative Adversarial Networks", 2019, Eq. 2.
    """

    def __init__(
        self,
        encoder: nn.Module,
        in_dim: int,
        dim: int,
        capacity: int,
        noise_weight: float = 10.0,
        slot_weight: float = 10.0,
    ) -> None:
        super().__init__()
        if min(in_dim, dim, capacity) < 1 or min(noise_weight, slot_weight) < 0:
            raise ValueError(
                "in_dim, dim and capacity must be at least 1, weights at least 0, "
                f"got {in_dim}, {dim}, {capacity}, {noise_weight}, {slot_weight}: see CodeRecogniser"
            )
        self.network = nn.Sequential(encoder, nn.Linear(in_dim, capacity + dim))
        self.sizes = capacity, dim
        self.noise_weight, self.slot_weight = noise_weight, slot_weight

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """The probability of each slot, then the noise, ``(B, capacity + dim)``."""
        logits, noise = self.network(images).split(self.sizes, 1)
        return torch.cat([logits.softmax(1), noise], 1)

    def generator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """By which the encoder learns to invert the generator, and the generator to be inverted."""
        logits, noise = self.network(fake).split(self.sizes, 1)
        lost = F.mse_loss(noise, z[:, : self.sizes[1]])
        return self.noise_weight * lost + self.slot_weight * F.cross_entropy(logits, c)
