"""Densities and draws against Pyro and torch.distributions, which know nothing of our formulas.

Exact comparisons are of two closed forms. In the others parameters are drawn from Pyro's prior and integrated by Monte
Carlo, so that no posterior formula is taken on trust: within 5 standard errors, two-sided 6e-7 for each number.
"""

import math

import pyro
import pytest
import torch
from pyro import distributions as dist
from pyro import poutine
from torch import Tensor

from bnpgan.components import (
    Categoricals,
    DirichletCategorical,
    Gaussians,
    NormalInverseGamma,
    NormalInverseWishart,
    SphericalNormal,
)
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import StickBreaking

DRAWS = 100_000
ERRORS = 5
COUNTS = torch.tensor([3, 0, 2, 1], dtype=torch.float64)
ONE = torch.ones((), dtype=torch.float64)
KAPPA, NU = 0.5, 5.0
M0 = torch.tensor([0.3, -0.2], dtype=torch.float64)
PSI = torch.tensor([[2.0, 0.6], [0.6, 1.0]], dtype=torch.float64)
X = torch.tensor([[0.1, 0.4], [-0.5, 0.2], [0.9, 1.0], [1.4, -0.3], [0.2, -1.1]], dtype=torch.float64)


# Prior over partitions.


def log_choose(n: Tensor, k: Tensor) -> Tensor:
    return torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)


def log_dirichlet(concentration: float, counts: Tensor) -> Tensor:
    """Log-probability of one label vector with these counts: of the counts, less the number of their orders."""
    law = dist.DirichletMultinomial(concentration * torch.ones_like(counts), total_count=counts.sum())
    return law.log_prob(counts) - torch.lgamma(counts.sum() + 1) + torch.lgamma(counts + 1).sum()


@pytest.mark.parametrize(
    ("prior", "alpha", "d"), [(DirichletProcess(0.7), 0.7, 0.0), (PitmanYor(0.7, 0.4), 0.7, 0.4)], ids=["DP", "PY"]
)
def test_truncated_sticks_are_a_chain_of_beta_binomials(prior, alpha, d):
    k, total = torch.arange(1.0, 4.0), COUNTS.flip(0).cumsum(0).flip(0)[:-1]
    law = dist.BetaBinomial((1 - d) * ONE, alpha + k * d, total)
    expected = (law.log_prob(COUNTS[:-1]) - log_choose(total, COUNTS[:-1])).sum()
    torch.testing.assert_close(prior.log_marginal(COUNTS), expected)


@pytest.mark.parametrize("alpha", [0.5, 4.0])
def test_a_finite_dirichlet_is_a_dirichlet_multinomial(alpha):
    torch.testing.assert_close(FiniteDirichlet(alpha).log_marginal(COUNTS), log_dirichlet(alpha / 4, COUNTS))


def test_a_mixture_of_finite_mixtures_is_a_sum_of_dirichlet_multinomials():
    gamma, blocks, terms = 0.6, COUNTS[COUNTS > 0], []
    for M in range(3, 400):
        log_p = dist.Geometric(0.1 * ONE).log_prob(ONE * (M - 1))
        log_namings = math.lgamma(M + 1) - math.lgamma(M - 2)
        terms.append(log_p + log_namings + log_dirichlet(gamma, torch.cat([blocks, blocks.new_zeros(M - 3)])))
    torch.testing.assert_close(MixtureOfFiniteMixtures(gamma).log_eppf(COUNTS), torch.stack(terms).logsumexp(0))


@pytest.mark.parametrize("prior", [DirichletProcess(0.7), PitmanYor(0.7, 0.4), FiniteDirichlet(2.0)], ids=repr)
def test_weights_given_counts_are_prior_weights_reweighted_by_the_counts(prior):
    if isinstance(prior, FiniteDirichlet):
        w = dist.Dirichlet(prior.concentration / 4 * torch.ones_like(COUNTS)).sample((DRAWS,))
    else:
        law = dist.Beta((1 - prior.discount) * ONE, prior.concentration + torch.arange(1.0, 4.0) * prior.discount)
        w = stick_breaking(law.sample((DRAWS,)))
    ours = torch.stack([prior.sample_log_weights(COUNTS).exp() for _ in range(2_000)])
    agree(dist.Multinomial(total_count=6, probs=w, validate_args=False).log_prob(COUNTS), w, ours)


# Families of components: a prior in Pyro's words, as a draw of many likelihoods.


