"""The tiers of priors, classes that say what a prior can do; and how a prior is mixed over grids of hyper-parameters.

:class:`Partitions` (probabilities of partitions and of the next point) -> :class:`OrderedWeights` (weights of slots in
order) -> :class:`Masses` (unnormalised weights of infinitely many clusters). ``docs/add-a-prior.md`` writes one.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor
from torch.distributions import Gamma

from bnpgan.engine.loops import said_anew
from bnpgan.grids import Grid, drawn, grids, joint, record
from bnpgan.whole import check_whole

MOST_BY_SIZES = 50  # points whose 204,226 lists of block sizes are summed over where there is no recursion: seconds
PIECE = 64  # totals whose weights of a new cluster are held at once


class Partitions(ABC):
    r"""How counts become probabilities of clusters, by the law of an exchangeable partition: the first tier.

    ``counts`` ``(C,)`` are the points in each slot, 0 where one is empty. The law sees the sizes of the blocks only: it
    is the same for any order of the counts, and however many of them are 0. Of no points there is one partition, so
    ``log_eppf`` of zeros is 0.

    A leaf is a frozen dataclass whose fields are its hyper-parameters, each a number or a :class:`~bnpgan.grids.Grid`,
    and gives ``log_eppf_of``. The rest follows; with ``log_urn_of`` sweeps that move points one at a time are compiled.
    Methods that end in ``_of`` are given hyper-parameters by name, ``hyper.concentration``, and state a law under all
    members of the grids at once: of counts ``(..., 1, C)``, float64, and hyper-parameters ``(G, 1)`` they make
    ``(..., G)``.

    Raises:
        ValueError: from a leaf, if a hyper-parameter is out of range.

    Example:
        >>> from bnpgan.priors import DirichletProcess
        >>> isinstance(DirichletProcess(1.0), Partitions)
        True
        >>> DirichletProcess(1.0).log_eppf(torch.tensor([[2, 1, 0], [0, 0, 0]])).exp()
        tensor([0.1667, 1.0000], dtype=torch.float64)

    References:
        Pitman, "Exchangeable and partially exchangeable random partitions", 1995.
    """

    # What a leaf gives.

    @abstractmethod
    def log_eppf_of(self, n: Tensor, hyper: Any) -> Tensor:
        """Log exchangeable partition probability ``(..., G)`` of the block sizes ``n`` ``(..., 1, C)``.

        Where all sizes are 0 the result is not read, and may be anything, also NaN.
        """

    def log_urn_of(
        self, sizes: Tensor, totals: Tensor, used: Tensor, capacity: int, hyper: Any
    ) -> tuple[Tensor, Tensor]:
        """Weights to which the predictive is proportional, given the total; a law without such weights leaves it out.

        Args:
            sizes: points in a cluster, ``(S,)``.
            totals: points in all, ``(T,)``.
            used: numbers of clusters ``(U,)``, consecutive.
            capacity: the number of slots.
            hyper: hyper-parameters ``(G, 1)``.

        Returns:
            The log-weights ``(G, S)`` of a cluster of each size, and ``(G, T, U)`` of a new one, or ``(G, 1, U)`` where
            totals do not matter.
        """
        raise NotImplementedError(f"{type(self).__name__} has no urn")

    def hyper(self) -> dict[str, float | Grid]:
        """The hyper-parameters by name: the fields."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.init}  # type: ignore[arg-type]

    # What follows.

    @property
    def grids(self) -> dict[str, Grid]:
        """The grids of the hyper-parameters that are given as such, by name."""
        return grids(self)

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the hyper-parameters given as grids, which ``draw`` draws."""
        return tuple(self.grids)

    def draw(self, counts: Tensor, ordered: bool = False) -> Self:
        r"""This prior with its grids replaced by a draw given counts ``(C,)``, :math:`p(g) \propto w_g p(n \mid g)`.

        Args:
            counts: ``(C,)``.
            ordered: whether the law of the counts is that of ordered slots, ``log_marginal``, or of a partition.
        """
        if not self.learned:
            return self
        g = int(drawn(self._posterior(counts, ordered)))
        values = self._members[0]
        numbers = {name: float(getattr(values, name)[g]) for name in self.learned}
        return replace(self, **numbers)  # type: ignore[type-var]

    def log_eppf(self, counts: Tensor) -> Tensor:
        """Log exchangeable partition probability ``(...)`` of partitions with the block sizes ``(..., C)``."""
        return self._posterior(counts, ordered=False).logsumexp(-1)

    def log_predictive(self, counts: Tensor) -> Tensor:
        """Log-probability ``(C,)`` of each slot for the next point; empty slots share that of a new cluster."""
        empty, share = counts == 0, (counts == 0).sum().to(torch.float64).log()
        if type(self).log_urn_of is Partitions.log_urn_of or {"log_eppf_of", "log_eppf"} & {*self.urn_lost}:
            each = self.log_eppf(counts + torch.eye(len(counts), dtype=counts.dtype, device=counts.device))
            return each - self.log_eppf(counts) - torch.where(empty, share, 0.0)
        n, used = counts.to(torch.float64), (counts > 0).sum()
        old, new = self.log_urn_of(n, n.sum()[None], used[None], len(n), self._columns(counts.device))
        old, new = old.masked_fill(empty, -torch.inf), new[:, 0]
        each = torch.where(empty, new - share, old) - torch.logaddexp(old.logsumexp(1, keepdim=True), new)
        if len(each) == 1:
            return each[0]
        return (self._posterior(counts, ordered=False).log_softmax(-1)[:, None] + each).logsumexp(0)

    def sample_partition(self, n: int, capacity: int | None = None) -> Tensor:
        """A draw ``(n,)`` int64 of the partition of ``n`` points, one after another by the predictive.

        Clusters are numbered in order of appearance, as guests see the tables of a restaurant; grids are drawn first.

        Args:
            n: the number of points.
            capacity: the number of slots, where the law depends on it, as a ``FiniteDirichlet`` does; ``None``: ``n``.

        Raises:
            ValueError: if ``n`` is less than 1, or the law may need more than ``capacity`` clusters.

        Example:
            >>> from bnpgan.priors import DirichletProcess
            >>> DirichletProcess(1e-9).sample_partition(4), DirichletProcess(1e9).sample_partition(4)
            (tensor([0, 0, 0, 0]), tensor([0, 1, 2, 3]))
        """
        counts = torch.zeros(self._slots(n, capacity), dtype=torch.int64)
        prior, labels, used = self.draw(counts), torch.empty(n, dtype=torch.int64), 0
        for i in range(n):
            k = min(int(drawn(prior.log_predictive(counts))), used)  # any empty slot is the next table
            used = max(used, k + 1)
            counts[k] += 1
            labels[i] = k
        return labels

    def number_of_clusters(self, n: int, capacity: int | None = None) -> Tensor:
        r"""The law ``(n + 1,)`` of the number of clusters among ``n`` points: entry ``k`` is :math:`P(K_n = k)`.

        .. math:: P(K_{i+1} = k) = P(K_i = k) \, p_{old}(i, k) + P(K_i = k - 1) \, p_{new}(i, k - 1)

        The urn of an exchangeable law weighs clusters linearly in their sizes, so that the chance of a new one depends
        on their number only. (For a Dirichlet process this gives Stirling numbers of the first kind, for a Pitman-Yor
        process generalised ones.) A law without an urn is summed over all lists of block sizes. Grids are summed over.

        Args:
            n: the number of points.
            capacity: the number of slots, where the law depends on it, as a ``FiniteDirichlet`` does; ``None``: ``n``.

        Returns:
            Probabilities, float64; that of 0 clusters is 0.

        Raises:
            ValueError: if ``n`` is less than 1, the law may need more than ``capacity`` clusters, or it has no urn and
                ``n`` exceeds 50.

        Example:
            >>> from bnpgan.priors import DirichletProcess
            >>> DirichletProcess(1.0).number_of_clusters(3)
            tensor([0.0000, 0.3333, 0.5000, 0.1667], dtype=torch.float64)

        References:
            Antoniak, "Mixtures of Dirichlet processes with applications to Bayesian nonparametric problems", 1974;
            Gnedin and Pitman, "Exchangeable Gibbs partitions and Stirling triangles", 2005.
        """
        C = self._slots(n, capacity)
        if not self.has_urn:
            return self._summed_over_sizes(n, C)
        used, sizes = torch.arange(min(n, C) + 1), torch.tensor([1.0, 2.0], dtype=torch.float64)
        hyper, weights = self._columns(used.device), self._on(used.device)[1].exp()
        p = torch.zeros(len(weights), n + 1, dtype=torch.float64)
        p[:, 1] = 1
        for start in range(1, n, PIECE):
            totals = range(start, min(start + PIECE, n))
            reach = used[: totals[-1] + 1]  # there are no more clusters than points
            given = torch.tensor(totals, dtype=torch.float64)
            old, new = (w.exp() for w in self.log_urn_of(sizes, given, reach, C, hyper))
            first, slope = old[:, :1], old[:, 1:] - old[:, :1]
            new = new.expand(-1, len(totals), -1)
            for i, total in enumerate(totals):
                k = used[1 : total + 1]
                stay, opened = slope * total + (first - slope) * k, new[:, i, 1 : len(k) + 1]
                here = p[:, 1 : len(k) + 1] / (stay + opened)
                p[:, 1 : len(k) + 1] = here * stay
                p[:, 2 : len(k) + 2] += here * opened
        return weights @ p

    def _slots(self, n: int, capacity: int | None) -> int:
        n = check_whole("n", n, 1, "pass the number of points")
        if capacity is None or capacity >= n:
            return n if capacity is None else capacity
        full = torch.tensor([capacity])
        if capacity < 1 or not self.has_urn or (self.log_urn(full, full, capacity)[1][..., -1] > -torch.inf).any():
            raise ValueError(
                f"capacity must be at least the {n} points, got {capacity}: {type(self).__name__} may open as many "
                "clusters; pass a FiniteDirichlet, which has none beyond its slots"
            )
        return capacity

    def _summed_over_sizes(self, n: int, capacity: int) -> Tensor:
        # A list of block sizes stands for n! / (prod_k n_k! prod_s m_s!) partitions, m_s the blocks of size s.
        if n > MOST_BY_SIZES:
            raise ValueError(
                f"n must be at most {MOST_BY_SIZES} for {type(self).__name__}, which has no urn, got {n}: give it "
                "log_urn_of, or draw with sample_partition"
            )
        law = torch.zeros(n + 1, dtype=torch.float64)
        for k in range(1, min(n, capacity) + 1):
            lists = list(_sizes(n, k, n))
            repeated = [[sizes.count(size) for size in set(sizes)] for sizes in lists]
            orders = torch.tensor([sum(math.lgamma(m + 1) for m in ms) for ms in repeated], dtype=torch.float64)
            counts = torch.tensor(lists)
            log_number = math.lgamma(n + 1) - torch.lgamma(counts.double() + 1).sum(1) - orders
            slots = torch.nn.functional.pad(counts, (0, capacity - k))
            law[k] = (log_number + self.log_eppf(slots)).exp().sum()
        return law

    @property
    def has_urn(self) -> bool:
        """Whether ``log_urn`` gives what ``log_predictive`` is made of; if not, loops over points are slow."""
        return type(self).log_urn_of is not Partitions.log_urn_of and not self.urn_lost

    @property
    def urn_lost(self) -> tuple[str, ...]:
        """Which methods a subclass says anew, the law or the predictive, without ``log_urn_of``, which must agree."""
        return said_anew(self, Partitions, "log_urn_of", "log_eppf_of", "log_eppf", "log_predictive")

    def log_urn(self, sizes: Tensor, totals: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
        """Weights to which the predictive is proportional, for loops over points; hyper-parameters must be numbers.

        Args:
            sizes: points in a cluster, ``(S,)``.
            totals: points in all, ``(T,)``.
            capacity: the number of slots ``C``.

        Returns:
            The log-weights ``(S,)`` of a cluster of each size, and ``(T, C + 1)`` of a new cluster beside 0, ..., C
            others; ``(1, C + 1)`` where the totals do not matter.
        """
        used = torch.arange(capacity + 1, device=sizes.device)
        numbers = sizes.to(torch.float64), totals.to(torch.float64), used
        old, new = self.log_urn_of(*numbers, capacity, self._columns(sizes.device))
        return old[0], new[0]

    def values(self, device: torch.device) -> Any:
        """The hyper-parameters by name, ``(G,)`` each, of all members of the grids; copied to a device once."""
        return self._on(device)[0]

    @cached_property
    def _members(self) -> tuple[Any, Tensor]:
        values, log_weights = joint(*self.hyper().values())
        return record(dict(zip(self.hyper(), values, strict=True))), log_weights

    @cached_property
    def _placed(self) -> dict[torch.device, tuple[Any, Tensor]]:
        return {}

    def _on(self, device: torch.device) -> tuple[Any, Tensor]:
        if device not in self._placed:
            values, log_weights = self._members
            placed = type(values)(*(_placed(value, device) for value in values))
            self._placed[device] = placed, _placed(log_weights, device)
        return self._placed[device]

    def _columns(self, device: torch.device) -> Any:
        values = self.values(device)
        return type(values)(*(value[:, None] for value in values))

    def _posterior(self, counts: Tensor, ordered: bool) -> Tensor:
        n = counts.to(torch.float64)[..., None, :]
        return self._law(n, self._columns(counts.device), ordered) + self._on(counts.device)[1]

    def _law(self, n: Tensor, hyper: Any, ordered: bool) -> Tensor:
        if ordered:
            raise NotImplementedError(f"{type(self).__name__} has no weights of ordered slots")
        return torch.where(n.sum(-1) > 0, self.log_eppf_of(n, hyper), 0.0)


Prior = Partitions
"""Any prior, whatever its tier."""


class OrderedWeights(Partitions):
    r"""A prior that also has weights of ``C`` slots in order, as truncated samplers instantiate: the second tier.

    Raises:
        ValueError: from a leaf, if a hyper-parameter is out of range.

    Example:
        >>> from bnpgan.priors import FiniteDirichlet
        >>> isinstance(FiniteDirichlet(1.0), OrderedWeights), isinstance(FiniteDirichlet(1.0), Masses)
        (True, False)
    """

    @abstractmethod
    def log_marginal_of(self, n: Tensor, hyper: Any) -> Tensor:
        r"""Log-probability ``(..., G)`` of a label vector with counts ``(..., 1, C)``; 0 of no points."""

    @abstractmethod
    def sample_log_weights_of(self, n: Tensor, hyper: Any) -> Tensor:
        """A draw ``(C,)`` of the log-weights of the slots given counts ``(C,)``; hyper-parameters are ``(1,)``."""

    @abstractmethod
    def sample_order(self, counts: Tensor) -> Tensor:
        """New slots ``(C,)`` of the slots, drawn from their law given the partition; ``C`` for any that lie beyond."""

    @abstractmethod
    def log_order(self, counts: Tensor) -> Tensor:
        """Log-probability ``()`` of the slots of the blocks given the partition, were there infinitely many slots."""

    def log_marginal(self, counts: Tensor) -> Tensor:
        r"""Log-probability ``(...)`` of a label vector with counts ``(..., C)``, :math:`\log E[\prod_k w_k^{n_k}]`."""
        return self._posterior(counts, ordered=True).logsumexp(-1)

    def sample_log_weights(self, counts: Tensor) -> Tensor:
        """A draw ``(C,)`` of the log-weights of the slots given the counts; -inf where there is no component."""
        prior = self.draw(counts, ordered=True)
        return prior.sample_log_weights_of(counts.to(torch.float64), prior.values(counts.device))

    def sample_sticks(self, capacity: int) -> Tensor:
        """A draw ``(capacity,)`` of the weights of the slots before there are points; they sum to 1.

        Of a process of infinitely many sticks these are the first ``capacity - 1``, and what is left of the whole.

        Raises:
            ValueError: if ``capacity`` is less than 1.

        Example:
            >>> from bnpgan.priors import DirichletProcess
            >>> DirichletProcess(1e-9).sample_sticks(3)
            tensor([1., 0., 0.], dtype=torch.float64)
        """
        capacity = check_whole("capacity", capacity, 1, "pass the number of sticks")
        return self.sample_log_weights(torch.zeros(capacity, dtype=torch.int64)).exp()

    def _law(self, n: Tensor, hyper: Any, ordered: bool) -> Tensor:
        return self.log_marginal_of(n, hyper) if ordered else super()._law(n, hyper, ordered)


class Masses(OrderedWeights):
    """A prior of infinitely many clusters, whose weights given a partition are masses over their sum: the third tier.

    Masses of some clusters can be drawn without those of the others. Hyper-parameters must be numbers, as ``draw``
    makes them.

    Raises:
        ValueError: from a leaf, if a hyper-parameter is out of range.

    Example:
        >>> from bnpgan.priors import PitmanYor
        >>> isinstance(PitmanYor(1.0, 0.5), Masses)
        True
    """

    @abstractmethod
    def sample_masses(self, counts: Tensor) -> Tensor:
        """A draw ``(C,)`` of the log-masses of the clusters with points; -inf where a slot is empty."""

    @abstractmethod
    def sample_new_masses(self, counts: Tensor, log_least: Tensor, most: float = math.inf) -> Tensor | None:
        """A draw ``(J,)`` of those log-masses of clusters without points that exceed ``log_least`` ``()``.

        ``None`` where about more than ``most`` are to be expected, by a rule that knows all masses together and
        ``log_least``, and not which of the masses have points.
        """


def _placed(values: Tensor, device: torch.device) -> Tensor:
    # The host waits for a copy to a GPU. Filling a tensor with one number needs none.
    one = len(values) == 1
    return torch.full((1,), float(values), dtype=values.dtype, device=device) if one else values.to(device)


def _sizes(n: int, blocks: int, most: int) -> Iterator[tuple[int, ...]]:
    # Block sizes of partitions of n points: lists of so many, from at most ``most`` on, that do not rise and sum to n.
    if blocks == 0:
        yield ()
        return
    for size in range(min(n - blocks + 1, most), -(-n // blocks) - 1, -1):
        for rest in _sizes(n - size, blocks - 1, size):
            yield (size, *rest)


def log_gamma_sample(shape: Tensor) -> Tensor:
    """Logs of draws from Gamma(shape, 1)."""
    # G(a) = G(a + 1) U^(1/a): a plain draw underflows to 0 for the small shapes of empty slots.
    gamma = Gamma(
        shape + 1, torch.ones_like(shape), validate_args=False
    )  # validation would make the host wait for a GPU
    return gamma.sample().log() + torch.rand_like(shape).log() / shape
