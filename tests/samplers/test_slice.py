"""The slice sampler against the exact posterior; its masses against the laws that sticks have.

Levels and points are those of ``test_exact.py``, four of them.
"""

import math
import warnings

import numpy as np
import pytest
import torch
from exact_posterior import Law, log_restaurant, run_chains, set_partitions
from rewritten import rewritten
from scipy import integrate, special, stats
from test_exact import DP, LEVEL, PY, points
from torch import Tensor

from bnpgan.components import NormalInverseWishart
from bnpgan.engine import chunks
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import SliceSampler

N = 4
STRONG = PitmanYor(0.5, 0.8)


def strengths(D: int) -> dict:
    return {"mean": np.zeros(D), "scale": 0.3 * np.eye(D), "kappa": 0.3, "nu": D + 1.1}


def build(prior, D: int, kind: type = SliceSampler, capacity: int = N + 1) -> SliceSampler:
    return kind(prior, NormalInverseWishart(**strengths(D)), capacity=capacity)


def law(prior, x: Tensor) -> Law:
    log_prior = lambda z: log_restaurant(z, prior.concentration, prior.discount)  # noqa: E731
    return Law.enumerate(x, set_partitions(len(x)), log_prior, slots=False, **strengths(x.shape[1]))


def short_chains(sampler: SliceSampler, x: Tensor) -> Tensor:
    """From each point alone, as far as there are slots: from one cluster a blocked sampler takes long."""
    start = torch.arange(len(x)) % sampler.capacity
    return run_chains(sampler, x, chains=36, burn_in=12, sweeps=18, start=start)


def check(exact: Law, draws: Tensor) -> None:
    p, (distance, noise) = exact.p_value(draws), exact.total_variation(draws)
    assert p > LEVEL, f"p = {p:.1e}; total variation over partitions {distance:.3f}, {noise:.3f} expected of noise"


def test_sampler_draws_from_the_exact_posterior_under_a_dirichlet_process():
    x = points(1, N)
    check(law(DP, x), short_chains(build(DP, 1), x))


@pytest.mark.slow
def test_sampler_draws_from_the_exact_posterior_under_a_pitman_yor_process(monkeypatch):
    """Points in two dimensions, and as if the clusters were too many to look at all together."""
    monkeypatch.setattr(chunks, "HELD", 8 * 8)
    x = points(2, N)
    check(law(PY, x), short_chains(build(PY, 2), x))


@pytest.mark.slow
@pytest.mark.parametrize("prior", [DP, PY], ids=["DP", "PY"])
@pytest.mark.parametrize("D", [1, 2])
def test_sampler_draws_from_the_exact_posterior_of_six_points_at_length(prior, D):
    x = points(D, 6)
    exact, draws = law(prior, x), run_chains(build(prior, D, capacity=7), x, chains=40, burn_in=40, sweeps=200)
    distance, noise = exact.total_variation(draws)
    assert exact.p_value(draws) > LEVEL
    assert distance < 2 * noise


@pytest.mark.slow
def test_sampler_draws_from_the_exact_posterior_where_sticks_would_never_end():
    x = points(1, N)
    check(law(STRONG, x), run_chains(build(STRONG, 1), x, chains=40, burn_in=40, sweeps=80))


# Fewer slots than points: the law is the prior's given K <= C.

FEW_SLOTS = 2
GRID = Grid([0.5, 8.0], torch.tensor([0.4, 0.6]).log())


def law_of_few_slots(x: Tensor) -> Law:
    def log_prior(z: tuple[int, ...]) -> float:
        of_each = [log_restaurant(z, a) for a in GRID.values.tolist()]
        return special.logsumexp(GRID.log_weights.numpy() + of_each)

    few = [z for z in set_partitions(len(x)) if len(set(z)) <= FEW_SLOTS]
    return Law.enumerate(x, few, log_prior, slots=False, **strengths(x.shape[1]))


def few_slots(kind: type = SliceSampler) -> SliceSampler:
    return build(DirichletProcess(GRID), 1, kind=kind, capacity=FEW_SLOTS)


