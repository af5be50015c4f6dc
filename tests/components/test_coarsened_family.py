"""Coarsened families: the power of a marginal likelihood, by quadrature and by copies; means of components."""

import math

import numpy as np
import pytest
import torch
from families import COARSENED, VALUES, gaussian
from scipy import integrate, stats

from bnpgan.components import Coarsened, DirichletCategorical, NormalInverseGamma, NormalInverseWishart, SphericalNormal
from bnpgan.components.distributions import Scaled
from bnpgan.engine import chunks

GAUSSIAN = [NormalInverseWishart, NormalInverseGamma, SphericalNormal]
each_coarse = pytest.mark.parametrize("case", COARSENED.values(), ids=COARSENED.keys())


@pytest.mark.parametrize("kind", GAUSSIAN)
def test_marginal_is_the_power_of_the_integral_of_a_likelihood_to_a_power(kind):
    g, x = 4, torch.tensor([[-0.4], [0.9], [1.3]], dtype=torch.float64)
    family = Coarsened(kind(mean=torch.tensor([0.3]), scale=0.8, kappa=0.5, nu=4.0), replicas=g)
    mu, log_variance = np.linspace(-12, 12, 601), np.linspace(-7, 9, 601)
    variance = np.exp(log_variance)[:, None]
    density = stats.invgamma.pdf(variance, 2.0, scale=0.4) * stats.norm.pdf(mu, 0.3, np.sqrt(variance / 0.5))
    for value in x.flatten().tolist():
        density = density * stats.norm.pdf(value, mu, np.sqrt(variance)) ** (1 / g)
    integral = integrate.simpson(integrate.simpson(density * variance, x=mu), x=log_variance)
    marginal = float(family.log_marginal(family.stats(x, torch.zeros(3, dtype=torch.int64), 1)))
    assert marginal == pytest.approx(g * math.log(integral), abs=1e-4)
    plain = family.component
    assert abs(marginal - float(plain.log_marginal(plain.stats(x, torch.zeros(3, dtype=torch.int64), 1)))) > 0.5


def test_marginal_of_categories_is_that_of_fractions_of_counts():
    family = Coarsened(DirichletCategorical(0.6, VALUES), replicas=3)
    x = torch.tensor([[0.0], [0.0], [2.0], [3.0], [2.0]], dtype=torch.float64)
    counts = np.array([2, 0, 2, 1]) / 3
    expected = math.lgamma(4 * 0.6) - math.lgamma(4 * 0.6 + 5 / 3) + sum(math.lgamma(0.6 + c) for c in counts)
    expected = 3 * (expected - 4 * math.lgamma(0.6))
    assert float(family.log_marginal(family.stats(x, torch.zeros(5).long(), 1))) == pytest.approx(expected)


@each_coarse
def test_copies_of_points_that_count_as_one_are_that_one(case):
    x, labels = case.points(7), torch.tensor([0, 0, 1, 0, 0, 1, 0])
    plain, new = case.family.component, case.points(4)
    once, copies = plain.stats(x, labels, 3), case.family.stats(x.repeat(3, 1), labels.repeat(3), 3)
    torch.testing.assert_close(case.family.log_marginal(copies), 3 * plain.log_marginal(once))
    torch.testing.assert_close(
        case.family.posterior_mean(copies).log_prob(new), plain.posterior_mean(once).log_prob(new)
    )
    torch.manual_seed(1)
    drawn = case.family.posterior_sample(copies).log_prob(new)
    torch.manual_seed(1)
    parts = [plain.posterior_sample(plain.with_sums(once, once.sums.repeat(3, 1))).log_prob(new)]
    torch.testing.assert_close(drawn, torch.cat(parts).unflatten(1, (3, 3)).mean(1))


