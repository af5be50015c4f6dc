"""k-means: the clusterer of SC-GAN."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.partition import Partition, check_capacity, check_labels, check_points
from bnpgan.samplers.base import Clusterer, check_limits

__all__ = ["KMeans", "kmeans_plus_plus", "seeded_labels"]

BLOCK = {"cpu": 2**19}  # bytes of the distances in one block of rows, what a core's cache holds; elsewhere LARGE / 4
LARGE = 2**24  # bytes; the points themselves are copied up to twice as many
TOLERANCE = 1e-2  # a restart whose centroids move less, squared and in variances of the data, is good enough to compare


@dataclass(frozen=True)
class KMeans(Clusterer):
    r"""Lloyd's algorithm from k-means++ seeds, or from the means of old labels.

    .. math:: \min_z \sum_i \| x_i - \mu_{z_i} \|^2, \qquad \mu_k = \frac{1}{n_k} \sum_{z_i = k} x_i

    Without labels it is run ``restarts`` times, each until the centroids move by less than :math:`10^{-2}` mean
    variances of the data, squared and summed; the best run goes on until no label changes. With labels it starts once,
    from their means in the new features, and goes on as far. A cluster that empties is re-seeded at the point farthest
    from its centroid. Distances are taken by blocks of rows, never for all points and clusters at once.

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
        points = Points(x.detach())
        if labels is None:
            labels = self._best(points)
        labels = self._fill(points, check_labels(labels, self.capacity, len(x), x.device))
        labels, _ = self._lloyd(points, points.means(labels, self.capacity), labels)
        return Partition.from_labels(x, labels, self.capacity)

    def _best(self, points: "Points") -> Tensor:
        tolerance = TOLERANCE * float(ranks.mean(points.squares)) / points.x.shape[1]
        best, lowest = points.x.new_empty(0), math.inf
        together = max(1, LARGE // 16 // points.number)  # two numbers in double precision for each point
        for done in range(0, self.restarts, together):
            for seeds in self._seeds(points, min(together, self.restarts - done)):
                none = seeds.new_full((len(points.x),), -1)
                labels, means = self._lloyd(points, points.chosen(seeds)[0], none, tolerance)
                inertia = float(ranks.all_sum(points.errors(labels, means).sum()))
                best, lowest = (labels, inertia) if inertia < lowest else (best, lowest)
        return best

    def _seeds(self, points: "Points", runs: int) -> Tensor:
        seeds = points.seeds(self.capacity, runs)
        if seeds.shape[1] < self.capacity:
            raise ValueError(
                f"x holds {seeds.shape[1]} distinct points for capacity={self.capacity} clusters: "
                "lower capacity or pass more points"
            )
        return seeds

    def _lloyd(self, points: "Points", means: Tensor, labels: Tensor, tolerance: float = 0.0) -> tuple[Tensor, Tensor]:
        for _ in range(self.iterations):
            before, old = labels, means
            labels, means = points.step(old)
            # One look at the device: has a label changed, how far have centroids moved, is one empty, not a number?
            distance = ((means - old) ** 2).sum()
            news = torch.stack([(labels != before).any().to(distance), distance * (ranks.rank() == 0)])
            changed, shift = ranks.all_sum(news).tolist()
            if math.isnan(shift):
                labels = self._fill(points, labels)
                means = points.means(labels, self.capacity)
            elif not changed or shift <= tolerance:
                break
        return labels, means

    def _fill(self, points: "Points", labels: Tensor) -> Tensor:
        # Each empty cluster takes the farthest point of a cluster that has others.
        empty = (ranks.counts(labels, self.capacity) == 0).nonzero().flatten().tolist()
        if not empty:
            return labels
        labels = labels.clone()
        for k in empty:
            errors = points.errors(labels, points.means(labels, self.capacity))
            far = errors.argmax()
            farthest = ranks.all_gather(errors[far])
            if not farthest.max() > points.dust * ranks.all_max(points.squares.max()):
                self._seeds(points, 1)  # raises if the points are as few as they look
            if int(farthest.argmax()) == ranks.rank():
                labels[far] = k
        return labels


def kmeans_plus_plus(x: Tensor, k: int) -> Tensor:
    r"""Rows ``(k,)`` of the points ``(N, D)`` to seed clusters with; fewer if there are fewer distinct points.

    A candidate is drawn with probability proportional to its squared distance from the seeds so far; of
    :math:`2 + \lfloor\log k\rfloor` candidates the one that lowers the sum of those distances most is kept.

    References:
        Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007 (the greedy rule: section 5).
    """
    return Points(x.detach()).seeds(k, 1)[0]


def seeded_labels(x: Tensor, capacity: int) -> Tensor:
    """Labels ``(N,)`` by the nearest of ``capacity`` k-means++ seeds, the largest cluster in slot 0 and so on."""
    points = Points(x.detach())
    labels, _ = points.step(points.chosen(points.seeds(capacity, 1)[0])[0])
    return ranks.counts(labels, capacity).argsort(descending=True, stable=True).argsort()[labels]


class Points:
    """Points ``(N, D)`` about their mean, taken in blocks of rows: there is no second copy of them unless it is small.

    Attributes:
        squares: their squared distances from the mean ``(N,)``.
        number: how many they are on all ranks, of which those here are ``first`` and so on.
        dust: what rounding may leave, in these, of the squared distance of a point from its copy.
    """

    def __init__(self, x: Tensor) -> None:
        self.x, self.middle = x, ranks.mean(x)
        lengths = ranks.all_gather(torch.tensor(len(x), device=x.device)).tolist()
        self.number, self.first = sum(lengths), sum(lengths[: ranks.rank()])
        self.small = x - self.middle if x.numel() * x.element_size() <= 2 * LARGE else None
        self.squares = torch.cat([(block**2).sum(1) for _, block in self.blocks(1)])
        self.dust = 2 * (x.shape[1] + 2) * torch.finfo(x.dtype).eps

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        return self.x[rows] - self.middle if self.small is None else self.small[rows]

    def chosen(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The points in rows ``(...)`` of all ranks, ``(..., D)``, and their ``squares`` ``(...)``."""
        here = (rows - self.first).clamp(0, len(self.x) - 1)
        found = torch.cat([self[here], self.squares[here][..., None]], -1)
        found = ranks.all_sum(torch.where((here == rows - self.first)[..., None], found, 0))
        return found[..., :-1], found[..., -1]

    def blocks(self, width: int) -> Iterator[tuple[slice, Tensor]]:
        """Rows, and the points in them; so many that ``width`` numbers for each of them are not too many at once."""
        size = max(1, BLOCK.get(self.x.device.type, LARGE // 4) // self.x.element_size() // max(width, self.x.shape[1]))
        for start in range(0, len(self.x), size):
            rows = slice(start, start + size)
            yield rows, self[rows]

    def step(self, means: Tensor) -> tuple[Tensor, Tensor]:
        r"""The nearest mean ``(N,)``, :math:`\arg\min_k \|\mu_k\|^2 - 2 x_i \cdot \mu_k`, and the new means."""
        K = len(means)
        squares, rank = (means**2).sum(1, keepdim=True), torch.arange(K, 0, -1).to(means)[:, None]
        labels, sums = torch.empty(len(self.x), dtype=torch.int64, device=means.device), torch.zeros_like(means)
        for rows, x in self.blocks(K):
            score = torch.addmm(squares, means, x.T, alpha=-2)
            # The first of the least, as by argmin(0), whose loop over a dimension torch does not vectorise.
            labels[rows] = K - score.eq_(score.amin(0)).mul_(rank).amax(0).long()
            sums.index_add_(0, labels[rows], x)
        return labels, _divided(sums, labels)

    def means(self, labels: Tensor, capacity: int) -> Tensor:
        """Means ``(K, D)`` of the points of each label; not a number where there are none."""
        sums = self.middle.new_zeros(capacity, len(self.middle))
        for rows, x in self.blocks(1):
            sums.index_add_(0, labels[rows], x)
        return _divided(sums, labels)

    def errors(self, labels: Tensor, means: Tensor) -> Tensor:
        """The squared distance ``(N,)`` of each point from the mean of its label."""
        return torch.cat([((x - means[labels[rows]]) ** 2).sum(1) for rows, x in self.blocks(1)])

    def distances(self, chosen: Tensor, exact: bool) -> Iterator[tuple[slice, Tensor]]:
        """Rows, and the squared distances ``(M, rows)`` of the points in them from the chosen ones ``(M,)``."""
        centres, squares = self.chosen(chosen)
        for rows, x in self.blocks(len(centres)):
            if exact:
                yield rows, torch.cdist(centres, x, compute_mode="donot_use_mm_for_euclid_dist") ** 2
            else:
                yield rows, torch.addmm(self.squares[rows], centres, x.T, alpha=-2).add_(squares[:, None])

    def seeds(self, k: int, runs: int, exact: bool = False) -> Tensor:
        """Rows ``(runs, k)`` by k-means++, in every run as many of them as there are distinct points to be found."""
        N, trials, device = len(self.x), 2 + int(math.log(k)), self.x.device
        dust = 0 if exact else self.dust * self.squares
        with ranks.alike(device):
            seeds = [torch.randint(self.number, (runs,), device=device)]
        closest = self.squares.new_full((runs, N), math.inf)
        totals = [closest.new_ones(runs, dtype=torch.float64)]
        while len(seeds) < k:
            for rows, distance in self.distances(seeds[-1], exact):
                closest[:, rows] = torch.minimum(closest[:, rows], distance)
            closest.masked_fill_(closest <= dust, 0)  # a copy of a seed is not drawn
            # By inversion, in double precision, for single would lose points among millions. Nothing is looked at until
            # the end: when the seeds are used up all totals are 0, whatever is drawn then.
            cumulative = closest.cumsum(1, dtype=torch.float64)
            ends = ranks.all_gather(cumulative[:, -1]).cumsum(0)  # a view would keep all N of every round
            with ranks.alike(device):
                u = torch.rand(runs, trials, dtype=torch.float64, device=device) * ends[-1, :, None]
            owner = (u >= ends[:-1, :, None]).sum(0)
            u -= torch.cat([torch.zeros_like(ends[:1]), ends])[ranks.rank()][:, None]
            drawn = torch.searchsorted(cumulative, u, right=True).clamp(max=N - 1) + self.first
            drawn = ranks.all_sum(torch.where(owner == ranks.rank(), drawn, 0))
            sums = closest.new_zeros(runs, trials)
            for rows, distance in self.distances(drawn.flatten(), exact):
                sums += torch.minimum(distance.view(runs, trials, -1), closest[:, None, rows]).sum(2)
            seeds.append(drawn.gather(1, ranks.all_sum(sums).argmin(1, keepdim=True)).squeeze(1))
            totals.append(ends[-1])
        found = int((torch.stack(totals) > 0).sum(0).min())
        if found < k and not exact:
            return self.seeds(k, runs, exact=True)  # are they copies, or too close for the matrix product to tell?
        return torch.stack(seeds[:found], 1)


def _divided(sums: Tensor, labels: Tensor) -> Tensor:
    # Unlike bincount this does not wait for the device.
    counts = labels.new_zeros(len(sums)).scatter_add_(0, labels, torch.ones_like(labels))
    return ranks.all_sum(sums) / ranks.all_sum(counts)[:, None]
