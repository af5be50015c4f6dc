"""The law that a sampler states, enumerated for a handful of points, and how chains are compared with it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import torch
from scipy import stats
from torch import Tensor

from bnpgan.samplers import Sampler
from bnpgan.testing.oracle import label_vectors, set_partitions

__all__ = ["Law", "clusters", "hotelling", "log_namings", "run_chains"]

MOST_STATES = 10_000  # label vectors that are enumerated at most: each costs a call of log_prior and log_joint


@dataclass(frozen=True, eq=False)
class Law:
    """The law of labels that a sampler states, by enumeration.

    Args:
        states: ``(S, N)``: every partition, or where slots are ordered every label vector.
        log_joint: ``(S,)``, the stated log-probability of each state; that of a partition is the sum over its names,
            the ways to assign slots to its blocks.
        capacity: the number of slots.
        ordered: whether the law depends on which slot is which.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import DirichletProcess
        >>> from bnpgan.samplers import CRPGibbs
        >>> law = Law.of_labels(CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(), capacity=4), 3)
        >>> law.log_joint.exp()  # together: 2/6; two of three: 1/6 each; apart: 1/6
        tensor([0.3333, 0.1667, 0.1667, 0.1667, 0.1667], dtype=torch.float64)
    """

    states: Tensor
    log_joint: Tensor
    capacity: int
    ordered: bool

    @classmethod
    def of_labels(cls, sampler: Sampler, n: int) -> "Law":
        """The law that ``sampler.log_prior`` states for the labels of ``n`` points.

        Raises:
            ValueError: if there are too many label vectors to enumerate.
        """
        C = sampler.capacity
        if sampler.ordered and C**n > MOST_STATES:
            raise ValueError(
                f"capacity must leave at most {MOST_STATES} label vectors of {n} points where slots are ordered, "
                f"got {C}: pass dataclasses.replace(sampler, capacity=4)"
            )
        states = label_vectors(n, C) if sampler.ordered else [z for z in set_partitions(n) if len(set(z)) <= C]
        log_prior = torch.stack([sampler.log_prior(torch.tensor(z)).cpu() for z in states])
        names = torch.tensor([0.0 if sampler.ordered else log_namings(z, C) for z in states], dtype=log_prior.dtype)
        return cls(torch.tensor(states), log_prior + names, C, sampler.ordered)

    def given(self, sampler: Sampler, x: Tensor) -> "Law":
        """The law of the labels of points ``(N, D)``: ``log_joint`` of the sampler, enumerated."""
        evidence: dict[tuple[int, ...], Tensor] = {}
        values = []
        for z in self.states.tolist():
            block = tuple(z.index(k) for k in z)  # the same for all names of a partition
            if block not in evidence:
                labels = torch.tensor(z, device=x.device)
                evidence[block] = sampler.log_joint(x, labels).cpu() - sampler.log_prior(labels).cpu()
            values.append(evidence[block])
        return Law(self.states, self.log_joint + torch.stack(values), self.capacity, self.ordered)

    @cached_property
    def probability(self) -> Tensor:
        """Probabilities ``(S,)``."""
        return self.log_joint.softmax(0)

    def sample(self, n: int) -> Tensor:
        """Draws ``(n, N)`` of label vectors; a partition's names are drawn at random."""
        z = self.states[torch.multinomial(self.probability, n, replacement=True)]
        return z if self.ordered else torch.rand(n, self.capacity).argsort(1).gather(1, z)

    def scores(self, z: Tensor) -> Tensor:
        """Statistics of states ``(..., N)``: co-clustering of points, number of clusters, sizes of slots.

        Returns their principal components ``(..., q)``, with mean 0 and variance 1 under the law; those of variance
        below .05 depend on rare events and are left out. Sizes of slots are there only where slots are ordered.
        """
        mean, axes = self._whitening
        return (self._statistics(z) - mean) @ axes

    def total_variation(self, draws: Tensor) -> tuple[float, float]:
        """The distance of the partitions in chains ``(R, M, N)`` from the law, and what noise alone would give."""
        powers = 2.0 ** torch.arange(_together(draws).shape[-1], dtype=torch.float64)
        codes, index = torch.unique(_together(self.states).to(torch.float64) @ powers, return_inverse=True)
        exact = torch.zeros(len(codes), dtype=torch.float64).index_add_(0, index, self.probability)
        seen = torch.searchsorted(codes, _together(draws).to(torch.float64) @ powers)
        shares = torch.nn.functional.one_hot(seen, len(codes)).to(torch.float64).mean(1)
        errors = shares.std(0) / len(shares) ** 0.5
        return float((shares.mean(0) - exact).abs().sum() / 2), float(errors.sum() / math.sqrt(2 * math.pi))

    @cached_property
    def _whitening(self) -> tuple[Tensor, Tensor]:
        exact = self._statistics(self.states)
        mean = self.probability @ exact
        variance, axes = torch.linalg.eigh((exact - mean).T @ ((exact - mean) * self.probability[:, None]))
        common = variance > 0.05
        return mean, axes[:, common] / variance[common].sqrt()

    def _statistics(self, z: Tensor) -> Tensor:
        columns = [_together(z), clusters(z)[..., None] == torch.arange(1, z.shape[-1] + 1)]
        if self.ordered:
            columns.append((z[..., None] == torch.arange(self.capacity)).sum(-2) / 2)
        return torch.cat([column.to(torch.float64) for column in columns], -1)