@each_coarse
def test_a_draw_is_the_geometric_mean_of_its_replicas_however_few_are_made_at_a_time(case, monkeypatch):
    x, labels, new = case.points(9), torch.arange(9) % 2, case.points(5)
    stats = case.family.stats(x, labels, 4)
    for held in (None, 8):
        if held:
            monkeypatch.setattr(chunks, "HELD", held)
            monkeypatch.setattr(chunks, "CACHED", held)
        torch.manual_seed(2)
        drawn = case.family.posterior_sample(stats)
        torch.manual_seed(2)
        inner, sums = case.family.component, stats.sums / 3
        each = 1 if held else 3
        parts = [
            inner.posterior_sample(inner.with_sums(stats.inner, sums.repeat(each, 1))).log_prob(new)
            for _ in range(3 // each)
        ]
        expected = torch.cat(parts, 1).unflatten(1, (3, 4)).mean(1)
        assert isinstance(drawn, Scaled) and len(drawn.mean) == 4
        torch.testing.assert_close(drawn.log_prob(new), expected)
        assert not torch.allclose(drawn.log_prob(new), parts[0][:, :4])  # one is not the mean
        assert (drawn.base.log_prob(new) >= drawn.log_prob(new)).all()  # a geometric mean has no more mass than 1


@each_coarse
def test_scaled_components_do_what_components_do(case):
    stats = case.family.stats(case.points(9), torch.arange(9) % 3, 3)
    one, other = case.family.posterior_sample(stats), case.family.posterior_sample(stats)
    new = case.points(6)
    both, order = one.joined(other), torch.tensor([4, 0, 5])
    expected = torch.cat([one.log_prob(new), other.log_prob(new)], 1)
    torch.testing.assert_close(both.log_prob(new), expected)
    torch.testing.assert_close(both.permute(order).log_prob(new), expected[:, order])
    both.put_(2, other.permute(torch.tensor([1])))
    torch.testing.assert_close(both.log_prob(new)[:, 2], expected[:, 4])
    weights = torch.tensor([0.2, 0.5, 0.3]).double().log()
    assert torch.equal(one.assign(new, weights), (one.log_prob(new) + weights).argmax(1))
    drawn = one.draw(new.repeat(4000, 1), weights).view(4000, 6)
    shares = torch.nn.functional.one_hot(drawn, 3).double().mean(0)
    exact = (one.log_prob(new) + weights).softmax(1)
    assert ((shares - exact).abs() <= 6 * (exact * (1 - exact) / 4000).sqrt() + 1e-3).all()
    assert one.sample(torch.tensor([0, 2, 2])).shape == (3, new.shape[1])


@pytest.mark.parametrize(
    ("N", "points", "replicas"), [(30, 300, 1), (150, 300, 1), (151, 300, 2), (900, 300, 4), (900, None, 4)]
)
def test_so_many_points_count_as_one(N, points, replicas):
    family = Coarsened(NormalInverseWishart(scale=1.0), points=points)
    stats = family.stats(gaussian(2)(N), torch.zeros(N, dtype=torch.int64), 2)
    assert stats.replicas == replicas and float(stats.inner.n[0]) == pytest.approx(N / replicas)
    assert stats.n.tolist() == [N, 0]
    assert family.fixed(stats).stats(gaussian(2)(3), torch.zeros(3).long(), 1).replicas == replicas


def test_what_is_set_from_the_number_of_points_is_set_from_what_they_count_for():
    x = gaussian(2)(1200)
    prior = Coarsened(NormalInverseWishart(weight=0.3), points=300).stats(x, torch.zeros(1200).long(), 1).prior
    assert prior.nu == pytest.approx(4 + 0.3 * 1200 / 5)


@pytest.mark.parametrize("kind", GAUSSIAN)
def test_one_replica_is_the_plain_family(kind):
    x, labels = gaussian(3)(40), torch.arange(40) % 3
    plain, coarse = kind(), Coarsened(kind(), points=1e5)
    one, two = plain.stats(x, labels, 4), coarse.stats(x, labels, 4)
    assert torch.equal(one.log_posterior, two.log_posterior)
    assert torch.equal(plain.log_predictive(one, x), coarse.log_predictive(two, x))
    assert torch.equal(plain.log_marginal(one), coarse.log_marginal(two))
