"""Pictures of chains: traces, the number of clusters, which points are together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from bnpgan.plotting.figures import INK, Array, colours, numpy, opened, tidy

if TYPE_CHECKING:
    from bnpgan.diagnostics import Chains


def chains(chains: Chains) -> Figure:
    """Draws each traced quantity in a row: the traces of all seeds, and the share of draws near each value.

    Chains that agree overlap in both. A hyper-parameter that spreads over more than a factor of ten has a log scale.

    Args:
        chains: What ``Sampler.chain`` returned.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(8, 0.7 + 1.5 * len(chains.trace)), layout="constrained")
    rows = figure.subplots(len(chains.trace), 2, sharex="col", sharey="row", squeeze=False, width_ratios=(4, 1))
    for (left, right), (name, values) in zip(rows, chains.trace.items(), strict=True):
        y = numpy(values)
        log = name not in ("clusters", "log_joint") and y.min() > 0 and y.max() > 10 * y.min()
        edges = np.exp(_edges(np.log(y))) if log else _edges(y)
        for s, (seed, draws) in enumerate(zip(chains.seeds, y, strict=True)):
            left.plot(draws, color=colours(s), linewidth=0.8, alpha=0.8, marker="o" if len(draws) == 1 else None)
            shares = np.histogram(draws, edges)[0] / len(draws)
            right.stairs(shares, edges, orientation="horizontal", color=colours(s), linewidth=1.2, label=f"seed {seed}")
        left.set_title(name.replace("_", " "), loc="left", fontsize=9, color=INK)
        if log:
            left.set_yscale("log")
            left.yaxis.set_major_formatter("{x:g}")
        else:
            left.yaxis.set_major_locator(MaxNLocator(4, integer=y.dtype.kind == "i"))
        left.margins(x=0.01)
        for ax in (left, right):
            ax.grid(axis="y", color="#eeeeee")
            tidy(ax)
            ax.tick_params(axis="y", which="minor", length=0)
    rows[-1, 0].xaxis.set_major_locator(MaxNLocator(integer=True))
    rows[-1, 0].set_xlabel("draw", fontsize=9, color=INK)
    rows[-1, 1].set_xlim(left=0)  # of all rows: only now that all are drawn
    rows[-1, 1].set_xlabel("share of draws", fontsize=9, color=INK)
    handles, names = rows[0, 1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=8, frameon=False, fontsize=8)
    return figure


def number_of_clusters(chains: Chains, ax: Axes | None = None) -> Axes:
    r"""Draws :math:`P(K \mid x)`: a bar for each number of clusters, and a dot on it for each seed.

    Args:
        chains: What ``Sampler.chain`` returned.
        ax: Where to draw; a new pyplot figure if None.

    Returns:
        The axes.
    """
    K = numpy(chains.trace["clusters"])
    values = np.arange(K.min(), K.max() + 1)
    shares = (K[:, :, None] == values).mean(1)
    ax = opened(ax, 1.6 + 0.45 * max(len(values), 6), 3.2)
    ax.bar(values, shares.mean(0), width=0.7, color="#d4d4d4")
    for s, (seed, share) in enumerate(zip(chains.seeds, shares, strict=True)):
        across = values + (s - (len(shares) - 1) / 2) * min(0.15, 0.6 / len(shares))
        ax.plot(across, share, "o", color=colours(s), markersize=4, label=f"seed {seed}")
    ax.xaxis.set_major_locator(MaxNLocator(15, integer=True))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("clusters", fontsize=9, color=INK)
    ax.set_title("share of draws", loc="left", fontsize=9, color=INK)
    ax.legend(frameon=False, fontsize=8)
    tidy(ax)
    return ax


def similarity(matrix: Array, ax: Axes | None = None) -> Axes:
    """Draws a co-clustering matrix, its points ordered so that those often together are neighbours.

    The order is that of the leaves of average-linkage clustering, with one less the share as the distance.

    Args:
        matrix: ``(N, N)`` shares in [0, 1], symmetric, as ``Chains.coclustering`` returns it.
        ax: Where to draw; a new pyplot figure if None.

    Returns:
        The axes, beside which their figure has those of a colour bar.

    Raises:
        ValueError: If the matrix is not square, or not such shares.
    """
    shares = numpy(matrix).astype(np.float64)
    if shares.ndim != 2 or shares.shape[0] != shares.shape[1]:
        raise ValueError(f"matrix must be square, got shape {shares.shape}: pass chains.coclustering()")
    if not np.allclose(shares, shares.T) or not (np.diag(shares) == 1).all() or shares.min() < 0 or shares.max() > 1:
        raise ValueError(f"matrix must hold symmetric shares, got {shares[:2, :2]}...: pass chains.coclustering()")
    order = np.arange(len(shares))
    if len(shares) > 2:
        order = leaves_list(linkage(squareform(1 - shares, checks=False), "average"))
    ax = opened(ax, 5.4, 4.6)
    image = ax.imshow(shares[np.ix_(order, order)], cmap="Blues", vmin=0, vmax=1, interpolation="none")
    ax.set(xticks=[], yticks=[])
    ax.set_xlabel("points, ordered by who is with whom", fontsize=9, color=INK)
    ax.spines[:].set_color("#bbbbbb")
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.ax.tick_params(colors="#777777", labelsize=8, length=3)
    bar.outline.set_visible(False)
    bar.ax.set_title("together", fontsize=9, color=INK)
    return ax


def _edges(y: NDArray) -> NDArray:
    # Numbers of clusters, and hyper-parameters drawn from a grid, have a bin for each value: the share is exact.
    values = np.unique(y).astype(np.float64)
    if len(values) > 60:
        return np.histogram_bin_edges(y, 15)
    gaps = np.diff(values) if len(values) > 1 else np.array([np.abs(values[0]) / 5 or 0.2])
    return np.concatenate([[values[0] - gaps[0] / 2], (values[1:] + values[:-1]) / 2, [values[-1] + gaps[-1] / 2]])
