"""A learned prior over the slots of the latent: DMGAN's."""

import torch
from torch import Tensor

from bnpgan.auxiliary.base import Recogniser
from bnpgan.features import Networks

__all__ = ["PriorRecogniser"]


class PriorRecogniser(Recogniser):
    r"""Any recogniser, and a latent's weights r of the slots, which learn to be those of the real images.

    .. math:: \min_r \; - E_x \sum_k Q(k \mid x) \log r_k - \alpha \gamma^t H(r)

    The entropy H, whose weight falls with the steps t, keeps the weights even until Q knows the slots. Q itself does
    not learn from this term.

    Args:
        recogniser: Q, with its own terms.
        entropy: :math:`\alpha`.
        decay: :math:`\gamma`.

    Raises:
        ValueError: if ``entropy`` is below 0, or ``decay`` outside [0, 1].

    Example:
        >>> from bnpgan.auxiliary import SlotRecogniser
        >>> PriorRecogniser(SlotRecogniser(in_dim=16, capacity=10)).steps
        tensor(0)

    References:
        "Disconnected Manifold Learning for Generative Adversarial Networks", 2018, section 4.
    """

    def __init__(self, recogniser: Recogniser, entropy: float = 1000.0, decay: float = 0.999) -> None:
        super().__init__()
        if not 0 <= entropy < float("inf") or not 0 <= decay <= 1:
            raise ValueError(f"entropy must be at least 0 and decay in [0, 1], got {entropy}, {decay}: e.g. 1e3, .999")
        self.recogniser, self.entropy, self.decay = recogniser, entropy, decay
        self.steps: Tensor
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """Those of the recogniser."""
        return self.recogniser(gan, images)

    def generator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """The recogniser's, and that of the latent's weights."""
        log_r = gan.latent.log_weights()  # type: ignore[operator]  # a Weighted latent
        with torch.no_grad():
            q = self(gan, real)[:, : len(log_r)].mean(0)
        even = self.entropy * self.decay**self.steps
        self.steps += 1
        return self.recogniser.generator(gan, real, fake, z, c) - q @ log_r + even * (log_r.exp() @ log_r)

    def discriminator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """The recogniser's."""
        return self.recogniser.discriminator(gan, real, fake, z, c)
