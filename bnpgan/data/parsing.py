"""What all readers share: foreign files are held in bounds, their arrays checked once, here."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bnpgan.limits import check_memory
from bnpgan.ranges import numbers, recognised, stretched

__all__ = ["check_size", "file_of", "images", "labelled", "points", "readable"]

TOO_LARGE = 1e150  # squares of larger numbers overflow


@contextmanager
def readable(path: Path, advice: str) -> Iterator[None]:
    """Whatever a parser of a foreign file raises means that the file is not what it says."""
    try:
        yield
    except Exception as error:
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"source {path}: {told}: {advice}") from error


def file_of(path: Path) -> Path:
    """The path, once it is sure that it is a file; a pipe or a device might never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"source {path} is neither a file nor a folder, but a pipe or a device: save it as a file")
    return path


def check_size(count: int, what: str) -> None:
    """Raise a ``ValueError`` if so many numbers, and what is made of them, do not fit into memory."""
    check_memory(8.0 * count, what, "take fewer, or a larger machine", share=0.5)


def points(array: NDArray, path: Path) -> Tensor:
    """Points ``(N, D)``: float64 where they came with more digits than float32 has, else float32."""
    small = array.dtype.kind == "b" or array.itemsize < 4 or array.dtype.newbyteorder("=") == np.float32
    with np.errstate(over="ignore"):
        x = numbers(array, f"source {path}").to(torch.float32 if small else torch.float64)
    if not x.isfinite().all() or x.abs().max() > TOO_LARGE:
        raise ValueError(f"source {path}: holds NaN, infinite or too large values: drop or fill those rows")
    return x


def images(array: NDArray, path: Path) -> Tensor:
    """Images ``(N, C, H, W)`` in any range that is recognised: bytes as they are, other numbers in [-1, 1]."""
    x = numbers(array, f"source {path}")
    if x.is_floating_point() and not x.isfinite().all():
        raise ValueError(f"source {path}: holds NaN, infinite or too large values: drop or fill those rows")
    known = recognised(x, f"source {path}")
    return x if x.dtype == torch.uint8 else stretched(x, known)


def labelled(labels: NDArray, n: int, path: Path) -> Tensor:
    """Labels ``(N,)`` int64."""
    if labels.dtype.kind not in "iu" or labels.shape != (n,):
        raise ValueError(
            f"source {path}: labels are {labels.dtype} of shape {labels.shape}: store one integer for each of {n} rows"
        )
    return torch.from_numpy(labels.astype(np.int64))
