"""Exact laws over every partition, or every label vector, of a handful of points; and a test of chains against them.

The formulas are this module's own, one point after another, and share nothing with the package.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from bnpgan.samplers import Sampler


def set_partitions(n: int) -> list[tuple[int, ...]]:
    """Every partition of ``n`` points once, numbered by first appearance: 1, 1, 2, 5, 15, 52, 203 ... of them."""
    strings: list[tuple[int, ...]] = [()]
    for _ in range(n):
        strings = [(*z, k) for z in strings for k in range(max(z, default=-1) + 2)]
    return strings


def label_vectors(n: int, capacity: int) -> list[tuple[int, ...]]:
    """Every way to put ``n`` points into ``capacity`` slots."""
    return list(product(range(capacity), repeat=n))


def log_restaurant(z: Sequence[int], concentration: float, discount: float = 0.0) -> float:
    """The two-parameter Chinese restaurant, its guests seated one after another."""
    total, counts = 0.0, dict.fromkeys(z, 0)
    for i, k in enumerate(z):
        tables = sum(n > 0 for n in counts.values())
        total += math.log(counts[k] - discount if counts[k] else concentration + discount * tables)
        total -= math.log(concentration + i)
        counts[k] += 1
    return total


def log_urn(z: Sequence[int], capacity: int, concentration: float) -> float:
    """Polya's urn: a symmetric Dirichlet over the slots, integrated out one point after another."""
    return sum(
        math.log((z[:i].count(k) + concentration / capacity) / (i + concentration)) for i, k in enumerate(tuple(z))
    )


def log_sticks(z: Sequence[int], capacity: int, concentration: float, discount: float = 0.0) -> float:
    """Sticks v_k ~ Beta(1 - d, alpha + k d) for k < C: each point walks past k' < k and stops at k."""
    total = 0.0
    for k in range(capacity - 1):
        a, b = 1 - discount, concentration + (k + 1) * discount
        for label in z:  # stopped, passed: what earlier points did at this stick
            if label == k:
                total += math.log(a / (a + b))
                a += 1
            elif label > k:
                total += math.log(b / (a + b))
                b += 1
    return total


def log_marginal(points: np.ndarray, mean: np.ndarray, scale: np.ndarray, kappa: float, nu: float) -> float:
    """A Normal-Inverse-Wishart cluster of the points ``(n, D)``: the product of its Student-t predictives."""
    total = 0.0
    for x in points:
        degrees = nu - len(mean) + 1
        shape = scale * (kappa + 1) / (kappa * degrees)
        total += float(stats.multivariate_t(mean, shape, degrees).logpdf(x))
        scale = scale + kappa / (kappa + 1) * np.outer(x - mean, x - mean)
        mean, kappa, nu = (kappa * mean + x) / (kappa + 1), kappa + 1, nu + 1
    return total


@dataclass(frozen=True)
class Law:
    """The exact posterior: ``log_joint`` ``(S,)`` of ``states`` ``(S, N)``; ``slots``: does the law know them apart?"""

    states: Tensor
    log_joint: Tensor
    slots: bool

    @classmethod
    def enumerate(
        cls,
        x: Tensor,
        states: Sequence[tuple[int, ...]],
        log_prior: Callable[[tuple[int, ...]], float],
        slots: bool,
        **family: object,
    ) -> "Law":
        """All ``states`` with ``log_prior`` plus the log marginals of their blocks under the NIW ``family``."""
        blocks: dict[tuple[int, ...], float] = {(): 0.0}
        values = []
        for z in states:
            value = log_prior(z)
            for k in set(z):
                block = tuple(i for i, label in enumerate(z) if label == k)
                if block not in blocks:
                    blocks[block] = log_marginal(x.numpy()[list(block)], **family)  # type: ignore[arg-type]
                value += blocks[block]
            values.append(value)
        return cls(torch.tensor(states), torch.tensor(values, dtype=torch.float64), slots)

    @property
    def probability(self) -> Tensor:
        """Posterior probabilities ``(S,)``."""
        return self.log_joint.softmax(0)

    def scores(self, z: Tensor) -> Tensor:
        """Of states ``(..., N)``: which points are together, how many clusters there are, how large each slot is.

        As principal components with mean 0 and variance 1 under the law, ``(..., q)``; those of variance below .05 rest
        on rare events and are left out. Slots count only where the law tells them apart.
        """
        exact = self._statistics(self.states)
        mean = self.probability @ exact
        variance, axes = torch.linalg.eigh((exact - mean).T @ ((exact - mean) * self.probability[:, None]))
        kept = variance > 0.05
        return (self._statistics(z) - mean) @ axes[:, kept] / variance[kept].sqrt()

    def p_value(self, draws: Tensor) -> float:
        """Of chains ``(R, M, N)``: Hotelling's test that the means of the ``R`` chains' scores are 0 but for noise."""
        means = self.scores(draws).mean(1)
        R, q = means.shape
        covariance = means.T.cov()
        if torch.linalg.matrix_rank(covariance) < q:
            return 0.0  # some score never varied: such chains are stuck
        t2 = R * float(means.mean(0) @ torch.linalg.solve(covariance, means.mean(0)))
        return float(stats.f.sf(t2 * (R - q) / (q * (R - 1)), q, R - q))

    def total_variation(self, draws: Tensor) -> tuple[float, float]:
        """Of chains ``(R, M, N)``: the distance of their partitions from the law, and what noise alone would give."""
        powers = 2.0 ** torch.arange(_together(draws).shape[-1], dtype=torch.float64)
        codes, index = torch.unique(_together(self.states).to(torch.float64) @ powers, return_inverse=True)
        exact = torch.zeros(len(codes), dtype=torch.float64).index_add_(0, index, self.probability)
        seen = torch.searchsorted(codes, _together(draws).to(torch.float64) @ powers)
        shares = torch.nn.functional.one_hot(seen, len(codes)).to(torch.float64).mean(1)
        errors = shares.std(0) / len(shares) ** 0.5
        return float((shares.mean(0) - exact).abs().sum() / 2), float(errors.sum() / math.sqrt(2 * math.pi))

    def _statistics(self, z: Tensor) -> Tensor:
        clusters = (z[..., None] == torch.arange(z.shape[-1] + 1)).any(-2).sum(-1)
        columns = [_together(z), clusters[..., None] == torch.arange(1, z.shape[-1] + 1)]
        if self.slots:
            columns.append((z[..., None] == torch.arange(int(self.states.max()) + 1)).sum(-2) / 2)
        return torch.cat([column.to(torch.float64) for column in columns], -1)


def run_chains(sampler: Sampler, x: Tensor, chains: int, burn_in: int, sweeps: int) -> Tensor:
    """Independent chains from the point mass "all in slot 0": ``(chains, sweeps, N)``, burn-in dropped."""
    draws = []
    for _ in range(chains):
        labels = torch.zeros(len(x), dtype=torch.int64)
        for t in range(burn_in + sweeps):
            labels = sampler.step(x, labels)
            if t >= burn_in:
                draws.append(labels)
    return torch.stack(draws).view(chains, sweeps, len(x))


def _together(z: Tensor) -> Tensor:
    i, j = zip(*combinations(range(z.shape[-1]), 2), strict=True)
    return z[..., list(i)] == z[..., list(j)]
