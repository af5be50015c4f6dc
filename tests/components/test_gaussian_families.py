"""The three Gaussian families: quadrature, positions and scales of data, outliers, hyper-parameters from the data."""

import math

import numpy as np
import pytest
import torch
from families import CASES, assert_same_stats, each_gaussian, followed, gaussian
from scipy import integrate, stats

from bnpgan.components import Coarsened, NormalInverseGamma, NormalInverseWishart, SphericalNormal
from bnpgan.components.defaults import FACTORS
from bnpgan.components.shapes import (
    LEAST,
    data_center,
    data_scatter,
    data_spread,
    telling_columns,
    varying_columns,
    within_covariances,
)
from bnpgan.engine import chunks
from bnpgan.grids import Grid

each_dimension = pytest.mark.parametrize("D", [1, 3])


@each_gaussian
def test_marginal_in_one_dimension_is_the_integral_over_mean_and_variance(kind):
    component = kind(mean=torch.tensor([0.3]), scale=0.8, kappa=0.5, nu=4.0)
    x = torch.tensor([[-0.4], [0.9], [1.3]], dtype=torch.float64)

    mu, log_variance = np.linspace(-8, 8, 401), np.linspace(-7, 7, 401)  # the integrand vanishes at the edges
    variance = np.exp(log_variance)[:, None]
    density = stats.invgamma.pdf(variance, 2.0, scale=0.4) * stats.norm.pdf(mu, 0.3, np.sqrt(variance / 0.5))
    for value in x.flatten().tolist():
        density = density * stats.norm.pdf(value, mu, np.sqrt(variance))
    integral = integrate.simpson(integrate.simpson(density * variance, x=mu), x=log_variance)
    marginal = component.log_marginal(component.stats(x, torch.zeros(3, dtype=torch.int64), 1))
    assert float(marginal.exp()) == pytest.approx(integral, rel=1e-5)


@each_gaussian
def test_posterior_sample_of_an_empty_slot_is_a_draw_from_the_prior(kind):
    """4,000 draws in one dimension against the marginal laws of mean and variance; fails once in 10^6 seeds."""
    component = kind(mean=torch.tensor([0.7]), scale=0.8, kappa=0.5, nu=4.0)
    drawn = component.posterior_sample(component.stats(gaussian(1)(3), torch.zeros(3, dtype=torch.int64), 4_001))
    law = stats.t(4, 0.7, math.sqrt(0.8 / (0.5 * 4)))
    assert stats.kstest(drawn.mean[1:, 0].numpy(), law.cdf).pvalue > 1e-6
    assert stats.kstest(drawn.covariance[1:, 0, 0].numpy(), stats.invgamma(2.0, scale=0.4).cdf).pvalue > 1e-6


# Where the data are, and how wide.


@each_gaussian
@each_dimension
def test_marginal_does_not_depend_on_where_the_data_are(kind, D):
    x, labels = gaussian(D)(9), torch.arange(9) % 3
    values = []
    for shift in (0.0, 1e5):
        component = kind(mean=x.mean(0) + shift, scale=0.5)
        values.append(component.log_marginal(component.stats(x + shift, labels, 3)))
    torch.testing.assert_close(values[0], values[1], rtol=0, atol=1e-6)


@each_gaussian
@each_dimension
@pytest.mark.parametrize("a", [1e-8, 1e8])
@pytest.mark.parametrize("given", [True, False], ids=["given", "from the data"])
def test_densities_follow_the_unit_of_the_data(kind, D, a, given):
    x, labels, new = gaussian(D)(9), torch.arange(9) % 3, gaussian(D)(4)
    values = []
    for unit in (1.0, a):
        component = kind(scale=0.5 * unit**2) if given else kind()
        s = component.stats(unit * x, labels, 4)
        component.add_(s, 1, unit * new[0])
        component.add_(s, 0, unit * x[0], sign=-1)
        shift = D * math.log(unit)
        values.append((component.log_marginal(s) + shift * s.n, component.log_predictive(s, unit * new) + shift))
    for one, two in zip(*values, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-9)


# Outliers.


@each_gaussian
@pytest.mark.parametrize("distance", [1e2, 1e3, 1e4, 1e5, 1e6])
def test_removing_an_outlier_leaves_the_rest_as_it_was(kind, distance):
    """To the digits that a sum of squares keeps: ten units in the last place of distance^2."""
    component, x = kind(mean=torch.zeros(2), scale=1.0), gaussian(2)(5)
    x[4] = distance
    s = component.stats(x, torch.zeros(5, dtype=torch.int64), 1)
    component.add_(s, 0, x[4], sign=-1)
    expected = component.stats(x[:4], torch.zeros(4, dtype=torch.int64), 1)
    assert_same_stats(s, expected, rtol=0, atol=max(1e-9, 2e-15 * distance**2))


