"""Mixtures are densities, agree with torch.distributions, and draw what they say."""

import pytest
import torch
from scipy.stats import multivariate_t
from torch import distributions

from bnpgan import data
from bnpgan.data import Mixture

SETS = [data.moons, data.unequal, data.anisotropic, data.overlap]
NAMES = ["moons", "unequal", "anisotropic", "overlap"]


def three():
    half = torch.tensor([[[1.0, 0.0], [0.5, 0.3]], [[0.2, 0.0], [0.0, 2.0]], [[1.0, 0.0], [-0.9, 0.1]]]).double()
    return Mixture(torch.randn(3, 2).double() * 2, half @ half.mT, torch.tensor([2.0, 5.0, 1.0]).double())


@pytest.mark.parametrize("make", [*SETS, three])
def test_log_prob_is_that_of_torch(make):
    mixture = make()
    reference = distributions.MixtureSameFamily(
        distributions.Categorical(mixture.weights),
        distributions.MultivariateNormal(mixture.means, mixture.covariances),
    )
    x = torch.cat([mixture.sample(200)[0].double(), 50 * torch.randn(50, 2).double()])  # far away too
    torch.testing.assert_close(mixture.log_prob(x), reference.log_prob(x))


@pytest.mark.parametrize("make", [*SETS, three])
def test_densities_integrate_to_one(make):
    mixture = make()
    reach = 7 * mixture.covariances.diagonal(dim1=1, dim2=2).sqrt().max().item()
    low, high = mixture.means.amin(0) - reach, mixture.means.amax(0) + reach
    # The narrowest Gaussian has a standard deviation of 0.05: the trapezium rule needs steps below that.
    axes = [torch.arange(a, b, 0.03, dtype=torch.float64) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    total = sum(mixture.log_prob(part).exp().sum() for part in torch.cartesian_prod(*axes).split(100_000))
    assert total.item() * 0.03**2 == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("make", [*SETS, three])
def test_samples_have_the_moments(make):
    mixture, n = make(), 200_000
    x, labels = mixture.sample(n)
    assert x.shape == (n, 2) and x.dtype == torch.float32 and labels.dtype == torch.int64
    weights = mixture.weights / mixture.weights.sum()
    share = labels.bincount(minlength=len(weights)) / n
    assert ((share - weights).abs() < 5 * (weights * (1 - weights) / n).sqrt()).all()
    for k, (mean, covariance) in enumerate(zip(mixture.means, mixture.covariances, strict=True)):
        own = x[labels == k].double()
        # Whitened, a mean has the standard error 1 / sqrt(n), a second moment at most sqrt(2 / n).
        white = torch.linalg.solve(torch.linalg.cholesky(covariance), (own - mean).mT)
        assert white.mean(1).abs().max() < 5 / len(own) ** 0.5
        assert (white @ white.mT / len(own) - torch.eye(2)).abs().max() < 5 * (2 / len(own)) ** 0.5


def test_one_dimension_and_one_gaussian():
    mixture = Mixture(torch.tensor([[3.0]]), torch.tensor([[[4.0]]]), torch.tensor([0.2]))
    x, labels = mixture.sample(50_000)
    assert (labels == 0).all() and x.mean().item() == pytest.approx(3, abs=0.05)
    assert x.std().item() == pytest.approx(2, rel=0.02)
    torch.testing.assert_close(mixture.log_prob(x), distributions.Normal(3.0, 2.0).log_prob(x[:, 0]))


def test_samples_follow_the_ambient_generator():
    torch.manual_seed(3)
    first, again = data.moons().sample(10)[0], data.moons().sample(10)[0]
    torch.manual_seed(3)
    assert torch.equal(first, data.moons().sample(10)[0]) and not torch.equal(first, again)


def test_overlap_has_one_peak_and_hides_what_it_says():
    mixture = data.overlap()
    x, labels = mixture.sample(100_000)
    own = torch.cdist(x.double(), mixture.means).argmin(1) == labels
    assert own.double().mean().item() == pytest.approx(0.71, abs=0.01)
    grid = torch.linspace(-3, 3, 121, dtype=torch.float64)
    p = mixture.log_prob(torch.cartesian_prod(grid, grid)).view(1, 1, 121, 121)
    peaks = torch.nn.functional.max_pool2d(p, 3, stride=1, padding=1) == p
    assert peaks.sum() == 1


def test_moons_lie_on_their_arcs():
    x, labels = data.moons().sample(2000)
    upper, lower = x[labels < 8], x[labels >= 8]
    for arc, centre in ((upper, [0.0, 0.0]), (lower, [1.0, 0.5])):
        distance = (arc - torch.tensor(centre)).norm(dim=1)
        assert ((distance - 1).abs() < 0.3).all() and (distance - 1).abs().mean() < 0.1
    assert upper[:, 1].mean() > 0.5 > 0 > lower[:, 1].mean()


@pytest.mark.parametrize("name", NAMES)
def test_load_draws_the_same_set_and_leaves_the_ambient_generator(name):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    x, labels = data.load(name)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(8)
    y, again = data.load(name)
    assert torch.equal(x, y) and torch.equal(labels, again) and x.shape == (10_000, 2)
    assert labels.unique().tolist() == list(range(len(getattr(data, name)().weights)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(means=torch.zeros(3)), r"means has shape \(3,\): pass \(K, D\)"),
        (dict(means=torch.zeros(0, 2)), r"means has shape \(0, 2\): pass"),
        (dict(covariances=torch.eye(2)), r"covariances has shape \(2, 2\): pass \(3, 2, 2\), one for each"),
        (dict(covariances=-torch.eye(2).repeat(3, 1, 1)), "covariances must be symmetric and positive definite: pass"),
        (dict(covariances=torch.tensor([[1.0, 0.5], [0.0, 1.0]]).repeat(3, 1, 1)), "covariances must be symmetric"),
        (dict(means=torch.full((3, 2), torch.nan)), "means must be finite, got NaN"),
        (dict(weights=torch.ones(2)), "weights must be positive and finite, one for each of the 3 means: drop"),
        (dict(weights=torch.tensor([1.0, torch.inf, 1.0])), "weights must be positive and finite"),
        (dict(weights=torch.full((3,), 1e308, dtype=torch.float64)), "weights must be positive and finite"),
        (dict(weights=torch.tensor([1.0, 0.0, 1.0])), "weights must be positive"),
    ],
)
def test_a_mixture_names_what_does_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        Mixture(
            **{"means": torch.zeros(3, 2), "covariances": torch.eye(2).repeat(3, 1, 1), "weights": torch.ones(3)}
            | change
        )


