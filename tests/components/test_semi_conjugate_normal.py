"""The family that is not conjugate, against integrals taken in another order, grids and the conjugate limit."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from bnpgan.components import semi_conjugate_normal
from bnpgan.components.semi_conjugate_normal import WIDE, SemiConjugateNormal
from bnpgan.components.shapes import data_center, data_spread, within_covariances

# One dimension: points, mean, spread, scale, nu. The last two have two modes: far away and narrow, or near and wide.
CASES = {
    "one point": ([0.7], 0.0, 1.0, 0.5, 3.0),
    "near": ([0.4, -0.3, 0.1], 0.2, 1.0, 0.5, 3.0),
    "spread small": ([1.4, 1.3, 1.6, 1.2], 0.0, 0.01, 0.5, 2.1),
    "spread large": ([1.4, 1.3, 1.6, 1.2], 0.0, 1e3, 0.5, 30.0),
    "many points": (list(np.sin(np.arange(2_000.0)) + 3), 0.0, 1.0, 0.5, 3.0),
    "large numbers": ([3e8, 5e8, 4e8], 1e8, 2e8, 1e16, 3.0),
    "two modes": ([4.8, 5.0, 5.2], 0.0, 1.0, 0.02, 2.5),
    "two modes, one point": ([7.0], 0.0, 1.0, 0.02, 2.5),
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def family(mean: float, spread: float, scale: float, nu: float) -> SemiConjugateNormal:
    return SemiConjugateNormal(torch.tensor([mean]), spread, scale, nu)


def statistics(component: SemiConjugateNormal, x: list[float], copies: int = 1):
    """Of ``copies`` slots that all hold the points."""
    x = torch.tensor(x, dtype=torch.float64)[:, None]
    return component.stats(x.repeat(copies, 1), torch.arange(copies).repeat_interleave(len(x)), copies)


def mean_grid(x, mean, spread, scale, nu) -> tuple[np.ndarray, np.ndarray]:
    """The means that matter, and the log joint density of each with the points: the *variance* is integrated out."""
    x = np.array(x)
    width = math.sqrt((scale + ((x - x.mean()) ** 2).sum()) / (nu + len(x))) / math.sqrt(len(x))
    ends = [mean - 12 * spread, mean + 12 * spread, x.mean() - 40 * width, x.mean() + 40 * width]
    # Even around each centre, and ever coarser away from it.
    around = [
        centre + scale * np.sinh(np.linspace(-14, 14, 60_001)) for centre, scale in ((mean, spread), (x.mean(), width))
    ]
    mu = np.unique(np.clip(np.concatenate(around), min(ends), max(ends)))
    rate = (scale + squares(x, mu)) / 2
    shape = (nu + len(x)) / 2
    log_x = nu / 2 * math.log(scale / 2) - special.gammaln(nu / 2) - len(x) / 2 * math.log(2 * math.pi)
    return mu, stats.norm.logpdf(mu, mean, spread) + log_x + special.gammaln(shape) - shape * np.log(rate)


def squares(x, mu: np.ndarray) -> np.ndarray:
    """The sum of squared deviations of the points from each mean."""
    return len(x) * (np.var(x) + (np.mean(x) - mu) ** 2)


def integral(values: np.ndarray, at: np.ndarray) -> float:
    return float(integrate.trapezoid(values, at))


@each
def test_marginal_is_the_integral_over_the_mean(case):
    x, *hyper = case
    component = family(*hyper)
    got = float(component.log_marginal(statistics(component, x))[0])
    mu, log_p = mean_grid(x, *hyper)
    top = log_p.max()
    assert got == pytest.approx(top + math.log(integral(np.exp(log_p - top), mu)), abs=2e-7)  # the grid's own error


def test_marginal_is_that_of_scipy_to_nine_digits():
    x, mean, spread, scale, nu = CASES["near"]

    def density(mu: float) -> float:
        rate = (scale + sum((value - mu) ** 2 for value in x)) / 2
        constant = (scale / 2) ** (nu / 2) / special.gamma(nu / 2) * (2 * math.pi) ** (-len(x) / 2)
        return (
            stats.norm.pdf(mu, mean, spread)
            * constant
            * special.gamma((nu + len(x)) / 2)
            * rate ** -((nu + len(x)) / 2)
        )

    expected, _ = integrate.quad(density, -12, 12, points=[0.0], epsabs=0, epsrel=1e-12)
    component = family(mean, spread, scale, nu)
    assert float(component.log_marginal(statistics(component, x))[0]) == pytest.approx(math.log(expected), abs=1e-9)


@each
def test_posterior_means_are_those_of_the_integral_over_the_mean(case):
    x, *hyper = case
    component = family(*hyper)
    got = component.posterior_mean(statistics(component, x))
    mu, log_p = mean_grid(x, *hyper)
    p = np.exp(log_p - log_p.max())
    p /= integral(p, mu)
    rate = (hyper[2] + squares(x, mu)) / 2
    assert float(got.mean[0, 0]) == pytest.approx(integral(p * mu, mu), rel=1e-5)
    assert float(got.variance[0, 0]) == pytest.approx(integral(p * rate / ((hyper[3] + len(x)) / 2 - 1), mu), rel=1e-5)


@each
def test_draws_follow_the_posterior(case, monkeypatch):
    """10,000 of the mean, and of the variance by its conditional given the mean; each fails once in 10^6 seeds.

    With bins so wide that half of the draws are refused: right whatever the bins, and wrong if none were refused.
    """
    monkeypatch.setattr(semi_conjugate_normal, "OFFSETS", torch.linspace(-12, 12, 17, dtype=torch.float64).sinh())
    x, *hyper = case
    component = family(*hyper)
    drawn = component.posterior_sample(statistics(component, x, copies=10_000 if len(x) < 100 else 1_000))
    mu, log_p = mean_grid(x, *hyper)
    cdf = integrate.cumulative_trapezoid(np.exp(log_p - log_p.max()), mu, initial=0)
    mean, variance = drawn.mean[:, 0].numpy(), drawn.variance[:, 0].numpy()
    assert stats.kstest(mean, lambda at: np.interp(at, mu, cdf / cdf[-1])).pvalue > 1e-6
    # Given the mean the variance is Inverse-Gamma.
    rate = (hyper[2] + squares(x, mean)) / 2
    assert stats.kstest(stats.gamma((hyper[3] + len(x)) / 2).cdf(rate / variance), "uniform").pvalue > 1e-6


def test_two_modes_are_two():
    """Otherwise the cases above would not try them."""
    drawn = family(*CASES["two modes"][1:])
    mean = drawn.posterior_sample(statistics(drawn, CASES["two modes"][0], copies=4_000)).mean
    assert 0.05 < (mean < 3).double().mean() < 0.95
    assert ((mean > 2.5) & (mean < 3.5)).double().mean() < 0.05


def test_an_empty_slot_holds_the_prior():
    component = SemiConjugateNormal(torch.tensor([0.7, -1.0]), spread=torch.tensor([1.0, 3.0]), scale=0.8, nu=4.0)
    empty = component.stats(torch.zeros(3, 2, dtype=torch.float64), torch.zeros(3, dtype=torch.int64), 20_001)
    assert float(component.log_marginal(empty)[1:].abs().max()) == 0
    drawn, mean = component.posterior_sample(empty), component.posterior_mean(empty)
    for d, (m, spread) in enumerate([(0.7, 1.0), (-1.0, 3.0)]):
        assert stats.kstest(drawn.mean[1:, d].numpy(), stats.norm(m, spread).cdf).pvalue > 1e-6
        assert stats.kstest(drawn.variance[1:, d].numpy(), stats.invgamma(2.0, scale=0.4).cdf).pvalue > 1e-6
    assert mean.mean[1].tolist() == pytest.approx([0.7, -1.0])
    assert mean.variance[1].tolist() == pytest.approx([0.4, 0.4])


def test_slots_and_dimensions_do_not_mix():
    x, labels = torch.randn(30, 3, dtype=torch.float64), torch.arange(30) % 4
    component = SemiConjugateNormal(
        torch.zeros(3), spread=torch.tensor([1.0, 2.0, 3.0]), scale=torch.tensor([0.1, 0.2, 0.3])
    )
    marginal = component.log_marginal(component.stats(x, labels, 5))
    for k in range(4):
        each = [
            family(0.0, 1.0 + d, 0.1 * (1 + d), 3.0).log_evidence(
                SemiConjugateNormal(torch.zeros(1), 1.0 + d, 0.1 * (1 + d)).stats(
                    x[labels == k, d, None], torch.zeros(int((labels == k).sum()), dtype=torch.int64), 1
                )
            )
            for d in range(3)
        ]
        assert float(marginal[k]) == pytest.approx(float(sum(each)), abs=1e-6)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_nothing_depends_on_the_unit(scale):
    x, labels = torch.randn(40, 2, dtype=torch.float64), torch.arange(40) % 3
    one, other = SemiConjugateNormal(), SemiConjugateNormal()
    a, b = one.stats(x, labels, 4), other.stats(scale * x, labels, 4)
    torch.testing.assert_close(
        one.log_marginal(a), other.log_marginal(b) + a.n * 2 * math.log(scale), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(scale**2 * one.posterior_mean(a).variance, other.posterior_mean(b).variance)


def test_hyper_parameters_left_out_are_set_from_the_data():
    x = torch.randn(10_000, 2, dtype=torch.float64) * torch.tensor([1.0, 5.0]) + 7
    prior = SemiConjugateNormal(nu=5.0).resolve(x)
    torch.testing.assert_close(prior.mean, data_center(x))
    torch.testing.assert_close(prior.spread, WIDE * data_spread(x))
    torch.testing.assert_close(prior.scale / (5.0 - 2), within_covariances(x, diagonal=True)[-1].times(1.0).diagonal())


def test_fixed_keeps_what_the_statistics_were_made_with():
    x = torch.randn(10, 2, dtype=torch.float64)
    made = SemiConjugateNormal(nu=4.0)
    before = made.stats(x, torch.zeros(10, dtype=torch.int64), 1)
    after = made.fixed(before).stats(x[:0], torch.zeros(0, dtype=torch.int64), 3)
    for one, two in zip(before.prior, after.prior, strict=True):
        assert torch.equal(torch.as_tensor(one), torch.as_tensor(two))


def test_a_constant_column_and_few_points_are_no_trouble():
    x = torch.randn(2, 5, dtype=torch.float64)
    x[:, 1] = 3.0
    component = SemiConjugateNormal()
    filled = component.stats(x, torch.tensor([0, 0]), 2)
    assert component.log_marginal(filled).isfinite().all()
    assert all(tensor.isfinite().all() for tensor in vars(component.posterior_sample(filled)).values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", torch.zeros(3)),
        ("mean", torch.tensor([0.0, math.nan])),
        ("spread", 0.0),
        ("spread", torch.ones(3)),
        ("scale", -1.0),
        ("scale", math.inf),
        ("nu", 2.0),
        ("nu", math.nan),
    ],
)
def test_bad_hyper_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} "):
        SemiConjugateNormal(**{name: value}).resolve(torch.randn(5, 2))


def test_points_that_are_all_equal_set_no_scale():
    with pytest.raises(ValueError, match=r"^scale .* all equal"):
        SemiConjugateNormal().resolve(torch.full((5, 2), 0.5, dtype=torch.float64))