@each_gaussian
def test_a_slot_that_empties_after_an_outlier_holds_the_prior_again_exactly(kind):
    """The outlier's square swallows digits of the other points, which then do not cancel."""
    x = torch.tensor([[0.1, 0.2], [0.3, -0.7], [1e5 / 3, 1e5 / 7]], dtype=torch.float64)
    family = kind(mean=torch.zeros(2), scale=1.0)
    s = family.stats(x, torch.tensor([0, 0, 0]), 2)
    for i in (2, 0, 1):
        family.add_(s, 0, x[i], sign=-1)
    for value in followed(s).values():
        torch.testing.assert_close(value[0], value[1], rtol=1e-14, atol=1e-14)


# Hyper-parameters set from the data.


@each_gaussian
@pytest.mark.parametrize("a", [1e-4, -3.0, 1e4])
def test_default_scale_and_mean_follow_shift_and_scaling(kind, a):
    x, b = gaussian(3)(30), torch.tensor([2.0, -7.0, 100.0])
    before, after = kind().resolve(x)[0][0], kind().resolve(a * x + b)[0][0]
    torch.testing.assert_close(after.scale, a**2 * before.scale, rtol=1e-6, atol=0)
    torch.testing.assert_close(after.mean, a * before.mean + b)


@pytest.mark.parametrize(
    ("kind", "given_up", "reduced"),
    [
        (NormalInverseWishart, 3, lambda covariance: covariance),
        (NormalInverseGamma, 2, lambda covariance: covariance.diagonal()),
        (SphericalNormal, 2, lambda covariance: covariance.diagonal().mean().view(1)),
    ],
)
def test_default_prior_means_of_a_covariance_are_multiples_of_those_within_groups(kind, given_up, reduced):
    x = gaussian(2)(2_000) * torch.tensor([1.0, 3.0]) + 100 * torch.randint(0, 4, (2_000, 1))
    shapes = [shape.times(1.0) for shape in within_covariances(x, diagonal=kind is not NormalInverseWishart)]
    members, log_weights = kind(nu=9.0).resolve(x)
    assert len(members) == len(log_weights) == len(shapes) * len(FACTORS)
    torch.testing.assert_close(log_weights.exp(), FACTORS.log_weights.exp().repeat(len(shapes)) / len(shapes))
    expected = [factor * reduced(shape) for shape in shapes for factor in FACTORS.values]
    for prior, scale in zip(members, expected, strict=True):
        torch.testing.assert_close(prior.scale / (prior.nu - given_up), scale)
        torch.testing.assert_close(prior.mean, data_center(x))
    # The blobs are four, of variances 1 and 9.
    torch.testing.assert_close(
        reduced(shapes[0]), reduced(torch.tensor([1.0, 9.0]).double().diag()), rtol=0.1, atol=0.2
    )


@pytest.mark.parametrize(
    ("kind", "given_up", "coordinates"),
    [(NormalInverseWishart, 4, 1), (NormalInverseGamma, 2, 1), (SphericalNormal, 2, 3)],
)
def test_a_scale_from_the_data_weighs_the_share_of_them_that_is_asked_for(kind, given_up, coordinates):
    x = gaussian(3)(30)
    light, heavy = (kind(weight=weight).resolve(x)[0][0] for weight in (0.01, 0.5))
    assert heavy.nu == pytest.approx(given_up + 1 + 0.5 * 30 * coordinates)
    torch.testing.assert_close(heavy.scale / (heavy.nu - given_up), light.scale / (light.nu - given_up))
    assert kind(scale=1.0, weight=0.5).resolve(x)[0][0].nu == given_up + 1


def test_an_isotropic_scale_is_at_the_mean_variance_within_groups():
    x = gaussian(2)(500) * torch.tensor([1.0, 3.0])
    members, _ = NormalInverseWishart(nu=9.0, factor=0.5, isotropic=True).resolve(x)
    for prior, shape in zip(members, within_covariances(x), strict=True):
        variance = 0.5 * shape.times(1.0).trace() / 2
        torch.testing.assert_close(prior.scale / (9.0 - 3), variance * torch.eye(2, dtype=x.dtype))