def inverse_wishart():
    y = dist.MultivariateNormal(torch.zeros_like(M0), precision_matrix=PSI).sample((DRAWS, int(NU)))
    precision = y.mT @ y  # Wishart, by its definition
    mean = dist.MultivariateNormal(M0, precision_matrix=KAPPA * precision).sample()
    return dist.MultivariateNormal(mean, precision_matrix=precision)


def inverse_gamma():
    variance = dist.InverseGamma(NU / 2 * ONE, PSI.diagonal() / 2).sample((DRAWS,))
    mean = dist.Normal(M0, (variance / KAPPA).sqrt()).sample()
    return dist.Normal(mean, variance.sqrt()).to_event(1)


def one_variance():
    variance = dist.InverseGamma(NU / 2 * ONE, ONE).sample((DRAWS, 1))
    mean = dist.Normal(M0, (variance / KAPPA).sqrt()).sample()
    return dist.Normal(mean, variance.sqrt()).to_event(1)


def independent():
    variance = dist.InverseGamma(NU / 2 * ONE, PSI.diagonal() / 2).sample((DRAWS,))
    mean = dist.Normal(M0, 0.8 * ONE).sample((DRAWS,))
    return dist.Normal(mean, variance.sqrt()).to_event(1)


def categorical():
    return dist.Categorical(dist.Dirichlet(0.6 * torch.ones(2, 3, dtype=torch.float64)).sample((DRAWS,))).to_event(1)


VALUES = torch.tensor([[0, 1], [0, 2], [2, 1], [0, 0], [1, 1]], dtype=torch.float64)
FAMILIES = {
    "NIW": (NormalInverseWishart(M0, PSI, KAPPA, NU), inverse_wishart, X),
    "NIG": (NormalInverseGamma(M0, PSI.diagonal(), KAPPA, NU), inverse_gamma, X),
    "spherical": (SphericalNormal(M0, 2.0, KAPPA, NU), one_variance, X),
    "semi-conjugate": (SemiConjugateNormal(M0, 0.8, PSI.diagonal(), NU), independent, X),
    "categorical": (DirichletCategorical(0.6, 3), categorical, VALUES),
}
each_family = pytest.mark.parametrize(("family", "draw", "x"), FAMILIES.values(), ids=FAMILIES.keys())


@each_family
def test_a_marginal_likelihood_is_the_mean_likelihood_under_the_prior(family, draw, x):
    few = x[:4]
    marginal = family.log_marginal(family.stats(few, torch.zeros(4, dtype=torch.int64), 2))[0]
    ratio = (draw().log_prob(few[:, None]).sum(0) - marginal).exp()
    assert abs(float(ratio.mean()) - 1) < ERRORS * float(ratio.std()) / math.sqrt(DRAWS) < 0.1


@each_family
def test_posterior_draws_are_prior_draws_reweighted_by_the_likelihood(family, draw, x):
    """Compared by the densities of three points, as numbers between 0 and 1."""
    few, new, copies = x[:4], x[[0, 3, 4]], 4_000
    prior = draw()
    density = prior.log_prob(new[:, None]).T
    middle = density.median(0).values
    stats = family.stats(few.repeat(copies, 1), torch.arange(copies).repeat_interleave(4), copies)
    ours = family.posterior_sample(stats).log_prob(new).T
    agree(prior.log_prob(few[:, None]).sum(0), (density - middle).sigmoid(), (ours - middle).sigmoid())


def test_predictives_are_student_t():
    family, n = FAMILIES["NIW"][0], len(X)
    stats = family.stats(X, torch.zeros(n, dtype=torch.int64), 1)
    mean = (KAPPA * M0 + X.sum(0)) / (KAPPA + n)
    psi = PSI + X.T @ X + KAPPA * M0.outer(M0) - (KAPPA + n) * mean.outer(mean)
    degrees = NU + n - 1
    scale = psi * (KAPPA + n + 1) / ((KAPPA + n) * degrees)
    law = dist.MultivariateStudentT(degrees * ONE, mean, torch.linalg.cholesky(scale))
    torch.testing.assert_close(family.log_predictive(stats, X)[:, 0], law.log_prob(X))


def test_a_marginal_of_categories_is_a_dirichlet_multinomial_for_each_column():
    family = FAMILIES["categorical"][0]
    found = family.log_marginal(family.stats(VALUES, torch.zeros(5, dtype=torch.int64), 1))[0]
    columns = [log_dirichlet(0.6, torch.bincount(column, minlength=3).double()) for column in VALUES.long().T]
    torch.testing.assert_close(found, sum(columns))