def test_law_with_few_slots_and_a_learned_concentration():
    x = points(1, N)
    check(law_of_few_slots(x), short_chains(few_slots(), x))


def test_new_clusters_take_any_empty_slot():
    """300 sweeps: the slots of new clusters are even; fails once in 10^6 seeds."""
    x, labels = points(1, N), torch.tensor([2, 2, 2, 4])
    moved = torch.stack([build(DirichletProcess(4.0), 1, capacity=7).step(x, labels) for _ in range(300)])
    used = torch.stack([(moved == k).any(1).sum() for k in (0, 1, 3, 5, 6)])
    assert used.sum() > 150
    assert stats.chisquare(used.numpy()).pvalue > 1e-6


# Tests of the test: each sampler below is wrong in one way, and the same check with the same settings must notice. The
# fast runs have the first.

MUTANTS = {
    "weights counted twice": (".log_prob(x[rows])", ".log_prob(x[rows]) + masses[above]"),
    "slices not uniform": ("torch.rand_like(x[:, 0]).log()", "3 * torch.rand_like(x[:, 0]).log()"),
    "parameters from the prior": (
        "self.component.posterior_sample(stats)\n",
        "self.component.posterior_sample(self.component.empty(stats, C))\n",
    ),
}


FIRST, *OTHERS = MUTANTS


