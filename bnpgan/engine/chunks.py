"""How many rows are computed at a time, where all of them at once would not fit into the cache or the memory."""

import torch
from torch import Tensor

CACHED = 2**19  # bytes of a piece on a CPU that is read many times: it stays in the second-level cache of a core
HELD = 2**25  # bytes of a piece on a CPU that is read once or twice: larger ones save no time and take memory
ON_GPU = 2**30  # bytes of a piece on a GPU, which has tens of times that: launches take longer than smaller pieces do


def rows_at_once(width: int, like: Tensor, cached: bool = False, dtype: torch.dtype | None = None) -> int:
    """How many rows of numbers make a piece, at least 1.

    Args:
        width: numbers in a row.
        like: a tensor on the device of the rows, with numbers of their type.
        cached: whether a piece is read many times, and should therefore stay in the cache.
        dtype: the type of the numbers, where it is not that of ``like``.
    """
    held = ON_GPU if like.device.type != "cpu" else CACHED if cached else HELD
    return max(1, held // (width * (dtype or like.dtype).itemsize))