@pytest.mark.parametrize(("kind", "parts"), [(NormalInverseWishart, 3), (NormalInverseGamma, 3), (SphericalNormal, 1)])
def test_scatter_is_a_share_of_that_of_the_points_spread_over_the_variances(kind, parts):
    x, labels = 5 + gaussian(3)(60), torch.arange(60) % 2
    scale = 0.2 * 60 * float(x.var(0, correction=0).sum()) / parts
    stats = kind(scatter=0.2).stats(x, labels, 3)
    assert_same_stats(stats, kind(scale=scale).stats(x, labels, 3))
    again = kind(scatter=0.2).fixed(stats)
    assert again.scatter is None
    same = kind(scale=scale, mean=data_center(x))
    assert_same_stats(*(each.stats(x[:7], labels[:7], 3) for each in (again, same)))
    coarse = Coarsened(kind(scatter=0.2), replicas=4).stats(x, labels, 3)  # the points count for 15
    torch.testing.assert_close(coarse.inner.prior.scale, stats.prior.scale / 4)


@each_gaussian
def test_what_scatter_adds_to_a_cluster_depends_on_its_share_of_the_points_and_their_variance_alone(kind):
    """But for the weight of the prior, 2 to 7 points of hundreds: less than a hundredth."""
    for N, D, unit in ((400, 2, 1.0), (400, 6, 1.0), (4000, 2, 1.0), (400, 2, 100.0)):
        x, labels = torch.zeros(N, D, dtype=torch.float64), (torch.arange(N) % 4 == 0).long()
        x[::4], x[1::4] = unit, -unit  # a quarter is a cluster of points that are equal, the rest is one
        whole = D * unit**2 / 2  # the variance of all points
        families = (kind(mean=torch.zeros(D), kappa=1e-9, scatter=scatter) for scatter in (0.01, 1e-12))
        found, without = (
            family.posterior_mean(family.stats(x, labels, 2)).covariance.diagonal(dim1=1, dim2=2).sum(1)
            for family in families
        )
        due = 0.01 * whole / torch.tensor([0.75, 0.25], dtype=torch.float64)
        torch.testing.assert_close(found - without, due, rtol=0.01, atol=0)


@each_gaussian
@pytest.mark.parametrize("value", [3.0, 0.1, math.nan, math.inf])  # the mean of tenths is no tenth
def test_scatter_of_points_that_are_all_equal_or_not_finite_is_refused(kind, value):
    with pytest.raises(ValueError, match=r"^scatter is a share of the scatter of the points, which must be finite and"):
        kind(mean=torch.zeros(2), scatter=0.1).resolve(torch.full((7, 2), value))


def test_what_is_remembered_of_points_holds_no_graph():
    x = gaussian(2)(20).requires_grad_()
    assert not data_scatter(x).requires_grad


@each_gaussian
def test_scatter_and_scale_exclude_each_other(kind):
    with pytest.raises(ValueError, match="scale and scatter exclude each other"):
        kind(scale=1.0, scatter=1.0)
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="scatter must be"):
            kind(scatter=bad)


@each_gaussian
@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan])
def test_bad_weight_is_named(kind, weight):
    with pytest.raises(ValueError, match=r"^weight "):
        kind(weight=weight)


@each_gaussian
def test_default_scale_stands_a_constant_column(kind):
    x = gaussian(3)(30)
    x[:, 1] = 5.0
    component = kind()
    s = component.stats(x, torch.zeros(30, dtype=torch.int64), 2)
    assert component.log_predictive(s, x).isfinite().all()
    assert component.log_evidence(s).isfinite()
    assert component.posterior_sample(s).log_prob(x).isfinite().all()


def test_a_column_that_does_not_vary_within_groups_varies_a_little_whatever_the_factor():
    """In units of its own: nothing of the other columns, whose units may be any, is mixed in."""
    x = gaussian(2)(300)
    x[:, 0] = torch.arange(300) % 2
    x[:, 1] += 100 * x[:, 0]
    for kind in (NormalInverseWishart, NormalInverseGamma):
        for unit in (1.0, 1e6):
            for factor in (1e-6, 1.0, 100.0):
                prior = kind(factor=factor, nu=5.0).resolve(unit * x)[0][0]
                scale = prior.scale.diagonal() if kind is NormalInverseWishart else prior.scale
                variance = scale / (prior.nu - (3 if kind is NormalInverseWishart else 2))
                assert float(variance[0]) == pytest.approx((unit * LEAST * float(data_spread(x)[0])) ** 2)
                assert 0.3 < float(variance[1]) / unit**2 / factor < 2


