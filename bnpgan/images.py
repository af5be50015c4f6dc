"""Images as training keeps them: bytes stay bytes, and a batch at a time is stretched to [-1, 1]."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from bnpgan.ranges import Range, numbers, recognised, stretched

__all__ = ["CHUNK", "Images", "Items", "Pixels", "images_of"]

CPU = torch.device("cpu")
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


@dataclass(frozen=True, eq=False)
class Items:
    """Images of a map-style dataset, which are fetched when they are asked for: for what exceeds memory.

    An item is an image ``(C, H, W)``, or a tuple that begins with one, and must be the same each time, so that a run
    can be resumed: augment in the GAN, not in the dataset. The range of the numbers is found from up to 1,024 items, as
    ``ranges.recognised`` has it; an image outside it is an error when it is fetched.

    Args:
        dataset: of items, with a length.
        workers: threads that fetch the images of a batch; 0: the thread that trains. Reading and decoding of files
            leave Python to other threads, so these are in parallel; what is computed in Python is not.
        device: where images go.

    Raises:
        ValueError: if there are no items, or they are no images.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> images = Items(TensorDataset(torch.arange(256).view(-1, 1, 1, 1).byte()))
        >>> images[torch.tensor([255, 0])].flatten()
        tensor([ 1., -1.])
    """

    dataset: Dataset[Any]
    workers: int = 0
    device: torch.device = CPU

    def __post_init__(self) -> None:
        if not len(self) or self.workers < 0:
            raise ValueError(f"x holds {len(self)} items for {self.workers} workers: pass some, and 0 workers or more")
        assert self.known  # what cannot be trained on is said at once

    @cached_property
    def shape(self) -> torch.Size:
        """``(N, C, H, W)``."""
        return torch.Size([len(self), *self._item(0).shape])

    @cached_property
    def known(self) -> Range:
        """The numbers that black and white have."""
        chosen = torch.linspace(0, len(self) - 1, min(CHUNK, len(self)), dtype=torch.float64).round().long()
        return recognised(self._fetched(chosen), "x")

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # a map-style dataset has one

    def __getitem__(self, index: Any, /) -> Tensor:
        x = self._fetched(torch.arange(len(self))[index.cpu() if isinstance(index, Tensor) else index])
        low, high = map(float, x.aminmax())
        if not self.known.holds(low, high):
            raise ValueError(f"x holds images that run from {low:.3g} to {high:.3g}, others lie in {self.known}: scale")
        return stretched(x.to(self.device), self.known)

    def to(self, device: torch.device) -> "Items":
        """The same for this device."""
        return replace(self, device=device)

    def _fetched(self, index: Tensor) -> Tensor:
        return torch.stack(list(self._map(self._item, index.tolist())))

    @cached_property
    def _map(self) -> Callable[..., Any]:
        return ThreadPoolExecutor(self.workers).map if self.workers else map

    def _item(self, i: int) -> Tensor:
        found = self.dataset[i]
        x = numbers(found[0] if isinstance(found, tuple | list) else found, f"x: item {i}")
        if x.ndim != 3:
            raise ValueError(f"x: item {i} has shape {tuple(x.shape)}: let the dataset give images (C, H, W)")
        return x


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
