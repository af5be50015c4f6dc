"""Algorithm 8 against the exact posterior, with a conjugate family and with one that is not.

Levels and points are those of ``test_exact.py``, four of them.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from exact_posterior import Law, log_restaurant, run_chains, set_partitions
from rewritten import rewritten
from scipy import integrate, special, stats
from test_exact import DP, LEVEL, NAMES, PY, points
from torch import Tensor

from bnpgan.components import DiagonalGaussians, NormalInverseWishart
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal, SemiConjugateNormalStats
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import Algorithm8, CRPGibbs, SplitMerge, StickBreaking

N = 4
SPREAD, SCALE, NU = 0.3, 0.1, 2.5  # the prior of the mean matters
SEMI = {"spread": SPREAD, "scale": SCALE, "nu": NU}
FEW_SLOTS = 2
GRID = Grid([0.5, 8.0], torch.tensor([0.4, 0.6]).log())


def strengths(D: int) -> dict:
    return {"mean": np.zeros(D), "scale": 0.3 * np.eye(D), "kappa": 0.3, "nu": D + 1.1}


def build(prior, component, kind: type = Algorithm8, capacity: int = N + 1, auxiliaries: int = 2) -> Algorithm8:
    return kind(prior, component, capacity=capacity, auxiliaries=auxiliaries)


def niw(D: int) -> NormalInverseWishart:
    return NormalInverseWishart(**strengths(D))


def semi(D: int, family: type = SemiConjugateNormal) -> SemiConjugateNormal:
    return family(mean=torch.zeros(D), **SEMI)


def law(prior, x: Tensor) -> Law:
    log_prior = lambda z: log_restaurant(z, prior.concentration, prior.discount)  # noqa: E731
    return Law.enumerate(x, set_partitions(len(x)), log_prior, slots=False, **strengths(x.shape[1]))


def log_block(points: np.ndarray) -> float:
    """The marginal of a cluster that is not conjugate, by a grid over the mean and the log of the variance."""
    mu, log_variance = np.linspace(-9, 9, 361)[:, None], np.linspace(-9, 18, 361)
    variance = np.exp(log_variance)
    log_prior = (
        stats.norm.logpdf(mu, 0, SPREAD) + stats.invgamma.logpdf(variance, NU / 2, scale=SCALE / 2) + log_variance
    )
    total = 0.0
    for x in points.T:  # a dimension
        density = np.exp(log_prior + sum(stats.norm.logpdf(value, mu, np.sqrt(variance)) for value in x))
        total += math.log(integrate.trapezoid(integrate.trapezoid(density, mu, axis=0), log_variance))
    return total


def law_not_conjugate(x: Tensor, log_prior: Callable[[tuple[int, ...]], float], most: int) -> Law:
    blocks: dict[tuple[int, ...], float] = {}
    states = [z for z in set_partitions(len(x)) if len(set(z)) <= most]
    values = []
    for z in states:
        groups = [tuple(i for i, label in enumerate(z) if label == k) for k in set(z)]
        for group in groups:
            if group not in blocks:
                blocks[group] = log_block(x.numpy()[list(group)])
        values.append(log_prior(z) + sum(blocks[group] for group in groups))
    return Law(torch.tensor(states), torch.tensor(values, dtype=torch.float64), slots=False)


def log_pitman_yor(z: tuple[int, ...]) -> float:
    return log_restaurant(z, PY.concentration, PY.discount)


def short_chains(sampler: Algorithm8, x: Tensor) -> Tensor:
    return run_chains(sampler, x, chains=40, burn_in=6, sweeps=14)


def check(exact: Law, draws: Tensor) -> None:
    p, (distance, noise) = exact.p_value(draws), exact.total_variation(draws)
    assert p > LEVEL, f"p = {p:.1e}; total variation over partitions {distance:.3f}, {noise:.3f} expected of noise"


def test_sampler_draws_from_the_exact_posterior():
    x = points(2, N)
    check(law(PY, x), short_chains(build(PY, niw(2)), x))


def test_sampler_draws_from_the_exact_posterior_of_a_family_that_is_not_conjugate():
    x = points(2, N)
    check(law_not_conjugate(x, log_pitman_yor, most=N), short_chains(build(PY, semi(2)), x))


def test_law_with_few_slots_and_a_learned_concentration():
    """The prior's law given K <= C."""

    def log_prior(z: tuple[int, ...]) -> float:
        return special.logsumexp(GRID.log_weights.numpy() + [log_restaurant(z, a) for a in GRID.values.tolist()])

    x = points(1, N)
    exact = law_not_conjugate(x, log_prior, most=FEW_SLOTS)
    check(exact, short_chains(build(DirichletProcess(GRID), semi(1), capacity=FEW_SLOTS), x))


