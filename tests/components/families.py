"""One small instance of each family in each dimension, and what every test of them needs."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from bnpgan.components import (
    Coarsened,
    Component,
    DirichletCategorical,
    NormalInverseGamma,
    NormalInverseWishart,
    SphericalNormal,
)
from bnpgan.components.coarsened import CoarsenedStats
from bnpgan.components.dirichlet_categorical import DirichletCategoricalStats
from bnpgan.components.inverse_gamma import InverseGammaStats
from bnpgan.components.normal_inverse_wishart import NormalInverseWishartStats

VALUES = 4  # of a categorical column


@dataclass(frozen=True)
class Case:
    """A family with every hyper-parameter given, and how to draw ``N`` points for it."""

    family: Component
    points: Callable[[int], Tensor]


def gaussian(D: int) -> Callable[[int], Tensor]:
    return lambda N: torch.randn(N, D, dtype=torch.float64) + torch.arange(D)


def categorical(D: int) -> Callable[[int], Tensor]:
    # Later values are rarer, and column d tends to value d: no two columns or values are alike.
    weights = torch.arange(VALUES, 0, -1.0) + 2 * torch.eye(VALUES)[:D]
    return lambda N: torch.multinomial(weights, N, replacement=True).T.to(torch.float64)


def wishart(D: int) -> NormalInverseWishart:
    root = torch.eye(D, dtype=torch.float64) + 0.3
    return NormalInverseWishart(mean=middle(D), scale=root @ root.T, kappa=0.4, nu=D + 2.5)


def middle(D: int) -> Tensor:
    return torch.linspace(-0.5, 0.5, D, dtype=torch.float64)


def widths(D: int) -> Tensor:
    return torch.linspace(0.5, 1.5, D, dtype=torch.float64)


CASES = {
    f"{name}-{D}D": Case(make(D), points(D))
    for D in (1, 3)
    for name, make, points in (
        ("NormalInverseWishart", wishart, gaussian),
        ("NormalInverseGamma", lambda D: NormalInverseGamma(middle(D), widths(D), 0.4, 3.5), gaussian),
        ("SphericalNormal", lambda D: SphericalNormal(middle(D), 0.7, 0.4, 3.5), gaussian),
        ("DirichletCategorical", lambda D: DirichletCategorical(0.6, VALUES), categorical),
    )
}
COARSENED = {  # of which three points count as one
    f"{name}, coarsened": Case(Coarsened(case.family, replicas=3), case.points) for name, case in CASES.items()
}
FOLLOWED = {
    NormalInverseWishartStats: ("matrix", "inverse", "log_det", "constant"),
    InverseGammaStats: ("first", "second", "scale", "constant"),
    DirichletCategoricalStats: ("counts",),
}
GAUSSIAN = [NormalInverseWishart, NormalInverseGamma, SphericalNormal]

each_case = pytest.mark.parametrize("case", (CASES | COARSENED).values(), ids=(CASES | COARSENED).keys())
each_law = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())  # of points, which can be drawn
each_gaussian = pytest.mark.parametrize("kind", GAUSSIAN)


def empty(case: Case, capacity: int = 1):
    """Statistics of slots without points."""
    return case.family.stats(case.points(1)[:0], torch.empty(0, dtype=torch.int64), capacity)


def followed(stats) -> dict[str, Tensor]:
    """The tensors that ``add_`` keeps up to date."""
    if isinstance(stats, CoarsenedStats):
        return {f"inner {name}": value for name, value in followed(stats.inner).items()} | {"n": stats.n}
    return {name: getattr(stats, name) for name in ("n", *FOLLOWED[type(stats)])}


def assert_same_stats(one, two, **tolerance) -> None:
    for name, value in followed(one).items():
        torch.testing.assert_close(value, followed(two)[name], **tolerance)
