"""Families of components, and batches of distributions, on a device: there, and equal to what the CPU has."""

import pytest
import torch
from places import assert_on, assert_same, moved

from bnpgan.components import (
    Categoricals,
    Centroids,
    Coarsened,
    DiagonalGaussians,
    DirichletCategorical,
    Gaussians,
    NormalInverseGamma,
    NormalInverseWishart,
    SemiConjugateNormal,
    SphericalNormal,
)
from bnpgan.components.distributions import Scaled
from bnpgan.engine.inversion import categorical, invert
from bnpgan.engine.slots import choose
from bnpgan.grids import Grid

N, D, K = 90, 3, 5  # the last slot is empty
MATRIX = torch.eye(D) + 0.3
MIDDLE = torch.linspace(-0.5, 0.5, D)
CONJUGATE = {
    "NormalInverseWishart": NormalInverseWishart(),
    "NormalInverseWishart, a number": NormalInverseWishart(mean=MIDDLE, scale=0.7, kappa=0.5, nu=D + 2.5),
    "NormalInverseWishart, a matrix": NormalInverseWishart(scale=MATRIX),
    "NormalInverseWishart, scatter": NormalInverseWishart(scatter=0.01),
    "NormalInverseWishart, isotropic": NormalInverseWishart(factor=0.1, isotropic=True),
    "NormalInverseWishart, a grid": NormalInverseWishart(scale=MATRIX, factor=Grid([0.1, 0.5, 2.0])),
    "NormalInverseGamma": NormalInverseGamma(),
    "NormalInverseGamma, given": NormalInverseGamma(mean=MIDDLE, scale=MIDDLE + 1, kappa=0.5, nu=3.5),
    "SphericalNormal": SphericalNormal(),
    "SphericalNormal, a grid": SphericalNormal(scale=0.7, factor=Grid([0.1, 0.5, 2.0])),
    "DirichletCategorical": DirichletCategorical(),
    "DirichletCategorical, a grid": DirichletCategorical(Grid([0.1, 1.0, 5.0]), categories=4),
    "NormalInverseWishart, coarsened": Coarsened(points=30),
    "NormalInverseGamma, coarsened": Coarsened(NormalInverseGamma(), replicas=3),
    "DirichletCategorical, coarsened": Coarsened(DirichletCategorical(), points=30),
}
FAMILIES = {
    **CONJUGATE,
    "SemiConjugateNormal": SemiConjugateNormal(),
    "SemiConjugateNormal, given": SemiConjugateNormal(mean=MIDDLE, spread=2.0, scale=MIDDLE + 1),
}


def each(families):
    return pytest.mark.parametrize("family", families.values(), ids=families.keys())


def points(family):
    if isinstance(getattr(family, "component", family), DirichletCategorical):
        return torch.randint(4, (N, D)).double()
    return normal(N, D) + torch.arange(D)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def labels():
    return torch.randint(K - 1, (N,))


def both(family, device):
    """Statistics of the same slots on the device and on the CPU."""
    x, z = points(family), labels()
    return family.stats(x.to(device), z.to(device), K), family.stats(x, z, K)


# Families.


@each(FAMILIES)
def test_statistics_are_those_of_the_cpu(gpu, family):
    there, here = both(family, gpu.device)
    assert_on(gpu.device, there)
    assert_same(there, here)


def test_sums_of_many_points_in_many_slots_are_those_of_the_cpu(gpu):
    x, z = normal(5000, D) + 1e3, torch.randint(40, (5000,))
    for family in (NormalInverseWishart(), NormalInverseGamma(), SemiConjugateNormal()):
        assert_same(family.stats(x.to(gpu.device), z.to(gpu.device), 41), family.stats(x, z, 41))


@each(CONJUGATE)
def test_soft_statistics_are_those_of_the_cpu(gpu, family):
    x, weights = points(family), torch.rand(N, K, dtype=torch.float64)
    there = family.soft_stats(x.to(gpu.device), weights.to(gpu.device))
    assert_on(gpu.device, there)
    assert_same(there, family.soft_stats(x, weights))


@each(FAMILIES)
def test_marginal_likelihoods_are_those_of_the_cpu(gpu, family):
    there, here = both(family, gpu.device)
    for law in (family.log_marginal, family.log_evidence):
        assert_on(gpu.device, law(there))
        assert_same(law(there), law(here))


