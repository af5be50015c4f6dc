"""Samplers with other parts: a family that says nothing of the points, one that does not follow them."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from bnpgan.components import Component, Components
from bnpgan.components.base import ExponentialFamily, FamilyStats, Members
from bnpgan.samplers import Sampler

__all__ = ["Flat", "pinned", "rebuild"]

S = TypeVar("S", bound=Sampler)
C = TypeVar("C", bound=Component)


class Shape(NamedTuple):
    """All that there is to know: how many dimensions the points have."""

    mean: Tensor


@dataclass(frozen=True, eq=False)
class FlatComponents(Components):
    """``K`` components with density 1 everywhere, at ``mean`` ``(K, D)``."""

    mean: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """Zeros ``(N, K)``."""
        return self.mean.new_zeros(len(x), len(self.mean))

    def sample(self, slots: Tensor) -> Tensor:
        """The means of the slots ``(n, D)``: the density is no law."""
        return self.mean[slots]

    def assign(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """The slot of most weight ``(N,)``."""
        return log_weights.argmax().expand(len(x))


@dataclass(frozen=True, eq=False)
class Flat(ExponentialFamily):
    """A family whose every density is 1: the likelihood is switched off, and labels follow their prior.

    Example:
        >>> stats = Flat().stats(torch.zeros(3, 2), torch.tensor([0, 0, 1]), capacity=4)
        >>> stats.n, Flat().log_marginal(stats)
        (tensor([2., 1., 0., 0.]), tensor([0., 0., 0., 0.]))
    """

    def resolve(self, x: Tensor) -> tuple[Members, Tensor]:
        """The one member there is, and its log-weight."""
        return Members([Shape(x.new_zeros(x.shape[1]))], x.device), x.new_zeros(1)

    def fixed(self, stats: FamilyStats) -> "Flat":
        """This family: nothing is learned."""
        return self

    def add_(self, stats: FamilyStats, k: int, x: Tensor, sign: int = 1) -> None:
        """Count the point in slot ``k``."""
        stats.n[k] += sign

    def log_marginal(self, stats: FamilyStats) -> Tensor:
        """Zeros ``(K,)``."""
        return torch.zeros_like(stats.n)

    def log_predictive(self, stats: FamilyStats, x: Tensor) -> Tensor:
        """Zeros ``(..., K)``."""
        return stats.n.new_zeros(*x.shape[:-1], len(stats.n))

    def natural(self, stats: FamilyStats) -> Tensor:
        """Zeros ``(K, 1)``."""
        return torch.zeros_like(stats.n)[:, None]

    def posterior_mean(self, stats: FamilyStats) -> FlatComponents:
        """``K`` flat components."""
        return FlatComponents(stats.prior.mean.expand(len(stats.n), -1))

    def posterior_sample(self, stats: FamilyStats) -> FlatComponents:
        """``K`` flat components."""
        return self.posterior_mean(stats)

    def _features(self, x: Tensor, prior: Shape) -> Iterator[Tensor]:
        yield torch.ones_like(x[:, :1])

    def _log_marginals(self, members: Members, sums: Tensor) -> Tensor:
        return sums.new_zeros(len(members), len(sums))

    def _choose(self, members: Members, log_posterior: Tensor, sums: Tensor, g: Tensor | None) -> FamilyStats:
        return FamilyStats(sums[:, 0].clone(), members.at(g), members, log_posterior, sums)


def rebuild(sampler: S, **parts: Any) -> S:
    """The sampler with other parts, and so the samplers that it is made of.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import DirichletProcess
        >>> from bnpgan.samplers import CRPGibbs
        >>> rebuild(CRPGibbs(DirichletProcess(1.0), NormalInverseWishart()), component=Flat()).component
        Flat()
    """
    held = {field.name: getattr(sampler, field.name) for field in fields(sampler) if field.init}  # type: ignore[arg-type]
    inner = {name: rebuild(value, **parts) for name, value in held.items() if isinstance(value, Sampler)}
    return replace(sampler, **inner, **{name: part for name, part in parts.items() if name in held})  # type: ignore[type-var]


def pinned(family: C, x: Tensor, learned: bool = False) -> C:
    """The family with what it would set from the points fixed at what it is for ``x``; learned values if ``learned``.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> family = pinned(NormalInverseWishart(), torch.tensor([[0.0], [2.0]]))
        >>> family.mean, family.learned
        (tensor([1.]), ('factor',))
    """
    fixed = family.fixed(family.stats(x, torch.zeros(len(x), dtype=torch.int64, device=x.device), 1))
    names = [f.name for f in fields(fixed) if f.init and (learned or f.name not in family.learned)]  # type: ignore[arg-type]
    return replace(family, **{name: getattr(fixed, name) for name in names})  # type: ignore[type-var]
