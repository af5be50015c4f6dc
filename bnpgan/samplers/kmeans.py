"""k-means: the clusterer of SC-GAN."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from tqdm.auto import tqdm

from bnpgan import ranks
from bnpgan.engine.chunks import rows_at_once
from bnpgan.partition import Partition, check_labels, check_points
from bnpgan.samplers.base import Clusterer, check_limits
from bnpgan.samplers.points import LEFT_OUT, Points
from bnpgan.whole import keep_whole

__all__ = ["KMeans", "kmeans_plus_plus", "seeded_labels"]

SMALL = 0.1  # share of the inertia that principal axes may leave out for restarts to be compared in them
FILLINGS = 10  # times that a run may fill clusters that empty: more are a cycle, by rounding
ROUNDING = 1e-26  # share of the square of a point that its squared distance from the mean of its copies may come to
TOLERANCE = 1e-2  # a restart whose centroids move less, squared and in variances of the data, is good enough to compare


@dataclass(frozen=True)
class KMeans(Clusterer):
    r"""Lloyd's algorithm from k-means++ seeds, or from the means of old labels.

    .. math:: \min_z \sum_i \| x_i - \mu_{z_i} \|^2, \qquad \mu_k = \frac{1}{n_k} \sum_{z_i = k} x_i

    Without labels it is run ``restarts`` times, each until the centroids move by less than :math:`10^{-2}` mean
    variances of the data, squared and summed; the best run goes on until no label changes. Points of many columns that
    lie near few principal axes (99.9 % of the variance, or more where clusters are tighter than that; half the columns
    at most) are compared in those until then. With labels it starts once, from their means in the new features, and
    goes on as far. A cluster that empties is re-seeded at the point farthest from its centroid. Distances are taken by
    blocks of rows, never for all points and clusters at once.

    Args:
        capacity: the number of clusters; all of them are used.
        restarts: runs from new seeds when there are no labels to start from.
        iterations: the most steps of one run, and of the best when it goes on.
        max_points: see :class:`Clusterer`.

    Raises:
        ValueError: if ``capacity`` or ``restarts`` is below 1, or there are fewer distinct points than clusters.

    Example:
        >>> KMeans(2).fit(torch.tensor([[0.0], [0.1], [5.0]])).counts.sort().values
        tensor([1, 2])

    References:
        Lloyd, "Least squares quantization in PCM", 1982;
        Liu et al., "Diverse Image Generation via Self-Conditioned GANs", 2020, Eqs. 2 and 3.
    """

    capacity: int
    restarts: int = 10
    iterations: int = 300
    max_points: int | None = None
    by_sums: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_limits(self)
        keep_whole(self, "restarts", 1, "pass e.g. 10")
        keep_whole(self, "iterations", 1, "pass e.g. 300")

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """Partition the points ``(N, D)``, from the means of ``labels`` ``(N,)`` where they are given."""
        x = check_points(x)
        points = Points(x.detach())
        if points.number < self.capacity:
            raise ValueError(_too_few(points.number, self.capacity))
        if labels is None:
            labels = self._best(points)
        labels = self._fill(points, check_labels(labels, self.capacity, len(x), x.device))
        labels, _ = self._lloyd(points, points.means(labels, self.capacity), labels)
        return Partition.from_labels(x, labels, self.capacity)

    def _best(self, points: Points) -> Tensor:
        share = LEFT_OUT
        for _ in range(2):
            space, left = points.principal(share)
            if space is points:
                break
            try:
                labels, inertia = self._best_in(space)
            except ValueError:  # points that differ in the other axes alone are too few here
                break
            if left <= SMALL * inertia:
                return labels
            # A few far points, or clusters far apart, hide what the others differ in: once more, with less left out.
            share = SMALL * inertia / float(ranks.all_sum(points.squares.sum()))
        return self._best_in(points)[0]

    def _best_in(self, points: Points) -> tuple[Tensor, float]:
        tolerance = TOLERANCE * float(ranks.mean(points.squares)) / points.x.shape[1]
        best, lowest = points.x.new_empty(0), math.inf
        together = rows_at_once(4 * points.number, points.x, dtype=torch.float64)  # what ``seeds`` holds for each point
        with tqdm(total=self.restarts, desc="KMeans", delay=5, leave=False, disable=None, unit="restart") as bar:
            for done in range(0, self.restarts, together):
                for seeds in self._seeds(points, min(together, self.restarts - done)):
                    none = seeds.new_full((len(points.x),), -1)
                    labels, means = self._lloyd(points, points.chosen(seeds), none, tolerance)
                    inertia = float(ranks.all_sum(points.errors(labels, means).sum()))
                    best, lowest = (labels, inertia) if inertia < lowest else (best, lowest)
                    bar.update()
        return best, lowest

    def _seeds(self, points: Points, runs: int) -> Tensor:
        seeds = points.seeds(self.capacity, runs)
        if seeds.shape[1] < self.capacity:
            raise ValueError(_too_few(f"{seeds.shape[1]} distinct", self.capacity))
        return seeds

    def _lloyd(self, points: Points, means: Tensor, labels: Tensor, tolerance: float = 0.0) -> tuple[Tensor, Tensor]:
        fillings = 0
        for _ in range(self.iterations):
            before, old = labels, means
            labels, means = points.step(old)
            # One look at the device: has a label changed, how far have centroids moved, is one empty, not a number?
            distance = ((means - old) ** 2).sum()
            news = torch.stack([(labels != before).any().to(distance), distance * (ranks.rank() == 0)])
            changed, shift = ranks.all_sum(news).tolist()
            if math.isnan(shift):
                labels, fillings = self._fill(points, labels), fillings + 1
                means = points.means(labels, self.capacity)
                if fillings == FILLINGS:
                    break
            elif not changed or shift <= tolerance:
                break
        return labels, means

    def _fill(self, points: Points, labels: Tensor) -> Tensor:
        # Each empty cluster takes the farthest point of a cluster that has others.
        empty = [k for k, n in enumerate(ranks.counts(labels, self.capacity).tolist()) if not n]
        if not empty:
            return labels
        labels = labels.clone()
        for k in empty:
            errors = points.errors(labels, points.means(labels, self.capacity))
            far = errors.argmax()
            farthest = ranks.all_gather(errors[far])
            if not farthest.max() > ROUNDING * ranks.all_max(points.squares[far].double()):
                self._seeds(points, 1)  # raises if the points are as few as they look
            if int(farthest.argmax()) == ranks.rank():
                labels[far] = k
        return labels


def _too_few(points: object, capacity: int) -> str:
    return f"x holds {points} points for capacity={capacity} clusters: lower capacity or pass more points"


def kmeans_plus_plus(x: Tensor, k: int) -> Tensor:
    r"""Rows ``(k,)`` of the points ``(N, D)`` to seed clusters with; fewer if there are fewer distinct points.

    A candidate is drawn with probability proportional to its squared distance from the seeds so far; of
    :math:`2 + \lfloor\log k\rfloor` candidates the one that lowers the sum of those distances most is kept.

    Example:
        >>> x = torch.tensor([[0.0], [0.0], [9.0], [9.0]])
        >>> x[kmeans_plus_plus(x, 3)].flatten().sort().values
        tensor([0., 9.])

    References:
        Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007 (the greedy rule: section 5).
    """
    return Points(x.detach()).seeds(k, 1)[0]


def seeded_labels(x: Tensor, capacity: int, among: int | None = None) -> Tensor:
    """Labels ``(N,)`` by the nearest of ``capacity`` k-means++ seeds, the largest cluster in slot 0 and so on.

    Seeds are sought among so many of the points, drawn at random; ``None``: among all.

    Example:
        >>> seeded_labels(torch.tensor([[0.0], [9.0], [9.0]]), 2)
        tensor([1, 0, 0])
    """
    points = some = Points(x.detach())
    if among is not None and points.number > among:
        here = -(-among * len(x) // points.number)  # of several ranks each its share
        some = Points(x.detach()[torch.randperm(len(x), device=x.device)[:here]])
    labels, _ = points.step(some.chosen(some.seeds(capacity, 1)[0]))
    return ranks.counts(labels, capacity).argsort(descending=True, stable=True).argsort()[labels]
