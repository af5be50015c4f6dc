"""Codes of an auto-encoder that is trained once, on the images alone: the features of Logo-GAN."""

import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.features.once import LearnedOnce

__all__ = ["FromAutoencoder"]


class FromAutoencoder(LearnedOnce):
    r"""The codes of an auto-encoder that learns once, before the first partition, and reads nothing of the GAN.

    .. math:: \min_{E, F} \; E_i \| F(E(x_i)) - x_i \|^2

    Args:
        encoder: E, maps images ``(B, ...)`` to codes ``(B, D)``.
        decoder: F, maps codes to images.
        steps: of training.
        batch: images a step.
        learning_rate: of Adam.

    Raises:
        ValueError: if ``steps`` or ``batch`` is below 1.

    Example:
        >>> import torch
        >>> features = FromAutoencoder(nn.Linear(4, 2), nn.Linear(2, 4), steps=10)
        >>> features.refresh(None, torch.randn(100, 4), None)
        >>> features(None, torch.randn(3, 4)).shape
        torch.Size([3, 2])

    References:
        "Logo Synthesis and Manipulation with Clustered Generative Adversarial Networks", 2018, section 3.2.
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, steps: int = 2000, batch: int = 64, learning_rate: float = 1e-3
    ) -> None:
        super().__init__(encoder, decoder, steps, batch, learning_rate)
        self.decoder = decoder

    def loss(self, x: Tensor) -> Tensor:
        """The mean squared error of what the decoder makes of the codes."""
        return F.mse_loss(self.decoder(self.encoder(x)), x)
