"""The Normal-Inverse-Wishart family against scipy and textbook formulas in several dimensions."""

import math

import numpy as np
import pytest
import torch
from families import CASES, Case, empty, gaussian, wishart
from scipy import stats

from bnpgan.components import NormalInverseWishart


def test_predictive_is_a_student_t():
    D, component = 2, wishart(2)
    prior = component.resolve(gaussian(D)(3))[0][0]
    degrees = prior.nu - D + 1
    student = stats.multivariate_t(prior.mean, prior.scale * (prior.kappa + 1) / (prior.kappa * degrees), degrees)
    x = gaussian(D)(6)
    prior_predictive = component.log_predictive(empty(Case(component, gaussian(D))), x)
    np.testing.assert_allclose(prior_predictive[:, 0], student.logpdf(x))


def test_posterior_mean_is_the_textbook_update():
    component, x = wishart(2), gaussian(2)(6)
    prior, n = component.resolve(x)[0][0], 6
    middle = x.mean(0)
    scatter = (x - middle).T @ (x - middle)
    pull = torch.outer(middle - prior.mean, middle - prior.mean) * prior.kappa * n / (prior.kappa + n)
    got = component.posterior_mean(component.stats(x, torch.zeros(6, dtype=torch.int64), 1))
    torch.testing.assert_close(got.mean[0], (prior.kappa * prior.mean + n * middle) / (prior.kappa + n))
    torch.testing.assert_close(got.covariance[0], (prior.scale + scatter + pull) / (prior.nu + n - 2 - 1))


@pytest.mark.parametrize("D", [1, 2])
def test_posterior_samples_have_the_posterior_moments(D):
    """40,000 draws, six standard errors: E[mu], E[Sigma], Cov[mu] = E[Sigma] / kappa_n, E[Sigma^-1] = nu_n Psi_n^-1."""
    R, x = 40_000, gaussian(D)(5)
    mean, scale = torch.zeros(D, dtype=torch.float64), torch.eye(D, dtype=torch.float64) + 0.4
    component = NormalInverseWishart(mean=mean, scale=scale, kappa=0.4, nu=D + 6.0)
    exact = component.posterior_mean(component.stats(x, torch.zeros(5, dtype=torch.int64), 1))
    drawn = component.posterior_sample(component.soft_stats(x, torch.ones(5, R, dtype=torch.float64)))
    kappa, nu = 0.4 + 5, D + 6.0 + 5
    deviation = drawn.mean - exact.mean
    psi = exact.covariance[0] * (nu - D - 1)
    for values, expected in (
        (drawn.mean, exact.mean[0]),
        (drawn.covariance, exact.covariance[0]),
        (deviation[:, :, None] * deviation[:, None, :], exact.covariance[0] / kappa),
        (torch.linalg.inv(drawn.covariance), nu * torch.linalg.inv(psi)),
    ):
        z = (values.mean(0) - expected) / (values.std(0) / math.sqrt(R))
        assert float(z.abs().max()) < 6


def test_soft_counts_add_up_in_the_matrix():
    component, x = wishart(2), gaussian(2)(8)
    r = torch.rand(8, 2, dtype=torch.float64)
    together, apart = component.soft_stats(x, r.sum(1, keepdim=True)), component.soft_stats(x, r)
    prior = component.soft_stats(x, torch.zeros(8, 1, dtype=torch.float64)).matrix
    torch.testing.assert_close(together.matrix - prior, (apart.matrix - prior).sum(0, keepdim=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", torch.tensor([[1.0, 2.0], [2.0, 1.0]])),
        ("scale", torch.tensor([[1.0, 0.5], [0.0, 1.0]])),
        ("nu", 3.0),
    ],
)
def test_bad_hyper_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} "):
        NormalInverseWishart(**{name: value}).resolve(gaussian(2)(5))


def test_case_is_not_diagonal():
    """The shared tests would not see a lost covariance otherwise."""
    assert CASES["NormalInverseWishart-3D"].family.scale[0, 1] > 0.5
