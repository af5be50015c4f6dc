"""Features, their sums, and draws in single precision that are those in double precision."""

import pytest
import torch

from bnpgan.components import Gaussians, quadratic


def mixture(N=4000, D=3, K=12, spread=3.0, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    factor = normal(K, D, D) / D**0.5
    gaussians = Gaussians(spread * normal(K, D), factor @ factor.mT + 0.05 * torch.eye(D))
    slots = torch.randint(K, (N,), generator=generator)
    return gaussians.mean[slots] + (factor[slots] @ normal(N, D, 1)).squeeze(-1), gaussians, slots


def features(x):
    y = torch.cat([torch.ones_like(x[:, :1]), x], 1)
    rows, columns = torch.triu_indices(y.shape[1], y.shape[1])
    return y[:, rows] * y[:, columns]


def test_what_is_kept_for_a_size_serves_gradients_after_inference():
    quadratic.triangle.cache_clear()
    quadratic.twice.cache_clear()
    x, gaussians, _ = mixture(N=5)
    with torch.inference_mode():
        gaussians.log_prob(x)
    gaussians.log_prob(x.requires_grad_()).sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("D", [1, 2, 5])
def test_features_and_their_sums_whatever_the_chunks(D, monkeypatch):
    x, _, slots = mixture(N=700, D=D)
    mean, expected = x.mean(0), torch.zeros(14, (D + 1) * (D + 2) // 2, dtype=torch.float64)
    expected.index_add_(0, slots, features(x - mean))
    for cached, block in ((2**17, 2**13), (64, 7)):
        monkeypatch.setattr(quadratic, "CACHED", cached)
        monkeypatch.setattr(quadratic, "BLOCK", block)
        torch.testing.assert_close(torch.cat(list(quadratic.quadratic(x))), features(x))
        for part in (slice(None), slice(0, 50)):  # many points to a slot, and few
            sums = quadratic.feature_sums(x[part], mean, slots[part], 14)
            few = torch.zeros_like(expected).index_add_(0, slots[part], features(x[part] - mean))
            torch.testing.assert_close(sums, few)


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize(("D", "K", "spread"), [(1, 3, 1.0), (3, 12, 3.0), (3, 12, 200.0), (9, 40, 0.3)])
def test_draw_is_the_one_in_double_precision(D, K, spread, shift):
    x, gaussians, _ = mixture(D=D, K=K, spread=spread)
    x, gaussians = x + shift, Gaussians(gaussians.mean + shift, gaussians.covariance)
    log_weights = torch.randn(K, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    log_weights[1] = -torch.inf
    torch.manual_seed(2)
    drawn = gaussians.draw(x, log_weights)
    torch.manual_seed(2)
    uniform = torch.rand(len(x), dtype=torch.float64)
    p = (gaussians.log_prob(x) + log_weights).softmax(1).cumsum(1)
    expected = torch.searchsorted(p, uniform[:, None] * p[:, -1:], right=True).squeeze(1)
    assert torch.equal(drawn, expected)
    assert not (drawn == 1).any()


def test_single_precision_alone_would_draw_others(monkeypatch):
    # The tolerance is what the test above stands on: without it some of many points go elsewhere.
    x, gaussians, _ = mixture(N=40000, D=3, K=12, spread=30.0)
    # Each twice, or almost, so that every point has a choice.
    twins = torch.randn(24, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    gaussians = gaussians.permute(torch.arange(24) // 2)
    gaussians = Gaussians(gaussians.mean + 0.1 * twins, gaussians.covariance)
    log_weights = torch.zeros(24, dtype=torch.float64)
    uniform = torch.rand(len(x), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    arguments = (x, gaussians.mean, gaussians.covariance, log_weights, uniform)
    careful = quadratic.draw(*arguments)
    monkeypatch.setattr(quadratic, "_error", lambda *_: lambda square: square * 0 + 1e-30)
    careless = quadratic.draw(*arguments)
    assert 0 < (careful != careless).sum() < 400
    monkeypatch.setattr(quadratic, "HOPELESS", -1.0)
    assert torch.equal(quadratic.draw(*arguments), careful)


def test_draw_follows_the_weights():
    gaussians = Gaussians(torch.zeros(3, 2).double(), torch.eye(2).expand(3, 2, 2).double())
    torch.manual_seed(0)
    drawn = gaussians.draw(torch.zeros(30000, 2).double(), torch.tensor([0.2, 0.5, 0.3]).double().log())
    share = torch.bincount(drawn, minlength=3) / 30000
    torch.testing.assert_close(share, torch.tensor([0.2, 0.5, 0.3]), atol=0.015, rtol=0)  # 5 standard deviations


def test_choice_by_device_is_the_same(monkeypatch):
    # What a GPU does, on the CPU: the two say the same of slots and of doubts.
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(500, 7, generator=generator)
    offset, uniform = torch.randn(7, generator=generator).double(), torch.rand(500, generator=generator).double()
    tolerance = torch.full((500,), 0.02, dtype=torch.float64)
    slots, doubt = quadratic.choose_each(logits, uniform, tolerance, offset)
    there, unsure = quadratic.invert(logits, uniform, tolerance, offset)
    assert torch.equal(slots, there)
    assert torch.equal(doubt, unsure)
    assert 0 < doubt.sum() < 100


def test_log_densities_have_gradients():
    x, gaussians, _ = mixture(N=5, D=3, K=2)
    assert torch.autograd.gradcheck(gaussians.log_prob, x.requires_grad_())
    torch.testing.assert_close(gaussians.log_prob(x), gaussians.log_prob(x.detach()))
