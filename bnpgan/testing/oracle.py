"""Laws of label vectors by independent formulas, one point after another, which share no code with the samplers.

``log_partition``, ``log_labels`` and ``log_evidence`` are generic functions: register a formula for your prior or your
family, and the battery compares it with what your samplers state.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import singledispatch
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy import integrate, stats

from bnpgan.components import (
    Coarsened,
    DirichletCategorical,
    NormalInverseGamma,
    NormalInverseWishart,
    SphericalNormal,
)
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.grids import Grid, as_grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.testing.parts import Flat

__all__ = ["label_vectors", "log_evidence", "log_labels", "log_partition", "log_urn", "members", "set_partitions"]

Labels = Sequence[int]


def set_partitions(n: int) -> list[tuple[int, ...]]:
    """Every partition of ``n`` points once, numbered by first appearance: 1, 1, 2, 5, 15, 52, 203 ... of them.

    Example:
        >>> set_partitions(2)
        [(0, 0), (0, 1)]
    """
    strings: list[tuple[int, ...]] = [()]
    for _ in range(n):
        strings = [(*z, k) for z in strings for k in range(max(z, default=-1) + 2)]
    return strings


def label_vectors(n: int, capacity: int) -> list[tuple[int, ...]]:
    """Every way to put ``n`` points into ``capacity`` slots.

    Example:
        >>> len(label_vectors(5, 3))
        243
    """
    return list(product(range(capacity), repeat=n))


@singledispatch
def members(part: Any) -> Iterator[tuple[float, Any]]:
    """Pairs of a probability and a prior or family with numbers for its grids, for all combinations of values.

    Example:
        >>> list(members(DirichletProcess(2.0)))
        [(1, DirichletProcess(concentration=2.0))]
    """
    grids: list[Grid] = [getattr(part, name) for name in part.learned]
    choices = [list(zip(grid.values.tolist(), grid.log_weights.exp().tolist(), strict=True)) for grid in grids]
    for choice in product(*choices):
        values = dict(zip(part.learned, (value for value, _ in choice), strict=True))
        yield math.prod(weight for _, weight in choice), replace(part, **values)


@members.register
def _(part: Coarsened) -> Iterator[tuple[float, Any]]:
    return ((weight, replace(part, component=family)) for weight, family in members(part.component))


def number(value: float | Grid) -> float:
    """The only value of a grid, or the number itself."""
    return float(as_grid(value).values.item())


@singledispatch
def log_partition(prior: Any, z: Labels, capacity: int) -> float:
    """Log-probability of the partition ``z`` under a prior without grids; ``capacity`` slots where that matters.

    Raises:
        NotImplementedError: if there is no formula for such a prior.
    """
    raise NotImplementedError(f"no formula for {type(prior).__name__}")


@singledispatch
def log_labels(prior: Any, z: Labels, capacity: int) -> float:
    """Log-probability of the label vector ``z`` under the prior's weights of ``capacity`` ordered slots.

    Raises:
        NotImplementedError: if there is no formula for such a prior.
    """
    raise NotImplementedError(f"no formula for {type(prior).__name__}")


@singledispatch
def log_evidence(component: Any, points: np.ndarray, z: Labels) -> float:
    """Log marginal likelihood of the points ``(N, D)`` given the labels, under a family without grids.

    Raises:
        NotImplementedError: if there is no formula for such a family.
    """
    raise NotImplementedError(f"no formula for {type(component).__name__}")


@log_partition.register(DirichletProcess)
@log_partition.register(PitmanYor)
def log_restaurant(prior: DirichletProcess | PitmanYor, z: Labels, capacity: int) -> float:
    """The two-parameter Chinese restaurant: guests are seated one after another."""
    alpha, d = number(prior.concentration), number(prior.discount)
    total, counts = 0.0, dict.fromkeys(z, 0)
    for i, k in enumerate(z):
        tables = sum(n > 0 for n in counts.values())
        total += math.log((counts[k] - d if counts[k] else alpha + d * tables) / (alpha + i))
        counts[k] += 1
    return total


@log_labels.register(DirichletProcess)
@log_labels.register(PitmanYor)
def log_sticks(prior: DirichletProcess | PitmanYor, z: Labels, capacity: int) -> float:
    """Sticks v_k ~ Beta(1 - d, alpha + k d) for k < C: each point walks past k' < k and stops at k."""
    total, alpha, d = 0.0, number(prior.concentration), number(prior.discount)
    for k in range(capacity - 1):
        a, b = 1 - d, alpha + (k + 1) * d
        for label in z:  # a - 1 + d and b - alpha - (k + 1) d count the points that stopped here, or went on
            if label == k:
                total += math.log(a / (a + b))
                a += 1
            elif label > k:
                total += math.log(b / (a + b))
                b += 1
    return total


def log_urn(z: Labels, slots: int, each: float) -> float:
    """Polya's urn: a symmetric Dirichlet over the slots, integrated out one point after another."""
    return sum(math.log((z[:i].count(k) + each) / (i + slots * each)) for i, k in enumerate(tuple(z)))


@log_labels.register
def _(prior: FiniteDirichlet, z: Labels, capacity: int) -> float:
    return log_urn(z, capacity, number(prior.concentration) / capacity)


