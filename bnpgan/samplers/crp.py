"""Collapsed Gibbs sampling in the Chinese restaurant (Neal 2000, algorithm 3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from bnpgan.components.base import Conjugate, Stats
from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.inversion import invert
from bnpgan.partition import check_labels, check_points, in_slots
from bnpgan.priors import Partitions, Prior
from bnpgan.samplers.base import Sampler, check_state, log_prior_of_slots, tell_of_lost_loop
from bnpgan.samplers.starts import starting_labels

__all__ = ["CRPGibbs", "Seating"]


@dataclass(frozen=True, eq=False)
class Seating:
    """What happens to one point of a sweep, which is taken out of its cluster and seated again.

    Args:
        index: the point.
        weights: ``(C,)``, the probability of each slot; empty ones share that of a new cluster.
        choice: the slot drawn.
        labels: ``(N,)``, of all points, once this one has its seat; -1 where a point has none yet.
    """

    index: int
    weights: Tensor
    choice: int
    labels: Tensor


@dataclass(frozen=True, eq=False)
class CRPGibbs(Sampler):
    r"""Collapsed Gibbs sampler: parameters are integrated out, points move one at a time.

    .. math:: p(z_i = k \mid z_{-i}, x) \propto p(k \mid n_{-i}) \; p(x_i \mid x_j : z_j = k, j \ne i)

    where the prior predictive :math:`p(k \mid n)` shares the mass of a new cluster among the empty slots, which makes
    the law of the labels :math:`EPPF(z) (C - K)! / C!`: the prior's own, given :math:`K \le C`. The sweep is serial and
    runs on the CPU; the labels come back on the device of ``x``.

    Args:
        prior: how counts become probabilities.
        component: a conjugate family.
        capacity: the number of slots ``C``; choose it above any number of clusters that you expect.
        sweeps: steps that ``fit`` takes.
        max_dim, max_points: see :class:`~bnpgan.samplers.base.Clusterer`.

    Raises:
        ValueError: if ``capacity`` is below 1, ``sweeps`` below 0 or ``component`` not conjugate; from methods, if
            points or labels are not valid.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import DirichletProcess
        >>> x = torch.tensor([[0.0], [0.1], [0.2], [90.0], [90.1]])
        >>> p = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(scale=0.1), capacity=9).fit(x)
        >>> bool(p.labels[0] == p.labels[3])
        False

    References:
        Neal, "Markov chain sampling methods for Dirichlet process mixture models", 2000, algorithm 3 (Eq. 3.7).
    """

    prior: Prior
    component: Conjugate
    capacity: int = 100
    sweeps: int = 30
    max_dim: int | None = 32
    max_points: int | None = None
    needs = Partitions, Conjugate

    def __post_init__(self) -> None:
        super().__post_init__()
        tell_of_lost_loop(type(self.prior), self.prior.urn_lost, "log_urn_of")
        tell_of_lost_loop(type(self.component), self.component.seating_lost, "seating")

    def init(self, x: Tensor) -> Tensor:
        """Labels ``(N,)`` near a mode: see :func:`~bnpgan.samplers.starts.starting_labels`."""
        return starting_labels(x, self)

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """Take each point out and seat it again, once for all ``(N,)`` of them in order."""
        x, labels = check_state(x, labels, self.capacity)
        return self._sweep(x, labels)

    def seatings(self, x: Tensor, labels: Tensor | None = None) -> Iterator[Seating]:
        """One ``step`` from ``labels`` ``(N,)``, point by point: under one seed, the last labels are its own.

        Where there are no labels the points come in one after another, each seated by its conditional given those
        before it.

        Raises:
            ValueError: if points or labels are not valid.

        Example:
            >>> from bnpgan.components import NormalInverseWishart
            >>> from bnpgan.priors import DirichletProcess
            >>> sampler = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(scale=1.0), capacity=3)
            >>> first, *_ = sampler.seatings(torch.tensor([[0.0], [9.0]]))
            >>> first.weights, bool(first.labels[0] == first.choice), int(first.labels[1])
            (tensor([0.3333, 0.3333, 0.3333], dtype=torch.float64), True, -1)
        """
        x = check_points(x).to(torch.float64)
        labels = _nobody(x) if labels is None else check_labels(labels, self.capacity, len(x), x.device)
        now, points = labels.cpu().clone(), x.cpu()
        return (
            Seating(i, log_p.softmax(0).to(x.device), k, now.to(x.device, copy=True))
            for i, log_p, k in self._seat(points, now, self._start(points, now))
        )

    def log_prior(self, labels: Tensor) -> Tensor:
        r""":math:`\log EPPF(z) + \log (C - K)! / C!`, ``()``."""
        return log_prior_of_slots(self.prior, labels, self.capacity)

    def _sweep(self, x: Tensor, labels: Tensor) -> Tensor:
        now, points = labels.cpu().clone(), x.cpu()
        start = self._start(points, now)
        if self.component.has_seating and start.prior.has_urn:
            self._seat_compiled(points, now, start)
        else:
            for _ in self._seat(points, now, start):
                pass
        return in_slots(now.to(x.device), self.capacity)

    def _start(self, x: Tensor, labels: Tensor) -> "_Start":
        if (labels >= 0).all():
            prior, stats = self.draw(x, labels)
        else:
            stats = self.component.draw(self.component.soft_stats(x, x.new_zeros(1, 1).expand(len(x), self.capacity)))
            prior = self.prior.draw(stats.n)
        return _Start(prior, stats, stats.n.long(), torch.rand(len(x), dtype=x.dtype))

    def _seat(self, x: Tensor, labels: Tensor, start: "_Start") -> Iterator[tuple[int, Tensor, int]]:
        # Seats the points in place; yields the index of each, the log-weights of the slots, and the slot drawn.
        prior, stats, counts, uniform = start
        for i, k in enumerate(labels.tolist()):
            if k >= 0:
                counts[k] -= 1
                self.component.add_(stats, k, x[i], sign=-1)
            log_p = prior.log_predictive(counts) + self.component.log_predictive(stats, x[i])
            k = int(invert(log_p.softmax(0)[None], uniform[i : i + 1]))
            counts[k] += 1
            self.component.add_(stats, k, x[i])
            labels[i] = k
            yield i, log_p, k

    def _seat_compiled(self, x: Tensor, labels: Tensor, start: "_Start") -> None:
        from bnpgan.engine.seating import Urn, seat  # numba takes half a second to import

        prior, stats, counts, uniform = start
        N, sizes, size = len(x), torch.arange(len(x) + 1), rows_at_once(self.capacity + 1, x)
        predictive = self.component.seating(stats, x)
        for first in range(0, N, size):
            part = slice(first, min(first + size, N))
            # The number of points seated while one is moved: N - 1 in a sweep; in ``init`` as many as came before it.
            urn = prior.log_urn(sizes, sizes[N - 1 : N] if counts.any() else sizes[part], self.capacity)
            points = predictive._replace(y=predictive.y[part])
            if not seat(points, Urn(*(w.numpy() for w in urn)), uniform[part].numpy(), labels[part].numpy()):
                raise ValueError(self.component.too_far(stats))


class _Start(NamedTuple):
    # What a sweep begins with: hyper-parameters drawn given the labels, and a number in [0, 1) for each point.
    prior: Prior
    stats: Stats
    counts: Tensor
    uniform: Tensor


def _nobody(x: Tensor) -> Tensor:
    return torch.full((len(x),), -1, device=x.device)
