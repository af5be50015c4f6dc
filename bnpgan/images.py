"""Images as training keeps them: bytes stay bytes, and a batch at a time is stretched to [-1, 1]."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from bnpgan.ranges import Range, recognised, stretched

__all__ = ["CHUNK", "Images", "Pixels", "images_of"]

CHUNK = 1024  # images that are stretched, or go through a network, at once where all are wanted


class Images(Protocol):
    """What training, features and reports read of the data: a tensor is this, and so is ``Pixels``."""

    @property
    def shape(self) -> torch.Size:
        """``(N, C, H, W)``, or ``(N, D)`` of points."""

    @property
    def device(self) -> torch.device:
        """Where batches are."""

    def __len__(self) -> int:
        """How many, N."""

    def __getitem__(self, index: Any, /) -> Tensor:
        """Those of an index, a tensor of whole numbers or a slice: float32, images in [-1, 1]."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Images as bytes, a quarter of the memory that their numbers take; an index gives what ``stretched`` would.

    Args:
        pixels: ``(N, C, H, W)``, uint8.
        known: the numbers that black and white have.

    Example:
        >>> images = Pixels(torch.tensor([[[[0, 255]]]], dtype=torch.uint8), Range(0, 255))
        >>> images[torch.tensor([0])]
        tensor([[[[-1.,  1.]]]])
    """

    pixels: Tensor
    known: Range

    @property
    def shape(self) -> torch.Size:
        """``(N, C, H, W)``."""
        return self.pixels.shape

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.pixels.device

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: Any, /) -> Tensor:
        return stretched(self.pixels[index], self.known)

    def to(self, device: torch.device) -> "Pixels":
        """The same on this device."""
        return replace(self, pixels=self.pixels.to(device))


def images_of(x: Tensor, name: str, usual: Range | None = None) -> tuple[Tensor | Pixels, Range]:
    """Images in any range as training keeps them, and the range: whole numbers as bytes, others stretched.

    Args:
        x: ``(N, C, H, W)``.
        name: what they are called in messages.
        usual: as for ``ranges.recognised``, which says what is refused.
    """
    known = recognised(x, name, usual)
    if x.is_floating_point() or known.low < 0:
        return stretched(x, known), known
    return Pixels(x.to(torch.uint8), known), known
