"""What was read of a set: its points or images, their classes, and what has to be said of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bnpgan.limits import check_memory
from bnpgan.ranges import recognised, stretched

__all__ = ["Data"]

SEED = 0  # of the images that a limit leaves: the same ones each time


@dataclass(frozen=True, eq=False)
class Data:
    """A set that was read.

    Attributes:
        x: points ``(N, D)``, or images ``(N, C, H, W)``: uint8 where they are stored as bytes, else float32 in [-1, 1].
        labels: the class of each, ``(N,)`` int64, or None.
        names: of the classes 0, 1, ..., or None.
        note: what has to be said beside every figure, such as what stands in for what; None where the name says it all.

    Example:
        >>> found = Data(torch.arange(4).view(4, 1, 1, 1).byte(), torch.tensor([0, 1, 2, 1]))
        >>> found.of_classes(2).some(2).labels
        tensor([0, 1])
    """

    x: Tensor
    labels: Tensor | None = None
    names: Sequence[str] | None = None
    note: str | None = None

    @property
    def signed(self) -> Tensor:
        """Points as they are, images as float32 in [-1, 1]."""
        if self.x.dtype != torch.uint8:
            return self.x
        check_memory(5.0 * self.x.numel(), f"{len(self.x)} images as numbers", "read fewer, or train on their bytes")
        return stretched(self.x, recognised(self.x, "x"))

    def of_classes(self, n: int) -> "Data":
        """Those of the first ``n`` classes.

        Raises:
            ValueError: If there are fewer, or none.
        """
        there = 0 if self.labels is None else int(self.labels.max()) + 1
        if not 1 <= n <= there:
            raise ValueError(f"classes must lie in 1 .. {there}, which the data have, got {n}: ask for some of them")
        assert self.labels is not None
        kept = self.only((self.labels < n).nonzero().flatten())
        return replace(kept, names=None if self.names is None else self.names[:n])

    def some(self, n: int) -> "Data":
        """So many of them, drawn without replacement: the same ones each time, in their order.

        Raises:
            ValueError: If ``n`` is below 1.
        """
        if n < 1:
            raise ValueError(f"limit must be at least 1, got {n}: pass e.g. 1000")
        generator = torch.Generator().manual_seed(SEED)
        return self.only(torch.randperm(len(self.x), generator=generator)[:n].sort().values)

    def resized(self, size: int) -> "Data":
        """Images of ``size`` x ``size`` pixels, by Lanczos' filter, as bytes.

        Raises:
            ValueError: If ``size`` is below 1, or images are no bytes.
        """
        if size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {size}: pass e.g. 32")
        if self.x.dtype != torch.uint8:
            raise ValueError("size has no effect: it is for images that are stored as bytes, 0 to 255")
        if self.x.shape[2:] == (size, size):
            return self
        made = np.empty((*self.x.shape[:2], size, size), np.uint8)
        for image, target in zip(self.x.numpy(), made, strict=True):
            for channel, place in zip(image, target, strict=True):
                place[:] = Image.fromarray(channel).resize((size, size), Image.Resampling.LANCZOS)
        return replace(self, x=torch.from_numpy(made))

    def held_out(self) -> tuple["Data", "Data"]:
        """All but a tenth, and that tenth: drawn without replacement, the same ones each time.

        Example:
            >>> rest, tenth = Data(torch.arange(20.0).view(20, 1)).held_out()
            >>> sorted(torch.cat([rest.x, tenth.x]).flatten().tolist()) == list(range(20)), len(tenth.x)
            (True, 2)
        """
        order = torch.randperm(len(self.x), generator=torch.Generator().manual_seed(SEED))
        tenth = len(order) // 10
        return self.only(order[tenth:]), self.only(order[:tenth])

    def only(self, index: Tensor) -> "Data":
        """Those of an index."""
        return replace(self, x=self.x[index], labels=None if self.labels is None else self.labels[index])
