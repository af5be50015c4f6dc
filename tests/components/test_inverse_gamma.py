"""Gaussian clusters without correlations: against scipy and textbook formulas, and by their symmetries."""

import math

import numpy as np
import pytest
import torch
from families import CASES, Case, empty, gaussian, middle, widths
from scipy import stats

from bnpgan.components import NormalInverseGamma, SphericalNormal

DIAGONAL, SPHERICAL = (CASES[f"{name}-3D"] for name in ("NormalInverseGamma", "SphericalNormal"))


def posterior(x, mean, kappa):
    """kappa_n, m_n and, of each dimension, what the points add to the scale."""
    n, average = len(x), x.mean(0)
    gained = ((x - average) ** 2).sum(0) + kappa * n / (kappa + n) * (average - mean) ** 2
    return kappa + n, (kappa * mean + n * average) / (kappa + n), gained


@pytest.mark.parametrize("n", [0, 5])
def test_predictive_of_the_diagonal_family_is_a_product_of_student_t(n):
    x, new = DIAGONAL.points(n), DIAGONAL.points(6)
    kappa, mean, gained = posterior(x, middle(3), 0.4) if n else (0.4, middle(3), torch.zeros(3))
    scale, nu = widths(3) + gained, 3.5 + n
    student = stats.t(nu, mean, (scale / nu * (kappa + 1) / kappa).sqrt())
    got = DIAGONAL.family.log_predictive(DIAGONAL.family.stats(x, torch.zeros(n, dtype=torch.int64), 1), new)
    np.testing.assert_allclose(got[:, 0], student.logpdf(new).sum(1))


@pytest.mark.parametrize("n", [0, 5])
def test_predictive_of_the_spherical_family_is_a_multivariate_student_t(n):
    x, new = SPHERICAL.points(n), SPHERICAL.points(6)
    kappa, mean, gained = posterior(x, middle(3), 0.4) if n else (0.4, middle(3), torch.zeros(3))
    scale, nu = float(0.7 + gained.sum()), 3.5 + 3 * n
    student = stats.multivariate_t(mean.numpy(), scale / nu * (kappa + 1) / kappa * np.eye(3), nu)
    got = SPHERICAL.family.log_predictive(SPHERICAL.family.stats(x, torch.zeros(n, dtype=torch.int64), 1), new)
    np.testing.assert_allclose(got[:, 0], student.logpdf(new))


def test_posterior_means_are_the_textbook_updates():
    x = gaussian(3)(6)
    _, mean, gained = posterior(x, middle(3), 0.4)
    for case, variance in (
        (DIAGONAL, (widths(3) + gained) / (3.5 + 6 - 2)),
        (SPHERICAL, ((0.7 + gained.sum()) / (3.5 + 18 - 2)).expand(3)),
    ):
        got = case.family.posterior_mean(case.family.stats(x, torch.zeros(6, dtype=torch.int64), 2))
        torch.testing.assert_close(got.mean[0], mean)
        torch.testing.assert_close(got.variance[0], variance)
        torch.testing.assert_close(got.mean[1], middle(3))


@pytest.mark.parametrize("case", [DIAGONAL, SPHERICAL], ids=["diagonal", "spherical"])
def test_posterior_samples_have_the_posterior_moments(case):
    """40,000 draws, six standard errors: Cov[mu] = E[Sigma] / kappa_n, E[1 / sigma^2] = nu_n / b_n, its variance."""
    R, x = 40_000, case.points(6)
    exact = case.family.posterior_mean(case.family.stats(x, torch.zeros(6, dtype=torch.int64), 1))
    drawn = case.family.posterior_sample(case.family.soft_stats(x, torch.ones(6, R, dtype=torch.float64)))
    nu = 3.5 + 6 * (3 if case is SPHERICAL else 1)
    scale = exact.variance[0] * (nu - 2)
    deviation, precision = drawn.mean - exact.mean, 1 / drawn.variance
    for values, expected in (
        (deviation[:, :, None] * deviation[:, None, :], exact.covariance[0] / 6.4),
        (precision, nu / scale),
        ((precision - nu / scale) ** 2, 2 * nu / scale**2),
    ):
        assert ((values.mean(0) - expected).abs() < 6 * values.std(0) / math.sqrt(R)).all()


