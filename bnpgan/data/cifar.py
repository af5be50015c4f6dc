"""CIFAR-10: its own binary batches, a lossy copy as JPEG files, or OpenML."""

import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bnpgan.data.found import Data
from bnpgan.data.npz import arrays
from bnpgan.data.openml import fetched
from bnpgan.data.parsing import check_size, file_of, readable

__all__ = ["NAMES", "batch", "cifar10"]

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LOSSY = "CIFAR-10 as a copy in JPEG files (lossy, not the original pixels): compare only with figures on the same copy"
_SIDE, _RECORD = 32, 1 + 3 * 32 * 32  # bytes of a record: the label, then red, green and blue, row by row
_BATCHES = {True: [f"data_batch_{i}.bin" for i in range(1, 6)], False: ["test_batch.bin"]}
_COPY = "cifar10_jpeg.npz"


def cifar10(root: Path | None, train: bool) -> Data:
    """Small colour images of ten kinds of things: 50,000 training images, or the 10,000 test images.

    Read from ``root/cifar10``, or ``root/cifar10/cifar-10-batches-bin``: the six files of the binary version; where
    they are not there, from ``cifar10_jpeg.npz``, a copy as JPEG files, and ``note`` says so. The Python version is a
    pickle, which is a program and no data, and is not read. Without a root, from OpenML.

    Raises:
        ValueError: If files are missing or damaged, or there is no root and nothing can be downloaded.

    References:
        Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    advice = "pass the folder of cifar10 as root (--data-root), or set BNPGAN_DATA"
    if root is None:
        pixels, labels = fetched("CIFAR_10", (60_000, _RECORD - 1), 10_000, train, advice)
        return _data(pixels, labels, "CIFAR-10 from OpenML")
    folder = root / "cifar10"
    for place in (folder, folder / "cifar-10-batches-bin"):
        files = [place / name for name in _BATCHES[train]]
        if all(file.exists() for file in files):
            batches = [batch(file) for file in files]
            return Data(
                torch.cat([each.x for each in batches]), torch.cat([_labels(each) for each in batches]), NAMES, None
            )
    if (folder / _COPY).exists():
        return _jpeg(folder / _COPY, train)
    raise ValueError(
        f"{folder} has neither {files[0].name} of CIFAR-10's binary version nor {_COPY}: put the six .bin files of "
        "cifar-10-binary.tar.gz there, or pass another root (--data-root)"
    )


def batch(path: Path) -> Data:
    """The records of one file of the binary version, however many.

    Raises:
        ValueError: If it does not consist of such records.
    """
    content = file_of(path).read_bytes()
    records = np.frombuffer(content, np.uint8)
    if not len(content) or len(content) % _RECORD or records[::_RECORD].max() >= len(NAMES):
        raise ValueError(
            f"source {path}: holds no records of CIFAR-10's binary version, {_RECORD} bytes each: "
            "put the original file there"
        )
    records = records.reshape(-1, _RECORD)
    return _data(records[:, 1:], records[:, 0], None)


def _data(pixels: NDArray, labels: NDArray, note: str | None) -> Data:
    x = torch.from_numpy(np.ascontiguousarray(pixels)).view(-1, 3, _SIDE, _SIDE)
    return Data(x, torch.from_numpy(labels.astype(np.int64)), NAMES, note)


def _labels(data: Data) -> torch.Tensor:
    assert data.labels is not None
    return data.labels


def _jpeg(path: Path, train: bool) -> Data:
    # One array of all files, end to end, and where each begins.
    with readable(path, "restore it"):
        stored = arrays(path, ("jpeg", "offset", "label", "split"))
        offset, jpeg = stored["offset"], stored["jpeg"].tobytes()
        wanted = np.flatnonzero(stored["split"] == (0 if train else 1))
        check_size(len(wanted) * (_RECORD - 1), f"{len(wanted)} images")
        pixels = np.empty((len(wanted), 3, _SIDE, _SIDE), np.uint8)
        for i, place in zip(wanted, pixels, strict=True):
            with Image.open(io.BytesIO(jpeg[offset[i] : offset[i + 1]]), formats=["JPEG"]) as image:
                if image.size != (_SIDE, _SIDE):
                    raise ValueError(f"image {i} is {image.width}x{image.height}")
                place[:] = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        return _data(pixels, stored["label"][wanted], LOSSY)
