"""Features of an encoder that learns once, on the images alone, before the first partition."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from bnpgan.features.base import Features, Networks, evaluating
from bnpgan.graphs import minimise
from bnpgan.images import Images
from bnpgan.partition import Partition

__all__ = ["LearnedOnce"]


class LearnedOnce(Features):
    """What an encoder says of an image, after it has learned by a loss that reads nothing of the GAN.

    Args:
        encoder: maps images ``(B, ...)`` to points ``(B, D)``.
        partner: what learns with it, for the loss alone.
        steps: of training.
        batch: images a step.
        learning_rate: of Adam.

    Raises:
        ValueError: if ``steps`` or ``batch`` is below 1.
    """

    optimizer: torch.optim.Optimizer

    def __init__(self, encoder: nn.Module, partner: nn.Module, steps: int, batch: int, learning_rate: float) -> None:
        super().__init__()
        if min(steps, batch) < 1:
            raise ValueError(f"steps and batch must be at least 1, got {steps} and {batch}: pass e.g. 2000 and 64")
        self.encoder, self.steps, self.batch = encoder, steps, batch
        parameters = [*encoder.parameters(), *partner.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)

    @abstractmethod
    def loss(self, x: Tensor) -> Tensor:
        """What a step makes smaller, a scalar, for images ``(B, ...)``."""

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``E(x)``, ``(B, D)``."""
        with evaluating(self.encoder):
            return self.encoder(images)

    def refresh(self, gan: Networks, images: Images, partition: Partition | None) -> None:
        """Train before the first partition; the features of later ones are the same."""

        def loss() -> Tensor:
            return self.loss(images[torch.randint(len(images), (self.batch,), device=images.device)])

        if partition is None:
            minimise(loss, self.optimizer, self.steps, images.device)
