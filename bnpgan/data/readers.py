"""Reads a person's own data, or a set by its name: arrays here, tables and folders of pictures next door."""

import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray
from torch import Tensor, default_generator, device, random

from bnpgan.data import cifar
from bnpgan.data.folders import of_folder
from bnpgan.data.found import Data
from bnpgan.data.idx import CLOTHES, stored
from bnpgan.data.mixed import catdog, hybrid, stacked_mnist
from bnpgan.data.mixtures import anisotropic, moons, overlap, unequal
from bnpgan.data.npz import array, member
from bnpgan.data.packed import COMPRESSED
from bnpgan.data.parsing import file_of, images, labelled, points, readable
from bnpgan.data.sets import digits, grid, ring
from bnpgan.data.tables import TABLES, table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STORED", "TESTED", "address", "load", "read"]

_SETS: dict[str | Path, Callable[[], tuple[Tensor, Tensor]]] = {
    "ring": partial(ring, 100_000),
    "grid": partial(grid, 100_000),
    "moons": partial(moons().sample, 10_000),
    "unequal": partial(unequal().sample, 10_000),
    "anisotropic": partial(anisotropic().sample, 10_000),
    "overlap": partial(overlap().sample, 10_000),
    "digits": digits,
}
STORED: dict[str, Callable[[Path | None, bool], Data]] = {
    "mnist": lambda root, train: Data(*stored("mnist", root, train)),
    "fashion-mnist": lambda root, train: Data(*stored("fashion-mnist", root, train), CLOTHES),
    "cifar10": cifar.cifar10,
    "stacked-mnist": stacked_mnist,
    "hybrid": hybrid,
    "catdog": catdog,
}
"""Sets of images that are read from a root folder, by name: of the folder, and whether training images are meant."""
TESTED = ("mnist", "fashion-mnist", "cifar10", "stacked-mnist")
"""Those that have test images."""
_DATA, _LABELS = (
    ("images", "features", "x", "data"),
    ("labels", "label", "y"),
)  # arrays of an npz, the first that is there