@each(CONJUGATE)
def test_predictive_densities_are_those_of_the_cpu(gpu, family):
    there, here = both(family, gpu.device)
    x = points(family)[:7]
    for some in (x, x[0], x[:6].unflatten(0, (2, 3))):
        assert_same(family.log_predictive(there, some.to(gpu.device)), family.log_predictive(here, some))
    features = torch.cat(list(family.features(there, x.to(gpu.device))))
    assert_same(features @ family.natural(there).T, family.posterior_mean(here).log_prob(x))


@each(FAMILIES)
def test_posterior_means_are_those_of_the_cpu(gpu, family):
    there, here = both(family, gpu.device)
    assert_on(gpu.device, family.posterior_mean(there))
    assert_same(family.posterior_mean(there), family.posterior_mean(here))


@each(FAMILIES)
def test_components_are_drawn_on_the_device(gpu, family):
    there, here = both(family, gpu.device)
    drawn, x = family.posterior_sample(there), points(family)
    assert_on(gpu.device, drawn)
    assert type(drawn) is type(family.posterior_sample(here)) and drawn.mean.shape == (K, D)
    assert bool(drawn.log_prob(x.to(gpu.device)).isfinite().all())
    assert_same(drawn.log_prob(x.to(gpu.device)), moved(drawn, "cpu").log_prob(x))


@each(CONJUGATE)
def test_points_come_and_go_as_on_the_cpu(gpu, family):
    x = points(family)
    start = x[:7], torch.tensor([0, 0, 1, 1, 1, 2, 3])  # slot 4 is opened, and slot 3 emptied
    there, here = (family.stats(*(part.to(device) for part in start), K) for device in (gpu.device, "cpu"))
    for k, i, sign in ((1, 2, -1), (4, 2, 1), (3, 6, -1), (0, 6, 1)):
        family.add_(there, k, x[i].to(gpu.device), sign)
        family.add_(here, k, x[i], sign)
    assert_on(gpu.device, there)
    assert_same(family.log_predictive(there, x.to(gpu.device)), family.log_predictive(here, x))


@each(FAMILIES)
def test_what_is_learned_is_drawn_and_then_held_on_the_device(gpu, family):
    there, _ = both(family, gpu.device)
    drawn = family.draw(there)
    fixed = family.fixed(drawn)
    assert_on(gpu.device, drawn)
    assert not fixed.learned
    x, z = points(family), labels()
    there, here = fixed.stats(x.to(gpu.device), z.to(gpu.device), K), moved(fixed, "cpu").stats(x, z, K)
    assert_same(fixed.log_marginal(there), moved(fixed, "cpu").log_marginal(here))


@each(CONJUGATE)
def test_other_sums_under_the_same_hyperparameters_are_there_too(gpu, family):
    there, here = both(family, gpu.device)
    other = family.with_sums(there, there.sums[:2] + there.sums[2:4])
    assert_on(gpu.device, other)
    assert_same(other, family.with_sums(here, here.sums[:2] + here.sums[2:4]))


def test_hyperparameters_may_lie_on_the_device(gpu):
    x, z = points(None), labels()
    for kind, scale in ((NormalInverseWishart, MATRIX), (NormalInverseGamma, MIDDLE + 1), (SemiConjugateNormal, 0.7)):
        there = kind(mean=MIDDLE.to(gpu.device), scale=moved(scale, gpu.device))
        here = kind(mean=MIDDLE, scale=scale)
        assert_same(there.stats(x.to(gpu.device), z.to(gpu.device), K), here.stats(x, z, K))


def test_what_is_wrong_is_named(gpu):
    x, z = points(None).to(gpu.device), labels().to(gpu.device)
    with pytest.raises(ValueError, match="positive definite"):
        NormalInverseWishart(scale=-MATRIX).stats(x, z, K)
    with pytest.raises(ValueError, match="all equal"):
        NormalInverseWishart().stats(0 * x, z, K)
    with pytest.raises(ValueError, match="whole numbers in"):
        DirichletCategorical(categories=2).stats(x, z, K)


# Distributions.

