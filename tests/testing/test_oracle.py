"""The formulas that the battery holds samplers against, against themselves: they share nothing with the package."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from bnpgan.components import DirichletCategorical, NormalInverseGamma, NormalInverseWishart, SphericalNormal
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.testing.oracle import label_vectors, log_evidence, log_labels, log_partition, members, set_partitions

PRIORS = [DirichletProcess(0.7), PitmanYor(0.7, 0.4), FiniteDirichlet(1.5), MixtureOfFiniteMixtures(0.6)]


def test_as_many_partitions_as_bell_says():
    assert [len(set_partitions(n)) for n in range(7)] == [1, 1, 2, 5, 15, 52, 203]
    assert len(set(label_vectors(3, 4))) == 64


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_probabilities_sum_to_one(prior):
    assert sum(math.exp(log_partition(prior, z, 6)) for z in set_partitions(5)) == pytest.approx(1)
    assert sum(math.exp(log_labels(prior, z, 3)) for z in label_vectors(4, 3)) == pytest.approx(1)


def test_members_of_two_grids_are_all_combinations():
    prior = PitmanYor(Grid([0.5, 1.0], [0.0, 1.0]), Grid([0.1, 0.2, 0.3]))
    found = list(members(prior))
    assert len(found) == 6
    assert sum(weight for weight, _ in found) == pytest.approx(1)
    assert {part.learned for _, part in found} == {()}


FAMILIES = [
    NormalInverseWishart(np.array([0.2]), 0.8, 0.5, 4.0),
    NormalInverseGamma(np.array([0.2]), 0.8, 0.5, 4.0),
    SphericalNormal(np.array([0.2]), 0.8, 0.5, 4.0),
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_gaussian_evidence_is_an_integral_over_mean_and_variance(family):
    x = np.array([[-0.4], [0.9], [1.3]])
    mu, log_variance = np.linspace(-8, 8, 401), np.linspace(-7, 7, 401)
    variance = np.exp(log_variance)[:, None]
    density = stats.invgamma.pdf(variance, 2.0, scale=0.4) * stats.norm.pdf(mu, 0.2, np.sqrt(variance / 0.5))
    for value in x.ravel():
        density = density * stats.norm.pdf(value, mu, np.sqrt(variance))
    integral = integrate.simpson(integrate.simpson(density * variance, x=mu), x=log_variance)
    assert math.exp(log_evidence(family, x, (0, 0, 0))) == pytest.approx(integral, rel=1e-5)


def test_evidence_where_the_mean_is_independent_is_such_an_integral():
    x = np.array([[-0.4], [0.9], [1.3]])
    mu, log_variance = np.linspace(-8, 8, 801), np.linspace(-9, 9, 801)
    variance = np.exp(log_variance)[:, None]
    density = stats.invgamma.pdf(variance, 1.5, scale=0.15) * stats.norm.pdf(mu, 0.1, 0.7)
    for value in x.ravel():
        density = density * stats.norm.pdf(value, mu, np.sqrt(variance))
    integral = integrate.simpson(integrate.simpson(density * variance, x=mu), x=log_variance)
    family = SemiConjugateNormal(np.array([0.1]), 0.7, 0.3)
    assert math.exp(log_evidence(family, x, (0, 0, 0))) == pytest.approx(integral, rel=1e-5)


def test_categorical_evidence_sums_to_one_over_all_data():
    family = DirichletCategorical(0.5, categories=2)
    total = sum(
        math.exp(log_evidence(family, np.array(x, float).reshape(3, 1), (0, 1, 0))) for x in label_vectors(3, 2)
    )
    assert total == pytest.approx(1)


def test_what_has_no_formula_says_so():
    with pytest.raises(NotImplementedError, match="no formula for object"):
        log_partition(object(), (0, 1), 2)
