"""What all pictures share: colours, axes without clutter, atomic files; and traces."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from bnpgan.disk import written

Array = Tensor | ArrayLike

INK = "#333333"
# Okabe and Ito's six, then each the farthest in OKLab from all before it, both as it is and as protanopes and
# deuteranopes see it, within a band of lightness and chroma that reads on white.
_PALETTE = (
    "0072b2 e69f00 009e73 d55e00 cc79a7 56b4e9 73033b 312b8a 67530a 5bda96 "
    "914d75 8978e9 9aaf7a 0c435b 663ea4 04674f 652c06 8ec9c5 667c57 a55800 "
    "b4c95d 8c739a 7292cb c88842 a42c41 47497d d39ca5 516fd7 97bffd 01bec1 "
    "616397 e76378 309ea6 ee8bdb 8398fd 7bbe4e 5d1072 9b8354 798714 80282d"
)
_RGB = np.array([to_rgb(f"#{code}") for code in _PALETTE.split()])


def colours(slots: Array) -> NDArray[np.float64]:
    """The colour of each slot: the first 20 are told apart by colour-blind readers too, and they repeat after 40.

    Args:
        slots: Slots, of any shape ``(...)``, integers.

    Returns:
        Red, green and blue in [0, 1], ``(..., 3)``.

    Raises:
        ValueError: If ``slots`` are no whole numbers.

    Example:
        >>> colours([0, 40]).round(2)
        array([[0.  , 0.45, 0.7 ],
               [0.  , 0.45, 0.7 ]])
    """
    slots = numpy(slots)
    if slots.size and slots.dtype.kind not in "iu":
        raise ValueError(f"slots holds {slots.dtype}: pass whole numbers")
    return _RGB[slots.astype(np.int64) % len(_RGB)]


def numpy(values: Array) -> NDArray:
    """A NumPy view of a tensor on any device, or of anything NumPy takes."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def opened(ax: Axes | None, width: float, height: float) -> Axes:
    """The axes as they are; None: those of a new pyplot figure, ``width`` by ``height`` inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1] if ax is None else ax


def tidy(ax: Axes) -> None:
    """Takes the frame's upper and right side away and sets the rest back."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#bbbbbb")
    ax.tick_params(colors="#777777", labelsize=8, length=3)


def trace(values: Mapping[str, Sequence[float]], xlabel: str = "sweep") -> Figure:
    """Draws each quantity of a chain or a training run in a panel of its own, above a shared axis.

    Args:
        values: Name of each quantity and its values in order; NaN leaves a gap.
        xlabel: What one step of the axis is.

    Returns:
        The figure.

    Raises:
        ValueError: If there is nothing to draw.

    Example:
        >>> figure = trace({"log joint": [-90.0, -40.0, -38.0], "clusters": [1, 4, 3]})
        >>> [ax.get_title(loc="left") for ax in figure.axes]
        ['log joint', 'clusters']
    """
    if not values:
        raise ValueError("values is empty: pass at least one named sequence")
    figure = Figure(figsize=(6.4, 0.5 + 1.4 * len(values)), layout="constrained")
    panels = figure.subplots(len(values), sharex=True, squeeze=False)[:, 0]
    for k, (ax, (name, sequence)) in enumerate(zip(panels, values.items(), strict=True)):
        y = numpy(sequence)
        # A lone value draws no line.
        ax.plot(y, color=colours(k), linewidth=1.4, marker="o" if len(y) == 1 else None)
        ax.set_title(name, loc="left", fontsize=9, color=INK)
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.grid(axis="y", color="#eeeeee")
        ax.margins(x=0.01)
        tidy(ax)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[-1].set_xlabel(xlabel, fontsize=9, color=INK)
    return figure


def save(figure: Figure | Axes, path: str | Path) -> None:
    """Writes a picture whole or not at all: a reader, or a run that is cut off, never meets half a file.

    Args:
        figure: The figure, or axes on it.
        path: Where to; its ending says the format (PNG if it has none). The folder must exist.

    Raises:
        ValueError: If matplotlib does not know the format.
        FileNotFoundError: If the folder is missing.
    """
    path = Path(path)
    with written(path) as file:
        figure.figure.canvas.print_figure(file, format=path.suffix[1:] or "png", dpi=150)
