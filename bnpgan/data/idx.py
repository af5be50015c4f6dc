"""MNIST and Fashion-MNIST, from their own IDX files or, where there are none, from OpenML by way of scikit-learn."""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bnpgan.data.openml import fetched
from bnpgan.ranges import BYTES, stretched

CLOTHES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_SIDE = 28
_MOST = 2**30  # bytes; the original files have 47 million
_OPENML = {"mnist": "mnist_784", "fashion-mnist": "Fashion-MNIST"}


def mnist(root: str | Path | None = None, train: bool = True) -> tuple[Tensor, Tensor]:
    """Handwritten digits: 60,000 training images, or the 10,000 test images.

    Read from ``root/mnist``, where the four files have their standard names, ``train-images-idx3-ubyte`` and so on, as
    they are or with ``.gz``. Without a root, from OpenML by way of scikit-learn, which keeps what it has downloaded.

    Args:
        root: The folder that holds ``mnist``; if None, the environment variable ``BNPGAN_DATA``, if it is set.
        train: The training images, or the test images.

    Returns:
        Images ``(N, 1, 28, 28)``, float32 in [-1, 1], and the digit of each, ``(N,)`` int64.

    Raises:
        ValueError: If a file is missing or damaged, or there is no root and nothing can be downloaded.

    Example:
        >>> x, labels = mnist("/data", train=False)  # doctest: +SKIP
        >>> x.shape  # doctest: +SKIP
        torch.Size([10000, 1, 28, 28])

    References:
        Gradient-Based Learning Applied to Document Recognition, 1998, section III-A.
    """
    return _signed(*stored("mnist", root, train))


def fashion_mnist(root: str | Path | None = None, train: bool = True) -> tuple[Tensor, Tensor]:
    """Clothes and shoes in ten kinds: 60,000 training images, or the 10,000 test images.

    Read from ``root/fashion-mnist`` or else from OpenML, as ``mnist`` is.

    Args:
        root: The folder that holds ``fashion-mnist``; if None, the environment variable ``BNPGAN_DATA``, if it is set.
        train: The training images, or the test images.

    Returns:
        Images ``(N, 1, 28, 28)``, float32 in [-1, 1], and the kind of each, ``(N,)`` int64: 0 T-shirt, 1 trousers,
        2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    Raises:
        ValueError: If a file is missing or damaged, or there is no root and nothing can be downloaded.

    Example:
        >>> x, labels = fashion_mnist("/data")  # doctest: +SKIP
        >>> x.shape  # doctest: +SKIP
        torch.Size([60000, 1, 28, 28])

    References:
        Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017.
    """
    return _signed(*stored("fashion-mnist", root, train))


def stored(name: str, root: str | Path | None, train: bool) -> tuple[Tensor, Tensor]:
    """Images ``(N, 1, 28, 28)`` of ``mnist`` or ``fashion-mnist`` as bytes, and the class of each, ``(N,)`` int64."""
    root = root or os.environ.get("BNPGAN_DATA")
    if root:
        images, labels = _files(Path(root) / name, train)
    else:
        advice = "pass the folder of its IDX files as root (--data-root), or set BNPGAN_DATA"
        images, labels = fetched(_OPENML[name], (70_000, _SIDE * _SIDE), 10_000, train, advice)
    return torch.from_numpy(images.copy()).view(-1, 1, _SIDE, _SIDE), torch.from_numpy(labels.astype(np.int64))


def _signed(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    return stretched(images, BYTES), labels


def _files(folder: Path, train: bool) -> tuple[NDArray, NDArray]:
    split = "train" if train else "t10k"
    path, images = _idx(folder / f"{split}-images-idx3-ubyte", rank=3)
    if images.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(f"{path}: holds images of {images.shape[1:]} pixels, not 28x28: put the original file there")
    path, labels = _idx(folder / f"{split}-labels-idx1-ubyte", rank=1)
    if len(labels) != len(images):
        raise ValueError(f"{path}: holds {len(labels)} labels of {len(images)} images: put the files of one set there")
    return images, labels


def _idx(path: Path, rank: int) -> tuple[Path, NDArray]:
    # Big-endian: two zero bytes, 8 for uint8, the rank; that many sizes; then the values, the last axis fastest.
    if not path.exists():
        path = path.with_name(f"{path.name}.gz")
        if not path.exists():
            raise ValueError(f"{path} is missing: put it there, compressed or not, or pass another root (--data-root)")
    if not path.is_file():
        raise ValueError(f"{path} is no file, but a folder, a pipe or a device: put the original file there")
    start = 4 * (1 + rank)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            magic, *sizes = struct.unpack(f">{1 + rank}I", file.read(start).ljust(start, b"\0"))
            content = file.read(min(math.prod(sizes), _MOST) + 1000)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: {error}: it is damaged, put the original file there") from error
    if magic != 0x0800 + rank:
        raise ValueError(f"{path}: starts with {magic:#010x}, not {0x0800 + rank:#010x}: put the original file there")
    if len(content) != math.prod(sizes):
        raise ValueError(
            f"{path}: holds {len(content)} bytes for an array of {sizes}: it is damaged, put the original file there"
        )
    return path, np.frombuffer(content, dtype=np.uint8).reshape(sizes)
