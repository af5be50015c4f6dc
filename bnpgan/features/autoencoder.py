"""Codes of an auto-encoder that is trained once, on the images alone: the features of Logo-GAN."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.features.base import Features, Networks, evaluating
from bnpgan.images import Images
from bnpgan.partition import Partition

__all__ = ["FromAutoencoder"]


class FromAutoencoder(Features):
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
        super().__init__()
        if min(steps, batch) < 1:
            raise ValueError(f"steps and batch must be at least 1, got {steps} and {batch}: pass e.g. 2000 and 64")
        self.encoder, self.decoder, self.steps, self.batch = encoder, decoder, steps, batch
        parameters = [*encoder.parameters(), *decoder.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``E(x)``, ``(B, D)``."""
        with evaluating(self.encoder):
            return self.encoder(images)

    def refresh(self, gan: Networks, images: Images, partition: Partition | None) -> None:
        """Train before the first partition; the codes of later ones are the same."""
        assert self.optimizer is not None
        for _ in range(self.steps if partition is None else 0):
            x = images[torch.randint(len(images), (self.batch,), device=images.device)]
            loss = F.mse_loss(self.decoder(self.encoder(x)), x)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