def log_namings(z: Sequence[int], capacity: int) -> float:
    """The log-number of ways to name the blocks of a partition by different slots."""
    return math.log(math.perm(capacity, len(set(z))))


def run_chains(
    sampler: Sampler, x: Tensor, chains: int, burn_in: int, sweeps: int, start: Tensor | None = None
) -> Tensor:
    """Independent chains ``(chains, sweeps, N)`` from one start, without burn-in; ``None``: from "all in slot 0".

    They start at one point because from draws of the law itself a chain that never moves would pass.
    """
    draws = []
    for _ in range(chains):
        labels = torch.zeros(len(x), dtype=torch.int64, device=x.device) if start is None else start
        for t in range(burn_in + sweeps):
            labels = sampler.step(x, labels)
            if t >= burn_in:
                draws.append(labels.cpu())
    return torch.stack(draws).view(chains, sweeps, len(x))


def hotelling(*samples: Tensor) -> tuple[float, float]:
    r"""Hotelling's test that independent rows ``(R, q)`` have mean 0, or those of two samples one mean.

    .. math:: T^2 = \bar d^T \tilde S^{-1} \bar d, \quad \tilde S = \sum_i S_i / R_i, \qquad
        \frac{\nu - q + 1}{\nu q} T^2 \sim F(q, \nu - q + 1)

    where the covariances of two samples may differ:

    .. math:: \nu = (q + q^2) \Big/ \sum_i \frac{tr(A_i^2) + (tr A_i)^2}{R_i - 1}, \qquad
        A_i = \tilde S^{-1} S_i / R_i

    which is :math:`R - 1` for one.

    Returns:
        The largest z-score of a column, and the p-value.

    References:
        Hotelling, "The generalization of Student's ratio", 1931;
        Krishnamoorthy and Yu, "Modified Nel and Van der Merwe test for the multivariate Behrens-Fisher problem", 2004.
    """
    errors = [torch.atleast_2d(rows.T.cov()) / len(rows) for rows in samples]
    error, mean = torch.stack(errors).sum(0), samples[0].mean(0)
    mean = mean if len(samples) == 1 else mean - samples[1].mean(0)
    variance = torch.linalg.eigvalsh(error)
    if variance[0] < 1e-9 * variance[-1]:
        return math.inf, 0.0  # a score that never varied: the chains are stuck
    q, inverse, spread = len(mean), torch.linalg.inv(error), 0.0
    for rows, own in zip(samples, errors, strict=True):
        share = inverse @ own
        spread += float((share @ share).trace() + share.trace() ** 2) / (len(rows) - 1)
    nu = (q + q**2) / spread
    p = stats.f.sf(float(mean @ inverse @ mean) * (nu - q + 1) / (nu * q), q, nu - q + 1)
    return float((mean / error.diagonal().sqrt()).abs().max()), float(p)


def clusters(z: Tensor) -> Tensor:
    """The number of clusters of states ``(..., N)``."""
    return 1 + (z.sort(-1).values.diff(dim=-1) > 0).sum(-1)


def _together(z: Tensor) -> Tensor:
    i, j = zip(*combinations(range(z.shape[-1]), 2), strict=True)
    return z[..., list(i)] == z[..., list(j)]
