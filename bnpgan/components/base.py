"""What every family of components can do, and what conjugate exponential families share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.distributions import Components
from bnpgan.grids import drawn, learned

Stats = Any
"""Sufficient statistics of ``K`` slots, with the hyper-parameters that they were made with; each family has its own.

All have ``n`` ``(K,)``, the points in each slot, soft counts included.
"""


class Component(Protocol):
    """A conjugate family; its statistics have a leading axis ``K`` and carry the hyper-parameters they were made with.

    Hyper-parameters left ``None`` are set from the ``x`` that ``stats`` or ``soft_stats`` is given. Where some are
    learned (given as a :class:`~bnpgan.grids.Grid`), statistics are made with the values that fit best, and ``draw``
    replaces these by a draw.
    """

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the hyper-parameters that ``draw`` draws."""
        ...

    def stats(self, x: Tensor, labels: Tensor, capacity: int) -> Stats:
        """Sufficient statistics of the points ``(N, D)`` under hard labels ``(N,)``."""
        ...

    def soft_stats(self, x: Tensor, responsibilities: Tensor) -> Stats:
        """Sufficient statistics of the points ``(N, D)`` under weights ``(N, K)``."""
        ...

    def draw(self, stats: Stats) -> Stats:
        """The same statistics with learned hyper-parameters drawn from their conditional given all slots."""
        ...

    def fixed(self, stats: Stats) -> "Component":
        """This family with every hyper-parameter set to what the statistics were made with."""
        ...

    def add_(self, stats: Stats, k: int, x: Tensor, sign: int = 1) -> None:
        """Add the point ``(D,)`` to slot ``k`` in place, or take it away with ``sign=-1``."""
        ...

    def log_marginal(self, stats: Stats) -> Tensor:
        """Log marginal likelihoods ``(K,)`` of the points in each slot, given the hyper-parameters."""
        ...

    def log_evidence(self, stats: Stats) -> Tensor:
        """Log marginal likelihood ``()`` of all points given the labels, learned hyper-parameters summed out."""
        ...

    def log_predictive(self, stats: Stats, x: Tensor) -> Tensor:
        """Log predictive densities ``(..., K)`` of ``x`` ``(..., D)`` given the points in each slot."""
        ...

    def empty(self, stats: Stats, slots: int) -> Stats:
        """Statistics of so many slots without points, under the same hyper-parameters."""
        ...

    def posterior_mean(self, stats: Stats) -> Components:
        """The components at the posterior means of their parameters."""
        ...

    def posterior_sample(self, stats: Stats) -> Components:
        """The components at one draw of their parameters from the posterior; from the prior where a slot is empty."""
        ...


@dataclass(eq=False)
class FamilyStats:
    r"""What the statistics of every exponential family hold.

    ``sums`` are :math:`\sum_i \phi(x_i)` ``(K, F)`` of the points that ``stats`` was given, ``members`` the
    hyper-parameters to choose from, ``log_posterior`` ``(G,)`` how well each fits, up to a constant, ``prior``
    the chosen ones, ``n`` the points in each slot.
    """

    n: Tensor
    prior: Any
    members: "Members"
    log_posterior: Tensor
    sums: Tensor

    @cached_property
    def alone(self) -> "Members":
        """The chosen hyper-parameters as the only ones to choose from."""
        return Members([self.prior], self.sums.device)


