"""What every family of components can do."""

from typing import Any, Protocol

from torch import Tensor

from bnpgan.components.distributions import Components

Stats = Any
"""Sufficient statistics of ``K`` slots, with the hyper-parameters that they were made with; each family has its own.

All have ``n`` ``(K,)``, the points in each slot, soft counts included.
"""


class Component(Protocol):
    """A conjugate family; its statistics have a leading axis ``K`` and carry the hyper-parameters they were made with.

    Hyper-parameters left ``None`` are set from the ``x`` that ``stats`` or ``soft_stats`` is given.
    """

    def stats(self, x: Tensor, labels: Tensor, capacity: int) -> Stats:
        """Sufficient statistics of the points ``(N, D)`` under hard labels ``(N,)``."""
        ...

    def soft_stats(self, x: Tensor, responsibilities: Tensor) -> Stats:
        """Sufficient statistics of the points ``(N, D)`` under weights ``(N, K)``."""
        ...

    def add_(self, stats: Stats, k: int, x: Tensor, sign: int = 1) -> None:
        """Add the point ``(D,)`` to slot ``k`` in place, or take it away with ``sign=-1``."""
        ...

    def log_marginal(self, stats: Stats) -> Tensor:
        """Log marginal likelihoods ``(K,)`` of the points in each slot."""
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
