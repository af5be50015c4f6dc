"""What every family of components can do, and what conjugate exponential families share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.distributions import Components
from bnpgan.grids import learned

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
    members: list[Any]
    log_posterior: Tensor
    sums: Tensor


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
        g = int(torch.multinomial(stats.log_posterior.softmax(0), 1))
        return self._choose(stats.members, stats.log_posterior, stats.sums, g)

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
        return self._choose([stats.prior], sums.new_zeros(1), sums, 0)

    @abstractmethod
    def natural(self, stats: Any) -> Tensor:
        r"""Weights ``(K, F)`` with :math:`\log p(x \mid \hat\theta_k) = \phi(x)^T w_k` at the posterior mean."""

    @abstractmethod
    def resolve(self, x: Tensor) -> tuple[list[Any], Tensor]:
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
    def _log_marginals(self, members: list[Any], sums: Tensor) -> Tensor:
        """Log marginal likelihoods ``(G, K)`` under each of the hyper-parameters."""

    @abstractmethod
    def _choose(self, members: list[Any], log_posterior: Tensor, sums: Tensor, g: int) -> Any:
        """The statistics under ``members[g]``."""

    def _best(self, members: list[Any], log_weights: Tensor, sums: Tensor) -> Any:
        if len(members) == 1:
            return self._choose(members, log_weights, sums, 0)
        log_posterior = log_weights.to(sums.device) + self._log_marginals(members, sums[sums[:, 0] > 0]).sum(1)
        return self._choose(members, log_posterior, sums, int(log_posterior.argmax()))
