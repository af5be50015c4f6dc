"""What the hyper-parameters of Gaussian families are where they are left ``None``: one rule for all of them."""

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import ExponentialFamily, FamilyStats, Members
from bnpgan.engine.chunks import rows_at_once
from bnpgan.grids import Grid, as_grid, check_positive
from bnpgan.memory import remembered

SHARES = Grid(torch.logspace(-5, 0, 16, dtype=torch.float64))
"""The prior mean of a cluster's covariance is one of these shares of the covariance of the data, all alike,"""
WEIGHT = 0.01
"""and weighs as much as this share of the points: with more, clusters much narrower than others are not found; with
nothing, clusters of real data, which are no Gaussians, are cut in pieces, the more of them the more data there are."""


class Hyperparameters(NamedTuple):
    """Every value set: ``mean`` ``(D,)``, ``scale`` times ``factor``, ``kappa``, ``nu``, ``factor``."""

    mean: Tensor
    scale: Tensor
    kappa: float
    nu: float
    factor: float


@dataclass(frozen=True, eq=False)
class GaussianFamily(ExponentialFamily):
    """What the conjugate families of Gaussians share: hyper-parameters, and what these are where left ``None``."""

    mean: Tensor | None = None
    scale: Tensor | float | None = None
    kappa: float = 0.01
    nu: float | None = None
    factor: float | Grid = None  # type: ignore[assignment]  # set below
    weight: float = WEIGHT

    def __post_init__(self) -> None:
        check_positive("kappa", self.kappa)
        check_positive("weight", self.weight)
        if self.factor is None:
            object.__setattr__(self, "factor", SHARES if self.scale is None else 1.0)
        check_positive("factor", self.factor)

    @abstractmethod
    def spread(self, x: Tensor) -> tuple[Tensor, float]:
        """The scale, without ``factor``, and its weight ``nu``, set from the points ``(N, D)`` where ``None``."""

    @remembered
    def resolve(self, x: Tensor) -> tuple[Members, Tensor]:
        """The hyper-parameters, set from the points ``(N, D)`` where ``None``, for each ``factor``; log-weights."""
        D, grid = x.shape[1], as_grid(self.factor)
        mean = data_mean(x) if self.mean is None else torch.as_tensor(self.mean, dtype=x.dtype, device=x.device)
        if mean.shape != (D,) or not mean.isfinite().all():
            raise ValueError(f"mean must be ({D},) finite numbers, got {mean.tolist()}: pass None for that of the data")
        scale, nu = self.spread(x)
        members = [Hyperparameters(mean, factor * scale, self.kappa, nu, factor) for factor in grid.values.tolist()]
        return Members(members, x.device), grid.log_weights.to(x.device)

    def fixed(self, stats: FamilyStats) -> Self:
        """This family with every hyper-parameter a number, those that the statistics were made with."""
        mean, scale, kappa, nu, factor = stats.prior
        return replace(self, mean=mean, scale=scale / factor, kappa=kappa, nu=nu, factor=float(factor))

    def weighed(self, least: float, more: float) -> float:
        """The weight of the scale, above ``least``: one and so much ``more`` where it is ``None``."""
        nu = least + 1 + more if self.nu is None else float(self.nu)
        if not least < nu < math.inf:
            raise ValueError(f"nu must exceed {least:g} and be finite for such data, got {nu}: pass None")
        return nu


@remembered
def data_mean(x: Tensor) -> Tensor:
    """The mean ``(D,)`` of the points."""
    return ranks.mean(x)


@remembered
def data_size(x: Tensor) -> int:
    """The number of points."""
    return sum(ranks.lengths(x))


@remembered
def data_covariance(x: Tensor) -> Tensor:
    """The covariance ``(D, D)`` of the points, drawn towards its mean eigenvalue with weight D / (N + D)."""
    ends = ranks.all_max(torch.stack([x.amax(0), -x.amin(0)]))
    if (ends[0] == -ends[1]).all():
        raise ValueError("scale cannot be set from points that are all equal: pass scale, e.g. scale=1.0")
    N, D, products = data_size(x), x.shape[1], x.new_zeros(x.shape[1], x.shape[1])
    for chunk in x.split(rows_at_once(D, x)):
        centred = chunk - data_mean(x)
        products += centred.T @ centred
    covariance, share = ranks.all_sum(products) / N, D / (N + D)
    return (1 - share) * covariance + share * covariance.trace() / D * torch.eye(D, dtype=x.dtype, device=x.device)
