"""What a network has to know to tell by how much an image is turned: the features of RotNet."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.features.once import LearnedOnce

__all__ = ["FromRotations"]

TURNS = 4  # by 0, 90, 180 and 270 degrees


class FromRotations(LearnedOnce):
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
        head = nn.Linear(int(encoder.out_dim), TURNS)  # type: ignore[arg-type]
        super().__init__(encoder, head, steps, batch, learning_rate)
        self.head = head

    def loss(self, x: Tensor) -> Tensor:
        """The cross-entropy of the turns of images ``(B, C, S, S)``, each in all four."""
        if x.ndim != 4 or x.shape[2] != x.shape[3]:
            raise ValueError(
                f"images must be square to be turned, got shape {tuple(x.shape[1:])}: crop them, or take other features"
            )
        turned = torch.cat([x.rot90(k, (2, 3)) for k in range(TURNS)])
        turns = torch.arange(TURNS, device=x.device).repeat_interleave(len(x))
        return F.cross_entropy(self.head(self.encoder(turned)), turns)
