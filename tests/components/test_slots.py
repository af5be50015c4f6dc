"""Slots of points that are found in single precision, among few slots: those of double precision, among all."""

from dataclasses import replace

import pytest
import torch
from mixtures import mixture

from bnpgan.components import Gaussians
from bnpgan.engine import slots
from bnpgan.engine.inversion import invert
from bnpgan.engine.slots import choose, choose_by_tensors, choose_compiled


def numbers(n, seed=0):
    return torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def careful(x, gaussians, log_weights, uniform):
    """All products in double precision."""
    return invert((gaussians.log_prob(x) + log_weights).softmax(1), uniform)


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize(
    ("N", "D", "K", "spread"),
    [
        (50, 3, 12, 3.0),
        (4000, 1, 3, 1.0),
        (4000, 3, 12, 3.0),
        (4000, 3, 12, 200.0),
        (4000, 9, 40, 0.3),
        (9000, 3, 12, 3.0),
    ],
)
def test_slots_are_those_of_double_precision(N, D, K, spread, shift):
    x, gaussians, _ = mixture(N=N, D=D, K=K, spread=spread)
    x, gaussians = x + shift, Gaussians(gaussians.mean + shift, gaussians.covariance)
    log_weights = torch.randn(K, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    log_weights[1] = -torch.inf
    torch.manual_seed(2)
    drawn = gaussians.draw(x, log_weights)
    torch.manual_seed(2)
    assert torch.equal(drawn, careful(x, gaussians, log_weights, torch.rand(len(x), dtype=torch.float64)))
    assert not (drawn == 1).any()
    assert torch.equal(gaussians.assign(x, log_weights), (gaussians.log_prob(x) + log_weights).argmax(1))


@pytest.mark.parametrize("drawn", [True, False])
def test_slots_of_points_far_outside(drawn):
    # So far that single precision may be wrong by more than it can say.
    x, gaussians, _ = mixture(N=5000, D=3, K=12, spread=3.0)
    alike = gaussians.covariance[:1].expand(12, 3, 3)
    gaussians = Gaussians(gaussians.mean, alike)
    x[::10] *= 10 ** torch.linspace(2, 7, 500, dtype=torch.float64)[:, None]
    apart = torch.linalg.solve_triangular(torch.linalg.cholesky(alike), (x - gaussians.mean[:, None]).mT, upper=False)
    shares, uniform = (-0.5 * apart.square().sum(1).T).softmax(1), numbers(5000)
    log_weights = torch.zeros(12, dtype=torch.float64)
    found = choose(x, gaussians.mean, gaussians.covariance, log_weights, uniform if drawn else None)
    assert torch.equal(found, invert(shares, uniform) if drawn else shares.argmax(1))


def twins(N=40000, D=3, K=12, spread=30.0):
    # Components twice, or almost, so that every point has a choice.
    x, gaussians, _ = mixture(N=N, D=D, K=K, spread=spread)
    noise = torch.randn(2 * K, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    gaussians = gaussians.permute(torch.arange(2 * K) // 2)
    return x, Gaussians(gaussians.mean + 0.1 * noise, gaussians.covariance)


@pytest.mark.parametrize("drawn", [True, False])
def test_single_precision_alone_would_find_others(drawn, monkeypatch):
    # The bound on the error is what the test above stands on: without it some of many points go elsewhere.
    x, gaussians = twins()
    log_weights, uniform = torch.zeros(24, dtype=torch.float64), numbers(len(x)) if drawn else None
    arguments = (x, gaussians.mean, gaussians.covariance, log_weights, uniform)
    found, among = choose(*arguments), slots._Mixture.among

    def careless(self, looked, dtype):
        these = among(self, looked, dtype)
        return replace(these, error=1e-30 * (these.error > 0))

    monkeypatch.setattr(slots._Mixture, "among", careless)
    assert 0 < (choose(*arguments) != found).sum() < 400
    monkeypatch.setattr(slots, "HOPELESS", -1.0)
    assert torch.equal(choose(*arguments), found)


def light(N=9000, D=4):
    # Six heavy components, and thirty light ones, most of them far away; what lies near some is likelier theirs.
    x, gaussians, _ = mixture(N=N, D=D, K=6, spread=3.0)
    far = torch.randn(30, D, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    far *= torch.cat([torch.full((3, 1), 3.0), torch.full((27, 1), 200.0)])
    x[::1000] = far[0] + 0.01
    mean, narrow = torch.cat([gaussians.mean, far]), 0.01 * torch.eye(D).double().expand(30, D, D)
    log_weights = torch.cat([torch.zeros(6), torch.full((30,), -10.0)]).double()
    return x, Gaussians(mean, torch.cat([gaussians.covariance, narrow])), log_weights


@pytest.mark.parametrize("drawn", [True, False])
def test_light_slots_are_looked_at_where_they_matter_and_nowhere_else(drawn, monkeypatch):
    x, gaussians, log_weights = light()
    uniform, looked, among = numbers(len(x)) if drawn else None, [], slots._Mixture.among

    def watched(self, these, dtype):
        looked.append(int(these.sum()))
        return among(self, these, dtype)

    monkeypatch.setattr(slots._Mixture, "among", watched)
    arguments = (x, gaussians.mean, gaussians.covariance, log_weights, uniform)
    found, logits = choose(*arguments), gaussians.log_prob(x) + log_weights
    assert torch.equal(found, careful(x, gaussians, log_weights, uniform) if drawn else logits.argmax(1))
    assert (found[::1000] == 6).all()
    assert looked[0] == 6
    assert 6 < max(looked[:-1]) < 15  # the last time in double precision
    # A mutant that looks at no others.
    monkeypatch.setattr(slots._Rest, "reach", lambda self, *_: self.slots[:0])
    assert ((choose(*arguments) != found) == (found >= 6)).all()


@pytest.mark.parametrize("unseen", [22.0, 3.0])
def test_what_is_not_looked_at_is_negligible(unseen):
    x, gaussians, log_weights = light()
    mixed = slots._Mixture.of(gaussians.mean, gaussians.covariance, log_weights)
    y, looked = (x - mixed.middle) @ mixed.unit, mixed.share > slots.HEAVY
    rest, among = slots._Rest.of(mixed, ~looked), replace(mixed.among(looked, torch.float32), unseen=unseen)
    logits = gaussians.log_prob(x) + log_weights - mixed.unit.det().abs().log()
    best, numbers_left = logits[:, looked].amax(1), []
    for i in range(300):
        reached = rest.reach(among, y[i, None].float(), y[i, None].square().sum(1), best[i, None])
        left = ~looked
        left[reached] = False
        assert (logits[i, left] < best[i] - unseen).all()
        numbers_left.append(int(left.sum()))
    assert min(numbers_left) < 30 and max(numbers_left) > 20


def test_draw_follows_the_weights():
    gaussians = Gaussians(torch.zeros(3, 2).double(), torch.eye(2).expand(3, 2, 2).double())
    torch.manual_seed(0)
    drawn = gaussians.draw(torch.zeros(30000, 2).double(), torch.tensor([0.2, 0.5, 0.3]).double().log())
    share = torch.bincount(drawn, minlength=3) / 30000
    torch.testing.assert_close(share, torch.tensor([0.2, 0.5, 0.3]), atol=0.015, rtol=0)  # 5 standard deviations


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_choice_by_device_is_the_same(drawn, dtype):
    # What a GPU does, on the CPU: the two say the same of slots and of doubts.
    generator = torch.Generator().manual_seed(0)
    logits, offset = (
        3 * torch.randn(7, 500, generator=generator).to(dtype),
        torch.randn(7, generator=generator).double(),
    )
    error = torch.tensor([0.02, 0.01] if dtype == torch.float32 else [0.0, 0.0], dtype=torch.float64)
    uniform = numbers(500) if drawn else numbers(0)
    state = logits.to(dtype), offset, error, 22.0, 1e-8, numbers(500, seed=1), uniform
    (chosen, doubt, best), (there, unsure, top) = choose_compiled(*state), choose_by_tensors(*state)
    assert torch.equal(chosen, there)
    assert torch.equal(doubt, unsure)
    torch.testing.assert_close(best, top)
    assert (0 < doubt.sum() < 100) if dtype == torch.float32 else not doubt.any()


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0])
def test_no_doubt_means_that_no_error_within_the_bound_changes_the_slot(epsilon):
    # Log-weights off by epsilon either way, the worst there is: all up to a slot one way and the others the other way.
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(6, 4000, generator=generator).double()
    error, square = torch.tensor([0.0, epsilon], dtype=torch.float64), torch.ones(4000, dtype=torch.float64)
    uniform, offset = numbers(4000), torch.zeros(6, dtype=torch.float64)
    chosen, doubt, _ = choose_compiled(logits, offset, error, 22.0, 1e-8, square, uniform)
    changed = torch.zeros(4000, dtype=torch.bool)
    for k in range(6):
        for sign in (1, -1):
            wrong = logits + sign * epsilon * (2 * (torch.arange(6)[:, None] <= k) - 1)
            shares = wrong.softmax(0).cumsum(0)
            changed |= (shares <= uniform).sum(0) != chosen
    assert changed.any()
    assert not (changed & ~doubt).any()
    assert doubt.sum() < (1.5 + 2 * epsilon) * changed.sum() + 10 * epsilon  # and doubts are few
