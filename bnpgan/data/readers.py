"""Reads a person's own data, or a set by its name: arrays here, tables and folders of pictures next door."""

import math
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor

from bnpgan.data.folders import folder
from bnpgan.data.idx import fashion_mnist, mnist
from bnpgan.data.mixtures import anisotropic, moons, overlap, unequal
from bnpgan.data.packed import COMPRESSED, check_ratio
from bnpgan.data.parsing import check_size, file_of, images, labelled, points, readable
from bnpgan.data.sets import digits, grid, ring
from bnpgan.data.tables import TABLES, table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["address", "load"]

_SETS: dict[str | Path, Callable[[], tuple[Tensor, Tensor]]] = {
    "ring": partial(ring, 100_000),
    "grid": partial(grid, 100_000),
    "moons": partial(moons().sample, 10_000),
    "unequal": partial(unequal().sample, 10_000),
    "anisotropic": partial(anisotropic().sample, 10_000),
    "overlap": partial(overlap().sample, 10_000),
    "digits": digits,
}
_STORED: dict[str | Path, Callable[[str | Path | None], tuple[Tensor, Tensor]]] = {
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
}
_DATA, _LABELS = (
    ("images", "features", "x", "data"),
    ("labels", "label", "y"),
)  # arrays of an npz, the first that is there

_Read = tuple[Tensor, Tensor | None]


def load(source: "str | Path | pd.DataFrame", root: str | Path | None = None) -> _Read:
    """Reads a set by its name or by its path, or a data frame.

    - ``ring``, ``grid``: 100,000 points, the same ones each time; labels are modes.
    - ``moons``, ``unequal``, ``anisotropic``, ``overlap``: 10,000 points, likewise; labels are Gaussians.
    - ``digits``: scikit-learn's 8x8 grey images; labels are digits.
    - ``mnist``, ``fashion-mnist``: the 60,000 training images, 28x28; labels are classes.
    - ``.npy``: one array, without labels.
    - ``.npz``: ``images``, ``features``, ``x`` or ``data``, or the only array; labels: ``labels``, ``label`` or ``y``.
    - ``.csv``, ``.tsv``, compressed or not: points, one a line, without labels; see ``table``.
    - A folder of pictures; labels are its sub-folders, in natural order; see ``folder``.

    Arrays of rank 2 are points and stay as they are. Images have the shape ``(N, H, W)``, ``(N, C, H, W)`` or, with 1
    or 3 channels, ``(N, H, W, C)``, and numbers from 0 to 255, 0 to 1 or -1 to 1, up to a thousandth of that: anything
    else is an error. A path that is also a set's name is written ``./ring``.

    Args:
        source: A set's name, a path, or a data frame, see ``table``.
        root: The folder that holds ``mnist`` or ``fashion-mnist``, see ``mnist``; not read for other sources.

    Returns:
        Points ``(N, D)``, float64 where they came with more digits than float32 has, or images ``(N, C, H, W)``,
        float32 in [-1, 1], on the CPU; and labels ``(N,)`` int64 or None. The ambient generator is left as it was.

    Raises:
        ValueError: If nothing has that name, or what is there cannot be read or used; it says what to do.

    Example:
        >>> x, labels = load("grid")
        >>> x.shape
        torch.Size([100000, 2])
    """
    if not isinstance(source, str | Path):
        return table(source), None
    if source in _SETS:
        # `torch.manual_seed` would also seed the accelerators, which a fork of the CPU's generator does not restore.
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(0)
            return _SETS[source]()
    if source in _STORED:
        return _STORED[source](root)
    path = Path(source)
    if not path.exists():
        known = _names([*_SETS, *_STORED])
        raise ValueError(f"source {str(source)!r} is no file, folder or set: give a path or one of {known}")
    if path.is_dir():
        return folder(path)
    ending = _ending(path)
    if ending not in _READERS:
        raise ValueError(f"source {path}: cannot read {ending!r} files: save it as one of {_names(_READERS)}")
    return _READERS[ending](file_of(path))


def address(source: str | Path, root: str | Path | None = None) -> str:
    """What finds the same source again from everywhere: the name of a set, or a whole path."""
    return str(source) if source in _SETS or source in _STORED else str(Path(source).resolve())


def _names(known: Iterable[str | Path]) -> str:
    return ", ".join(sorted(map(str, known)))


def _ending(path: Path) -> str:
    # Without that of compression, which tables may have.
    packed = path.suffix.lower() in COMPRESSED and Path(path.stem).suffix.lower() in TABLES
    return Path(path.stem if packed else path).suffix.lower()


def _read(array: NDArray, labels: NDArray | None, path: Path) -> _Read:
    if array.size == 0:
        raise ValueError(f"source {path} is empty, shape {array.shape}: store at least one point or image")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"source {path}: holds {array.dtype}, not real numbers: save uint8 or float32")
    x = points(array, path) if array.ndim == 2 else images(_channels_first(array, path), path)
    return x, None if labels is None else labelled(labels, len(x), path)


def _channels_first(array: NDArray, path: Path) -> NDArray:
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4:
        raise ValueError(f"source {path}: has shape {array.shape}: store points (N, D) or images (N, C, H, W)")
    if array.shape[3] in (1, 3) and array.shape[1] not in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.shape[1] not in (1, 3) and array.shape[1] > array.shape[3]:
        raise ValueError(f"source {path}: shape {array.shape} looks like channels last: store images as (N, C, H, W)")
    return array


def _npy(path: Path) -> _Read:
    with readable(path, "write it with numpy.save, numbers only"), path.open("rb") as file:
        array = _array(file, path.stat().st_size)
    return _read(array, None, path)


def _npz(path: Path) -> _Read:
    with readable(path, "write it with numpy.savez(path, x=..., labels=...)"), zipfile.ZipFile(path) as stored:
        there = {name.removesuffix(".npy"): name for name in stored.namelist() if name.endswith(".npy")}
        rest = [key for key in there if key not in _LABELS]
        key = next((key for key in _DATA if key in rest), rest[0] if len(rest) == 1 else None)
        label = next((key for key in _LABELS if key in there), None)
        if key is None:
            raise ValueError(f"holds the arrays {sorted(there)}, and which one is the data is not clear")
        array, labels = (None if name is None else _member(stored, there[name]) for name in (key, label))
    assert array is not None
    return _read(array, labels, path)


def _member(stored: zipfile.ZipFile, name: str) -> NDArray:
    told = stored.getinfo(name)
    check_ratio(told.file_size, told.compress_size)
    with stored.open(name) as file:
        array = _array(file, told.file_size)
        file.read(1)  # the end, where the checksum is compared
        return array


def _array(file: IO[bytes], size: int) -> NDArray:
    # The array of a file of so many bytes; nothing is read, and no memory taken, before it is sure that they fit.
    version = npy.read_magic(file)
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise ValueError("Object arrays are no numbers, and may do harm")
    if any(side < 0 for side in shape):
        raise ValueError(f"its shape is {shape}")
    header, count = file.tell(), math.prod(shape)
    if count * dtype.itemsize != size - header:
        raise ValueError(f"holds {size - header} bytes for an array {dtype} of shape {shape}: it is damaged")
    check_size(count, f"an array of shape {shape}")
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)


_READERS: dict[str, Callable[[Path], _Read]] = {
    ".npy": _npy,
    ".npz": _npz,
    **{ending: lambda path: (table(path), None) for ending in TABLES},
}
