"""Pictures of images: generated beside real ones, cluster by cluster, and plain sheets."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnpgan.plotting.figures import INK, Array, numpy


def cluster_grid(real: Sequence[Array], fake: Sequence[Array], titles: Sequence[str] | None = None) -> Figure:
    """Draws a row for each cluster: generated images on the left, real ones of that cluster on the right.

    Args:
        real: Real images of each cluster, heaviest first, ``(n, C, H, W)`` in [-1, 1], C = 1 or 3; n may differ.
        fake: Generated images of the same clusters, likewise.
        titles: A label for each row, such as ``"cluster 3, 11 %"``.

    Returns:
        The figure, with one mosaic for each cluster.

    Raises:
        ValueError: If there are no clusters, their numbers differ, or something is not images of one size.
    """
    titles = [""] * len(real) if titles is None else titles
    if not len(real) == len(fake) == len(titles) or len(real) == 0:
        raise ValueError(
            f"real, fake and titles have {len(real)}, {len(fake)} and {len(titles)} clusters: pass the same"
        )
    left = [pixels("fake", x) for x in fake]
    right = [pixels("real", x) for x in real]
    h, w = left[0].shape[1:3]
    if any(x.shape[1:3] != (h, w) for x in left + right):
        raise ValueError(f"real and fake hold images of several sizes: resize them all to {w}x{h}")
    n, m = (max(map(len, side)) for side in (left, right))
    gap = np.full((h, w, 3), 255, dtype=np.uint8)
    figure = _figure(Figure(), n + 1 + m, len(left), h, w, margin=(1.3 if any(titles) else 0, 0.3))
    panels = figure.subplots(len(left), squeeze=False)[:, 0]
    for ax, a, b, title in zip(panels, left, right, titles, strict=True):
        ax.imshow(np.concatenate([_mosaic(a, 1, n), gap, _mosaic(b, 1, m)], axis=1), interpolation="nearest")
        ax.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9, color=INK)
        _bare(ax)
    for heading, first, count in (("generated", 0, n), ("real", n + 1, m)):
        centre = (first + count / 2) / (n + 1 + m)
        panels[0].text(
            centre, 1.08, heading, transform=panels[0].transAxes, ha="center", va="bottom", fontsize=10, color=INK
        )
    return figure


def images(x: Array, columns: int = 8, ax: Axes | None = None) -> Axes:
    """Draws a sheet of images, row by row.

    Args:
        x: Images ``(N, C, H, W)`` in [-1, 1], C = 1 or 3.
        columns: Images a row, at most.
        ax: Where to draw; a new pyplot figure, large enough to see each, if None.

    Returns:
        The axes, one mosaic.

    Raises:
        ValueError: If there is no image, the shape is another, or ``columns`` is less than 1.

    Example:
        >>> import torch
        >>> ax = images(torch.zeros(10, 1, 8, 8))
        >>> ax.images[0].get_array().shape  # two rows of eight, a pixel between
        (17, 71, 3)
    """
    shown = pixels("x", x)
    rows, columns = _table(len(shown), columns)
    ax = sheet(plt.figure(), x, columns) if ax is None else ax
    ax.imshow(_mosaic(shown, rows, columns), interpolation="nearest")
    _bare(ax)
    return ax


def sheet(figure: Figure, x: Array, columns: int = 8) -> Axes:
    """Axes for ``images`` on an empty figure, which is made as large as they need: for one that pyplot does not know.

    Example:
        >>> import torch
        >>> x = torch.zeros(10, 1, 8, 8)
        >>> images(x, ax=sheet(Figure(), x)).figure.get_size_inches().round(2)
        array([3.52, 0.88])
    """
    n, _, h, w = numpy(x).shape
    rows, columns = _table(n, columns)
    return _figure(figure, columns, rows, h, w, margin=(0, 0)).subplots()


def sheets(x: Mapping[str, Array], columns: int = 5) -> Figure:
    """Draws several sheets of images side by side, each below its name.

    Args:
        x: Images ``(N, C, H, W)`` in [-1, 1] by name, C = 1 or 3; all of one size.
        columns: Images a row, at most.

    Returns:
        The figure, with one mosaic for each sheet.

    Raises:
        ValueError: If there is no sheet, one holds no image or another size, or ``columns`` is less than 1.

    Example:
        >>> import torch
        >>> figure = sheets({"generated": torch.zeros(10, 1, 8, 8), "real": torch.zeros(10, 1, 8, 8)})
        >>> [ax.get_title() for ax in figure.axes]
        ['generated', 'real']
    """
    shown = {name: pixels(name, each) for name, each in x.items()}
    if columns < 1 or len({each.shape[1:] for each in shown.values()}) != 1 or not all(map(len, shown.values())):
        raise ValueError(f"x holds {len(shown)} sheets for {columns} columns: pass some images of one size in each")
    _, h, w, _ = next(iter(shown.values())).shape
    columns = min(columns, max(map(len, shown.values())))
    rows = max(math.ceil(len(each) / columns) for each in shown.values())
    figure = _figure(Figure(), (columns + 1) * len(shown), rows, h, w, margin=(0, 0.3))
    for ax, (name, each) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
        ax.imshow(_mosaic(each, rows, columns), interpolation="nearest")
        ax.set_title(name, fontsize=9, color=INK)
        _bare(ax)
    return figure


def _table(n: int, columns: int) -> tuple[int, int]:
    if n == 0 or columns < 1:
        raise ValueError(f"x holds {n} images for {columns} columns: pass at least one of each")
    return math.ceil(n / columns), min(columns, n)


def _figure(figure: Figure, columns: int, rows: int, h: int, w: int, margin: tuple[float, float]) -> Figure:
    tile = 0.4 + w / 200  # inches: small images grow, large ones stay sharp
    figure.set_size_inches(margin[0] + tile * columns, margin[1] + tile * h / w * rows)
    figure.set_layout_engine("compressed", h_pad=0.02, hspace=0.0)
    return figure


def pixels(name: str, x: Array) -> NDArray[np.uint8]:
    """Images ``(N, C, H, W)`` in [-1, 1] as bytes ``(N, H, W, 3)``: what was read from bytes is shown exactly.

    Args:
        name: what they are called in messages.
        x: the images, C = 1 or 3.

    Raises:
        ValueError: If the shape is another.
    """
    array = numpy(x)
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise ValueError(f"{name} has shape {array.shape}: pass images (N, C, H, W) with 1 or 3 channels")
    levels = np.clip(np.rint((array.astype(np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)
    return np.broadcast_to(levels.transpose(0, 2, 3, 1), (len(array), *array.shape[2:], 3))


def _mosaic(x: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    # White between the tiles and where images are missing.
    _, h, w, _ = x.shape
    line = max(1, w // 32)
    tiles = np.full((rows * columns, h + line, w + line, 3), 255, dtype=np.uint8)
    tiles[: len(x), :h, :w] = x
    sheet = tiles.reshape(rows, columns, h + line, w + line, 3).swapaxes(1, 2)
    return sheet.reshape(rows * (h + line), columns * (w + line), 3)[:-line, : columns * (w + line) - line]


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