def test_batches_of_distributions_have_their_densities():
    mean, x = torch.randn(4, 3, dtype=torch.float64), 1e3 + torch.randn(50, 3, dtype=torch.float64)
    factor = torch.randn(4, 3, 3, dtype=torch.float64).tril(-1) + torch.diag_embed(torch.rand(4, 3).double() + 0.1)
    law = dist.MultivariateNormal(1e3 + mean, scale_tril=factor)
    torch.testing.assert_close(Gaussians(1e3 + mean, factor @ factor.mT).log_prob(x), law.log_prob(x[:, None]))
    logits = torch.randn(4, 2, 3, dtype=torch.float64).log_softmax(-1)
    law = dist.Categorical(logits=logits).to_event(1)
    torch.testing.assert_close(Categoricals(logits).log_prob(VALUES), law.log_prob(VALUES[:, None]))


# The whole mixture.


def mixture(x, z, alpha, capacity):
    """A Dirichlet-process mixture by truncated stick-breaking."""
    with pyro.plate("sticks", capacity - 1):
        v = pyro.sample("v", dist.Beta(ONE, alpha))
    with pyro.plate("clusters", capacity):
        precision = pyro.sample("precision", dist.Wishart(NU * ONE, precision_matrix=PSI))
        mean = pyro.sample("mean", dist.MultivariateNormal(M0, precision_matrix=KAPPA * precision))
    with pyro.plate("points", len(x)):
        pyro.sample("z", dist.Categorical(stick_breaking(v)), obs=z)
        pyro.sample("x", dist.MultivariateNormal(mean[z], precision_matrix=precision[z]), obs=x)


def posterior(x, z, alpha, capacity):
    """What is left of it given the labels."""
    one_hot = torch.nn.functional.one_hot(z, capacity).double()
    n = one_hot.sum(0)
    kappa = KAPPA + n
    m = (KAPPA * M0 + one_hot.T @ x) / kappa[:, None]
    squares = torch.einsum("nk,nd,ne->kde", one_hot, x, x)
    psi = PSI + squares + KAPPA * M0.outer(M0) - kappa[:, None, None] * m[:, :, None] * m[:, None, :]
    with pyro.plate("sticks", capacity - 1):
        pyro.sample("v", dist.Beta(1 + n[:-1], alpha + n.flip(0).cumsum(0).flip(0)[1:]))
    with pyro.plate("clusters", capacity):
        precision = pyro.sample("precision", dist.Wishart(NU + n, precision_matrix=psi))
        pyro.sample("mean", dist.MultivariateNormal(m, precision_matrix=kappa[:, None, None] * precision))


@pytest.mark.filterwarnings("ignore:Singular sample")  # torch says so of regular draws from a Wishart, and draws again
@pytest.mark.parametrize("labels", [[0, 0, 1, 3, 0], [3, 2, 1, 0, 3], [2, 2, 2, 2, 2]])
def test_joint_over_posterior_is_the_evidence_whatever_the_parameters(labels):
    z, alpha, capacity = torch.tensor(labels), 0.7, 4
    sampler = StickBreaking(DirichletProcess(alpha), FAMILIES["NIW"][0], capacity=capacity)
    for _ in range(3):
        drawn = poutine.trace(posterior).get_trace(X, z, alpha, capacity)
        joint = poutine.trace(poutine.replay(mixture, trace=drawn)).get_trace(X, z, alpha, capacity)
        torch.testing.assert_close(joint.log_prob_sum() - drawn.log_prob_sum(), sampler.log_joint(X, z))


def stick_breaking(v: Tensor) -> Tensor:
    """Weights ``(..., C)`` of sticks ``(..., C - 1)``."""
    one = torch.ones_like(v[..., :1])
    return torch.cat([v, one], -1) * torch.cat([one, (1 - v).cumprod(-1)], -1)


def agree(log_weights: Tensor, values: Tensor, ours: Tensor) -> None:
    """Means of ``ours`` ``(n, p)`` against those of weighted ``values`` ``(DRAWS, p)``."""
    w = log_weights.softmax(0)[:, None]
    assert float(1 / (w**2).sum()) > 1_000  # draws that count
    mean = (w * values).sum(0)
    variance = (w**2 * (values - mean) ** 2).sum(0) + ours.var(0) / len(ours)
    assert ((ours.mean(0) - mean).abs() < ERRORS * variance.sqrt()).all()
