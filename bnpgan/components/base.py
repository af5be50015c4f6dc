"""The tiers of families of components: what a family can do is its class.

:class:`Drawable` (posterior draws, marginal likelihoods) -> :class:`Conjugate` (predictives, points added and removed)
-> :class:`ExponentialFamily` (all of it from features, a normaliser and a natural parameter).
``docs/add-a-component.md`` writes one.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import product
from typing import Any, ClassVar

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.distributions import Components
from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.loops import said_anew
from bnpgan.grids import Grid, drawn, grids, record
from bnpgan.memory import remembered

Stats = Any
"""Sufficient statistics of ``K`` slots; each family has its own.

All have ``n`` ``(K,)``, the points in each slot, soft counts included, and ``prior``, the hyper-parameters that they
were made with, by name.
"""


class Drawable(ABC):
    """A family of components whose parameters can be drawn given the points of a slot: the first tier.

    Statistics have a leading axis ``K`` and carry the hyper-parameters that they were made with. Those left ``None``
    are set from the ``x`` that ``stats`` is given. Where some are learned (given as a :class:`~bnpgan.grids.Grid`),
    statistics are made with the values that fit best, and ``draw`` replaces these by a draw.

    Example:
        >>> from bnpgan.components import SemiConjugateNormal
        >>> isinstance(SemiConjugateNormal(), Drawable), isinstance(SemiConjugateNormal(), Conjugate)
        (True, False)

    Attributes:
        normalised: whether a marginal likelihood is the density of a law of points, which can be drawn.
    """

    normalised: ClassVar[bool] = True

    @property
    def unbounded(self) -> bool:
        """Whether a likelihood has no bound where points agree, as a density has none and a probability one."""
        return False

    @property
    def grids(self) -> dict[str, Grid]:
        """The grids of the hyper-parameters that are given as such, by name."""
        return grids(self)

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the hyper-parameters given as grids, which ``draw`` draws."""
        return tuple(self.grids)

    def seen(self, x: Tensor) -> Tensor:
        """The columns ``(N, r)`` of the points ``(N, D)`` that count."""
        return x

    @abstractmethod
    def stats(self, x: Tensor, labels: Tensor, capacity: int) -> Stats:
        """Sufficient statistics of the points ``(N, D)`` under labels ``(N,)`` in ``[0, capacity)``."""

    def draw(self, stats: Stats) -> Stats:
        """The same statistics with learned hyper-parameters drawn from their conditional given all slots."""
        return stats

    def fixed(self, stats: Stats) -> "Drawable":
        """This family with every hyper-parameter set to what the statistics were made with."""
        numbers = {name: float(getattr(stats.prior, name)) for name in self.learned}
        return replace(self, **stats.prior._asdict() | numbers)  # type: ignore[type-var]

    @abstractmethod
    def empty(self, stats: Stats, slots: int) -> Stats:
        """Statistics of so many slots without points, under the same hyper-parameters."""

    @abstractmethod
    def log_marginal(self, stats: Stats) -> Tensor:
        """Log marginal likelihoods ``(K,)`` of the points in each slot, 0 for an empty one: exact, or by quadrature."""

    def log_evidence(self, stats: Stats) -> Tensor:
        """Log marginal likelihood ``()`` of all points given the labels, learned hyper-parameters summed out."""
        return self.log_marginal(stats).sum()

    @abstractmethod
    def posterior_mean(self, stats: Stats) -> Components:
        """The components at the posterior means of their parameters; at the prior's where a slot is empty."""

    @abstractmethod
    def posterior_sample(self, stats: Stats) -> Components:
        """The components at one draw of their parameters from the posterior; from the prior where a slot is empty."""


Component = Drawable
"""Any family of components, whatever its tier."""


