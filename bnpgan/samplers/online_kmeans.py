"""k-means that follows mini-batches: the online variant of SC-GAN."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bnpgan.engine.nearest import nearest
from bnpgan.partition import Partition, check_points
from bnpgan.samplers.base import Clusterer, check_limits
from bnpgan.samplers.kmeans import KMeans
from bnpgan.whole import keep_whole

__all__ = ["OnlineKMeans"]


@dataclass(frozen=True)
class OnlineKMeans(Clusterer):
    r"""k-means whose centroids move with every mini-batch, each to the mean of all that it was ever given.

    A point goes to the nearest centroid as it is now, and then, for the points of a mini-batch one after the other,

    .. math:: n_k \leftarrow n_k + 1, \qquad \mu_k \leftarrow \mu_k + \frac{1}{n_k} (x_i - \mu_k)

    ``fit`` is :class:`KMeans`; ``update`` follows. The counts start at the sizes of the fitted clusters: from 0, as in
    the released code, the first point would replace a centroid.

    While a network learns, its features move, and a centroid that is the mean of all that it was ever given stays
    behind: its points go to others, and it never sees a point again. With a ``memory`` of n points counts stop there,
    so that a centroid is an average with a weight of about :math:`e^{-m / n}` on what it was given m points ago.

    Args:
        capacity: the number of clusters.
        memory: the most points that a centroid is the mean of; ``None``: all, as in the paper.
        restarts, iterations: of the fit, see :class:`KMeans`.
        max_points: see :class:`Clusterer`.

    Raises:
        ValueError: as :class:`KMeans`.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [8.0], [9.0]])
        >>> p = OnlineKMeans(2).fit(x, torch.tensor([0, 0, 1, 1]))
        >>> p = OnlineKMeans(2).update(p, torch.tensor([[2.0]]), torch.tensor([0]))
        >>> p.components.mean.flatten(), p.memory["seen"]
        (tensor([1.0000, 8.5000]), tensor([3, 2]))

    References:
        Sculley, "Web-scale k-means clustering", 2010, Algorithm 1;
        Liu et al., "Diverse Image Generation via Self-Conditioned GANs", 2020, section 3.
    """

    capacity: int
    memory: int | None = None
    restarts: int = 10
    iterations: int = 300
    max_points: int | None = None

    def __post_init__(self) -> None:
        check_limits(self)
        KMeans(self.capacity, self.restarts, self.iterations)  # its checks
        if self.memory is not None:
            keep_whole(self, "memory", 1, "pass a number of points, e.g. 100, or None for all")

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """Partition the points ``(N, D)`` by k-means."""
        return self._counted(KMeans(self.capacity, self.restarts, self.iterations).fit(x, labels))

    def partition(self, x: Tensor, labels: Tensor) -> Partition:
        """The partition of given labels, counted anew."""
        return self._counted(Partition.from_labels(x, labels, self.capacity))

    def update(self, partition: Partition, x: Tensor, index: Tensor) -> Partition:
        """New labels for the points ``x`` ``(B, D)``, those of rows ``index`` ``(B,)``, and centroids moved by them."""
        x = check_points(x).to(partition.components.mean.dtype)
        mean, seen = partition.components.mean, partition.memory["seen"]
        new = nearest(x, mean)
        labels = partition.labels.clone()
        labels[index] = new
        # One after the other with step 1/n is the mean of all so far, whatever the order.
        arrived = torch.bincount(new, minlength=self.capacity)
        sums = torch.zeros_like(mean).index_add_(0, new, x)
        step = (arrived / (seen + arrived).clamp(min=1)).to(mean.dtype)[:, None]
        moved = mean + step * (sums / arrived.clamp(min=1).to(mean.dtype)[:, None] - mean)
        counts = torch.bincount(labels, minlength=self.capacity)
        return replace(
            partition,
            labels=labels,
            log_weights=(counts / len(labels)).to(mean.dtype).log(),
            components=replace(partition.components, mean=moved),  # type: ignore[type-var]  # Centroids
            memory={"seen": self._remembered(seen + arrived)},
        )

    def _counted(self, partition: Partition) -> Partition:
        return replace(partition, memory={"seen": self._remembered(partition.counts)})

    def _remembered(self, seen: Tensor) -> Tensor:
        return seen if self.memory is None else seen.clamp(max=self.memory)
