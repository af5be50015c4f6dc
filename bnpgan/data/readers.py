"""Reads a person's own data: arrays, tables and folders of images, each checked once, here."""

import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bnpgan.data.idx import fashion_mnist, mnist
from bnpgan.data.mixtures import anisotropic, moons, overlap, unequal
from bnpgan.data.sets import digits, grid, ring

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
_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
_UNREADABLE = (OSError, ValueError, EOFError, SyntaxError, zipfile.BadZipFile)  # SyntaxError: Pillow's for a broken PNG

_Raw = tuple[NDArray, NDArray | None]


def load(source: str | Path, root: str | Path | None = None) -> tuple[Tensor, Tensor | None]:
    """Reads a set by its name or by its path.

    - ``ring``, ``grid``: 100,000 points, the same ones each time; labels are modes.
    - ``moons``, ``unequal``, ``anisotropic``, ``overlap``: 10,000 points, likewise; labels are Gaussians.
    - ``digits``: scikit-learn's 8x8 grey images; labels are digits.
    - ``mnist``, ``fashion-mnist``: the 60,000 training images, 28x28; labels are classes.
    - ``.npy``: one array, without labels.
    - ``.npz``: ``images``, ``features``, ``x`` or ``data``, or the only array; labels: ``labels``, ``label`` or ``y``.
    - ``.csv``: points, one a line, without labels; a header line is skipped.
    - A folder of png, jpg, bmp or webp images of one size, grey only if all are; labels are its sub-folders, by name.

    Arrays of rank 2 are points and stay as they are. Images are uint8, or floats in [-1, 1] or [0, 1], in the shape
    ``(N, H, W)``, ``(N, C, H, W)`` or, with 1 or 3 channels, ``(N, H, W, C)``. A path that is also a set's name is
    written ``./ring``.

    Args:
        source: A set's name, or a path.
        root: The folder that holds ``mnist`` or ``fashion-mnist``, see ``mnist``; not read for other sources.

    Returns:
        Points ``(N, D)`` or images ``(N, C, H, W)`` in [-1, 1], float32 on the CPU, and labels ``(N,)`` int64 or None.
        The ambient generator is left as it was.

    Raises:
        ValueError: If nothing has that name, or what is there cannot be read or used; it says what to do.

    Example:
        >>> x, labels = load("grid")
        >>> x.shape
        torch.Size([100000, 2])
    """
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
    reader = _folder if path.is_dir() else _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"source {path}: cannot read {path.suffix!r} files: save it as one of {_names(_READERS)}")
    array, labels = reader(path)
    if array.size == 0:
        raise ValueError(f"source {path} is empty, shape {array.shape}: store at least one point or image")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"source {path}: holds {array.dtype}, not real numbers: save uint8 or float32")
    x = _points(array, path) if array.ndim == 2 else _images(array, path)
    return x, None if labels is None else _labels(labels, len(x), path)


def _names(known: Iterable[str | Path]) -> str:
    return ", ".join(sorted(map(str, known)))


def _points(array: NDArray, path: Path) -> Tensor:
    with np.errstate(over="ignore"):
        x = torch.from_numpy(array.astype(np.float32))
    if not x.isfinite().all():
        raise ValueError(f"source {path}: holds NaN, infinite or too large values: drop or fill those rows")
    return x


def _images(array: NDArray, path: Path) -> Tensor:
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4:
        raise ValueError(f"source {path}: has shape {array.shape}: store points (N, D) or images (N, C, H, W)")
    if array.shape[3] in (1, 3) and array.shape[1] not in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.shape[1] not in (1, 3) and array.shape[1] > array.shape[3]:
        raise ValueError(f"source {path}: shape {array.shape} looks like channels last: store images as (N, C, H, W)")
    if array.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(array)).float().div_(127.5).sub_(1)
    if array.dtype.kind != "f":
        raise ValueError(f"source {path}: holds {array.dtype} images: store 0..255 as uint8 or floats in [-1, 1]")
    x = _points(array, path).contiguous()
    low, high = x.aminmax()
    if low < -1 or high > 1:
        raise ValueError(
            f"source {path}: its values run from {low:.3g} to {high:.3g}: scale images to [-1, 1], or store uint8"
        )
    return x if low < 0 else x.mul_(2).sub_(1)


def _labels(labels: NDArray, n: int, path: Path) -> Tensor:
    if labels.dtype.kind not in "iu" or labels.shape != (n,):
        raise ValueError(
            f"source {path}: labels are {labels.dtype} of shape {labels.shape}: store one integer for each of {n} rows"
        )
    return torch.from_numpy(labels.astype(np.int64))


def _npy(path: Path) -> _Raw:
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False), None
    except _UNREADABLE as error:
        raise ValueError(f"source {path}: {error}: write it with numpy.save, numbers only") from error


def _npz(path: Path) -> _Raw:
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as stored:
            label = next((key for key in ("labels", "label", "y") if key in stored), None)
            rest = [key for key in stored if key not in ("labels", "label", "y")]
            key = next((key for key in ("images", "features", "x", "data") if key in rest), None)
            if key is None and len(rest) == 1:
                key = rest[0]
            if key is None:
                raise ValueError(f"holds the arrays {sorted(stored)}, and which one is the data is not clear")
            return stored[key], None if label is None else stored[label]
    except _UNREADABLE as error:
        raise ValueError(f"source {path}: {error}: write it with numpy.savez(path, x=..., labels=...)") from error


def _csv(path: Path) -> _Raw:
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a byte-order mark before the first cell
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        header = bool(lines) and not any(_is_number(cell) for cell in lines[0].split(","))
        rows = lines[header:]
        return np.loadtxt(rows, delimiter=",", comments=None, ndmin=2) if rows else np.empty((0, 0)), None
    except _UNREADABLE as error:
        raise ValueError(f"source {path}: {error}: write numbers separated by commas, as many on every line") from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _folder(path: Path) -> _Raw:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _IMAGES)
    if not files:
        raise ValueError(f"source {path}: holds no image: put {_names(_IMAGES)} files in it")
    parents = [file.relative_to(path).parts[0] if file.parent != path else "" for file in files]
    names = sorted(set(parents))
    if "" in names and len(names) > 1:
        raise ValueError(f"source {path}: has images beside sub-folders: put every image in a sub-folder, or none")
    pictures = [_picture(file) for file in files]
    for file, picture in zip(files, pictures, strict=True):
        if picture.shape[:2] != pictures[0].shape[:2]:
            (h, w), (h0, w0) = picture.shape[:2], pictures[0].shape[:2]
            raise ValueError(f"source {file}: is {w}x{h}, but {files[0].name} is {w0}x{h0}: resize all to one size")
    if any(picture.ndim == 3 for picture in pictures):
        pictures = [np.broadcast_to(p if p.ndim == 3 else p[..., None], (*p.shape[:2], 3)) for p in pictures]
    labels = None if names == [""] else np.array([names.index(parent) for parent in parents])
    return np.stack(pictures), labels


def _picture(file: Path) -> NDArray:
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"has more than 8 bits a channel (Pillow's mode {image.mode})")
            return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
    except _UNREADABLE as error:
        raise ValueError(f"source {file}: {error}: save it again as an 8-bit picture, or remove it") from error


_READERS: dict[str, Callable[[Path], _Raw]] = {".npy": _npy, ".npz": _npz, ".csv": _csv}