class ExponentialFamily(ABC):
    r"""A conjugate exponential family, :math:`p(x \mid \theta) \propto \exp(\theta^T \phi(x))`.

    The first feature is 1, so that its sum counts points. A leaf says what its hyper-parameters are for given points,
    what the features are, and what follows from their sums.
    """

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the hyper-parameters given as grids."""
        return learned(self)

    def stats(self, x: Tensor, labels: Tensor, capacity: int) -> Any:
        """Statistics of the points ``(N, D)`` under labels ``(N,)`` in ``[0, capacity)``."""
        members, log_weights = self.resolve(x)
        return self._best(members, log_weights, ranks.all_sum(self._sums(x, labels, capacity, members[0])))

    def soft_stats(self, x: Tensor, responsibilities: Tensor) -> Any:
        """Statistics of the points ``(N, D)``, each in slot ``k`` with weight ``responsibilities[:, k]``."""
        members, log_weights = self.resolve(x)
        start, parts = 0, []
        for phi in self._features(x, members[0]):
            parts.append(responsibilities[start : start + len(phi)].T @ phi)
            start += len(phi)
        return self._best(members, log_weights, ranks.all_sum(torch.stack(parts).sum(0)))

    def draw(self, stats: Any) -> Any:
        """The same statistics with learned hyper-parameters drawn given all slots."""
        if len(stats.members) == 1:
            return stats
        return self._choose(stats.members, stats.log_posterior, stats.sums, drawn(stats.log_posterior))

    def log_evidence(self, stats: Any) -> Tensor:
        """Log marginal likelihood ``()`` of all points that ``stats`` was given, learned values summed out."""
        if len(stats.members) == 1:
            return self.log_marginal(stats).sum()
        return stats.log_posterior.logsumexp(0)

    def features(self, stats: Any, x: Tensor) -> Iterator[Tensor]:
        r"""The features :math:`\phi(x)` of the points ``(N, D)`` in chunks of rows, ``(n, F)``."""
        return self._features(x, stats.prior)

    def with_sums(self, stats: Any, sums: Tensor) -> Any:
        """Statistics of other slots, from their sums of features ``(K, F)``, under the same hyper-parameters."""
        return self._choose(stats.alone, sums.new_zeros(1), sums, None)

    def empty(self, stats: Any, slots: int) -> Any:
        """Statistics of so many slots without points, under the same hyper-parameters."""
        return self.with_sums(stats, stats.sums.new_zeros(slots, stats.sums.shape[1]))

    @abstractmethod
    def natural(self, stats: Any) -> Tensor:
        r"""Weights ``(K, F)`` with :math:`\log p(x \mid \hat\theta_k) = \phi(x)^T w_k` at the posterior mean."""

    @abstractmethod
    def resolve(self, x: Tensor) -> tuple["Members", Tensor]:
        """The hyper-parameters, set from the points where ``None``, for each value of a grid; log-weights."""

    @abstractmethod
    def log_marginal(self, stats: Any) -> Tensor:
        """Log marginal likelihoods ``(K,)`` of the points in each slot; 0 for an empty one."""

    def _sums(self, x: Tensor, labels: Tensor, capacity: int, prior: Any) -> Tensor:
        """Sums ``(K, F)`` of the features of the points with each label."""
        start, sums = 0, x.new_zeros(capacity, 0)
        for phi in self._features(x, prior):
            sums = sums if start else phi.new_zeros(capacity, phi.shape[1])
            sums.index_add_(0, labels[start : start + len(phi)], phi)
            start += len(phi)
        return sums

    @abstractmethod
    def _features(self, x: Tensor, prior: Any) -> Iterator[Tensor]: ...

    @abstractmethod
    def _log_marginals(self, members: "Members", sums: Tensor) -> Tensor:
        """Log marginal likelihoods ``(G, K)`` under each of the hyper-parameters."""

    @abstractmethod
    def _choose(self, members: "Members", log_posterior: Tensor, sums: Tensor, g: Tensor | None) -> Any:
        """The statistics under ``members.at(g)``."""

    def _best(self, members: "Members", log_weights: Tensor, sums: Tensor) -> Any:
        if len(members) == 1:
            return self._choose(members, log_weights, sums, None)
        used = sums[sums[:, 0] > 0] if sums.device.type == "cpu" else sums  # a GPU would wait to know how many
        log_posterior = log_weights + self._log_marginals(members, used).sum(1)
        return self._choose(members, log_posterior, sums, log_posterior.argmax())


class Members(list):
    """The hyper-parameters to choose from: named tuples that differ in some of their fields, for points on a device."""

    def __init__(self, members: Iterable[Any], device: torch.device) -> None:
        super().__init__(members)
        self.device = device

    def at(self, g: Tensor | None) -> Any:
        """Those of number ``g`` ``()``, or the only ones; on a GPU, where the host does not know ``g``, as tensors."""
        if g is None or self.device.type == "cpu":
            return self[0 if g is None else int(g)]
        return self[0]._replace(**{name: rows.index_select(0, g.view(1))[0] for name, rows in self._differing.items()})

    @cached_property
    def _differing(self) -> dict[str, Tensor]:
        fields = {name: [getattr(member, name) for member in self] for name in self[0]._fields}
        return {
            name: torch.stack(values) if isinstance(values[0], Tensor) else _numbers(values, self.device)
            for name, values in fields.items()
            if any(value is not values[0] for value in values)
        }


def _numbers(values: list[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=device)