def load(source: "str | Path | pd.DataFrame", root: str | Path | None = None) -> tuple[Tensor, Tensor | None]:
    """Reads a set by its name or by its path, or a data frame.

    - ``ring``, ``grid``: 100,000 points, the same ones each time; labels are modes.
    - ``moons``, ``unequal``, ``anisotropic``, ``overlap``: 10,000 points, likewise; labels are Gaussians.
    - ``digits``: scikit-learn's 8x8 grey images; labels are digits.
    - ``mnist``, ``fashion-mnist``: the 60,000 training images, 28x28; ``cifar10``: 50,000, 32x32; labels are classes.
    - ``stacked-mnist``, ``hybrid``, ``catdog``: the papers' sets that are made from others.
    - ``.npy``: one array, without labels.
    - ``.npz``: ``images``, ``features``, ``x`` or ``data``, or the only array; labels: ``labels``, ``label`` or ``y``.
    - ``.csv``, ``.tsv``, compressed or not: points, one a line, without labels; see ``table``.
    - ``.bin``: records of CIFAR-10's binary version.
    - A folder of pictures; labels are its sub-folders, in natural order; see ``folder``.

    Arrays of rank 2 are points and stay as they are. Images have the shape ``(N, H, W)``, ``(N, C, H, W)`` or, with 1
    or 3 channels, ``(N, H, W, C)``, and numbers from 0 to 255, 0 to 1 or -1 to 1, up to a thousandth of that: anything
    else is an error. A path that is also a set's name is written ``./ring``.

    Args:
        source: A set's name, a path, or a data frame, see ``table``.
        root: The folder that holds the sets of images that have names, each in a folder of its own, see ``mnist``; if
            None, the environment variable ``BNPGAN_DATA``, if it is set; not read for other sources.

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
    found = read(source, root)
    return found.signed, found.labels


def read(
    source: "str | Path | pd.DataFrame",
    root: str | Path | None = None,
    *,
    train: bool = True,
    classes: int | None = None,
    limit: int | None = None,
    size: int | None = None,
    crop: Literal["center"] | None = None,
    mirror: bool = False,
    columns: Sequence[Any] | None = None,
    index: Any = None,
    header: bool | None = None,
) -> Data:
    """Reads what ``load`` reads, leaves images that are stored as bytes as bytes, and says what is known of the set.

    ``train`` takes bytes as they are, in a quarter of the memory.

    Args:
        source: as for ``load``.
        root: as for ``load``.
        train: of sets of images that have a name: the training images, or the test images.
        classes: only the first so many classes, such as MIC-GAN's 4, 7 and 10 of ``cifar10``.
        limit: only so many, drawn at random, the same ones each time.
        size: resize images to ``size`` x ``size`` pixels.
        crop: of a folder of pictures, as for ``folder``.
        mirror: likewise.
        columns: of a table, as for ``table``.
        index: likewise.
        header: likewise.

    Raises:
        ValueError: If something cannot be read, or an argument has no effect on such a source.

    Example:
        >>> read("digits", classes=2, limit=100).labels.unique()
        tensor([0, 1])
    """
    asked = {"size": size, "crop": crop, "mirror": mirror or None}
    of_tables = {"columns": columns, "index": index, "header": header}
    path = None if not isinstance(source, str | Path) or source in _SETS or source in STORED else Path(source)
    is_folder, is_table = path is not None and path.is_dir(), not isinstance(source, str | Path)
    if path is not None and path.is_file():
        asked_for = any(value is not None for value in of_tables.values())  # of what may well be text, such as .txt
        is_table = _ending(path) in TABLES or (asked_for and _ending(path) not in _READERS)
    if not is_folder:
        asked.pop("size")
        _refuse(asked, "folders of pictures", source)
    if not is_table:
        _refuse(of_tables, "tables", source)
    if not train and source not in TESTED:
        raise ValueError(f"train has no effect: {source} has no test images that are known, leave it out")
    if is_folder:
        assert path is not None
        found = of_folder(path, size, crop, mirror)
    elif is_table:
        found = Data(table(source, columns, index, header))
    else:
        found = _found(source, root, train)
        if size is not None and found.x.ndim == 2:
            _refuse({"size": size}, "images", source)
        found = found if size is None else found.resized(size)
    found = found if classes is None else found.of_classes(classes)
    return found if limit is None else found.some(limit)


def _refuse(given: dict[str, Any], kind: str, source: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} has no effect: it is for {kind}, which {source} is not")


def _found(source: Any, root: str | Path | None, train: bool) -> Data:
    if source in _SETS:
        # `torch.manual_seed` would also seed the accelerators, which a fork of the CPU's generator does not restore.
        with random.fork_rng(devices=[]), device("cpu"):
            default_generator.manual_seed(0)
            return Data(*_SETS[source]())
    if source in STORED:
        root = root or os.environ.get("BNPGAN_DATA")
        return STORED[source](None if root is None else Path(root), train)
    path = Path(source)
    if not path.exists():
        known = _names([*_SETS, *STORED])
        raise ValueError(f"source {str(source)!r} is no file, folder or set: give a path or one of {known}")
    ending = _ending(path)
    if ending not in _READERS:
        raise ValueError(f"source {path}: cannot read {ending!r} files: save it as one of {_names(_READERS)}")
    return _READERS[ending](file_of(path))


def address(source: str | Path, root: str | Path | None = None) -> str:
    """What finds the same source again from everywhere: the name of a set, or a whole path."""
    return str(source) if source in _SETS or source in STORED else str(Path(source).resolve())


def _names(known: Iterable[str | Path]) -> str:
    return ", ".join(sorted(map(str, known)))


def _ending(path: Path) -> str:
    # Without that of compression, which tables may have.
    packed = path.suffix.lower() in COMPRESSED and Path(path.stem).suffix.lower() in TABLES
    return Path(path.stem if packed else path).suffix.lower()


def _read(stored: NDArray, labels: NDArray | None, path: Path) -> Data:
    if stored.size == 0:
        raise ValueError(f"source {path} is empty, shape {stored.shape}: store at least one point or image")
    if stored.dtype.kind not in "biuf":
        raise ValueError(f"source {path}: holds {stored.dtype}, not real numbers: save uint8 or float32")
    x = points(stored, path) if stored.ndim == 2 else images(_channels_first(stored, path), path)
    return Data(x, None if labels is None else labelled(labels, len(x), path))


def _channels_first(x: NDArray, path: Path) -> NDArray:
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4:
        raise ValueError(f"source {path}: has shape {x.shape}: store points (N, D) or images (N, C, H, W)")
    if x.shape[3] in (1, 3) and x.shape[1] not in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.shape[1] not in (1, 3) and x.shape[1] > x.shape[3]:
        raise ValueError(f"source {path}: shape {x.shape} looks like channels last: store images as (N, C, H, W)")
    return x


def _npy(path: Path) -> Data:
    with readable(path, "write it with numpy.save, numbers only"), path.open("rb") as file:
        found = array(file, path.stat().st_size)
    return _read(found, None, path)


def _npz(path: Path) -> Data:
    with readable(path, "write it with numpy.savez(path, x=..., labels=...)"), zipfile.ZipFile(path) as stored:
        there = {name.removesuffix(".npy"): name for name in stored.namelist() if name.endswith(".npy")}
        rest = [key for key in there if key not in _LABELS]
        key = next((key for key in _DATA if key in rest), rest[0] if len(rest) == 1 else None)
        label = next((key for key in _LABELS if key in there), None)
        if key is None:
            raise ValueError(f"holds the arrays {sorted(there)}, and which one is the data is not clear")
        found, labels = (None if name is None else member(stored, there[name]) for name in (key, label))
    assert found is not None
    return _read(found, labels, path)


_READERS: dict[str, Callable[[Path], Data]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".bin": cifar.batch,
    **{ending: lambda path: Data(table(path)) for ending in TABLES},
}
