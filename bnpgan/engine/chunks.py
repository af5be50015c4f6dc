"""How many points are taken at a time, wherever numbers of all of them would be too many: one rule."""

import torch
from torch import Tensor

CACHED = 2**19  # bytes on a CPU of what is gone over again and again: they stay in the second-level cache of a core
HELD = 2**25  # bytes on a CPU of what is gone over once or twice: more save no time, and take memory
ON_GPU = 2**30  # bytes on a GPU, which has tens of times that: with less, launches take longer than the work


def rows_at_once(width: int, like: Tensor, cached: bool = False, dtype: torch.dtype | None = None) -> int:
    """How many rows of numbers are held at once, at least 1.

    Args:
        width: numbers in a row.
        like: a tensor on the device where they are held, of the type of the numbers.
        cached: whether they are gone over again and again, so that they should stay in a cache.
        dtype: their type, if it is another.
    """
    held = ON_GPU if like.device.type != "cpu" else CACHED if cached else HELD
    return max(1, held // (width * (dtype or like.dtype).itemsize))