class Conjugate(Drawable):
    """A family whose marginal and predictive densities have closed forms: the second tier.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> isinstance(NormalInverseWishart(), Conjugate)
        True
    """

    @abstractmethod
    def soft_stats(self, x: Tensor, responsibilities: Tensor) -> Stats:
        """Sufficient statistics of the points ``(N, D)``, each in slot ``k`` with weight ``responsibilities[:, k]``."""

    @abstractmethod
    def add_(self, stats: Stats, k: int, x: Tensor, sign: int = 1) -> None:
        """Add the point ``(D,)`` to slot ``k`` in place, or take it away with ``sign=-1``."""

    @abstractmethod
    def log_predictive(self, stats: Stats, x: Tensor) -> Tensor:
        """Log predictive densities ``(..., K)`` of ``x`` ``(..., D)`` given the points in each slot."""

    @property
    def has_seating(self) -> bool:
        """Whether a compiled loop does what ``log_predictive`` and ``add_`` say; not if a subclass says them anew."""
        return type(self).seating is not Conjugate.seating and not self.seating_lost

    @property
    def seating_lost(self) -> tuple[str, ...]:
        """Which of the methods that the compiled loop stands for a subclass says anew."""
        return said_anew(self, Conjugate, "seating", "log_predictive", "add_", "phi")

    def seating(self, stats: Stats, x: Tensor, replicas: int = 1) -> Any:
        """What the compiled loop takes of these slots and points ``(N, D)``: see ``engine.seating``; most have none."""
        raise NotImplementedError(f"{type(self).__name__} has no compiled loop")

    def too_far(self, stats: Stats) -> str:
        """What is wrong where the sums of a slot have lost their digits."""
        return "x holds points too far from the others for this family: drop the outliers"


@dataclass(eq=False)
class FamilyStats:
    r"""What the statistics of every exponential family hold.

    ``n`` ``(K,)`` are the points in each slot, ``prior`` the hyper-parameters they were made with, ``members`` those to
    choose from, ``log_posterior`` ``(G,)`` how well each fits, up to a constant, ``sums`` :math:`\sum_i \phi(x_i)`
    ``(K, F)`` of the points that ``stats`` was given.
    """

    n: Tensor
    prior: Any
    members: "Members"
    log_posterior: Tensor
    sums: Tensor

    @cached_property
    def alone(self) -> "Members":
        """The hyper-parameters that they were made with as the only ones to choose from."""
        return self.members if len(self.members) == 1 else Members([self.prior], self.sums.device)


@dataclass(eq=False)
class SummedStats(FamilyStats):
    """Those of a family that keeps nothing else: ``totals`` ``(K, F)`` are the sums as ``add_`` has changed them."""

    totals: Tensor


