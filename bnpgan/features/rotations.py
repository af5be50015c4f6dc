"""What a network has to know to tell by how much an image is turned: the features of RotNet."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.features.base import Features, Networks, evaluating
from bnpgan.images import Images
from bnpgan.partition import Partition

__all__ = ["FromRotations"]

TURNS = 4  # by 0, 90, 180 and 270 degrees


class FromRotations(Features):
    r"""Features of a network that learns once, on the images alone, to name the turn that they were given.

    .. math:: \min_{E, W} \; - E_i \, \tfrac14 \sum_{k=0}^{3} \log \mathrm{softmax}(W E(R_k x_i))_k

    with :math:`R_k` a turn by k right angles. It is trained before the first partition and reads nothing of the GAN.

    Args:
        encoder: E, maps square images ``(B, C, S, S)`` to features ``(B, out_dim)``; has ``out_dim``.
        steps: of training.
        batch: images a step, each in all four turns.
        learning_rate: of Adam.

    Raises:
        ValueError: if ``steps`` or ``batch`` is below 1; from ``refresh``, if images are not square.

    Example:
        >>> from bnpgan.models import DCGAN
        >>> features = FromRotations(DCGAN(width=4).encoder((1, 8, 8)), steps=2)
        >>> features.refresh(None, torch.randn(100, 1, 8, 8), None)
        >>> len(features(None, torch.randn(3, 1, 8, 8)))
        3

    References:
        "Unsupervised Representation Learning by Predicting Image Rotations", 2018, Eqs. 1 to 3.
    """

    def __init__(self, encoder: nn.Module, steps: int = 2000, batch: int = 64, learning_rate: float = 1e-3) -> None:
        super().__init__()
        if min(steps, batch) < 1:
            raise ValueError(f"steps and batch must be at least 1, got {steps} and {batch}: pass e.g. 2000 and 64")
        self.encoder, self.steps, self.batch = encoder, steps, batch
        self.head = nn.Linear(int(encoder.out_dim), TURNS)  # type: ignore[arg-type]
        parameters = [*encoder.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=learning_rate, fused=True)

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``E(x)``, ``(B, D)``, of images as they are."""
        with evaluating(self.encoder):
            return self.encoder(images)

    def refresh(self, gan: Networks, images: Images, partition: Partition | None) -> None:
        """Train before the first partition; the features of later ones are the same."""
        if len(images.shape) != 4 or images.shape[2] != images.shape[3]:
            raise ValueError(
                f"images must be square to be turned, got shape {tuple(images.shape[1:])}: crop them, or take other "
                "features"
            )
        assert self.optimizer is not None
        for _ in range(self.steps if partition is None else 0):
            x = images[torch.randint(len(images), (self.batch,), device=images.device)]
            turned = torch.cat([x.rot90(k, (2, 3)) for k in range(TURNS)])
            turns = torch.arange(TURNS, device=x.device).repeat_interleave(len(x))
            loss = F.cross_entropy(self.head(self.encoder(turned)), turns)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
