"""Pictures of points: 2-D mixtures, features in two dimensions, generated beside real points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.utils.extmath import randomized_svd

from bnpgan.plotting.figures import INK, Array, colours, numpy, tidy

if TYPE_CHECKING:
    from bnpgan.partition import Partition


def mixture(x: Array, partition: Partition, ax: Axes | None = None) -> Axes:
    r"""Draws 2-D points in the colours of their clusters, and each component as an ellipse.

    The ellipse is the contour :math:`(x - \mu_k)^T \Sigma_k^{-1} (x - \mu_k) = 2^2`, two standard deviations; the
    heavier the cluster, the thicker its line.

    Args:
        x: Points ``(N, 2)``.
        partition: Their partition, of as many labels, in the same two dimensions.
        ax: Where to draw; a new pyplot figure if None.

    Returns:
        The axes.

    Raises:
        ValueError: If the points or the partition are not 2-D, or their numbers differ.
    """
    x, labels = _points("x", x), numpy(partition.labels)
    if len(x) != len(labels):
        raise ValueError(f"x has {len(x)} points and partition {len(labels)} labels: pass the points it was fitted to")
    if ax is None:
        ax = plt.subplots(figsize=(5, 5), layout="constrained")[1]
    _scatter(ax, x, labels)
    components: Any = partition.components  # a covariance is stored or derived: the base class names only the mean
    means, covariances = numpy(components.mean), numpy(components.covariance)
    if means.shape[1] != 2:
        raise ValueError(f"partition is of {means.shape[1]}-D points: fit it to the 2-D ones, or draw with embedding")
    weights = np.exp(numpy(partition.log_weights))
    active = np.flatnonzero(numpy(partition.active))
    for k in active:
        variances, axes = np.linalg.eigh(covariances[k])
        ellipse = Ellipse(
            means[k],
            *(2 * 2 * np.sqrt(variances)),  # diameters of 2 standard deviations
            angle=np.degrees(np.arctan2(axes[1, 0], axes[0, 0])),
            facecolor=(*colours(k), 0.15),
            edgecolor=0.75 * colours(k),  # darker than its points, to stand out from them
            linewidth=0.8 + 2.5 * np.sqrt(weights[k]),
        )
        ax.add_patch(ellipse)
    ax.set_aspect("equal", adjustable="box")
    ax.set_title("1 cluster" if len(active) == 1 else f"{len(active)} clusters", fontsize=11, color=INK)
    tidy(ax)
    return ax


@dataclass(frozen=True)
class Layout:
    """A way to lay wide points out in the plane.

    Args:
        place: maps points ``(N, D)``, in double precision and within [-1, 1], to ``(N, 2)``.
        told: what is written below the picture.
    """

    place: Callable[[NDArray], NDArray]
    told: str


def _principal(x: NDArray) -> NDArray:
    left, scale, _ = randomized_svd(x - x.mean(0), 2, random_state=0)
    return left * scale


def _tsne(x: NDArray) -> NDArray:
    start = _principal(x)
    if len(x) < 5 or not start.any():  # too few, or too much alike, for neighbours to mean anything
        return start
    x = (x - x.mean(0)) / start[:, 0].std()
    # Points that begin in one place would fall out of the tree in which scikit-learn looks for neighbours.
    start = 1e-4 * (start / start[:, 0].std() + 0.01 * np.random.default_rng(0).normal(size=start.shape))
    return TSNE(perplexity=min(30.0, (len(x) - 1) / 3), init=start.astype(np.float32), random_state=0).fit_transform(x)


principal = Layout(_principal, "the first two principal axes of the features")
"""The plane in which points differ most: at once, and the same for equal points."""
tsne = Layout(_tsne, "t-SNE of the features: neighbours are near, distances mean nothing")
"""Neighbours stay neighbours: for clusters that overlap in any plane; 2,000 points take some ten seconds."""


def embedding(features: Array, labels: Array, ax: Axes | None = None, layout: Layout = principal) -> Axes:
    """Draws features in two dimensions, coloured by cluster; clusters of at least 1 % bear their slot's number.

    Args:
        features: Features ``(N, D)``, finite, D at least 2; more than two are laid out, of 2,000 rows at most.
        labels: Slot of each ``(N,)``, whole numbers.
        ax: Where to draw; a new pyplot figure if None.
        layout: Of more than two features: ``principal`` or ``tsne``.

    Returns:
        The axes.

    Raises:
        ValueError: If there are fewer than two features, some are not finite, or not one label for each row.
    """
    y, labels = numpy(features), numpy(labels)
    if y.ndim != 2 or y.shape[1] < 2:
        raise ValueError(f"features has shape {y.shape}: pass (N, D) with D at least 2")
    if len(y) != len(labels):
        raise ValueError(f"features has {len(y)} rows and labels {len(labels)} entries: pass one label for each row")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers (N,), got {labels.dtype} of shape {labels.shape}")
    y = y.astype(np.float64)
    if not np.isfinite(y).all():
        raise ValueError("features must be finite, got NaN or infinite values: drop or repair such rows")
    if ax is None:
        ax = plt.subplots(figsize=(6, 6), layout="constrained")[1]
    if y.shape[1] > 2:
        shown = np.sort(np.random.default_rng(0).permutation(len(y))[:2000])
        y, labels = y[shown], labels[shown]
        y = layout.place(y / (np.abs(y).max(initial=0) or 1))  # the squares of what is too large or small are none
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel(layout.told, fontsize=9, color=INK)
    _scatter(ax, y, labels)
    _number(ax, y, labels, lift=0)
    ax.set_aspect("equal", adjustable="box")
    tidy(ax)
    return ax


def cluster_scatter(real: Sequence[Array], fake: Sequence[Array], slots: Sequence[int] | None = None) -> Figure:
    """Draws generated points beside real ones, in the colours of their clusters: ``cluster_grid`` for 2-D vectors.

    Args:
        real: Real points of each cluster, ``(n, 2)`` each.
        fake: Generated points of the same clusters, ``(m, 2)`` each.
        slots: Slot of each cluster, for its colour and number; 0, 1, ... if None.

    Returns:
        The figure; its panels share their axes.

    Raises:
        ValueError: If there are no clusters, their numbers differ, or the points are not 2-D.
    """
    slots = range(len(real)) if slots is None else slots
    if not len(real) == len(fake) == len(slots) or len(real) == 0:
        raise ValueError(f"real, fake and slots have {len(real)}, {len(fake)} and {len(slots)} clusters: pass the same")
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for ax, name, parts in zip(panels, ("generated", "real"), (fake, real), strict=True):
        points = [_points(name, part) for part in parts]
        x, labels = np.concatenate(points), np.repeat(slots, [len(part) for part in points])
        _scatter(ax, x, labels)
        _number(ax, x, labels, lift=13)  # above: the papers' modes are smaller than a digit
        ax.set_aspect("equal")
        ax.set_title(name, fontsize=11, color=INK)
        tidy(ax)
    return figure


def _points(name: str, x: Array) -> NDArray:
    x = numpy(x)
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"{name} has shape {x.shape}: pass 2-D points (N, 2), or project them first (see embedding)")
    return x


def _scatter(ax: Axes, x: NDArray, labels: NDArray) -> None:
    size = np.clip(20_000 / max(len(x), 1), 1.5, 14)
    # Rasterised: an SVG or PDF of 100,000 points stays small.
    ax.scatter(x[:, 0], x[:, 1], s=size, c=colours(labels), alpha=0.7, linewidths=0, rasterized=True)


def _number(ax: Axes, x: NDArray, labels: NDArray, lift: float) -> None:
    slots, counts = np.unique(labels, return_counts=True)
    for k in slots[counts >= 0.01 * len(labels)]:
        across, up = np.median(x[labels == k], axis=0)
        ax.annotate(
            str(k),
            (across, up),
            xytext=(0, lift),
            textcoords="offset points",
            color=0.6 * colours(k),
            fontsize=12,
            fontweight="bold",
            ha="center",
            va="center",
            path_effects=[withStroke(linewidth=4, foreground="white")],
        )
