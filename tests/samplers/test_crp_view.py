"""A sweep seen point by point is the sweep, and the weights shown are the conditionals of the sampler's law."""

import pytest
import torch
from torch import Tensor

from bnpgan.components import NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, PitmanYor
from bnpgan.samplers import CRPGibbs

N, C = 8, 5
SAMPLERS = {
    "DP": CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(scale=1.0), capacity=C),
    "PY": CRPGibbs(PitmanYor(0.5, 0.4), NormalInverseWishart(scale=1.0), capacity=C),
    "learned": CRPGibbs(DirichletProcess(Grid.gamma()), NormalInverseWishart(), capacity=C),
}
LABELS = torch.tensor([0, 0, 3, 3, 3, 1, 0, 4])


def points(n: int = N) -> Tensor:
    return torch.randn(n, 2, dtype=torch.float64) + 2 * (torch.arange(n) % 2)[:, None]


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_seatings_are_one_step(sampler):
    x = points()
    torch.manual_seed(1)
    stepped = sampler.step(x, LABELS)
    after = torch.rand(1)
    torch.manual_seed(1)
    *_, last = sampler.seatings(x, LABELS)
    assert torch.equal(last.labels, stepped)
    assert torch.equal(torch.rand(1), after)  # and nothing more is drawn


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_seatings_without_labels_take_the_points_in_one_after_another(sampler):
    first, *rest, last = sampler.seatings(points())
    torch.testing.assert_close(first.weights, torch.full((C,), 1 / C, dtype=torch.float64))
    for s in (first, *rest, last):
        assert torch.equal(s.labels < 0, torch.arange(N) > s.index)


def test_each_seating_moves_one_point_in_turn():
    x, before = points(), LABELS
    seatings = list(SAMPLERS["DP"].seatings(x, LABELS))
    assert [s.index for s in seatings] == list(range(N))
    for s in seatings:
        others = torch.arange(N) != s.index
        assert torch.equal(s.labels[others], before[others])
        assert s.labels[s.index] == s.choice
        assert s.weights[s.choice] > 0
        before = s.labels


@pytest.mark.parametrize("name", ["DP", "PY"])
def test_weights_are_the_conditionals_of_the_joint_law(name):
    sampler, x, before = SAMPLERS[name], points(), LABELS
    for s in sampler.seatings(x, LABELS):
        joint = []
        for k in range(C):
            z = before.clone()
            z[s.index] = k
            joint.append(sampler.log_joint(x, z))
        torch.testing.assert_close(s.weights, torch.stack(joint).softmax(0), rtol=1e-8, atol=1e-12)
        before = s.labels


def test_choices_are_drawn_with_the_weights_shown():
    """The chosen slot's weight has the mean sum w^2: within 5 standard errors, a false alarm below 1e-6."""
    sampler = CRPGibbs(DirichletProcess(3.0), NormalInverseWishart(scale=1.0, kappa=1.0), capacity=C)
    x, z = torch.randn(20, 2), torch.zeros(20, dtype=torch.int64)
    excess, variance = 0.0, 0.0
    for _ in range(10):
        for s in sampler.seatings(x, z):
            mean = float((s.weights**2).sum())
            excess += float(s.weights[s.choice]) - mean
            variance += float((s.weights**3).sum()) - mean**2
        z = s.labels
    assert abs(excess) < 5 * variance**0.5  # the largest weight instead of a draw: 9 of them


def test_inputs_and_earlier_frames_are_left_as_they_were():
    x, labels = points(), LABELS.clone()
    kept, copies = [], []
    for s in SAMPLERS["DP"].seatings(x, labels):
        kept.append(s.labels)
        copies.append(s.labels.clone())
    assert torch.equal(labels, LABELS)
    assert all(torch.equal(a, b) for a, b in zip(kept, copies, strict=True))


def test_bad_input_is_refused_at_the_call():
    with pytest.raises(ValueError, match=r"^x "):
        SAMPLERS["DP"].seatings(torch.full((N, 2), torch.nan), LABELS)
    for labels in (LABELS + 1, LABELS - 1, LABELS[1:]):
        with pytest.raises(ValueError, match=r"^labels "):
            SAMPLERS["DP"].seatings(points(), labels)
