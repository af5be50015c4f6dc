"""The tests of a sampler that need no chain: its stated law, its draws of learned values, its truncation."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from bnpgan.priors.two_parameter import TwoParameter
from bnpgan.samplers import Sampler
from bnpgan.testing import oracle
from bnpgan.testing.law import Law, log_namings
from bnpgan.testing.report import Row

__all__ = ["learned_values", "stated_law", "truncation"]


def stated_law(sampler: Sampler, x: Tensor, prior: Law) -> Row:
    """The stated law: probabilities sum to 1, depend neither on names nor on the order of points, and are right.

    They are compared with :mod:`bnpgan.testing.oracle`, where that has formulas for the prior and the family.

    Args:
        sampler: the sampler.
        x: points ``(N, D)``, a handful.
        prior: the law of their labels.
    """
    C, errors, unknown = sampler.capacity, [], []
    states = [tuple(z) for z in prior.states.tolist()]
    total = float(prior.log_joint.exp().sum())
    errors.append(abs(total - 1) if prior.ordered or len(x) <= C else max(0.0, total - 1))
    some = states[:: -(-len(states) // 12)]
    for z in some:
        stated, shuffled = sampler.log_prior(torch.tensor(z)), torch.tensor(z)[torch.randperm(len(z))]
        renamed = shuffled if prior.ordered else torch.randperm(C)[shuffled]
        errors.append(abs(float(sampler.log_prior(renamed) - stated)))
    formula = oracle.log_labels if prior.ordered else oracle.log_partition
    try:
        for z in some:
            log_prior = _mixture(sampler.prior, lambda part, z=z: formula(part, z, C))
            log_prior -= 0.0 if prior.ordered else log_namings(z, C)
            errors.append(abs(float(sampler.log_prior(torch.tensor(z))) - log_prior))
    except NotImplementedError as missing:
        unknown.append(str(missing))
    try:
        for z in some:
            labels = torch.tensor(z, device=x.device)
            evidence = _mixture(sampler.component, lambda part, z=z: oracle.log_evidence(part, x.cpu().numpy(), z))
            errors.append(abs(float(sampler.log_joint(x, labels) - sampler.log_prior(labels)) - evidence))
    except NotImplementedError as missing:
        unknown.append(str(missing))
    return Row(max(errors), note=", ".join(unknown))


def _mixture(part: object, log_value: Callable[..., float]) -> float:
    return float(np.logaddexp.reduce([math.log(weight) + log_value(member) for weight, member in oracle.members(part)]))


def learned_values(sampler: Sampler, x: Tensor, level: float, length: int = 1) -> Row:
    """Draws of learned hyper-parameters given labels against their conditional, by Pearson's test.

    The conditional of a value is its weight times the probability of the labels, or of the points given them, under
    that value alone.
    """
    parts = (sampler.prior, sampler.component)
    if not any(part.learned for part in parts):
        return Row(note="nothing is learned")
    C, draws, cells = sampler.capacity, 150 * length, []
    for labels in (torch.arange(len(x)) % 2, torch.arange(len(x)) % C):
        labels = labels.to(x.device)
        counts = torch.bincount(labels, minlength=C)
        chances = {}
        for (v, prior), (w, family) in product(*map(oracle.members, parts)):
            law = prior.log_marginal(counts) if sampler.ordered else prior.log_eppf(counts)
            statistics = family.stats(x, labels, C)
            chance = math.log(v * w) + float(law + family.log_evidence(statistics))
            chances[_values(sampler, prior, statistics)] = chance
        expected = dict(zip(chances, draws * torch.tensor(list(chances.values())).softmax(0).numpy(), strict=True))
        seen = dict.fromkeys(expected, 0)
        for _ in range(draws):
            prior, statistics = sampler.draw(x, labels)
            values = _values(sampler, prior, statistics)
            if values not in seen:
                return Row(math.inf, 0.0, level, note=f"{values} is no value of the grids")
            seen[values] += 1
        cells.append(_pooled(np.array(list(seen.values())), np.array(list(expected.values()))))
    residuals = np.concatenate([(o - e) / np.sqrt(e) for o, e in cells])
    p = stats.chi2.sf((residuals**2).sum(), len(residuals) - len(cells)) if len(residuals) > len(cells) else 1.0
    return Row(float(np.abs(residuals).max()), float(p), level)


def _values(sampler: Sampler, prior: object, statistics: Any) -> tuple[float, ...]:
    learned = [(prior, name) for name in sampler.prior.learned]
    learned += [(statistics.prior, name) for name in sampler.component.learned]
    return tuple(float(getattr(part, name)) for part, name in learned)


def _pooled(seen: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Rare values are pooled until ten draws of them are expected.
    order = expected.argsort()
    starts, total = [0], 0.0
    for i, value in enumerate(expected[order]):
        if total >= 10:
            starts.append(i)
            total = 0.0
        total += value
    if total < 10 and len(starts) > 1:
        starts.pop()
    return np.add.reduceat(seen[order].astype(float), starts), np.add.reduceat(expected[order], starts)


def truncation(sampler: Sampler) -> Row:
    r"""How far the truncated law of the partitions of three points is from the process, against the bound on it.

    .. math:: \sum_\pi |p_C(\pi) - p(\pi)| \le 4 \left(1 - E\left[\left(\sum_{k < C} w_k\right)^N\right]\right)
        \approx 4 N e^{-(C - 1) / \alpha}

    for ``C`` = 2, 4 and 8; the last form is that of the Dirichlet process. The bound holds because the two laws differ
    only where a point falls beyond the stick ``C - 1``. The statistic is the largest ratio of distance to bound.

    References:
        Ishwaran and James, "Gibbs sampling methods for stick-breaking priors", 2001 (a bound for the marginal density
        of the data, which holds all the more for what is summed here).
    """
    prior = sampler.prior
    if not (sampler.ordered and isinstance(prior, TwoParameter)):
        return Row(note="no truncated sticks")
    shares, told = [], ""
    for C in (2, 4, 8):
        truncated: dict[tuple[int, ...], float] = {}
        short = replace(sampler, capacity=C)  # type: ignore[type-var]
        for z in oracle.label_vectors(3, C):
            block = tuple(z.index(k) for k in z)
            truncated[block] = truncated.get(block, 0.0) + float(short.log_prior(torch.tensor(z)).exp())
        error = 0.0
        for block, p in truncated.items():
            error += abs(p - math.exp(_mixture(prior, lambda part, z=block, C=C: oracle.log_partition(part, z, C))))
        bound = sum(weight * _bound(part, C, 3) for weight, part in oracle.members(prior))
        shares.append(error / bound)
        told = f"error {error:.1e}, bound {bound:.1e} at C = {C}"
    return Row(max(shares), level=1.0, note=told)


def _bound(prior: Any, capacity: int, n: int) -> float:
    # 4 (1 - E[(1 - r)^n]), where r = prod_k (1 - v_k) is left over by C - 1 sticks; by the moments of the sticks.
    alpha, d = oracle.number(prior.concentration), oracle.number(prior.discount)
    k = np.arange(1, capacity)
    moments = [np.prod([(alpha + k * d + i) / (alpha + 1 + (k - 1) * d + i) for i in range(j)]) for j in range(n + 1)]
    return 4 * (1 - sum((-1) ** j * math.comb(n, j) * moment for j, moment in enumerate(moments)))
