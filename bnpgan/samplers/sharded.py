"""Clustering of points that are spread over the processes of ``torch.distributed``, called ranks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.partition import Partition, check_labels, check_points
from bnpgan.samplers.base import Clusterer, Sampler
from bnpgan.samplers.wrapper import ClustererWrapper

__all__ = ["Sharded"]


@dataclass(frozen=True, eq=False)
class Sharded(ClustererWrapper):
    r"""The clusterer ``base`` on the points of all ranks; each process passes its own points.

    .. math:: \sum_{i : z_i = k} \phi(x_i) = \sum_r \; \sum_{i \in r : z_i = k} \phi(x_i)

    All that ``base`` learns of points are such sums. Ranks exchange these, but no labels, and no points except the
    seeds of k-means++. Parameters are drawn alike on all ranks, labels by each rank for its own points. So the law is
    that of ``base`` on all points in one process, and k-means from the same random numbers differs only by rounding.

    Every process runs the same program, as with ``torchrun``, and all call a method together; the numbers of points
    may differ. Points lie where the process group can reach them: on the CPU for gloo, each rank's own GPU for NCCL.
    Random numbers follow from the ambient generator of rank 0. The ranks should have the same hardware and software,
    for draws are alike only if arithmetic is. With one process, or without ``torch.distributed``, it does what ``base``
    does.

    Args:
        base: a :class:`~bnpgan.samplers.StickBreaking` or :class:`~bnpgan.samplers.KMeans`.

    Raises:
        ValueError: if ``base`` is another clusterer; on every rank, if points or labels of one are not valid, or the
            ranks pass points of another width, type or device, or only some pass labels.

    Example:
        Under ``torchrun --nproc-per-node 2``, after ``torch.distributed.init_process_group("gloo")``, each process
        would pass its half of the points; here is one:

        >>> from bnpgan.samplers import KMeans
        >>> p = Sharded(KMeans(2)).fit(torch.tensor([[0.0], [0.1], [5.0]]))
        >>> p.labels[0] == p.labels[1], p.log_weights.exp().sort().values
        (tensor(True), tensor([0.3333, 0.6667]))

    References:
        Chu et al., "Map-Reduce for machine learning on multicore", 2006 (the summation form). Blocked sweeps have it
        too, and stay exact, for labels are independent given weights and parameters.
    """

    base: Clusterer

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.base.by_sums:
            raise ValueError(
                f"base must be a clusterer that sees points by sums over them, got {type(self.base).__name__}: "
                "use StickBreaking or KMeans"
            )

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """Partition the points of all ranks.

        Args:
            x: the points ``(N_r, D)`` of this rank.
            labels: theirs ``(N_r,)``, to start from; on all ranks or on none.

        Returns:
            The labels ``(N_r,)`` of this rank's points; weights and components of all points, equal on all ranks. Its
            ``counts`` are those of the labels, this rank's.
        """
        with self._together(x, labels):
            return self.base.fit(x, labels)

    def partition(self, x: Tensor, labels: Tensor) -> Partition:
        """What is known of each slot given the labels ``(N_r,)`` of the points ``(N_r, D)`` of all ranks."""
        with self._together(x, labels):
            return self.base.partition(x, labels)

    def init(self, x: Tensor) -> Tensor:
        """Labels ``(N_r,)`` of this rank's points to start a chain from; for a ``base`` that is a sampler."""
        sampler = self._sampler()
        with self._together(x, None):
            return sampler.init(x)

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """The labels ``(N_r,)`` of this rank's points one sweep on; for a ``base`` that is a sampler.

        Hyper-parameters left ``None`` are set from the points in each step anew; ``fit`` sets them once.
        """
        sampler = self._sampler()
        with self._together(x, labels):
            return sampler.step(x, labels)

    def _sampler(self) -> Sampler:
        if not isinstance(self.base, Sampler):
            raise ValueError(f"base: {type(self.base).__name__} is no Markov chain and has no steps: use fit")
        return self.base

    @contextmanager
    def _together(self, x: Tensor, labels: Tensor | None) -> Iterator[None]:
        if ranks.size() == 1:
            yield
            return
        x = torch.as_tensor(x)
        with ranks.together(x.device):
            self._check(x, labels)
            yield

    def _check(self, x: Tensor, labels: Tensor | None) -> None:
        # A rank that raised alone would leave the others waiting for its sums.
        error, told = None, [0, 0, 0, 0]
        try:
            found = check_points(x)
            if labels is not None:
                check_labels(labels, self.capacity, len(found), found.device)
            told = [found.shape[1], found.element_size(), int(labels is not None), self.capacity]
        except ValueError as raised:
            error = raised
        seen = ranks.all_gather(torch.tensor(told, device=x.device))
        if error is not None:
            raise error
        if (seen != seen[0]).any():
            raise ValueError(
                "ranks differ in columns, bytes per number, labels given or not, and capacity (all 0 where points or "
                f"labels are not valid): got {seen.tolist()}; pass the same kind of points on all"
            )
