"""Partitions drawn from priors, and the law of the number of their clusters, against enumeration and closed forms."""

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import pytest
import torch
from scipy import stats

from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, Partitions, PitmanYor
from bnpgan.testing import oracle
from bnpgan.testing.oracle import set_partitions

GRID = Grid([0.3, 1.0, 4.0])
PRIORS = [
    DirichletProcess(0.7),
    PitmanYor(0.7, 0.4),
    FiniteDirichlet(1.5),
    MixtureOfFiniteMixtures(0.8),
    DirichletProcess(GRID),
    PitmanYor(GRID, Grid([0.0, 0.6])),
    FiniteDirichlet(GRID),
]
LEVEL = 1e-5  # a sampler that is right fails one of the eight tests of draws with probability 8e-5; seeds are fixed
DRAWS = 400

every_prior = pytest.mark.parametrize("prior", PRIORS, ids=repr)


def law(prior, n: int) -> dict[tuple[int, ...], float]:
    """The probability of every partition by the oracle's formulas, which seat one point after another."""
    members = list(oracle.members(prior))
    return {z: sum(w * math.exp(oracle.log_partition(p, z, n)) for w, p in members) for z in set_partitions(n)}


def p_value(drawn, law: dict[tuple[int, ...], float]) -> float:
    """Chi-square of partitions drawn as label vectors."""
    seen = Counter(map(tuple, drawn))
    assert seen.keys() <= law.keys()  # numbered in order of appearance
    return stats.chisquare([seen[z] for z in law], [sum(seen.values()) * p for p in law.values()]).pvalue


@every_prior
def test_number_of_clusters_is_that_of_all_partitions(prior):
    expected = torch.zeros(6, dtype=torch.float64)
    for z, p in law(prior, 5).items():
        expected[len(set(z))] += p
    torch.testing.assert_close(prior.number_of_clusters(5), expected, rtol=1e-9, atol=0)


@every_prior
def test_laws_of_many_points_sum_to_one(prior):
    for n in (1, 2, 150):  # 150: beyond one piece of totals
        assert float(prior.number_of_clusters(n).sum()) == pytest.approx(1)


def test_under_a_dirichlet_process_they_are_stirling_numbers():
    n, alpha = 70, Fraction(5, 2)
    row = [1]  # |s(m, k)| by m: |s(m + 1, k)| = m |s(m, k)| + |s(m, k - 1)|
    for m in range(n):
        row = [m * a + b for a, b in zip([*row, 0], [0, *row], strict=True)]
    rising = math.prod((alpha + i for i in range(n)), start=Fraction(1))
    expected = [float(alpha**k * s / rising) for k, s in enumerate(row)]
    assert DirichletProcess(2.5).number_of_clusters(n).tolist() == pytest.approx(expected, rel=1e-10)


def test_under_a_pitman_yor_process_they_are_generalised_ones():
    n, alpha, d = 30, Fraction(3, 2), Fraction(1, 4)

    def rising(a, m, step=1):
        return math.prod((a + i * step for i in range(m)), start=Fraction(1))

    def factorial_coefficient(k):
        return sum((-1) ** j * math.comb(k, j) * rising(-j * d, n) for j in range(k + 1)) / math.factorial(k)

    expected = [rising(alpha, k, d) / d**k * factorial_coefficient(k) / rising(alpha, n) for k in range(1, n + 1)]
    assert sum(expected) == 1
    found = PitmanYor(1.5, 0.25).number_of_clusters(n).tolist()
    assert found == pytest.approx([0, *map(float, expected)], rel=1e-10)


def test_a_finite_dirichlet_has_no_more_clusters_than_slots():
    prior, n, C = FiniteDirichlet(2.0), 6, 3
    expected = torch.zeros(n + 1, dtype=torch.float64)
    for z in oracle.label_vectors(n, C):
        expected[len(set(z))] += math.exp(oracle.log_labels(prior, z, C))
    torch.testing.assert_close(prior.number_of_clusters(n, capacity=C), expected)
    assert max(int(prior.sample_partition(30, capacity=C).max()) for _ in range(5)) == C - 1


