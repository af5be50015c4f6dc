"""The conjugate family against scipy, quadrature, known moments, and itself one point at a time."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor
from torch.distributions import MultivariateNormal

from bnpgan.components import Centroids, Gaussians, NormalInverseWishart
from bnpgan.components.normal_inverse_wishart import SHARES

TENSORS = ("n", "matrix", "inverse", "log_det", "constant")


def family(D: int) -> NormalInverseWishart:
    mean = torch.linspace(-0.5, 0.5, D, dtype=torch.float64)
    root = torch.eye(D, dtype=torch.float64) + 0.3
    return NormalInverseWishart(mean=mean, scale=root @ root.T, kappa=0.4, nu=D + 2.5)


def points(N: int, D: int) -> Tensor:
    return torch.randn(N, D, dtype=torch.float64) + torch.arange(D)


def assert_same_stats(one, two, **tolerance) -> None:
    for name in TENSORS:
        torch.testing.assert_close(getattr(one, name), getattr(two, name), **tolerance)


# Concrete distributions.


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("width", [1.0, 1e-3])
def test_gaussian_log_prob_is_that_of_torch_for_data_far_from_zero_and_narrow(offset, width):
    mean = offset + width * torch.randn(3, 4, dtype=torch.float64)
    root = width * (torch.eye(4, dtype=torch.float64) + 0.2 * torch.randn(3, 4, 4, dtype=torch.float64))
    x = offset + width * torch.randn(50, 4, dtype=torch.float64)
    covariance = root @ root.mT
    expected = MultivariateNormal(mean, covariance).log_prob(x[:, None])
    torch.testing.assert_close(Gaussians(mean, covariance).log_prob(x), expected, rtol=0, atol=1e-6)


def test_gaussian_log_prob_of_many_chunks_is_that_of_each_point(monkeypatch):
    g = Gaussians(torch.randn(3, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64).expand(3, 2, 2))
    x = points(25, 2)
    whole = g.log_prob(x)
    monkeypatch.setattr("bnpgan.components.distributions.CHUNK", 24)  # four points at a time
    torch.testing.assert_close(g.log_prob(x), whole)


def test_centroids_are_spherical_gaussians():
    c = Centroids(torch.randn(3, 2, dtype=torch.float64), torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64))
    x = points(20, 2)
    torch.testing.assert_close(c.log_prob(x), Gaussians(c.mean, c.covariance).log_prob(x))


def test_centroids_assign_the_nearest_mean_that_has_a_weight():
    c = Centroids(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([1.0, 1.0, 9.0]))
    log_weights = torch.tensor([0.1, 0.0, 0.9]).log()
    assert c.assign(torch.tensor([[1.1], [2.4], [2.6]]), log_weights).tolist() == [0, 0, 2]


def test_gaussians_assign_by_weight_and_density():
    g = Gaussians(torch.tensor([[0.0], [2.0]]), torch.ones(2, 1, 1))
    assert g.assign(torch.tensor([[1.2]]), torch.tensor([0.5, 0.5]).log()).tolist() == [1]
    assert g.assign(torch.tensor([[1.2]]), torch.tensor([0.9, 0.1]).log()).tolist() == [0]


@pytest.mark.parametrize("kind", ["gaussians", "centroids"])
def test_samples_have_the_moments_of_their_slots(kind):
    """20,000 draws: the mean and covariance of each coordinate within six standard errors."""
    mean = torch.tensor([[0.0, 3.0], [-2.0, 1.0]], dtype=torch.float64)
    covariance = torch.tensor([[[1.0, 0.6], [0.6, 2.0]], [[0.5, 0.0], [0.0, 0.5]]], dtype=torch.float64)
    batch = Gaussians(mean, covariance) if kind == "gaussians" else Centroids(mean, covariance[:, 1, 1])
    for k in range(2):
        x = batch.sample(torch.full((20_000,), k))
        torch.testing.assert_close(x.mean(0), mean[k], rtol=0, atol=6 * math.sqrt(2 / 20_000))
        torch.testing.assert_close(x.T.cov(), batch.covariance[k], rtol=0, atol=6 * 2 * math.sqrt(2 / 20_000))


def test_permute_moves_every_tensor():
    g = Gaussians(points(3, 2), torch.arange(1.0, 4.0).view(3, 1, 1) * torch.eye(2))
    order = torch.tensor([2, 0, 1])
    moved = g.permute(order)
    for name in ("mean", "covariance"):
        assert torch.equal(getattr(moved, name), getattr(g, name)[order])


# Conjugacy.


@pytest.mark.parametrize("D", [1, 3])
def test_predictive_is_the_ratio_of_marginals(D):
    component, x, new = family(D), points(7, D), points(1, D)
    labels = torch.tensor([0, 0, 1, 0, 0, 1, 0])  # slot 2 is empty
    before = component.stats(x, labels, 3)
    predictive = component.log_predictive(before, new[0])
    for k in range(3):
        after = component.stats(torch.cat([x, new]), torch.cat([labels, torch.tensor([k])]), 3)
        ratio = component.log_marginal(after)[k] - component.log_marginal(before)[k]
        torch.testing.assert_close(predictive[k], ratio)


@pytest.mark.parametrize("shape", [(), (4,), (2, 4)])
def test_predictive_keeps_the_leading_axes_of_its_points(shape):
    component, x = family(2), points(5, 2)
    stats = component.stats(x, torch.tensor([0, 1, 1, 0, 0]), 3)
    new = torch.randn(*shape, 2, dtype=torch.float64)
    together = component.log_predictive(stats, new)
    assert together.shape == (*shape, 3)
    each = torch.stack([component.log_predictive(stats, y) for y in new.view(-1, 2)])
    torch.testing.assert_close(together.view(-1, 3), each)


def test_predictive_is_a_student_t():
    D, component = 2, family(2)
    prior = component.resolve(points(3, D))[0][0]
    degrees = prior.nu - D + 1
    student = stats.multivariate_t(prior.mean, prior.scale * (prior.kappa + 1) / (prior.kappa * degrees), degrees)
    x = points(6, D)
    empty = component.stats(x[:0], torch.empty(0, dtype=torch.int64), 1)
    np.testing.assert_allclose(component.log_predictive(empty, x)[:, 0], student.logpdf(x))


@pytest.mark.parametrize("D", [1, 3])
def test_marginal_is_the_product_of_predictives_in_any_order(D):
    component, x = family(D), points(6, D)
    zeros = torch.zeros(6, dtype=torch.int64)
    whole = component.log_marginal(component.stats(x, zeros, 1))[0]
    for order in (range(6), [3, 1, 5, 0, 4, 2]):
        stats, total = component.stats(x[:0], zeros[:0], 1), 0.0
        for i in order:
            total += component.log_predictive(stats, x[i])[0]
            component.add_(stats, 0, x[i])
        torch.testing.assert_close(total, whole)


def test_marginal_in_one_dimension_is_the_integral_over_mean_and_variance():
    component = NormalInverseWishart(mean=torch.tensor([0.3]), scale=0.8, kappa=0.5, nu=4.0)
    x = torch.tensor([[-0.4], [0.9], [1.3]], dtype=torch.float64)

    mu, log_variance = np.linspace(-8, 8, 401), np.linspace(-7, 7, 401)  # the integrand vanishes at the edges
    variance = np.exp(log_variance)[:, None]
    density = stats.invgamma.pdf(variance, 2.0, scale=0.4) * stats.norm.pdf(mu, 0.3, np.sqrt(variance / 0.5))
    for value in x.flatten().tolist():
        density = density * stats.norm.pdf(value, mu, np.sqrt(variance))
    integral = integrate.simpson(integrate.simpson(density * variance, x=mu), x=log_variance)
    marginal = component.log_marginal(component.stats(x, torch.zeros(3, dtype=torch.int64), 1))
    assert float(marginal.exp()) == pytest.approx(integral, rel=1e-5)


def test_marginal_of_an_empty_slot_is_one():
    component, x = family(2), points(3, 2)
    marginal = component.log_marginal(component.stats(x, torch.tensor([1, 1, 1]), 3))
    torch.testing.assert_close(marginal[[0, 2]], torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("D", [1, 3])
def test_marginal_does_not_depend_on_where_the_data_are(D):
    x, labels = points(9, D), torch.arange(9) % 3
    values = []
    for shift in (0.0, 1e5):
        component = NormalInverseWishart(mean=x.mean(0) + shift, scale=0.5)
        values.append(component.log_marginal(component.stats(x + shift, labels, 3)))
    torch.testing.assert_close(values[0], values[1], rtol=0, atol=1e-6)


# Sufficient statistics.


@pytest.mark.parametrize("D", [1, 3])
def test_adding_a_point_is_counting_it_from_the_start(D):
    component, x, labels = family(D), points(6, D), torch.tensor([0, 1, 0, 1, 0, 1])
    stats = component.stats(x[:5], labels[:5], 3)
    component.add_(stats, 1, x[5])
    assert_same_stats(stats, component.stats(x, labels, 3))


@pytest.mark.parametrize("D", [1, 3])
@pytest.mark.parametrize("k", [0, 2], ids=["occupied", "empty"])
def test_adding_then_removing_a_point_changes_nothing(D, k):
    component, x, labels = family(D), points(5, D), torch.tensor([0, 1, 0, 1, 0])
    stats = component.stats(x, labels, 3)
    new = points(1, D)[0] + 4
    component.add_(stats, k, new)
    component.add_(stats, k, new, sign=-1)
    assert_same_stats(stats, component.stats(x, labels, 3))


@pytest.mark.parametrize("distance", [1e2, 1e3, 1e4, 1e5, 1e6])
def test_removing_an_outlier_leaves_the_rest_as_it_was(distance):
    """To the digits that a sum of squares keeps: ten units in the last place of distance^2."""
    component, x = NormalInverseWishart(mean=torch.zeros(2), scale=1.0), points(5, 2)
    x[4] = distance
    stats = component.stats(x, torch.zeros(5, dtype=torch.int64), 1)
    component.add_(stats, 0, x[4], sign=-1)
    expected = component.stats(x[:4], torch.zeros(4, dtype=torch.int64), 1)
    assert_same_stats(stats, expected, rtol=0, atol=max(1e-9, 2e-15 * distance**2))


def test_soft_counts_of_one_hot_responsibilities_are_hard_counts():
    component, x, labels = family(3), points(8, 3), torch.tensor([0, 1, 3, 3, 1, 0, 0, 1])
    one_hot = torch.nn.functional.one_hot(labels, 4).to(x.dtype)
    assert_same_stats(component.soft_stats(x, one_hot), component.stats(x, labels, 4))


def test_soft_counts_are_linear_in_the_responsibilities():
    component, x = family(2), points(8, 2)
    r = torch.rand(8, 2, dtype=torch.float64)
    together = component.soft_stats(x, r.sum(1, keepdim=True))
    apart = component.soft_stats(x, r)
    torch.testing.assert_close(together.n, apart.n.sum(0, keepdim=True))
    prior = component.soft_stats(x, torch.zeros(8, 1, dtype=torch.float64)).matrix
    torch.testing.assert_close(together.matrix - prior, (apart.matrix - prior).sum(0, keepdim=True))


def test_statistics_of_many_chunks_are_those_of_one(monkeypatch):
    component, x, labels = family(2), points(25, 2), torch.arange(25) % 3
    one_hot = torch.nn.functional.one_hot(labels, 3).to(x.dtype)
    whole = component.stats(x, labels, 3)
    monkeypatch.setattr("bnpgan.components.distributions.CHUNK", 24)  # four points at a time
    assert_same_stats(component.stats(x, labels, 3), whole)
    assert_same_stats(component.soft_stats(x, one_hot), whole)


# The posterior of the parameters.


def test_posterior_mean_is_the_textbook_update():
    component, x = family(2), points(6, 2)
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
    R, x = 40_000, points(5, D)
    mean, scale = torch.zeros(D, dtype=torch.float64), torch.eye(D, dtype=torch.float64) + 0.4
    component = NormalInverseWishart(mean=mean, scale=scale, kappa=0.4, nu=D + 6.0)
    stats = component.stats(x, torch.zeros(5, dtype=torch.int64), 1)
    many = component.soft_stats(x, torch.ones(5, R, dtype=torch.float64))  # R copies of the slot
    exact, drawn = component.posterior_mean(stats), component.posterior_sample(many)
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


def test_posterior_sample_of_an_empty_slot_is_a_draw_from_the_prior():
    """4,000 draws in one dimension against the marginal law of the mean, a Student t; fails once in 10^6 seeds."""
    component = NormalInverseWishart(mean=torch.tensor([0.7]), scale=0.8, kappa=0.5, nu=4.0)
    drawn = component.posterior_sample(component.stats(points(3, 1), torch.zeros(3, dtype=torch.int64), 4_001))
    law = stats.t(4, 0.7, math.sqrt(0.8 / (0.5 * 4)))
    assert stats.kstest(drawn.mean[1:, 0].numpy(), law.cdf).pvalue > 1e-6
    assert stats.kstest(drawn.covariance[1:, 0, 0].numpy(), stats.invgamma(2.0, scale=0.4).cdf).pvalue > 1e-6


# Hyper-parameters set from the data.


@pytest.mark.parametrize("a", [1e-4, -3.0, 1e4])
def test_default_scale_and_mean_follow_shift_and_scaling(a):
    x, b = points(30, 3), torch.tensor([2.0, -7.0, 100.0])
    before, after = NormalInverseWishart().resolve(x)[0][0], NormalInverseWishart().resolve(a * x + b)[0][0]
    torch.testing.assert_close(after.scale, a**2 * before.scale, rtol=1e-6, atol=0)
    torch.testing.assert_close(after.mean, a * before.mean + b)


def test_default_prior_means_of_a_covariance_are_shares_of_that_of_the_data():
    x = points(100_000, 2)
    members, log_weights = NormalInverseWishart(nu=9.0).resolve(x)
    assert len(members) == len(log_weights) == len(SHARES)
    for prior, share in zip(members, SHARES.values, strict=True):
        torch.testing.assert_close(prior.scale / (prior.nu - 3), share * x.T.cov(), rtol=0, atol=1e-4)


def test_default_scale_stands_a_constant_column():
    x = points(30, 3)
    x[:, 1] = 5.0
    component = NormalInverseWishart()
    stats = component.stats(x, torch.zeros(30, dtype=torch.int64), 2)
    assert component.log_predictive(stats, x).isfinite().all()


def test_default_scale_stands_fewer_points_than_dimensions():
    prior = NormalInverseWishart().resolve(points(3, 8))[0][0]
    assert float(torch.linalg.eigvalsh(prior.scale).min()) > 0


def test_given_hyper_parameters_are_taken_as_they_are():
    prior = NormalInverseWishart(mean=torch.ones(2), scale=0.5, kappa=0.2, nu=7.0).resolve(points(4, 2))[0][0]
    assert prior.mean.tolist() == [1, 1]
    assert prior.scale.tolist() == [[0.5, 0], [0, 0.5]]
    assert (prior.kappa, prior.nu) == (0.2, 7.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", -1.0),
        ("scale", 0.0),
        ("scale", math.nan),
        ("scale", torch.eye(3)),
        ("scale", torch.tensor([[1.0, 2.0], [2.0, 1.0]])),
        ("scale", torch.tensor([[1.0, 0.5], [0.0, 1.0]])),
        ("kappa", 0.0),
        ("kappa", math.inf),
        ("nu", 3.0),
        ("nu", math.nan),
        ("nu", math.inf),
        ("mean", torch.zeros(3)),
        ("mean", 0.0),
        ("mean", torch.tensor([0.0, math.nan])),
    ],
)
def test_bad_hyper_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} "):
        NormalInverseWishart(**{name: value}).resolve(points(5, 2))[0][0]


def test_points_that_are_all_equal_set_no_scale():
    with pytest.raises(ValueError, match=r"^scale "):
        NormalInverseWishart().resolve(torch.full((5, 2), 0.1, dtype=torch.float64))


def test_a_slot_that_empties_holds_the_prior_again_exactly():
    x = torch.tensor([[0.0, 0.0], [0.01, 0.0], [1e6, 1e6]], dtype=torch.float64)
    family = NormalInverseWishart(mean=torch.zeros(2), scale=1e-4)
    stats = family.stats(x, torch.tensor([0, 0, 0]), 2)
    fresh = {name: getattr(stats, name)[1].clone() for name in ("n", "matrix", "inverse", "log_det", "constant")}
    family.add_(stats, 1, x[2])
    family.add_(stats, 1, x[2], sign=-1)
    for name, value in fresh.items():
        torch.testing.assert_close(getattr(stats, name)[1], value, rtol=1e-12, atol=0)