@pytest.mark.slow
@pytest.mark.parametrize("prior", [DP, PY], ids=NAMES.get)
@pytest.mark.parametrize("D", [1, 2])
@pytest.mark.parametrize("auxiliaries", [1, 3])
def test_sampler_draws_from_the_exact_posterior_of_six_points_at_length(prior, D, auxiliaries):
    x = points(D, 6)
    sampler = build(prior, niw(D), capacity=7, auxiliaries=auxiliaries)
    exact, draws = law(prior, x), run_chains(sampler, x, chains=40, burn_in=40, sweeps=100)
    distance, noise = exact.total_variation(draws)
    assert exact.p_value(draws) > LEVEL
    assert distance < 2 * noise


def test_new_clusters_take_any_empty_slot():
    """300 sweeps: the slots of new clusters are even; fails once in 10^6 seeds."""
    x, labels = points(1, N), torch.tensor([2, 2, 2, 4])
    moved = torch.stack([build(DirichletProcess(4.0), niw(1), capacity=7).step(x, labels) for _ in range(300)])
    used = torch.stack([(moved == k).any(1).sum() for k in (0, 1, 3, 5, 6)])
    assert used.sum() > 150
    assert stats.chisquare(used.numpy()).pvalue > 1e-6


def test_log_joint_is_that_of_the_enumeration():
    x, sampler = points(2, N), build(PY, semi(2))
    exact = law_not_conjugate(x, log_pitman_yor, most=N)
    for z, log_joint in zip(exact.states, exact.log_joint.tolist(), strict=True):
        names = math.perm(sampler.capacity, len(z.unique()))
        assert float(sampler.log_joint(x, z)) == pytest.approx(log_joint - math.log(names), abs=1e-6)


# Tests of the test: each sampler below is wrong in one way, and the same check with the same settings must notice. The
# fast runs have the first.

MUTANTS = {
    "own parameter not among the auxiliaries": ("density[i, C] = density[i, k]", "pass"),
    "new-cluster mass not shared among the auxiliaries": ("- np.log(self.auxiliaries)", ""),
}


FIRST, *OTHERS = MUTANTS


@pytest.mark.parametrize("name", [FIRST, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_wrong_sampler_is_noticed(name):
    x = points(2, N)
    assert law(PY, x).p_value(short_chains(build(PY, niw(2), rewritten(Algorithm8, *MUTANTS[name])), x)) < LEVEL


class MeanWithoutPrior(SemiConjugateNormal):
    """The mean of a cluster drawn around that of its points, as if a priori it could be anywhere."""

    def posterior_sample(self, stats: SemiConjugateNormalStats) -> DiagonalGaussians:
        drawn, n = super().posterior_sample(stats), stats.n[:, None]
        mean = stats.mean + (drawn.variance / n).sqrt() * torch.randn_like(drawn.mean)
        return DiagonalGaussians(torch.where(n > 0, mean, drawn.mean), drawn.variance)


@pytest.mark.slow
def test_wrong_posterior_is_noticed():
    x = points(2, N)
    wrong = build(PY, semi(2, MeanWithoutPrior))
    assert law_not_conjugate(x, log_pitman_yor, most=N).p_value(short_chains(wrong, x)) < LEVEL


# What else it does.


def test_it_finds_plain_clusters_of_different_shapes_and_chunks():
    x = torch.cat([torch.randn(90, 2) * torch.tensor([0.1, 3.0]), 20 + torch.randn(90, 2)])
    labels = Algorithm8(DirichletProcess(1.0), SemiConjugateNormal(), capacity=10, sweeps=15).fit(x).labels
    first, second = labels[:90].mode().values, labels[90:].mode().values
    assert first != second
    assert (labels[:90] == first).double().mean() > 0.9
    assert (labels[90:] == second).double().mean() > 0.9


def test_one_slot_takes_all():
    x = torch.randn(100, 2)
    assert Algorithm8(PY, niw(2), capacity=1).step(x, torch.zeros(100, dtype=torch.int64)).unique().tolist() == [0]


@pytest.mark.parametrize("auxiliaries", [0, -1, 1.5])
def test_bad_auxiliaries_are_refused(auxiliaries):
    with pytest.raises(ValueError, match=r"^auxiliaries "):
        Algorithm8(DP, niw(2), auxiliaries=auxiliaries)


def test_samplers_that_need_a_closed_form_say_so():
    prior, component = DirichletProcess(1.0), SemiConjugateNormal()
    with pytest.raises(ValueError, match="component: SemiConjugateNormal has no predictive density"):
        CRPGibbs(prior, component)
    with pytest.raises(ValueError, match="use Algorithm8"):
        SplitMerge(StickBreaking(prior, component))
