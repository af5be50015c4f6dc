"""Families for tests: one whose likelihood is constant, and one whose hyper-parameters do not follow the points."""

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from bnpgan.components import Component, Components
from bnpgan.components.base import ExponentialFamily, FamilyStats

__all__ = ["Flat", "pinned"]

C = TypeVar("C", bound=Component)


@dataclass(frozen=True, eq=False)
class FlatComponents(Components):
    """``K`` components with density 1 everywhere, at ``mean`` ``(K, D)``."""

    mean: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """Zeros ``(N, K)``."""
        return self.mean.new_zeros(len(x), len(self.mean))

    def sample(self, slots: Tensor) -> Tensor:
        """The means of the slots ``(n, D)``: a constant density has no draws."""
        return self.mean[slots]

    def assign(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """The slot of largest weight ``(N,)``."""
        return log_weights.argmax().expand(len(x))


@dataclass(frozen=True, eq=False)
class Flat(ExponentialFamily):
    """A family whose every density is 1: the likelihood is switched off, and labels follow their prior.

    Example:
        >>> stats = Flat().stats(torch.zeros(3, 2), torch.tensor([0, 0, 1]), capacity=4)
        >>> stats.n, Flat().log_marginal(stats)
        (tensor([2., 1., 0., 0.]), tensor([0., 0., 0., 0.]))
    """

    def hyper(self, x: Tensor) -> dict[str, Any]:
        """A mean of zeros, which holds the number of dimensions."""
        return {"mean": x.new_zeros(x.shape[1])}

    def fixed(self, stats: FamilyStats) -> "Flat":
        """This family: nothing is learned."""
        return self

    def phi(self, x: Tensor, hyper: Any) -> Tensor:
        """Ones ``(N, 1)``."""
        return torch.ones_like(x[:, :1])

    def log_normaliser(self, sums: Tensor, hyper: Any) -> Tensor:
        """Zeros ``(...)``."""
        return torch.zeros_like(sums[..., 0])

    def natural(self, stats: FamilyStats) -> Tensor:
        """Zeros ``(K, 1)``."""
        return torch.zeros_like(stats.n)[:, None]

    def posterior_mean(self, stats: FamilyStats) -> FlatComponents:
        """``K`` flat components."""
        return FlatComponents(stats.prior.mean.expand(len(stats.n), -1))

    def posterior_sample(self, stats: FamilyStats) -> FlatComponents:
        """``K`` flat components."""
        return self.posterior_mean(stats)


def pinned(family: C, x: Tensor, learned: bool = False) -> C:
    """The family with hyper-parameters that follow the points fixed at their values for ``x``; grids if ``learned``.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> family = pinned(NormalInverseWishart(), torch.tensor([[0.0], [2.0]]))
        >>> family.mean, family.learned
        (tensor([1.]), ('factor',))
    """
    fixed = family.fixed(family.stats(x, torch.zeros(len(x), dtype=torch.int64, device=x.device), 1))
    names = [f.name for f in fields(fixed) if f.init and (learned or f.name not in family.learned)]  # type: ignore[arg-type]
    return replace(family, **{name: getattr(fixed, name) for name in names})  # type: ignore[type-var]