def test_directions_in_which_groups_have_no_width_keep_it_whatever_the_factor():
    x = gaussian(3)(400)
    x = torch.cat([x, (x.sum(1, keepdim=True) * 1000).round() / 1000], 1)
    (shape, *_) = within_covariances(x)
    across = torch.tensor([1.0, 1.0, 1.0, -1.0], dtype=x.dtype)
    rounding = 1e-6 / 12
    assert float(across @ shape.times(1.0) @ across) == pytest.approx(rounding, rel=0.3)
    assert float(across @ shape.times(10.0) @ across) == pytest.approx(rounding, rel=0.3)
    for scale in (shape.times(1e-9), shape.times(300.0)):
        assert torch.equal(scale, scale.T) and float(torch.linalg.eigvalsh(scale)[0]) > 0
    plain = within_covariances(x[:, :3])[0]
    assert not plain.still.any()
    along = torch.tensor([1.0, -1.0, 0.0, 0.0], dtype=x.dtype)
    assert float(along @ shape.varying @ along) == pytest.approx(float(along[:3] @ plain.varying @ along[:3]), rel=0.1)


def with_idle_columns(x):
    """Five columns for the three of the points: a constant one, and one that is a function of those before it."""
    constant = torch.full_like(x[:, 0], 7.0)
    return torch.stack([x[:, 0], constant, x[:, 1], 1e3 * (x[:, 0] - x[:, 1]) + 5, x[:, 2]], 1)


def test_columns_that_say_nothing_new_do_not_count():
    x, labels = gaussian(3)(60), torch.arange(60) % 3
    wide = with_idle_columns(x)
    for family in (NormalInverseWishart(), Coarsened(), Coarsened(points=20)):
        one, two = (family.stats(points, labels, 4) for points in (x, wide))
        torch.testing.assert_close(family.log_evidence(one), family.log_evidence(two))
        torch.testing.assert_close(family.log_marginal(one), family.log_marginal(two))
        torch.testing.assert_close(family.log_predictive(one, x), family.log_predictive(two, wide))
        family.add_(one, 3, x[0])
        family.add_(two, 3, wide[0])
        torch.testing.assert_close(family.log_marginal(one), family.log_marginal(two))
        torch.manual_seed(0)
        drawn = family.posterior_sample(one), family.posterior_mean(one)
        torch.manual_seed(0)
        lifted = family.posterior_sample(two), family.posterior_mean(two)
        for narrow, components in zip(drawn, lifted, strict=True):
            torch.testing.assert_close(components.mean, with_idle_columns(narrow.mean), rtol=1e-6, atol=1e-6)
            # What is said of the other columns is the same of all slots.
            inner, outer = narrow.log_prob(x), components.log_prob(wide)
            torch.testing.assert_close(inner - inner[:, :1], outer - outer[:, :1], rtol=1e-4, atol=1e-4)
    given = NormalInverseWishart(scale=1.0)
    assert given.resolve(wide)[0][0].mean.shape == (5,)  # whoever gives a scale gives it for all columns
    with pytest.raises(ValueError, match="columns that others say already"):
        NormalInverseWishart().fixed(NormalInverseWishart().stats(wide, labels, 4))


def test_a_coarsened_family_counts_the_columns_that_count():
    x = gaussian(12)(2000)
    wide = torch.cat([x, torch.ones_like(x[:, :4])], 1)
    one, two = (Coarsened().stats(points, torch.zeros(2000, dtype=torch.int64), 1) for points in (x, wide))
    assert one.replicas == two.replicas == 1 + round(2000 / 360)


@pytest.mark.parametrize("kind", [NormalInverseGamma, SphericalNormal])
def test_of_families_without_correlations_constant_columns_do_not_count(kind):
    x, labels, family = gaussian(3)(60), torch.arange(60) % 3, kind()
    wide = torch.cat([x, torch.full((60, 1), 7.0, dtype=x.dtype)], 1)
    one, two = (family.stats(points, labels, 4) for points in (x, wide))
    torch.testing.assert_close(family.log_evidence(one), family.log_evidence(two))
    torch.testing.assert_close(family.log_predictive(one, x), family.log_predictive(two, wide))
    family.add_(one, 3, x[0])
    family.add_(two, 3, wide[0])
    torch.testing.assert_close(family.log_marginal(one), family.log_marginal(two))
    components = family.posterior_mean(two)
    assert (components.mean[:, 3] == 7).all()
    torch.testing.assert_close(components.mean[:, :3], family.posterior_mean(one).mean)
    torch.testing.assert_close(components.log_prob(wide).diff(), family.posterior_mean(one).log_prob(x).diff())
    copied = family.stats(torch.cat([x, x[:, :1]], 1), labels, 4)
    assert not torch.allclose(family.log_evidence(copied), family.log_evidence(one))  # to them a copy is news