class ExponentialFamily(Conjugate):
    r"""A conjugate exponential family, :math:`p(x \mid \theta) \propto \exp(\theta^T \phi(x))`: the third tier.

    A leaf gives five formulas: the features of points, ``phi``; how much their sums weigh, ``log_normaliser``; the
    log-density at the posterior mean as a linear function of them, ``natural``; and the components at the posterior
    mean and at a draw. Its fields are its hyper-parameters: numbers, or grids to be learned. All else follows, and may
    be said anew: ``hyper`` where some are set from the points, and for speed ``feature_sums``, ``log_marginals``,
    ``statistics``, ``log_predictive`` and ``add_``.

    Example:
        >>> from bnpgan.components import DirichletCategorical
        >>> family, x = DirichletCategorical(0.5, categories=3), torch.tensor([[0, 1], [2, 1]])
        >>> stats = family.stats(x, torch.tensor([0, 0]), capacity=1)
        >>> phi = torch.cat(list(family.features(stats, x)))
        >>> torch.equal(phi.sum(0), stats.sums[0])
        True
    """

    # What a leaf gives. ``hyper`` holds the hyper-parameters by name: ``hyper.shape``.

    @abstractmethod
    def phi(self, x: Tensor, hyper: Any) -> Tensor:
        r"""The features :math:`\phi(x)` ``(N, F)`` of points ``(N, D)``; the first is 1, so that its sum counts points.

        A factor of the density that no parameter touches, as :math:`1 / x!`, is a feature too: its logarithm.
        """

    def log_normaliser(self, sums: Tensor, hyper: Any) -> Tensor:
        r"""The log-integral ``(...)`` of prior and likelihood given sums of features ``(..., F)``, up to a constant.

        .. math:: \log \int p(\theta) \, e^{\theta^T s} \, d\theta, \quad s = \sum_i \phi(x_i)

        Marginals and predictives are differences of it. Every leading axis must do; sums may be 0.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither log_normaliser nor log_marginals")

    @abstractmethod
    def natural(self, stats: Stats) -> Tensor:
        r"""Weights ``(K, F)`` with :math:`\log p(x \mid \hat\theta_k) = \phi(x)^T w_k` at the posterior mean."""

    # What follows.

    def weighing(self, share: float) -> "ExponentialFamily":
        """This family for data of which each point counts as ``share`` of one: what it sets from their number."""
        return self

    def hyper(self, x: Tensor) -> dict[str, Any]:
        """The hyper-parameters by name, those that are ``None`` set from the points ``(N, D)``; grids stay grids."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.init}  # type: ignore[arg-type]

    @remembered
    def resolve(self, x: Tensor) -> tuple["Members", Tensor]:
        """The hyper-parameters for points ``(N, D)``, for each combination of the values of grids; log-weights."""
        values = self.hyper(x)
        given = {name: value for name, value in values.items() if isinstance(value, Grid)}
        chosen = product(*(grid.values.tolist() for grid in given.values()))
        weights = product(*(grid.log_weights.tolist() for grid in given.values()))
        members = [record(values | dict(zip(given, numbers, strict=True))) for numbers in chosen]
        log_weights = torch.tensor([sum(parts) for parts in weights], dtype=torch.float64)
        return Members(members, x.device), log_weights.to(x.device)

    def feature_sums(self, x: Tensor, labels: Tensor, capacity: int, hyper: Any) -> Tensor:
        """Sums ``(K, F)`` of the features of the points ``(N, D)`` with each label ``(N,)``."""
        start, sums = 0, x.new_zeros(capacity, 0)
        for phi in self._pieces(x, hyper):
            sums = sums if start else phi.new_zeros(capacity, phi.shape[1])
            sums.index_add_(0, labels[start : start + len(phi)], phi)
            start += len(phi)
        return sums

    def log_marginals(self, members: "Members", sums: Tensor) -> Tensor:
        """Log marginal likelihoods ``(G, K)`` of sums ``(K, F)`` under each of the hyper-parameters."""
        zero = torch.zeros_like(sums[:1])
        return torch.stack([self.log_normaliser(sums, each) - self.log_normaliser(zero, each) for each in members])

    def statistics(self, sums: Tensor, prior: Any, members: "Members", log_posterior: Tensor) -> Any:
        """The statistics of slots with these sums ``(K, F)``, which ``add_`` leaves as they are, under ``prior``."""
        totals = sums.clone()
        return SummedStats(totals[:, 0], prior, members, log_posterior, sums, totals)

    def stats(self, x: Tensor, labels: Tensor, capacity: int) -> Any:
        """Statistics of the points ``(N, D)`` under labels ``(N,)`` in ``[0, capacity)``."""
        members, log_weights = self.resolve(x)
        return self._best(members, log_weights, ranks.all_sum(self.feature_sums(x, labels, capacity, members[0])))

    def soft_stats(self, x: Tensor, responsibilities: Tensor) -> Any:
        """Statistics of the points ``(N, D)``, each in slot ``k`` with weight ``responsibilities[:, k]``."""
        members, log_weights = self.resolve(x)
        start, parts = 0, []
        for phi in self._pieces(x, members[0]):
            parts.append(responsibilities[start : start + len(phi)].T @ phi)
            start += len(phi)
        return self._best(members, log_weights, ranks.all_sum(torch.stack(parts).sum(0)))

    def draw(self, stats: Any) -> Any:
        """The same statistics with learned hyper-parameters drawn given all slots."""
        if len(stats.members) == 1:
            return stats
        return self._made(stats.sums, stats.members, stats.log_posterior, drawn(stats.log_posterior))

    def features(self, stats: Any, x: Tensor) -> Iterator[Tensor]:
        r"""The features :math:`\phi(x)` of the points ``(N, D)`` in pieces of rows, ``(n, F)``."""
        return self._pieces(x, stats.prior)

    def with_sums(self, stats: Any, sums: Tensor) -> Any:
        """Statistics of other slots, from their sums of features ``(K, F)``, under the same hyper-parameters."""
        return self._made(sums, stats.alone, sums.new_zeros(1), None)

    def empty(self, stats: Any, slots: int) -> Any:
        """Statistics of so many slots without points, under the same hyper-parameters."""
        return self.with_sums(stats, stats.sums.new_zeros(slots, stats.sums.shape[1]))

    def add_(self, stats: Any, k: int, x: Tensor, sign: float = 1) -> None:
        """Add ``sign`` times the point ``(D,)`` to slot ``k`` in place (``sign=-1``: remove it)."""
        stats.totals[k] += sign * self.phi(x[None], stats.prior)[0]
        if stats.n[k] == 0:  # exactly the prior again, whatever rounding the points have left behind
            stats.totals[k] = 0

    def log_marginal(self, stats: Any) -> Tensor:
        """Log marginal likelihoods ``(K,)`` of the points in each slot; 0 for an empty one."""
        return self.log_marginals(stats.alone, stats.totals)[0]

    def log_evidence(self, stats: Any) -> Tensor:
        """Log marginal likelihood ``()`` of all points that ``stats`` was given, learned values summed out."""
        return self.log_marginal(stats).sum() if len(stats.members) == 1 else stats.log_posterior.logsumexp(0)

    def log_predictive(self, stats: Any, x: Tensor, share: float = 1.0) -> Tensor:
        r"""Log predictive densities ``(..., K)`` of ``x`` ``(..., D)``: the ratio of two marginals.

        With ``share`` :math:`\zeta`, that of a marginal with so much of a point more, :math:`m(s + \zeta \phi(x)) /
        m(s)`.
        """
        totals = stats.totals
        before, parts = self.log_normaliser(totals, stats.prior), list[Tensor]()
        for phi in self._pieces(x.reshape(-1, x.shape[-1]), stats.prior):
            for some in phi.split(rows_at_once(totals.numel(), totals)):
                parts.append(self.log_normaliser(totals + share * some[:, None], stats.prior) - before)
        return torch.cat(parts).view(*x.shape[:-1], len(totals))

    def log_predictive_given_others(self, stats: Any, x: Tensor, labels: Tensor, share: float = 1.0) -> Tensor:
        """Log predictive densities ``(N, K)`` of points ``(N, D)``, each given all others: without it in its slot."""
        log_density, own = self.log_predictive(stats, x, share), (torch.arange(len(x), device=x.device), labels)
        log_density[own] = -self.log_predictive(stats, x, -share)[own]
        return log_density

    def _pieces(self, x: Tensor, hyper: Any) -> Iterator[Tensor]:
        width = self.phi(x[:1], hyper).shape[1]
        return (self.phi(part, hyper) for part in x.split(rows_at_once(width, x, cached=True)))

    def _made(self, sums: Tensor, members: "Members", log_posterior: Tensor, g: Tensor | None) -> Any:
        return self.statistics(sums, members.at(g), members, log_posterior)

    def _best(self, members: "Members", log_weights: Tensor, sums: Tensor) -> Any:
        if len(members) == 1:
            return self._made(sums, members, log_weights, None)
        used = sums[sums[:, 0] > 0] if sums.device.type == "cpu" else sums  # a GPU would wait to know how many
        log_posterior = log_weights + self.log_marginals(members, used).sum(1)
        return self._made(sums, members, log_posterior, log_posterior.argmax())


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
        columns = {name: [getattr(member, name) for member in self] for name in self[0]._fields}
        return {
            name: torch.stack(values) if isinstance(values[0], Tensor) else _numbers(values, self.device)
            for name, values in columns.items()
            if any(value is not values[0] for value in values)
        }


def _numbers(values: list[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=device)