DISTRIBUTIONS = {
    "Gaussians": lambda: Gaussians(normal(K, D), MATRIX.double().repeat(K, 1, 1)),
    "DiagonalGaussians": lambda: DiagonalGaussians(normal(K, D), normal(K, D).exp()),
    "Centroids": lambda: Centroids(normal(K, D), normal(K).exp()),
    "Categoricals": lambda: Categoricals(normal(K, D, 4).log_softmax(-1)),
    "Scaled": lambda: Scaled(DISTRIBUTIONS["Gaussians"](), normal(K)),
}
each_distribution = pytest.mark.parametrize("name", DISTRIBUTIONS)


def of(name, device, n=N):
    """Distributions, log-weights with a slot without any, and points of them: on the device, and on the CPU."""
    distributions, log_weights = DISTRIBUTIONS[name](), normal(K).log_softmax(0)
    log_weights[2] = -torch.inf
    here = distributions, log_weights, distributions.sample(torch.arange(n) % K)
    return moved(here, device), here


@each_distribution
def test_densities_and_best_slots_are_those_of_the_cpu(gpu, name):
    (there, *theirs), (here, *ours) = of(name, gpu.device)
    assert_on(gpu.device, there.log_prob(theirs[1]), there.assign(*theirs[::-1]))
    assert_same(there.log_prob(theirs[1]), here.log_prob(ours[1]))
    assert_same(there.assign(*theirs[::-1]), here.assign(*ours[::-1]))


@pytest.mark.parametrize("name", [name for name in DISTRIBUTIONS if name not in ("Categoricals", "Scaled")])
def test_covariances_are_full_matrices_on_the_device(gpu, name):
    (there, *_), (here, *_) = of(name, gpu.device)
    assert_on(gpu.device, there.covariance)
    assert_same(there.covariance, here.covariance)


@each_distribution
def test_draws_are_on_the_device(gpu, name):
    (there, log_weights, x), _ = of(name, gpu.device)
    slots = there.draw(x, log_weights)
    made = there.sample(slots)
    assert_on(gpu.device, slots, made, there.permute(slots[:K]))
    assert made.shape == (N, D) and not bool((slots == 2).any())


@each_distribution
def test_points_fall_to_slots_as_often_as_their_densities_say(gpu, name):
    (there, *theirs), (here, log_weights, x) = of(name, gpu.device, 3000)
    share = (here.log_prob(x) + log_weights).softmax(1).mean(0)
    drawn = there.draw(*theirs[::-1]).cpu().bincount(minlength=K) / 3000
    assert (share - drawn).abs().max() < 0.05


def test_gradients_reach_the_points(gpu):
    (there, _, x), (here, _, y) = of("Gaussians", gpu.device)
    x.requires_grad_(), y.requires_grad_()
    there.log_prob(x).logsumexp(1).sum().backward()
    here.log_prob(y).logsumexp(1).sum().backward()
    assert_on(gpu.device, x.grad)
    assert_same(x.grad, y.grad)


# Slots, by given numbers.


@pytest.mark.parametrize("n", [N, 5000])
def test_the_same_numbers_choose_the_same_slots_of_gaussians(gpu, n):
    _, (gaussians, log_weights, x) = of("Gaussians", gpu.device, n)
    here = x, gaussians.mean, gaussians.covariance, log_weights, torch.rand(n, dtype=torch.float64)
    there = moved(here, gpu.device)
    assert_on(gpu.device, choose(*there), choose(*there[:4]))
    assert_same(choose(*there), choose(*here))  # drawn
    assert_same(choose(*there[:4]), choose(*here[:4]))  # the likeliest


def test_narrow_gaussians_far_apart_are_looked_at_in_double_precision(gpu):
    mean, covariance = 1e4 * normal(K, D), 1e-3 * MATRIX.double().repeat(K, 1, 1)
    x = mean[torch.arange(600) % K] + 0.03 * normal(600, D)
    here = x, mean, covariance, normal(K), torch.rand(600, dtype=torch.float64)
    assert_same(choose(*moved(here, gpu.device)), choose(*here))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_numbers_choose_the_same_slots_of_any_weights(gpu, dtype):
    logits, uniform = torch.randn(N, K, dtype=dtype), torch.rand(N, dtype=dtype)
    logits[:, 1] = -torch.inf
    there = logits.to(gpu.device), uniform.to(gpu.device)
    assert_on(gpu.device, categorical(*there), categorical(there[0]))
    assert_same(categorical(*there), categorical(logits, uniform))
    assert_same(invert(there[0].exp(), there[1]), invert(logits.exp(), uniform))
