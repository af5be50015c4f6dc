"""One rule for the numbers of images: what is 0..255, 0..1 or -1..1 is recognised, anything else is an error."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Range", "numbers", "recognised", "stretched"]

TOLERANCE = 1e-3  # of the width of a range: what resizing and rounding leave outside is taken for its end
OVERSHOT = 0.1  # what of 0..1 resizing may leave below 0: numbers of -1..1 reach lower
DARK = 64  # floats of 0..255 whose largest is below this are more likely to be on a scale that nobody named


@dataclass(frozen=True)
class Range:
    """The numbers that black and white have."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"

    def holds(self, low: float, high: float) -> bool:
        """Whether these lie inside, up to a thousandth of the width."""
        slack = TOLERANCE * (self.high - self.low)
        return self.low - slack <= low and high <= self.high + slack


SIGNED, UNIT, BYTES = Range(-1, 1), Range(0, 1), Range(0, 255)
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)  # of which torch knows little
RANGES = (UNIT, SIGNED, BYTES)


def numbers(x: Any, name: str) -> Tensor:
    """A tensor of real numbers from a tensor, an array, a data frame or lists of numbers.

    Raises:
        ValueError: if it holds something else.
    """
    if not isinstance(x, Tensor):
        array = np.asarray(x)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} holds {array.dtype}, not real numbers: choose the columns that are numbers")
        native = array.dtype.newbyteorder("=") if array.itemsize <= 8 else np.dtype(np.float64)
        x = torch.from_numpy(np.ascontiguousarray(array, native))
    if x.is_complex():
        raise ValueError(f"{name} holds {x.dtype}, not real numbers: pass e.g. their absolute values")
    return x.to(torch.int64) if x.dtype in UNSIGNED else x


def noted(x: Tensor) -> Tensor:
    """The same images, noted as of -1..1, so that nobody has to recognise that again."""
    x.signed = True  # type: ignore[attr-defined]
    return x


def recognised(x: Tensor, name: str, usual: Range | None = None) -> Range:
    """The range of images ``(N, C, H, W)``.

    Whole numbers of eight bits are 0..255, unless all are 0 or 1 as in masks, which are 0..1. Other numbers are 0..1 if
    they lie there, -1..1 if they lie there and some are below -0.1, and 0..255 if they do and some are 64 or more.

    Args:
        x: the images.
        name: what they are called in messages.
        usual: the range of those that were seen before: these are of the same, where they fit.

    Raises:
        ValueError: if there are none, they are not finite, lie in no range, or nobody can tell in which.
    """
    if not x.numel():
        raise ValueError(f"{name} holds no images, its shape is {tuple(x.shape)}: pass at least one")
    if getattr(x, "signed", False):
        return SIGNED
    low, high = (float(end) for end in x.to(torch.uint8 if x.dtype == torch.bool else x.dtype).aminmax())
    if not math.isfinite(high - low):
        raise ValueError(f"{name} must be finite, got NaN or infinite values: drop or repair such images")
    if x.dtype == torch.uint8 and (high > 1 or usual == BYTES):
        return BYTES
    if usual == SIGNED and x.is_floating_point() and UNIT.holds(low, high) and low < 1:
        raise ValueError(
            f"{name} lies in 0..1, where images of -1..1 may lie too: pass 2 * x - 1 if it is 0..1, "
            "else these images together with darker ones"
        )
    black = usual == BYTES and x.is_floating_point() and high <= 1
    if usual is not None and usual.holds(low, high) and not black:
        return usual
    for known in RANGES:
        if known.holds(low, high) and (known != BYTES or high >= DARK) and (known != SIGNED or low <= -OVERSHOT):
            return known
    raise ValueError(
        f"{name}: its values run from {low:.3g} to {high:.3g}, which is not clearly one of 0..255, 0..1 and -1..1: "
        "scale images to [0, 1], or store 0..255 as uint8"
    )


def stretched(x: Tensor, known: Range) -> Tensor:
    """Images in a range as float32 in [-1, 1]."""
    x = x.to(x.dtype if x.dtype == torch.float64 else torch.float32)
    if known != SIGNED:
        x = x.div((known.high - known.low) / 2).sub_(1)
    return noted(x.clamp(-1, 1).to(torch.float32))