@dataclass(frozen=True)
class WithoutUrn(Partitions):
    prior: Partitions

    def log_eppf_of(self, n, hyper):
        return self.prior.log_eppf_of(n, self.prior._columns(n.device))

    def hyper(self):
        return {}


def test_a_law_without_an_urn_is_summed_over_block_sizes():
    prior = PitmanYor(0.7, 0.4)
    torch.testing.assert_close(WithoutUrn(prior).number_of_clusters(20), prior.number_of_clusters(20))
    with pytest.raises(ValueError, match="n must be at most 50 for WithoutUrn"):
        WithoutUrn(prior).number_of_clusters(51)
    with pytest.raises(ValueError, match="capacity must be at least the 5 points, got 3"):
        WithoutUrn(prior).sample_partition(5, capacity=3)


@every_prior
def test_partitions_are_drawn_by_their_law(prior):
    torch.manual_seed(0)
    assert p_value((prior.sample_partition(4).tolist() for _ in range(DRAWS)), law(prior, 4)) > LEVEL


def test_draws_of_a_law_without_an_urn():
    torch.manual_seed(0)
    prior = PitmanYor(0.7, 0.4)
    assert p_value((WithoutUrn(prior).sample_partition(4).tolist() for _ in range(DRAWS)), law(prior, 4)) > LEVEL


class ForgetsTables(PitmanYor):
    """A new table is opened as under a Dirichlet process: the planted error."""

    def log_urn_of(self, sizes, totals, used, capacity, hyper):
        old, new = super().log_urn_of(sizes, totals, used, capacity, hyper)
        return old, hyper.concentration.log()[:, None].expand_as(new)


def test_a_planted_error_is_found():
    torch.manual_seed(0)
    right, wrong = PitmanYor(0.7, 0.4), ForgetsTables(0.7, 0.4)
    assert p_value((wrong.sample_partition(4).tolist() for _ in range(DRAWS)), law(right, 4)) < LEVEL
    assert (wrong.number_of_clusters(6) - right.number_of_clusters(6)).abs().max() > 0.05


@pytest.mark.parametrize("prior", [DirichletProcess(2.0), PitmanYor(0.5, 0.4), FiniteDirichlet(1.5)], ids=repr)
def test_sticks_have_the_means_of_their_weights(prior):
    torch.manual_seed(0)
    drawn = torch.stack([prior.sample_sticks(4) for _ in range(DRAWS)])
    torch.testing.assert_close(drawn.sum(1), torch.ones(DRAWS, dtype=torch.float64))
    means = prior.log_marginal(torch.eye(4, dtype=torch.int64)).exp()  # E[w_k] is the probability of one point in k
    assert ((drawn.mean(0) - means).abs() < 5 * drawn.std(0) / math.sqrt(DRAWS)).all()


def test_hyper_parameters_of_a_grid_are_drawn_for_each_partition():
    torch.manual_seed(0)
    prior = DirichletProcess(Grid([1e-9, 1e9]))
    assert {int(prior.sample_partition(6).max()) for _ in range(30)} == {0, 5}
    assert {round(float(prior.sample_sticks(2)[0]), 3) for _ in range(30)} == {0, 1}


@pytest.mark.parametrize("n", [0, -1, 2.5, "3"])
def test_what_is_no_number_of_points_or_sticks_is_refused(n):
    prior = DirichletProcess(1.0)
    for method in (prior.sample_partition, prior.number_of_clusters):
        with pytest.raises(ValueError, match="n must be a whole number of at least 1"):
            method(n)
    with pytest.raises(ValueError, match="capacity must be a whole number of at least 1"):
        prior.sample_sticks(n)


@pytest.mark.parametrize("capacity", [0, 4])
def test_slots_that_may_not_be_enough_are_refused(capacity):
    for prior in (DirichletProcess(1.0), MixtureOfFiniteMixtures(1.0)):
        for method in (prior.sample_partition, prior.number_of_clusters):
            with pytest.raises(ValueError, match="capacity must be at least the 5 points"):
                method(5, capacity)
