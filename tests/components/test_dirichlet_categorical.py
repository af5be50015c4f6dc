"""Clusters of categorical values: against scipy, by hand, and what is refused."""

import math

import numpy as np
import pytest
import torch
from families import CASES, VALUES, empty
from scipy import special, stats
from scipy.integrate import trapezoid

from bnpgan.components import DirichletCategorical
from bnpgan.grids import Grid

CASE = CASES["DirichletCategorical-3D"]


def test_marginal_is_dirichlet_multinomial():
    """Of one sequence of rows, so less the number of sequences with these counts; columns multiply."""
    x, labels = CASE.points(20), torch.arange(20) % 2
    got = CASE.family.log_marginal(CASE.family.stats(x, labels, 2))
    for k in range(2):
        total = 0.0
        for column in x[labels == k].T:
            counts = np.bincount(column.int(), minlength=VALUES)
            sequences = special.gammaln(11) - special.gammaln(counts + 1).sum()
            total += stats.dirichlet_multinomial.logpmf(counts, np.full(VALUES, 0.6), 10) - sequences
        assert float(got[k]) == pytest.approx(total)


def test_marginals_of_all_data_sets_sum_to_one():
    family = DirichletCategorical(0.6, categories=2)
    rows = torch.cartesian_prod(*[torch.arange(2)] * 6).view(-1, 3, 2)  # three rows of two columns
    zeros = torch.zeros(3, dtype=torch.int64)
    total = sum(float(family.log_marginal(family.stats(x, zeros, 1)).exp()) for x in rows)
    assert total == pytest.approx(1)


def test_marginal_of_one_binary_column_is_the_integral_over_its_probability():
    x = torch.tensor([[1], [0], [1], [1]])
    p = np.linspace(0, 1, 100_001)
    density = stats.beta.pdf(p, 2.0, 2.0) * p**3 * (1 - p)
    family = DirichletCategorical(2.0, categories=2)
    got = family.log_marginal(family.stats(x, torch.zeros(4, dtype=torch.int64), 1)).exp()
    assert float(got) == pytest.approx(trapezoid(density, p), rel=1e-7)


def test_predictive_is_a_product_of_smoothed_shares():
    x = torch.tensor([[0, 1], [0, 2], [2, 2]])
    family = DirichletCategorical(0.5, categories=3)
    got = family.log_predictive(family.stats(x, torch.zeros(3, dtype=torch.int64), 2), torch.tensor([0, 2])).exp()
    assert got.tolist() == pytest.approx([2.5 / 4.5 * 2.5 / 4.5, 1 / 9])


def test_posterior_mean_is_the_smoothed_shares_and_uniform_where_empty():
    x = torch.tensor([[0, 1], [0, 2], [2, 2]])
    family = DirichletCategorical(0.5, categories=3)
    got = family.posterior_mean(family.stats(x, torch.zeros(3, dtype=torch.int64), 2)).probabilities
    expected = torch.tensor([[2.5, 0.5, 1.5], [0.5, 1.5, 2.5]], dtype=torch.float64) / 4.5
    torch.testing.assert_close(got, torch.stack([expected, torch.full_like(expected, 1 / 3)]))


def test_posterior_samples_have_the_posterior_moments():
    """40,000 draws, six standard errors: Cov = (diag(p) - p p^T) / (A + 1) in a column, 0 between columns."""
    R, x = 40_000, CASE.points(6)
    exact = CASE.family.posterior_mean(CASE.family.stats(x, torch.zeros(6, dtype=torch.int64), 1)).probabilities[0]
    drawn = CASE.family.posterior_sample(CASE.family.soft_stats(x, torch.ones(6, R, dtype=torch.float64)))
    deviation = drawn.probabilities - exact
    values = torch.einsum("rcv,rdw->rcdvw", deviation, deviation)
    expected = torch.zeros(3, 3, VALUES, VALUES, dtype=torch.float64)
    for d, p in enumerate(exact):
        expected[d, d] = (p.diag() - torch.outer(p, p)) / (6 + 0.6 * VALUES + 1)
    assert ((values.mean(0) - expected).abs() < 6 * values.std(0) / math.sqrt(R)).all()


@pytest.mark.parametrize("concentration", [0.05, 0.6, 5.0])
def test_posterior_sample_of_an_empty_slot_is_a_draw_from_the_prior(concentration):
    """4,000 draws of each probability against its Beta law; fails once in 10^5 seeds."""
    family = DirichletCategorical(concentration, VALUES)
    drawn = family.posterior_sample(empty(type(CASE)(family, CASE.points), 4_000)).probabilities
    torch.testing.assert_close(drawn.sum(-1), torch.ones_like(drawn[..., 0]))
    law = stats.beta(concentration, (VALUES - 1) * concentration)
    for v in range(VALUES):
        assert stats.kstest(drawn[:, v % 3, v].numpy(), law.cdf).pvalue > 1e-6


def test_draws_under_a_tiny_concentration_have_log_probabilities():
    """Most probabilities are below the smallest number: their logs are not, and no density is lost."""
    family = DirichletCategorical(1e-4, VALUES)
    drawn = family.posterior_sample(empty(type(CASE)(family, CASE.points), 200))
    assert drawn.log_probabilities.isfinite().all()
    assert (drawn.log_probabilities < -800).any()
    assert drawn.log_prob(CASE.points(20)).isfinite().all()


def test_categories_are_counted_in_the_data_or_given():
    x, labels = torch.tensor([[0, 5], [1, 0]]), torch.tensor([0, 1])
    assert DirichletCategorical().stats(x, labels, 2).prior.categories == 6
    assert DirichletCategorical(categories=9).stats(x, labels, 2).prior.categories == 9


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32, torch.float64])
def test_values_may_come_in_any_type(dtype):
    x, labels = CASE.points(6), torch.arange(6) % 2
    expected = CASE.family.log_marginal(CASE.family.stats(x, labels, 2))
    torch.testing.assert_close(CASE.family.log_marginal(CASE.family.stats(x.to(dtype), labels, 2)), expected)


@pytest.mark.parametrize("value", [0.5, -1.0, float(VALUES)], ids=["fraction", "negative", "too large"])
def test_values_that_are_no_categories_are_refused(value):
    x, labels = CASE.points(4), torch.arange(4)
    stats = CASE.family.stats(x, labels, 4)
    x[2, 1] = value
    for call in (
        lambda: CASE.family.stats(x, labels, 4),
        lambda: CASE.family.soft_stats(x, torch.eye(4, dtype=torch.float64)),
        lambda: CASE.family.log_predictive(stats, x),
        lambda: CASE.family.add_(stats, 0, x[2]),
        lambda: CASE.family.posterior_mean(stats).log_prob(x),
    ):
        with pytest.raises(ValueError, match=r"^x must hold whole numbers in \[0, 4\)"):
            call()


def test_values_that_are_all_below_zero_are_no_categories():
    with pytest.raises(
        ValueError, match=r"^x must hold whole numbers in \[0, 1\), got -2 to -2: number the categories"
    ):
        DirichletCategorical().stats(torch.tensor([[-2.0], [-3.0]]), torch.zeros(2, dtype=torch.int64), 1)


@pytest.mark.parametrize("concentration", [0.0, -1.0, math.nan, math.inf, Grid([0.0, 1.0])])
def test_bad_concentration_is_named(concentration):
    with pytest.raises(ValueError, match=r"^concentration "):
        DirichletCategorical(concentration)


@pytest.mark.parametrize("categories", [0, -2, 2.5])
def test_bad_categories_are_named(categories):
    with pytest.raises(ValueError, match=r"^categories "):
        DirichletCategorical(categories=categories)