@pytest.mark.parametrize("N", [2, 9, 17])
def test_of_few_points_no_direction_is_known_to_be_still(N):
    assert not any(shape.still.any() for shape in within_covariances(gaussian(8)(N)))


@pytest.mark.parametrize("far", [1e6, 1e8, 1e10])
def test_a_stray_row_makes_no_column_a_function_of_others(far):
    x = torch.randn(100, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[7] = far
    assert NormalInverseWishart().span(x) is None


def test_of_few_points_no_column_is_a_function_of_others():
    x = gaussian(8)(9)
    assert telling_columns(x) is None
    assert telling_columns(torch.cat([x, x[:, :1]], 1)) is None
    assert varying_columns(torch.cat([x, x[:, :1] * 0], 1)).kept.tolist() == list(range(8))


@each_gaussian
def test_default_scale_stands_fewer_points_than_dimensions(kind):
    family, x = kind(), gaussian(8)(3)
    s = family.stats(x, torch.zeros(3, dtype=torch.int64), 2)
    assert family.log_predictive(s, x).isfinite().all()


@each_gaussian
@pytest.mark.parametrize("N", [1, 2, 3, 5, 7, 30])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 / 3])
def test_points_that_are_all_equal_set_no_scale(kind, N, value):
    """Whatever rounding makes of their mean."""
    with pytest.raises(ValueError, match=r"^scale "):
        kind().resolve(torch.full((N, 2), value, dtype=torch.float64))


@each_gaussian
def test_points_that_are_all_equal_do_with_a_given_scale(kind):
    family, x = kind(scale=1.0), torch.full((7, 2), 0.1, dtype=torch.float64)
    s = family.stats(x, torch.zeros(7, dtype=torch.int64), 2)
    assert family.log_marginal(s).isfinite().all()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("NormalInverse", "Spherical"))])
def test_given_hyper_parameters_are_taken_as_they_are(name):
    family, points = CASES[name].family, CASES[name].points
    members, log_weights = family.resolve(points(4))
    (prior,) = members
    assert log_weights.tolist() == [0]
    torch.testing.assert_close(prior.mean, family.mean)
    torch.testing.assert_close(
        prior.scale, torch.as_tensor(family.scale, dtype=torch.float64).expand(prior.scale.shape)
    )
    assert (prior.kappa, prior.nu, prior.factor) == (family.kappa, family.nu, 1.0)


@each_gaussian
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", -1.0),
        ("scale", 0.0),
        ("scale", math.nan),
        ("scale", torch.eye(3)),
        ("scale", Grid([0.1, 1.0])),
        ("kappa", 0.0),
        ("kappa", math.inf),
        ("kappa", Grid([0.1, 1.0])),
        ("nu", 2.0),
        ("nu", math.nan),
        ("nu", math.inf),
        ("mean", torch.zeros(3)),
        ("mean", 0.0),
        ("mean", torch.tensor([0.0, math.nan])),
    ],
)
def test_bad_hyper_parameter_is_named(kind, name, value):
    with pytest.raises(ValueError, match=f"^{name} "):
        kind(**{name: value}).resolve(gaussian(2)(5))


def test_a_scale_may_be_symmetric_but_for_rounding():
    scale = torch.linalg.inv(torch.tensor([[1.3, 0.2], [0.2, 0.7]], dtype=torch.float64)) + torch.tensor(
        [[0, 1e-16], [0, 0]]
    )
    (member,), _ = NormalInverseWishart(scale=scale).resolve(gaussian(2)(5))
    assert torch.equal(member.scale, member.scale.T)
    with pytest.raises(ValueError, match=r"^scale "):
        NormalInverseWishart(scale=scale + torch.tensor([[0, 1e-9], [0, 0]])).resolve(gaussian(2)(5))


@pytest.mark.parametrize("kind", [NormalInverseGamma, SphericalNormal, NormalInverseWishart])
def test_statistics_by_a_few_points_at_a_time_are_those_of_all(kind, monkeypatch):
    x, labels = torch.randn(50, 3, dtype=torch.float64), torch.arange(50) % 4
    whole = kind().stats(x, labels, 5)
    monkeypatch.setattr(chunks, "HELD", 8 * 20)
    parts = kind().stats(x.clone(), labels, 5)
    torch.testing.assert_close(parts.sums, whole.sums)
    torch.testing.assert_close(parts.prior.scale, whole.prior.scale)
