"""k-means: the clusterer of SC-GAN."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bnpgan.components.distributions import squared_distances
from bnpgan.partition import Partition, check_capacity, check_labels, check_points
from bnpgan.samplers.base import Clusterer, check_limits

__all__ = ["KMeans", "kmeans_plus_plus", "seeded_labels"]


@dataclass(frozen=True)
class KMeans(Clusterer):
    r"""Lloyd's algorithm from k-means++ seeds, or from the means of old labels.

    .. math:: \min_z \sum_i \| x_i - \mu_{z_i} \|^2, \qquad \mu_k = \frac{1}{n_k} \sum_{z_i = k} x_i

    Without labels it is run ``restarts`` times and the best run is kept. With labels it starts once, from their means
    in the new features. A cluster that empties is re-seeded at the point farthest from its centroid.

    Args:
        capacity: the number of clusters; all of them are used.
        restarts: runs from new seeds when there are no labels to start from.
        iterations: the most steps of one run; it stops sooner when no label changes.
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

    def __post_init__(self) -> None:
        check_capacity(self.capacity)
        check_limits(self)
        if self.restarts < 1 or self.iterations < 1:
            raise ValueError(
                f"restarts and iterations must be at least 1, got {self.restarts} and {self.iterations}: "
                "pass e.g. 10 and 300"
            )

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """Partition the points ``(N, D)``, from the means of ``labels`` ``(N,)`` where they are given."""
        x = check_points(x)
        if labels is not None:
            best = self._lloyd(x, check_labels(labels, self.capacity, len(x), x.device))
        else:
            runs = [self._lloyd(x, self._seed(x)) for _ in range(self.restarts)]
            best = min(runs, key=lambda z: float(_inertia(x, z, self.capacity)))
        return Partition.from_labels(x, best, self.capacity)

    def _seed(self, x: Tensor) -> Tensor:
        seeds = kmeans_plus_plus(x, self.capacity)
        if len(seeds) < self.capacity:
            raise ValueError(
                f"x holds {len(seeds)} distinct points for capacity={self.capacity} clusters: "
                "lower capacity or pass more points"
            )
        return squared_distances(x, x[seeds]).argmin(1)

    def _lloyd(self, x: Tensor, labels: Tensor) -> Tensor:
        for _ in range(self.iterations):
            labels = self._fill(x, labels)
            nearest = squared_distances(x, _means(x, labels, self.capacity)).argmin(1)
            if torch.equal(nearest, labels):
                break
            labels = nearest
        return self._fill(x, labels)

    def _fill(self, x: Tensor, labels: Tensor) -> Tensor:
        # Each empty cluster takes the farthest point of a cluster that has others.
        counts = torch.bincount(labels, minlength=self.capacity)
        empty = (counts == 0).nonzero().flatten().tolist()
        if not empty:
            return labels
        labels = labels.clone()
        for k in empty:
            distance = ((x - _means(x, labels, self.capacity)[labels]) ** 2).sum(1)
            far = int(distance.argmax())
            if not distance[far] > 0:
                raise ValueError(
                    f"x holds fewer than capacity={self.capacity} distinct points: lower capacity or pass more points"
                )
            labels[far] = k
        return labels


def kmeans_plus_plus(x: Tensor, k: int) -> Tensor:
    r"""Rows ``(k,)`` of the points ``(N, D)`` to seed clusters with; fewer if there are fewer distinct points.

    A candidate is drawn with probability proportional to its squared distance from the seeds so far; of
    :math:`2 + \lfloor\log k\rfloor` candidates the one that lowers the sum of those distances most is kept.

    References:
        Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007 (the greedy rule: section 5).
    """
    seeds = torch.randint(len(x), (1,), device=x.device)
    distance = squared_distances(x, x[seeds]).squeeze(1)
    trials = 2 + int(torch.tensor(float(k)).log())
    while len(seeds) < k:
        distance[(x == x[seeds[-1]]).all(1)] = 0  # copies of a seed: rounding leaves dust that could be drawn
        if not float(distance.sum()) > 0:
            break
        candidates = torch.multinomial(distance / distance.sum(), trials, replacement=True)
        closer = torch.minimum(distance[:, None], squared_distances(x, x[candidates]))
        best = closer.sum(0).argmin()
        seeds, distance = torch.cat([seeds, candidates[best, None]]), closer[:, best]
    return seeds


def seeded_labels(x: Tensor, capacity: int) -> Tensor:
    """Labels ``(N,)`` by the nearest of ``capacity`` k-means++ seeds, the largest cluster in slot 0 and so on."""
    labels = squared_distances(x, x[kmeans_plus_plus(x, capacity)]).argmin(1)
    return torch.bincount(labels, minlength=capacity).argsort(descending=True, stable=True).argsort()[labels]


def _means(x: Tensor, labels: Tensor, k: int) -> Tensor:
    counts = torch.bincount(labels, minlength=k).to(x.dtype)
    return x.new_zeros(k, x.shape[1]).index_add_(0, labels, x) / counts[:, None]


def _inertia(x: Tensor, labels: Tensor, k: int) -> Tensor:
    return ((x - _means(x, labels, k)[labels]) ** 2).sum()
