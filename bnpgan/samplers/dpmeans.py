"""DP-means: k-means that opens clusters at a price (Kulis and Jordan 2012)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from bnpgan.engine.nearest import nearest
from bnpgan.partition import Partition, check_labels, check_points
from bnpgan.samplers.base import Clusterer, check_limits
from bnpgan.whole import keep_whole

__all__ = ["DPMeans", "farthest_first"]


@dataclass(frozen=True)
class DPMeans(Clusterer):
    r"""k-means in which a point may open a cluster: what Gibbs sampling becomes as clusters shrink to points.

    .. math:: \min_{z, K} \sum_i \| x_i - \mu_{z_i} \|^2 + \lambda K, \qquad
        \mu_k = \frac{1}{n_k} \sum_{z_i = k} x_i

    Points in order go to the nearest centroid, or to a new one where they are if its squared distance exceeds
    :math:`\lambda`, by more than rounding, and a slot is empty; then centroids are means again. Neither step raises the
    objective. It starts from the labels given, else from one cluster in slot 0, and depends on these, the points and
    their order only.

    Args:
        capacity: the number of slots.
        penalty: :math:`\lambda > 0`, in squared units of the data; ``None``: set from them by ``clusters``.
        clusters: about how many to expect: without a ``penalty`` it is the ``farthest_first`` distance for so many.
        iterations: the most passes over the points; it stops sooner when no label changes.
        max_points: see :class:`Clusterer`.

    Raises:
        ValueError: if ``capacity``, ``clusters`` or ``iterations`` is below 1, ``penalty`` is not positive, or it is to
            be set from fewer distinct points than ``clusters``.

    Example:
        >>> DPMeans(penalty=1.0).fit(torch.tensor([[0.0], [0.1], [5.0]])).labels
        tensor([1, 1, 2])

    References:
        Kulis and Jordan, "Revisiting k-means: new algorithms via Bayesian nonparametrics", 2012, algorithm 1.
    """

    capacity: int = 20
    penalty: float | None = None
    clusters: int = 10
    iterations: int = 100
    max_points: int | None = None

    def __post_init__(self) -> None:
        check_limits(self)
        if self.penalty is not None and not self.penalty > 0:
            raise ValueError(f"penalty must be positive, got {self.penalty}: pass None to set it from the data")
        keep_whole(self, "clusters", 1, "pass e.g. 10")
        keep_whole(self, "iterations", 1, "pass e.g. 100")

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """Partition the points ``(N, D)``, from the means of ``labels`` ``(N,)`` where they are given."""
        given = check_points(x).detach()
        x = given.double() - given.double().mean(0)  # far from 0 distances lose their digits
        if labels is None:
            labels = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        labels = check_labels(labels, self.capacity, len(x), x.device)
        penalty = farthest_first(x, self.clusters) if self.penalty is None else self.penalty
        # A distance that is the penalty up to rounding does not exceed it: the penalty is often one of the distances.
        penalty *= 1 + torch.finfo(given.dtype).eps ** 0.5
        for _ in tqdm(range(self.iterations), desc="DPMeans", delay=5, leave=False, disable=None, unit="pass"):
            moved = self._pass(x, labels, penalty)
            if torch.equal(moved, labels):
                break
            labels = moved
        return Partition.from_labels(given, labels, self.capacity)

    def _pass(self, x: Tensor, labels: Tensor, penalty: float) -> Tensor:
        counts = torch.bincount(labels, minlength=self.capacity)
        used, empty = (counts > 0).nonzero().flatten(), (counts == 0).nonzero().flatten()
        means = (x.new_zeros(self.capacity, x.shape[1]).index_add_(0, labels, x) / counts[:, None])[used]
        own = nearest(x, means)
        labels, distance = used[own], ((x - means[own]) ** 2).sum(1)
        # Only points beyond the penalty are taken one by one: a cluster opened there is open to later points.
        start = 0
        for k in empty:
            far = (distance[start:] > penalty).nonzero()
            if not len(far):
                break
            start += int(far[0])
            new = ((x[start:] - x[start]) ** 2).sum(1)
            closer = new < distance[start:]
            labels[start:][closer], distance[start:] = k, torch.minimum(new, distance[start:])
            start += 1
        return labels


def farthest_first(x: Tensor, clusters: int) -> float:
    r"""The squared distance at which the last of so many points of ``x`` ``(N, D)`` is far from all before it.

    A set starts as the mean of the points and takes the point farthest from it, ``clusters`` times; the last of these
    distances :math:`\max_i \min_{t \in T} \| x_i - t \|^2` is what a new cluster should cost. Where there are just as
    many distinct points, and the mean is one of them, that would be 0: it is then half of the last distance in a set
    without the mean, which makes each of them a cluster.

    Raises:
        ValueError: if there are too few distinct points.

    Example:
        >>> farthest_first(torch.tensor([[0.0], [1.0], [8.0]]), 2)
        9.0

    References:
        Kulis and Jordan, "Revisiting k-means: new algorithms via Bayesian nonparametrics", 2012.
    """
    rounding = x.shape[1] * (8 * torch.finfo(x.dtype).eps * float(x.abs().max())) ** 2  # what it makes of 0
    distance = ((x - x.mean(0)) ** 2).sum(1)
    among, share = torch.full_like(distance, torch.inf), 1.0  # distances from the points taken, without the mean
    for _ in range(clusters - 1):
        apart = ((x - x[distance.argmax()]) ** 2).sum(1)
        distance, among = torch.minimum(distance, apart), torch.minimum(among, apart)
        if share == 1.0 and float(distance.max()) <= rounding:
            distance, share = among, 0.5
    penalty = share * float(distance.max())
    if penalty <= rounding:
        raise ValueError(f"x holds fewer than clusters={clusters} distinct points: lower clusters or pass penalty")
    return penalty
