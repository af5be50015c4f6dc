r"""Grids of values: how a hyper-parameter is learned.

A grid is a discrete law. The conditional of a hyper-parameter given the labels is then a handful of probabilities, and
is drawn exactly, whatever the prior or the family of components.
"""

from collections import namedtuple
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import Any, Self

import numpy as np
import torch
from scipy import stats
from torch import Tensor

__all__ = ["Grid"]


@dataclass(frozen=True, eq=False)
class Grid:
    r"""A hyper-parameter that takes ``values[g]`` with probability proportional to ``exp(log_weights[g])``.

    Pass one where a hyper-parameter takes a number, and it is learned: samplers draw it from

    .. math:: p(g \mid z, x) \propto w_g \, p(z, x \mid g)

    at the start of each sweep.

    Args:
        values: ``(G,)`` numbers that differ.
        log_weights: ``(G,)``, up to a constant; ``None``: all alike.

    Raises:
        ValueError: if there are no values, not as many weights, one is not finite, or a value stands twice.

    Example:
        >>> from bnpgan.priors import DirichletProcess
        >>> prior = DirichletProcess(Grid([0.1, 1.0, 10.0]))
        >>> prior.draw(torch.tensor([3, 2, 1])).concentration in (0.1, 1.0, 10.0)
        True

    References:
        West, Müller and Escobar, "Hierarchical priors and mixture models, with application in regression and density
        estimation", 1994; Escobar and West, "Bayesian density estimation and inference using mixtures", 1995,
        section 6 (the concentration, there with a Gamma prior).
    """

    values: Tensor
    log_weights: Tensor = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        values = torch.as_tensor(self.values, dtype=torch.float64)
        if values.ndim != 1 or not len(values) or not values.isfinite().all():
            raise ValueError(
                f"values must be a vector of finite numbers, got {self.values}: pass e.g. [0.1, 1.0, 10.0]"
            )
        if len(values.unique()) < len(values):
            raise ValueError(f"values must differ, got {values.tolist()}: add the weights of equal ones")
        weights = torch.zeros_like(values) if self.log_weights is None else torch.as_tensor(self.log_weights)
        if weights.shape != values.shape or not weights.isfinite().all():
            raise ValueError(
                f"log_weights must be {len(values)} finite numbers, got {weights}: drop values of weight 0"
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "log_weights", weights.to(torch.float64).log_softmax(0))

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Grid({len(self)} values, {float(self.values.min()):.3g} to {float(self.values.max()):.3g})"

    @classmethod
    def gamma(cls, shape: float = 1.0, rate: float = 1.0, points: int = 25) -> Self:
        r"""A Gamma law, :math:`p(a) \propto a^{shape - 1} e^{-rate \, a}`, at ``points`` values.

        The values are evenly spaced in the logarithm, between the quantiles .001 and .999; each has the mass of the law
        that lies nearest to it.

        Example:
            >>> grid = Grid.gamma(shape=2.0, rate=4.0)
            >>> round(float(grid.values @ grid.log_weights.exp()), 2)  # the mean of the Gamma is 1/2
            0.5
        """
        for name, value in (("shape", shape), ("rate", rate)):
            check_positive(name, value, learned=False)
        law = stats.gamma(shape, scale=1 / rate)
        if not law.ppf(0.001) > 0:
            raise ValueError(
                f"shape must be large enough for the quantile .001 to be above 0, got {shape}: pass e.g. 1.0"
            )
        values = np.geomspace(law.ppf(0.001), law.ppf(0.999), _several(points))
        return cls._of_law(law, values, np.sqrt(values[1:] * values[:-1]))

    @classmethod
    def beta(cls, a: float = 1.0, b: float = 1.0, points: int = 10) -> Self:
        r"""A Beta law, :math:`p(d) \propto d^{a - 1} (1 - d)^{b - 1}`, at the middles of ``points`` equal intervals.

        Example:
            >>> Grid.beta(points=4).values
            tensor([0.1250, 0.3750, 0.6250, 0.8750], dtype=torch.float64)
        """
        for name, value in (("a", a), ("b", b)):
            check_positive(name, value, learned=False)
        values = (np.arange(_several(points)) + 0.5) / points
        return cls._of_law(stats.beta(a, b), values, (values[1:] + values[:-1]) / 2)

    @classmethod
    def _of_law(cls, law: stats.rv_continuous, values: np.ndarray, between: np.ndarray) -> Self:
        mass = np.diff(law.cdf(between), prepend=0.0, append=1.0)
        return cls(torch.from_numpy(values), torch.from_numpy(mass).log())


def as_grid(value: "float | Grid") -> Grid:
    """A grid as it is; a number as a grid of one value."""
    return value if isinstance(value, Grid) else Grid(torch.tensor([value], dtype=torch.float64))


def joint(*grids: "float | Grid") -> tuple[list[Tensor], Tensor]:
    """All combinations of the values of independent grids: the values of each, ``(G,)``, and log-weights ``(G,)``."""
    parts = [as_grid(grid) for grid in (0.0, *grids)]  # of no grids there is one combination
    values = torch.meshgrid(*(part.values for part in parts), indexing="ij")
    log_weights = torch.meshgrid(*(part.log_weights for part in parts), indexing="ij")
    return [value.flatten() for value in values[1:]], torch.stack(log_weights).sum(0).flatten()


def record(values: dict[str, Any]) -> Any:
    """Hyper-parameters as a named tuple: they can be read by name or unpacked in order."""
    return _kind(tuple(values))(**values)


@cache
def _kind(names: tuple[str, ...]) -> type:
    return namedtuple("Hyperparameters", names)


def drawn(log_p: Tensor) -> Tensor:
    """An index ``()`` drawn by log-weights ``(G,)``, the one that ``torch.multinomial`` draws.

    The checks of ``torch.multinomial``, for which the host would wait on a GPU, are left out.
    """
    p = log_p.softmax(0)
    return (p / torch.empty_like(p).exponential_()).argmax()


def grids(part: object) -> dict[str, Grid]:
    """The fields of a dataclass that hold a grid of several values, by name."""
    return {name: value for name, value in vars(part).items() if isinstance(value, Grid) and len(value) > 1}


def check_positive(name: str, value: "float | Grid", learned: bool = True) -> None:
    """Raise a ``ValueError`` unless a hyper-parameter, or each value of its grid if it can be learned, is positive."""
    if isinstance(value, Grid):
        good = learned and bool((value.values > 0).all())
    else:
        good = isinstance(value, Real) and 0 < value < float("inf")
    if not good:
        hint = ", or a Grid" if learned else ""
        raise ValueError(f"{name} must be positive and finite, got {value!r}: pass a number such as 1.0{hint}")


def _several(points: int) -> int:
    if points < 2:
        raise ValueError(f"points must be at least 2, got {points}: pass the number itself where there is one value")
    return points
