"""Pictures of points: 2-D mixtures, features in two dimensions, generated beside real points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.utils.extmath import randomized_svd

from bnpgan.plotting.figures import INK, Array, colours, numpy, opened, tidy

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
    x, labels = plane("x", x), numpy(partition.labels)
    if len(x) != len(labels):
        raise ValueError(f"x has {len(x)} points and partition {len(labels)} labels: pass the points it was fitted to")
    ax = opened(ax, 5, 5)
    scatter(ax, x, labels)
    components: Any = partition.components  # a covariance is stored or derived: the base class names only the mean
    means, covariances = numpy(components.mean), numpy(components.covariance)
    if means.shape[1] != 2:
        raise ValueError(f"partition is of {means.shape[1]}-D points: fit it to the 2-D ones, or draw with embedding")
    weights = np.exp(numpy(partition.log_weights))
    active = np.flatnonzero(numpy(partition.active))
    for k in active:
        ax.add_patch(ellipse(int(k), means[k], covariances[k], weights[k]))
    ax.set_aspect("equal", adjustable="box")
    ax.set_title(counted(len(active)), fontsize=11, color=INK)
    tidy(ax)
    return ax


def ellipse(k: int, mean: NDArray, covariance: NDArray, weight: float) -> Ellipse:
    """Two standard deviations of slot ``k``, in its colour: the heavier, the thicker its line."""
    variances, axes = np.linalg.eigh(covariance)
    return Ellipse(
        tuple(mean),
        *(2 * 2 * np.sqrt(variances.clip(min=0))),  # diameters of 2 standard deviations
        angle=np.degrees(np.arctan2(axes[1, 0], axes[0, 0])),
        facecolor=(*colours(k), 0.15),
        edgecolor=0.75 * colours(k),  # darker than its points, to stand out from them
        linewidth=0.8 + 2.5 * np.sqrt(weight),
    )


def counted(clusters: int) -> str:
    """The number of clusters in words."""
    return "1 cluster" if clusters == 1 else f"{clusters} clusters"


def density(x: Array, partition: Partition, ax: Axes | None = None) -> Axes:
    r"""Draws the density of the mixture, :math:`\sum_k w_k \, p(x \mid k)`, and the points it was fitted to.

    In two dimensions its contours are those regions of the highest density that hold 95, 80, 60, 40 and 20 % of the
    points. In one dimension it is a curve over a histogram, with a curve for each component below it.

    Args:
        x: Points ``(N, 1)`` or ``(N, 2)``.
        partition: A partition of as many columns, of these points or of others.
        ax: Where to draw; a new pyplot figure if None.

    Returns:
        The axes.

    Raises:
        ValueError: If the points have more than two columns, or the partition others than they.

    Example:
        >>> from bnpgan.partition import Partition
        >>> x = torch.tensor([[0.0], [0.5], [4.0], [4.5]])
        >>> ax = density(x, Partition.from_labels(x, torch.tensor([0, 0, 1, 1]), capacity=3))
        >>> len(ax.lines)  # the mixture and two clusters
        3
    """
    points = numpy(x)
    if points.ndim != 2 or points.shape[1] not in (1, 2):
        raise ValueError(f"x has shape {points.shape}: pass points (N, 1) or (N, 2)")
    like = partition.components.mean
    low, high = points.min(0), points.max(0)
    margin = 0.12 * np.where(high > low, high - low, 1.0)
    ends = np.stack([low - margin, high + margin], 1).tolist()
    sides = [torch.linspace(first, last, 240, dtype=like.dtype) for first, last in ends]
    places = torch.stack(torch.meshgrid(*sides, indexing="ij"), -1).flatten(0, -2)
    log_p = numpy(partition.log_prob(places))
    ax = opened(ax, 6, 3.2) if len(sides) == 1 else opened(ax, 5, 5)
    across = numpy(sides[0])
    if len(sides) == 1:
        ax.hist(points[:, 0], bins=min(60, 5 + len(points) // 10), density=True, color="#dddddd")
        parts = np.exp(log_p)[:, None] * numpy(partition.responsibilities(places))
        for k in np.flatnonzero(numpy(partition.active)):
            ax.plot(across, parts[:, k], color=colours(k), linewidth=1.4)
        ax.plot(across, np.exp(log_p), color=INK, linewidth=1.4)
        ax.set_title("density", loc="left", fontsize=9, color=INK)
        ax.margins(x=0)
    else:
        at_points = numpy(partition.log_prob(torch.as_tensor(points, dtype=like.dtype)))
        levels = np.unique(np.quantile(at_points, [0.05, 0.2, 0.4, 0.6, 0.8]))
        rows = log_p.reshape(len(across), -1).T
        ax.contourf(across, numpy(sides[1]), rows, [*levels, max(rows.max(), levels[-1]) + 1], cmap="Blues", alpha=0.5)
        ax.contour(across, numpy(sides[1]), rows, levels, colors=INK, linewidths=0.6, linestyles="solid")
        scatter(ax, points, numpy(partition.predict(torch.as_tensor(points, dtype=like.dtype))))
        ax.set_aspect("equal", adjustable="box")
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
    ax = opened(ax, 6, 6)
    if y.shape[1] > 2:
        shown = np.sort(np.random.default_rng(0).permutation(len(y))[:2000])
        y, labels = y[shown], labels[shown]
        y = layout.place(y / (np.abs(y).max(initial=0) or 1))  # the squares of what is too large or small are none
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel(layout.told, fontsize=9, color=INK)
    scatter(ax, y, labels)
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
        points = [plane(name, part) for part in parts]
        x, labels = np.concatenate(points), np.repeat(slots, [len(part) for part in points])
        scatter(ax, x, labels)
        _number(ax, x, labels, lift=13)  # above: the papers' modes are smaller than a digit
        ax.set_aspect("equal")
        ax.set_title(name, fontsize=11, color=INK)
        tidy(ax)
    return figure


def plane(name: str, x: Array) -> NDArray:
    """The points as an array ``(N, 2)``; a ``ValueError`` that names them unless they are 2-D."""
    x = numpy(x)
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"{name} has shape {x.shape}: pass 2-D points (N, 2), or project them first (see embedding)")
    return x


def scatter(ax: Axes, x: NDArray, labels: NDArray) -> PathCollection:
    """Dots in the colours of their slots: the more there are, the smaller."""
    size = np.clip(20_000 / max(len(x), 1), 1.5, 14)
    # Rasterised: an SVG or PDF of 100,000 points stays small.
    return ax.scatter(x[:, 0], x[:, 1], s=size, c=colours(labels), alpha=0.7, linewidths=0, rasterized=True)


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
