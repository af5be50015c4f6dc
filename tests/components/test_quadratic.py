"""Features and their sums."""

import pytest
import torch
from mixtures import mixture

from bnpgan.engine import chunks, quadratic
from bnpgan.engine.kernels import log_dets


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
    for numbers in (2**16, 64):
        monkeypatch.setattr(chunks, "CACHED", 8 * numbers)
        torch.testing.assert_close(torch.cat(list(quadratic.quadratic(x))), features(x))
        for part in (slice(None), slice(0, 50)):  # many points to a slot, and few
            sums = quadratic.feature_sums(x[part], mean, slots[part], 14)
            few = torch.zeros_like(expected).index_add_(0, slots[part], features(x[part] - mean))
            torch.testing.assert_close(sums, few)


def test_log_densities_have_gradients():
    x, gaussians, _ = mixture(N=5, D=3, K=2)
    assert torch.autograd.gradcheck(gaussians.log_prob, x.requires_grad_())
    torch.testing.assert_close(gaussians.log_prob(x), gaussians.log_prob(x.detach()))


def test_sums_refuse_labels_that_are_no_slots():
    x, _, slots = mixture(N=20, D=2, K=4)
    for wrong in (4, -1):
        slots[7] = wrong
        with pytest.raises(ValueError, match=r"labels must lie in \[0, 4\)"):
            quadratic.feature_sums(x, x.mean(0), slots, 4)


def test_log_determinants_of_sums_of_matrices():
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(7, 5, 9, dtype=torch.float64, generator=generator)
    matrices, added = (
        parts[:4] @ parts[:4].mT,
        torch.stack([scale * torch.eye(5).double() for scale in (1e-3, 1.0, 50.0)]),
    )
    found = torch.empty(3, 4, dtype=torch.float64)
    log_dets(matrices.numpy(), added.numpy(), found.numpy())
    torch.testing.assert_close(found, torch.logdet(matrices + added[:, None]))
    matrices[2, 4, 4] = -40.0  # positive definite with the last alone
    log_dets(matrices.numpy(), added.numpy(), found.numpy())
    expected = torch.logdet(matrices + added[:, None])
    expected[:2, 2] = torch.inf
    torch.testing.assert_close(found, expected)
