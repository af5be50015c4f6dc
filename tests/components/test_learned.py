"""Hyper-parameters given as grids: the evidence, the draws, and what is kept."""

import math

import pytest
import torch
from families import CASES, assert_same_stats, categorical, each_gaussian, gaussian, middle, wishart
from scipy import stats as laws

from bnpgan.components import DirichletCategorical, NormalInverseGamma, NormalInverseWishart, SphericalNormal
from bnpgan.components.defaults import FACTORS
from bnpgan.grids import Grid

VALUES, LOG_WEIGHTS = [0.1, 0.5, 2.0, 8.0], torch.tensor([0.1, 0.4, 0.3, 0.2]).log()
LABELS = torch.tensor([0, 0, 1, 1, 3, 1])

# The family as a function of the hyper-parameter; its name; the points.
MAKERS = {
    "NormalInverseWishart": (lambda f: NormalInverseWishart(middle(2), wishart(2).scale, 0.4, 5.0, f), gaussian(2)),
    "NormalInverseGamma": (lambda f: NormalInverseGamma(middle(2), torch.tensor([0.5, 1.0]), 0.4, 3.5, f), gaussian(2)),
    "SphericalNormal": (lambda f: SphericalNormal(middle(2), 0.7, 0.4, 3.5, f), gaussian(2)),
    "DirichletCategorical": (lambda a: DirichletCategorical(a, 4), categorical(3)),
}
each_maker = pytest.mark.parametrize(("make", "points"), MAKERS.values(), ids=MAKERS.keys())


def number(stats) -> float:
    """The learned hyper-parameter of the statistics."""
    return stats.prior.concentration if hasattr(stats.prior, "concentration") else stats.prior.factor


def log_joint(make, x):
    """Of each value: its weight and the marginals under the family with that number, one point after another."""
    values = []
    for value in VALUES:
        family, total = make(value), 0.0
        stats = family.stats(x[:0], LABELS[:0], 4)
        for y, k in zip(x, LABELS.tolist(), strict=True):
            total += float(family.log_predictive(stats, y)[k])
            family.add_(stats, k, y)
        values.append(total)
    return torch.tensor(values, dtype=torch.float64) + LOG_WEIGHTS.to(torch.float64)


@pytest.mark.parametrize("name", MAKERS)
def test_learned_names_the_grids_of_several_values(name):
    make, _ = MAKERS[name]
    field = "concentration" if name == "DirichletCategorical" else "factor"
    assert make(Grid(VALUES)).learned == (field,)
    assert make(2.0).learned == make(Grid([2.0])).learned == ()


@each_maker
def test_evidence_sums_over_the_values(make, points):
    x, family = points(6), make(Grid(VALUES, LOG_WEIGHTS))
    expected = log_joint(make, x)
    stats = family.stats(x, LABELS, 4)
    torch.testing.assert_close(family.log_evidence(stats), expected.logsumexp(0))
    torch.testing.assert_close(stats.log_posterior.softmax(0), expected.softmax(0))
    torch.testing.assert_close(family.log_evidence(family.draw(stats)), expected.logsumexp(0))


@each_maker
def test_evidence_of_one_value_is_the_marginal(make, points):
    x = points(6)
    for family in (make(0.5), make(Grid([0.5]))):
        stats = family.stats(x, LABELS, 4)
        torch.testing.assert_close(family.log_evidence(stats), family.log_marginal(stats).sum())
        assert family.draw(stats) is stats


@each_maker
def test_draws_follow_the_exact_conditional(make, points):
    """1,000 draws, an exact binomial test of each value at 1e-6."""
    x, family = points(6), make(Grid(VALUES, LOG_WEIGHTS))
    stats = family.stats(x, LABELS, 4)
    probability = log_joint(make, x).softmax(0)
    assert probability.sort().values[-2] > 0.01  # or there would be nothing to see
    assert (probability - LOG_WEIGHTS.exp()).abs().max() > 0.1
    drawn = torch.tensor([number(family.draw(stats)) for _ in range(1_000)])
    for value, p in zip(VALUES, probability.tolist(), strict=True):
        assert laws.binomtest(int(torch.isclose(drawn, torch.tensor(value)).sum()), 1_000, p).pvalue > 1e-6


@each_maker
def test_statistics_are_made_with_the_value_that_fits_best(make, points):
    x, family = points(6), make(Grid(VALUES, LOG_WEIGHTS))
    best = VALUES[int(log_joint(make, x).argmax())]
    assert_same_stats(family.stats(x, LABELS, 4), make(best).stats(x, LABELS, 4))
    one_hot = torch.nn.functional.one_hot(LABELS, 4).to(x.dtype)
    assert_same_stats(family.soft_stats(x, one_hot), make(best).stats(x, LABELS, 4))


@each_maker
def test_drawn_statistics_are_those_of_the_family_with_that_number(make, points):
    x, new = points(6), points(3)
    family = make(Grid(VALUES, LOG_WEIGHTS))
    stats = family.stats(x, LABELS, 4)
    for _ in range(20):
        drawn = family.draw(stats)
        assert_same_stats(drawn, make(number(drawn)).stats(x, LABELS, 4))
        fixed = family.fixed(drawn)
        again = fixed.stats(x, LABELS, 4)
        assert fixed.learned == ()
        torch.testing.assert_close(fixed.log_marginal(again), family.log_marginal(drawn))
        torch.testing.assert_close(fixed.log_predictive(again, new), family.log_predictive(drawn, new))


@each_maker
def test_a_draw_leaves_the_statistics_it_came_from(make, points):
    x, family = points(6), make(Grid(VALUES, LOG_WEIGHTS))
    stats, fresh = family.stats(x, LABELS, 4), family.stats(x, LABELS, 4)
    drawn = family.draw(stats)
    for y, k in zip(x, LABELS.tolist(), strict=True):
        family.add_(drawn, k, y, sign=-1)
    assert_same_stats(stats, fresh)


@each_maker
def test_evidence_without_points_is_one(make, points):
    family = make(Grid(VALUES, LOG_WEIGHTS))
    stats = family.stats(points(1)[:0], LABELS[:0], 4)
    assert float(family.log_evidence(stats)) == pytest.approx(0, abs=1e-6)


@each_gaussian
def test_default_factor_is_a_grid_where_the_scale_comes_from_the_data(kind):
    assert kind().factor is FACTORS
    assert kind(scale=1.0).factor == 1.0
    assert kind(scale=1.0, factor=FACTORS).factor is FACTORS
    assert kind(factor=0.3).learned == ()


@each_gaussian
@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf, Grid([-1.0, 1.0])])
def test_bad_factor_is_named(kind, factor):
    with pytest.raises(ValueError, match=r"^factor "):
        kind(factor=factor)


def test_cases_cover_the_makers():
    assert {name.split("-")[0] for name in CASES} == set(MAKERS)
