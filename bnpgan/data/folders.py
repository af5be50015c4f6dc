"""Folders of pictures: their sub-folders are classes."""

import os
import re
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from bnpgan.data.found import Data
from bnpgan.data.parsing import images, labelled, readable
from bnpgan.limits import check_memory
from bnpgan.whole import check_whole

__all__ = ["class_names", "folder", "of_folder"]

FORMATS = (  # of Pillow that are one picture of pixels: not documents, drawings, or what it only knows the name of
    *("AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FLI", "FTEX", "GBR", "GIF", "ICNS", "ICO", "IM", "JPEG"),
    *("JPEG2000", "MPO", "MSP", "PCD", "PCX", "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA"),
    *("TIFF", "WEBP", "XBM", "XPM"),
)
BACKGROUND = 255  # white: what transparent pixels are laid on
LARGEST = 89_478_485  # pixels of one picture, as Pillow warns of more


def folder(
    path: str | Path, size: int | None = None, crop: Literal["center"] | None = None, mirror: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Reads a folder of pictures.

    Pictures are those of every format of pixels that Pillow reads, turned as their EXIF orientation says, transparent
    pixels laid on white, the first one of an animation. They are grey only if all are. Files and folders that are
    hidden (``.name``, ``@name``, ``__MACOSX``) are passed over, links are followed, and what is no picture is named in
    a warning.

    Args:
        path: the folder; its sub-folders, where it has some, are the classes, in natural order: 2 before 10.
        size: resize pictures to ``size`` x ``size`` pixels; ``None``: they must be of one size.
        crop: ``"center"``: first cut out the middle square; ``None``: width and height are scaled each by its own.
        mirror: append all pictures once more, left and right swapped.

    Returns:
        Images ``(N, C, H, W)``, float32 in [-1, 1], and the class of each, ``(N,)`` int64, or None; see
        ``class_names``.

    Raises:
        ValueError: If there are no pictures, one cannot be read or has more than 8 bits a channel, sizes differ, or
            they do not fit into memory.

    Example:
        >>> x, labels = folder("photos/", size=64, crop="center", mirror=True)  # doctest: +SKIP
    """
    found = of_folder(Path(path), size, crop, mirror)
    return found.signed, found.labels


def of_folder(path: Path, size: int | None = None, crop: Literal["center"] | None = None, mirror: bool = False) -> Data:
    """What ``folder`` reads, its images as bytes."""
    size = None if size is None else check_whole("size", size, 1, "pass the pixels of a side, e.g. 64")
    if crop not in (None, "center"):
        raise ValueError(f"crop must be 'center' or None, got {crop!r}")
    if not path.is_dir():
        raise ValueError(f"source {path} is no folder: name one that holds pictures")
    files, names = _classes(path)
    flat = [(file, k) for k, name in enumerate(names) for file in files[name]]
    pictures = _pictures([file for file, _ in flat], size, crop)
    labels = None if names == [""] else np.array([k for _, k in flat])
    if mirror:
        pictures = np.concatenate([pictures, pictures[..., ::-1]])
        labels = None if labels is None else np.concatenate([labels, labels])
    x = images(pictures, path)
    return Data(x, None if labels is None else labelled(labels, len(x), path), None if names == [""] else names)


def class_names(source: str | Path) -> list[str] | None:
    """The names of the classes of a folder, in the order of their labels; None where there are none.

    Example:
        >>> class_names("photos/")  # doctest: +SKIP
        ['ape', 'bee']
    """
    path = Path(source)
    if not path.is_dir():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever reads the folder is told
        _, names = _classes(path)
    return None if names == [""] else names


def _classes(path: Path) -> tuple[dict[str, list[Path]], list[str]]:
    Image.init()
    known = {ending for ending, name in Image.EXTENSION.items() if name in FORMATS}
    found: dict[str, list[Path]] = {}
    left_out = []
    for file in _walk(path):
        try:
            whole = stat.S_ISREG(file.stat().st_mode)
        except OSError:  # a link to nothing
            whole = False
        if whole and file.suffix.lower() in known:
            parts = file.relative_to(path).parts
            found.setdefault(parts[0] if len(parts) > 1 else "", []).append(file)
        else:
            left_out.append(str(file.relative_to(path)))
    if left_out:
        more = f" and {len(left_out) - 4} more" if len(left_out) > 4 else ""
        what = "which is no picture" if len(left_out) == 1 else "which are no pictures"
        warnings.warn(
            f"source {path}: left out {', '.join(left_out[:4])}{more}, {what} that Pillow reads", stacklevel=4
        )
    if not found:
        raise ValueError(f"source {path}: holds no image: put .jpg, .png, .tif or other pictures in it")
    if "" in found and len(found) > 1:
        raise ValueError(f"source {path}: has images beside sub-folders: put every image in a sub-folder, or none")
    return found, sorted(found, key=natural)


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """A key that sorts names as people do: 2 before 10, capitals beside small letters."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if i % 2 else (-1, part.casefold()) for i, part in enumerate(parts)], name


def _walk(path: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    # All files, in natural order; a folder that leads back into itself is entered once.
    real = os.path.realpath(path)
    if real in above:
        return
    for name in sorted(os.listdir(path), key=natural):
        if name.startswith((".", "@")) or name in ("__MACOSX", "Thumbs.db", "desktop.ini"):
            continue
        if (path / name).is_dir():
            yield from _walk(path / name, (*above, real))
        else:
            yield path / name


def _pictures(files: list[Path], size: int | None, crop: str | None) -> NDArray[np.uint8]:
    # (N, C, H, W)
    first = _picture(files[0], size, crop)
    height, width = first.shape[:2]
    advice = "pass a smaller size" if size is not None else "pass size=64, say (--size 64)"
    # Grey, in colour if one is, and mirrored.
    check_memory(10.0 * len(files) * height * width, f"source {files[0].parent}: {len(files)} pictures", advice)
    colour, grey = None, np.empty((len(files), 1, height, width), np.uint8)
    for i, file in enumerate(files):
        picture = _picture(file, size, crop) if i else first
        if picture.shape[:2] != (height, width):
            h, w = picture.shape[:2]
            raise ValueError(
                f"source {file}: is {w}x{h}, but {files[0].name} is {width}x{height}: "
                "resize all to one size, size=64, say (--size 64)"
            )
        if picture.ndim == 3 and colour is None:
            colour = np.empty((len(files), 3, height, width), np.uint8)
            colour[:i] = grey[:i]
        if colour is None:
            grey[i, 0] = picture
        else:
            colour[i] = picture.transpose(2, 0, 1) if picture.ndim == 3 else picture
    return grey if colour is None else colour


def _picture(file: Path, size: int | None, crop: str | None) -> NDArray[np.uint8]:
    with readable(file, "save it again as an 8-bit picture, or remove it"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is odd about a file that can be read all the same
        with Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            if image.width * image.height > LARGEST:
                raise ValueError(f"is {image.width}x{image.height}, more than {LARGEST} pixels")
            if image.mode.startswith(("I", "F")) or _is_deep(image):
                raise ValueError(f"has more than 8 bits a channel (Pillow's mode {image.mode})")
            shown = _flat(ImageOps.exif_transpose(image))
            if crop is not None:
                side = min(shown.size)
                left, top = (shown.width - side) // 2, (shown.height - side) // 2
                shown = shown.crop((left, top, left + side, top + side))
            if size is not None and shown.size != (size, size):
                shown = shown.resize((size, size), Image.Resampling.LANCZOS)
            return np.asarray(shown)


def _is_deep(image: Image.Image) -> bool:
    # Pillow opens 16-bit colour as 8-bit colour; what it is made of stands in the file's own terms.
    for codec, _, _, told, *_ in getattr(image, "tile", []):
        ppm = codec.startswith("ppm") and told[1] > 255  # the largest value
        if ppm or codec == "SGI16" or re.search(r";16[BLN]", str(told)):
            return True
    return bool(max(np.atleast_1d(getattr(image, "tag_v2", {}).get(258, 8))) > 8)  # BitsPerSample of TIFF


def _flat(image: Image.Image) -> Image.Image:
    # Grey or colour, without transparency.
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (BACKGROUND,) * 4)
        image = Image.alpha_composite(ground, image)
    return image.convert("L" if grey else "RGB")