def test_dimensions_share_a_variance_in_the_spherical_family_only():
    for case, shared in ((SPHERICAL, True), (DIAGONAL, False)):
        variance = case.family.posterior_sample(case.family.stats(case.points(4), torch.arange(4) % 2, 3)).variance
        assert torch.equal(variance[:, 0], variance[:, 1]) is shared


@pytest.mark.parametrize("case", [DIAGONAL, SPHERICAL], ids=["diagonal", "spherical"])
def test_posterior_sample_of_an_empty_slot_is_a_draw_from_the_prior_in_each_dimension(case):
    """4,000 draws against the marginal laws; fails once in 10^5 seeds (twelve tests at 1e-6)."""
    drawn = case.family.posterior_sample(empty(case, 4_000))
    for d, scale in enumerate(widths(3).tolist() if case is DIAGONAL else [0.7] * 3):
        law = stats.t(3.5, middle(3)[d], math.sqrt(scale / (0.4 * 3.5)))
        assert stats.kstest(drawn.mean[:, d].numpy(), law.cdf).pvalue > 1e-6
        assert stats.kstest(drawn.variance[:, d].numpy(), stats.invgamma(1.75, scale=scale / 2).cdf).pvalue > 1e-6


def test_diagonal_family_is_a_product_over_dimensions():
    x, labels = gaussian(3)(8), torch.arange(8) % 2
    together = DIAGONAL.family.log_marginal(DIAGONAL.family.stats(x, labels, 3))
    apart = 0.0
    for d in range(3):
        one = NormalInverseGamma(middle(3)[d : d + 1], widths(3)[d], 0.4, 3.5)
        apart = apart + one.log_marginal(one.stats(x[:, d : d + 1], labels, 3))
    torch.testing.assert_close(together, apart)


def test_spherical_family_knows_no_directions():
    family, x, labels = SphericalNormal(torch.zeros(3), 0.7), gaussian(3)(8), torch.arange(8) % 2
    turn, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    straight, turned = (family.log_marginal(family.stats(y, labels, 3)) for y in (x, x @ turn))
    torch.testing.assert_close(straight, turned)


def test_a_number_is_the_scale_of_every_dimension():
    x, labels = gaussian(3)(8), torch.arange(8) % 2
    one, three = (NormalInverseGamma(scale=scale) for scale in (0.6, torch.full((3,), 0.6)))
    torch.testing.assert_close(one.log_marginal(one.stats(x, labels, 2)), three.log_marginal(three.stats(x, labels, 2)))


def test_spherical_family_takes_no_vector_of_scales():
    with pytest.raises(ValueError, match=r"^scale "):
        SphericalNormal(scale=torch.ones(3)).resolve(gaussian(3)(5))


@pytest.mark.parametrize("scale", [torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, math.inf, 1.0]), torch.ones(2)])
def test_every_scale_must_be_positive_and_finite(scale):
    with pytest.raises(ValueError, match=r"^scale "):
        NormalInverseGamma(scale=scale).resolve(gaussian(3)(5))


def test_statistics_hold_no_matrices():
    case = Case(NormalInverseGamma(scale=1.0), gaussian(1_000))
    s = case.family.stats(case.points(4), torch.arange(4), 4)
    assert sum(tensor.numel() for tensor in vars(s).values() if isinstance(tensor, torch.Tensor)) < 10 * 4 * 1_000


@pytest.mark.parametrize("kind", [NormalInverseGamma, SphericalNormal])
def test_an_outlier_that_costs_all_digits_is_refused_or_harmless(kind):
    """Never a scale that is not positive, and no density that is not a number."""
    refused = 0
    for distance in (3e6, 7e7, 3e8, 9e9, 1e11):
        x = gaussian(2)(5)
        x[4] += distance
        family = kind(mean=torch.zeros(2), scale=1e-6)
        try:
            s = family.stats(x, torch.zeros(5, dtype=torch.int64), 1)
            family.add_(s, 0, x[4], sign=-1)
        except ValueError as error:
            assert str(error).startswith("x holds points too far")
            refused += 1
        else:
            assert family.log_predictive(s, x).isfinite().all()
            assert (family.posterior_mean(s).variance > 0).all()
    assert refused