@log_partition.register
def _(prior: FiniteDirichlet, z: Labels, capacity: int) -> float:
    return log_labels(prior, z, capacity) + math.log(math.perm(capacity, len(set(z))))


@log_partition.register
def _(prior: MixtureOfFiniteMixtures, z: Labels, capacity: int) -> float:
    return _log_mixture(prior, z, 400)  # components; more than 400 have no weight under the laws that are tested


@log_labels.register
def _(prior: MixtureOfFiniteMixtures, z: Labels, capacity: int) -> float:
    # M of the slots have components, any of them alike: a partition has C! / (C - K)! names.
    return _log_mixture(prior, z, capacity) - math.log(math.perm(capacity, len(set(z))))


def _log_mixture(prior: MixtureOfFiniteMixtures, z: Labels, most: int) -> float:
    # With M components a partition is an urn over M slots, and has M! / (M - K)! names there.
    p = prior.number.log_prob(torch.arange(most, dtype=torch.float64)).softmax(0).tolist()
    chances = (
        p[M - 1] * math.perm(M, len(set(z))) * math.exp(log_urn(z, M, number(prior.concentration)))
        for M in range(len(set(z)), most + 1)
    )
    return math.log(sum(chances))


def _blocks(points: np.ndarray, z: Labels) -> Iterator[np.ndarray]:
    for k in set(z):
        yield points[np.array(z) == k]


def _hyper(component: Any, points: np.ndarray) -> Any:
    (hyper,), _ = component.resolve(torch.from_numpy(points))
    return hyper


@log_evidence.register
def _(component: NormalInverseWishart, points: np.ndarray, z: Labels) -> float:
    total, hyper, D = 0.0, _hyper(component, points), points.shape[1]
    for block in _blocks(points, z):
        mean, scale, kappa, nu = hyper.mean.numpy(), hyper.scale.numpy(), hyper.kappa, hyper.nu
        for x in block:  # the product of the Student-t predictives
            shape = scale * (kappa + 1) / (kappa * (nu - D + 1))
            total += float(stats.multivariate_t(mean, shape, nu - D + 1).logpdf(x))
            scale = scale + kappa / (kappa + 1) * np.outer(x - mean, x - mean)
            mean, kappa, nu = (kappa * mean + x) / (kappa + 1), kappa + 1, nu + 1
    return total


@log_evidence.register
def _(component: NormalInverseGamma, points: np.ndarray, z: Labels) -> float:
    # Each dimension by itself: Student-t predictives again.
    total, hyper = 0.0, _hyper(component, points)
    for block in _blocks(points, z):
        mean, scale, kappa, nu = hyper.mean.numpy(), hyper.scale.numpy(), hyper.kappa, hyper.nu
        for x in block:
            total += float(stats.t(nu, mean, np.sqrt(scale * (kappa + 1) / (kappa * nu))).logpdf(x).sum())
            scale = scale + kappa / (kappa + 1) * (x - mean) ** 2
            mean, kappa, nu = (kappa * mean + x) / (kappa + 1), kappa + 1, nu + 1
    return total


@log_evidence.register
def _(component: SphericalNormal, points: np.ndarray, z: Labels) -> float:
    # All numbers of a cluster are one Student-t vector, correlated through the mean.
    total, hyper, D = 0.0, _hyper(component, points), points.shape[1]
    for block in _blocks(points, z):
        shape = float(hyper.scale) / hyper.nu * (np.eye(len(block)) + 1 / hyper.kappa)
        law = stats.multivariate_t(np.tile(hyper.mean.numpy(), len(block)), np.kron(shape, np.eye(D)), hyper.nu)
        total += float(law.logpdf(block.ravel()))
    return total


@log_evidence.register
def _(component: DirichletCategorical, points: np.ndarray, z: Labels) -> float:
    # An urn for each column of each cluster.
    concentration, V = _hyper(component, points)
    columns = (column.astype(int).tolist() for block in _blocks(points, z) for column in block.T)
    return sum(log_urn(column, V, concentration) for column in columns)


@log_evidence.register
def _(component: SemiConjugateNormal, points: np.ndarray, z: Labels) -> float:
    # Given the variance of a column its points come one after another; the variance is integrated numerically.
    total, hyper = 0.0, component.resolve(torch.from_numpy(points))
    log_variance = np.linspace(-14, 14, 4001)
    v = np.exp(log_variance)
    for block in _blocks(points, z):
        for column, m, tau, psi in zip(block.T, *(value.tolist() for value in hyper[:3]), strict=True):
            density = stats.invgamma(hyper.nu / 2, scale=psi / 2).pdf(v) * v
            mean, variance = np.full_like(v, m), np.full_like(v, tau**2)  # of the mean, given the points so far
            for x in column:
                density = density * stats.norm(mean, np.sqrt(variance + v)).pdf(x)
                mean, variance = (v * mean + variance * x) / (v + variance), v * variance / (v + variance)
            total += math.log(integrate.trapezoid(density, log_variance))
    return total


@log_evidence.register
def _(component: Flat, points: np.ndarray, z: Labels) -> float:
    return 0.0
