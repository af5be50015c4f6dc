"""What the hyper-parameters of Gaussian families are where they are left ``None``: one rule for all of them."""

import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import ExponentialFamily, FamilyStats, Members
from bnpgan.components.shapes import Shape, Span, data_center, data_scatter
from bnpgan.grids import Grid, as_grid, check_positive
from bnpgan.memory import remembered

_BEYOND = range(1, 10)  # decades
FACTORS = Grid(
    10.0
    ** torch.tensor([*(-3.0 - j for j in reversed(_BEYOND)), *(-3 + j / 2 for j in range(12))], dtype=torch.float64),
    -math.log(2) * torch.tensor([*reversed(_BEYOND), *(12 * [0])], dtype=torch.float64),
)
"""The prior mean of a cluster's covariance is one of these multiples of a covariance within groups, all alike: two to a
decade from .001 to 316, and on, ever less likely, to where clusters are points, so that no data want one beyond."""
WEIGHT = 0.01
"""and weighs as much as this share of the points: with more, clusters much narrower than others are not found; with
nothing, clusters of real data, which are no Gaussians, are cut in pieces, the more of them the more data there are."""


class Hyperparameters(NamedTuple):
    """Every value set: ``mean`` ``(D,)``, ``scale`` times ``factor``, ``kappa``, ``nu``, ``factor``.

    With a ``span`` these are of the columns that it keeps.
    """

    mean: Tensor
    scale: Tensor
    kappa: float
    nu: float
    factor: float
    span: Span | None = None

    def seen(self, x: Tensor) -> Tensor:
        """The columns of points ``(..., D)`` that count."""
        return x if self.span is None else x[..., self.span.kept]


@dataclass(frozen=True, eq=False)
class GaussianFamily(ExponentialFamily):
    """What the conjugate families of Gaussians share: hyper-parameters, and what these are where left ``None``."""

    mean: Tensor | None = None
    scale: Tensor | float | None = None
    kappa: float = 0.01
    nu: float | None = None
    factor: float | Grid = None  # type: ignore[assignment]  # set below
    weight: float = WEIGHT
    scatter: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_positive("kappa", self.kappa, learned=False)
        check_positive("weight", self.weight, learned=False)
        if isinstance(self.scale, Grid):
            raise ValueError("scale cannot be learned as a Grid: pass factor=Grid(...), which multiplies it")
        if self.factor is None:
            object.__setattr__(self, "factor", FACTORS if self.from_data else 1.0)
        check_positive("factor", self.factor)
        if self.scatter is not None:
            check_positive("scatter", self.scatter, learned=False)
            if self.scale is not None:
                raise ValueError("scale and scatter exclude each other: pass one of them")

    @property
    def unbounded(self) -> bool:
        """Yes: a density."""
        return True

    @property
    def from_data(self) -> bool:
        """Whether the scale is set from the points, but for ``factor``."""
        return self.scale is None and self.scatter is None

    def weighing(self, share: float) -> Self:
        """This family with ``weight`` and ``scatter`` as shares of what the points count."""
        return replace(self, weight=self.weight * share, scatter=self.scatter and self.scatter * share)

    def given(self, x: Tensor, V: int) -> Tensor:
        """``scale``, or the share ``scatter`` of the scatter of the points ``(N, D)``, split over ``V`` variances."""
        scale = self.scale if self.scatter is None else self.scatter * data_scatter(x) / V
        return torch.as_tensor(scale, dtype=x.dtype, device=x.device)

    @abstractmethod
    def spread(self, x: Tensor) -> tuple[list[Shape], float]:
        """The scales to choose from, without ``factor``, and their weight, from the points where ``None``."""

    @abstractmethod
    def span(self, x: Tensor) -> Span | None:
        """The columns of the points ``(N, D)`` that count where the scale is set from them; ``None``: all."""

    @remembered
    def resolve(self, x: Tensor) -> tuple[Members, Tensor]:
        """The hyper-parameters, set from the points ``(N, D)`` where ``None``, for each ``factor``; log-weights."""
        D, grid = x.shape[1], as_grid(self.factor)
        span = self._span(x)
        y = self.seen(x)
        mean = self.mean
        if mean is not None:
            mean = torch.as_tensor(mean, dtype=x.dtype, device=x.device)
            if mean.shape != (D,) or not mean.isfinite().all():
                raise ValueError(
                    f"mean must be ({D},) finite numbers, got {mean.tolist()}: pass None for that of the data"
                )
            mean = mean if span is None else mean[span.kept]
        else:
            mean = data_center(y)
        scales, nu = self.spread(y)
        members = [
            Hyperparameters(mean, scale.times(factor), self.kappa, nu, factor, span)
            for scale in scales
            for factor in grid.values.tolist()
        ]
        return Members(members, x.device), grid.log_weights.repeat(len(scales)).log_softmax(0).to(x.device)

    def seen(self, x: Tensor) -> Tensor:
        """The columns ``(N, r)`` of the points that count: where the scale is set from them, those of the span."""
        span = self._span(x)
        return x if span is None else x[:, span.kept]

    def _span(self, x: Tensor) -> Span | None:
        return self.span(x) if self.from_data else None

    def fixed(self, stats: FamilyStats) -> Self:
        """This family with every hyper-parameter a number, those that the statistics were made with."""
        mean, scale, kappa, nu, factor, span = stats.prior
        if span is not None:
            raise ValueError("x has columns that others say already, or that do not vary: leave them out first")
        numbers = {"mean": mean, "scale": scale / factor, "kappa": kappa, "nu": nu, "factor": float(factor)}
        return replace(self, **numbers, scatter=None)

    def weighed(self, least: float, more: float) -> float:
        """The weight of the scale, above ``least``: one and so much ``more`` where it is ``None``."""
        nu = least + 1 + more if self.nu is None else float(self.nu)
        if not least < nu < math.inf:
            raise ValueError(f"nu must exceed {least:g} and be finite for such data, got {nu}: pass None")
        return nu


@remembered
def data_size(x: Tensor) -> int:
    """The number of points."""
    return sum(ranks.lengths(x))