def test_a_mixture_names_bad_points():
    with pytest.raises(ValueError, match=r"^n must be at least 1, got 0: ask"):
        data.moons().sample(0)
    for x in (torch.zeros(3), torch.zeros(3, 1)):
        with pytest.raises(ValueError, match=r"^x has shape .*: pass points \(N, 2\)"):
            data.moons().log_prob(x)


def test_heavy_tails_have_the_density_and_the_spread_of_student_s_t():
    torch.manual_seed(0)
    gaussian, heavy = data.wide(3, 2), data.wide(3, 2, freedom=5.0)
    x, labels = heavy.sample(60_000)
    for k in range(3):
        law = multivariate_t(heavy.means[k].numpy(), heavy.covariances[k].numpy(), 5.0)
        reference = torch.as_tensor(law.logpdf(x[:20].numpy()))
        one = data.Mixture(heavy.means[k : k + 1], heavy.covariances[k : k + 1], torch.ones(1), 5.0)
        assert torch.allclose(one.log_prob(x[:20]), reference, rtol=1e-5)
        ratio = x[labels == k].double().T.cov().trace() / heavy.covariances[k].trace()
        assert float(ratio) == pytest.approx(5 / 3, rel=0.12)
    assert (heavy.assign(x) == labels).double().mean() > 0.98
    white = gaussian.whitened(*gaussian.sample(20_000))
    assert (white.T.cov() - torch.eye(2)).abs().max() < 0.05


def test_the_wide_mixture_is_the_same_each_time_and_unequal():
    a, b = data.wide(), data.wide()
    assert torch.equal(a.means, b.means) and torch.equal(a.covariances, b.covariances)
    assert float(a.weights.max() / a.weights.min()) == pytest.approx(10)
    widths = torch.linalg.eigvalsh(a.covariances).sqrt()
    assert float(widths.mean(1).max() / widths.mean(1).min()) == pytest.approx(10)
    with pytest.raises(ValueError, match="components must be"):
        data.wide(components=1)
    with pytest.raises(ValueError, match="freedom must be positive"):
        data.Mixture(a.means, a.covariances, a.weights, 0.0)