@pytest.mark.parametrize("name", [FIRST, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_wrong_sampler_is_noticed(name):
    x, mutant = points(1, N), rewritten(SliceSampler, *MUTANTS[name])
    assert law(DP, x).p_value(short_chains(build(DP, 1, mutant), x)) < LEVEL


# The masses.

PRIORS = [DirichletProcess(0.7), PitmanYor(0.7, 0.2), PitmanYor(0.3, 0.6), PitmanYor(2.0, 0.9)]
COUNTS = torch.tensor([3, 0, 1, 0])
each_prior = pytest.mark.parametrize("prior", PRIORS, ids=repr)


@each_prior
@pytest.mark.parametrize("least", [0.02, 3.0])
def test_as_many_new_masses_above_a_threshold_as_their_intensity_says(prior, least):
    """1,000 draws: mean and variance of the number, and mean of the masses, within six standard errors."""
    a, d = prior.concentration + 2 * prior.discount, prior.discount

    def moment(power: int) -> float:  # of the intensity that has a mean time of 1
        return integrate.quad(lambda s: s ** (power - 1 - d) * math.exp(-s), least, 60, points=[1 + least])[
            0
        ] / math.gamma(1 - d)

    drawn = [prior.sample_new_masses(COUNTS, torch.tensor(least, dtype=torch.float64).log()) for _ in range(1_000)]
    number = torch.tensor([float(len(masses)) for masses in drawn])
    total = torch.stack([masses.exp().sum() for masses in drawn])
    assert all((masses.exp() > least * (1 - 1e-12)).all() for masses in drawn)
    expected, spread = a * moment(0), a * moment(0) + a * d * moment(0) ** 2  # Poisson, of a time with variance a d
    assert float(number.mean()) == pytest.approx(expected, abs=6 * math.sqrt(spread / 1_000))
    assert float(total.mean()) == pytest.approx(a * moment(1), abs=6 * float(total.std()) / math.sqrt(1_000))
    squares = (number - expected) ** 2
    assert float(squares.mean()) == pytest.approx(spread, abs=6 * float(squares.std()) / math.sqrt(1_000))


@pytest.mark.parametrize("prior", PRIORS[:3], ids=repr)
def test_masses_over_their_sum_are_the_sticks(prior):
    """The first of the sticks of PY(a, d), a size-biased pick, is Beta(1 - d, a + d), and the sum Gamma(a)."""
    a, d = prior.concentration + 2 * prior.discount, prior.discount
    drawn = [prior.sample_new_masses(COUNTS, torch.tensor(1e-5, dtype=torch.float64).log()).exp() for _ in range(1_000)]
    picks = torch.stack([masses[torch.multinomial(masses, 1)[0]] / masses.sum() for masses in drawn])
    assert stats.kstest(picks.numpy(), stats.beta(1 - d, a + d).cdf).pvalue > 1e-6
    assert stats.kstest([float(masses.sum()) for masses in drawn], stats.gamma(a).cdf).pvalue > 1e-6


@each_prior
def test_masses_of_clusters_are_gamma(prior):
    drawn = torch.stack([prior.sample_masses(COUNTS) for _ in range(2_000)])
    assert (drawn[:, [1, 3]] == -torch.inf).all()
    for k in (0, 2):
        assert stats.kstest(drawn[:, k].exp().numpy(), stats.gamma(int(COUNTS[k]) - prior.discount).cdf).pvalue > 1e-6


# What it can bear, and what it refuses.


def test_a_heavy_tail_does_not_hang_and_old_clusters_keep_their_slots():
    x = torch.cat([torch.randn(100, 2), 50 + torch.randn(100, 2)])
    labels = torch.arange(200) // 100 * 7 + 3
    sampler = SliceSampler(PitmanYor(1.0, 0.9), NormalInverseWishart(), capacity=60)
    for _ in range(20):
        labels = sampler.step(x, labels)
        assert int(labels[:100].mode().values) == 3
        assert int(labels[100:].mode().values) == 10


def test_too_low_a_slice_keeps_the_labels(monkeypatch):
    monkeypatch.setattr("bnpgan.samplers.slice.LOG_LEAST", 10.0)
    x, labels = torch.randn(20, 2), torch.arange(20) % 3
    assert torch.equal(build(DP, 2).step(x, labels), labels)


@pytest.mark.parametrize("prior", [FiniteDirichlet(1.0), MixtureOfFiniteMixtures(1.0)], ids=["Dirichlet", "MFM"])
def test_a_prior_of_finitely_many_clusters_is_refused(prior):
    with pytest.raises(ValueError, match=r"^prior must have infinitely many clusters"):
        SliceSampler(prior, NormalInverseWishart())


# Work without end.


@each_prior
def test_masses_are_drawn_unless_they_are_more_than_asked_for(prior):
    least = torch.tensor(-6.0, dtype=torch.float64)
    a, d = prior.concentration + 2 * prior.discount, prior.discount
    mean = a * ((math.exp(6 * d) - 1) / d if d else 6) / math.gamma(1 - d)
    assert prior.sample_new_masses(COUNTS, least, 100 * mean) is not None
    assert prior.sample_new_masses(COUNTS, least, mean / 100) is None


@pytest.mark.parametrize("prior", [DirichletProcess(3e4), PitmanYor(30.0, 0.8)], ids=repr)
def test_a_sweep_holds_no_more_clusters_than_told(monkeypatch, prior):
    """Their matrices, of (D + 1)^2 numbers, are what takes memory."""
    wide, empty = [], NormalInverseWishart.empty
    monkeypatch.setattr(NormalInverseWishart, "empty", lambda s, stats, n: wide.append(n) or empty(s, stats, n))
    monkeypatch.setattr("bnpgan.samplers.slice.NUMBERS", 2_000 * 16)
    x = torch.randn(12, 3, dtype=torch.float64)
    sampler = SliceSampler(prior, NormalInverseWishart(), capacity=30)
    labels = torch.arange(12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(30):
            labels = sampler.step(x, labels)
    assert max(wide, default=0) < 1.3 * 2_000


def test_a_concentration_at_which_no_sweep_moves_is_told():
    sampler = SliceSampler(DirichletProcess(1e9), NormalInverseWishart(), capacity=30)
    x = torch.randn(12, 3, dtype=torch.float64)
    with pytest.warns(UserWarning, match=r"more than 131,072 clusters above any slice.* or use CRPGibbs"):
        assert torch.equal(sampler.step(x, torch.arange(12) % 2), torch.arange(12) % 2)
