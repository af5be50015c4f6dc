"""Chains against stepping by hand; diagnostics against brute force and against what they must say of known chains.

False alarms: tests of frequencies allow 5 standard errors, each below 1e-6; R-hat and effective sample sizes are of
fixed numbers, the bounds several times as far out as seeds were seen to reach.
"""

import math
import sys
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from bnpgan import diagnostics
from bnpgan.components import DirichletCategorical, NormalInverseWishart
from bnpgan.diagnostics import Chains
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, PitmanYor
from bnpgan.samplers import CRPGibbs, StickBreaking

pytestmark = pytest.mark.usefixtures("brief_starts")

ALPHA = Grid([0.1, 1.0, 5.0], [0.0, 0.5, -0.5])
FIXED = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(scale=1.0), capacity=6)
LEARNED = StickBreaking(PitmanYor(ALPHA, Grid.beta(points=3)), NormalInverseWishart(), capacity=6)
RESTAURANT = CRPGibbs(DirichletProcess(ALPHA), NormalInverseWishart(scale=1.0), capacity=6)


def points(n: int = 12) -> Tensor:
    return torch.randn(n, 2) + 4 * (torch.arange(n) % 2)[:, None]


def chains(labels: Tensor | list) -> Chains:
    labels = torch.as_tensor(labels)
    clusters = torch.tensor([[len(z.unique()) for z in chain] for chain in labels])
    return Chains(labels, {"clusters": clusters}, tuple(range(len(labels))), 1.0)


def traced(values: np.ndarray) -> Chains:
    """Four chains that trace one quantity."""
    return Chains(torch.zeros(*values.shape, 1, dtype=torch.int64), {"a": torch.tensor(values)}, (4, 3, 2, 1), 1.0)


# Sampler.chain


@pytest.mark.parametrize("sampler", [FIXED, LEARNED, RESTAURANT], ids=["fixed", "learned", "CRPGibbs"])
@pytest.mark.parametrize("labels", [None, torch.arange(12) % 5], ids=["init", "labels"])
def test_a_chain_is_stepping_by_hand(sampler, labels):
    x = points()
    found = sampler.chain(x, n=3, burn_in=4, thin=2, seeds=(7, 3), labels=labels, progress=False)
    for s, seed in enumerate((7, 3)):
        torch.manual_seed(seed)
        z = sampler.init(x) if labels is None else labels
        by_hand = []
        for _ in range(4 + 3 * 2):
            z = sampler.step(x, z)
            by_hand.append(z)
        assert torch.equal(found.labels[s], torch.stack(by_hand[5::2]))


def test_a_chain_knows_nothing_of_the_others_nor_of_the_generator():
    x = points()
    state = torch.get_rng_state()
    both = LEARNED.chain(x, n=20, seeds=(1, 2), progress=False)
    alone = LEARNED.chain(x, n=20, seeds=(2,), progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(alone.labels[0], both.labels[1])
    for name, values in alone.trace.items():
        assert torch.equal(values[0], both.trace[name][1])
    assert not torch.equal(*both.trace["concentration"])
    assert (both.seeds, alone.seeds) == ((1, 2), (2,)) and both.seconds > 0


def test_trace_is_of_the_kept_draws():
    x = points()
    found = LEARNED.chain(x, n=5, thin=2, seeds=(0, 1), progress=False)
    assert list(found.trace) == ["clusters", "log_joint", "concentration", "discount", "factor"]
    for s in range(2):
        for i, z in enumerate(found.labels[s]):
            assert found.trace["clusters"][s, i] == len(set(z.tolist()))
            assert float(found.trace["log_joint"][s, i]) == pytest.approx(float(LEARNED.log_joint(x, z)))
    assert set(found.trace["concentration"].flatten().tolist()) <= set(ALPHA.values.tolist())
    assert {values.shape for values in found.trace.values()} == {(2, 5)}


def test_what_is_not_learned_is_not_traced():
    assert list(FIXED.chain(points(), n=1, seeds=(0,), progress=False).trace) == ["clusters", "log_joint"]
    assert FIXED.hyperparameters(points(), torch.zeros(12, dtype=torch.int64)) == {}


def test_two_hyperparameters_of_one_name_are_kept_apart():
    ones, tens = Grid([1.0, 1.5]), Grid([10.0, 15.0])
    sampler = CRPGibbs(DirichletProcess(ones), DirichletCategorical(concentration=tens), capacity=3)
    drawn = sampler.hyperparameters(torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1]))
    assert drawn["concentration"] < 2 and drawn["component_concentration"] >= 10
    assert len(drawn) == 2


@pytest.mark.parametrize("kind", [CRPGibbs, StickBreaking])
def test_hyperparameters_follow_their_conditional_under_the_law_of_the_sampler(kind):
    x, labels = points(), torch.tensor([0, 1, 0, 1, 2, 2, 0, 0, 0, 4, 0, 0])
    sampler = kind(DirichletProcess(ALPHA), NormalInverseWishart(scale=1.0), capacity=6)
    each = [replace(sampler, prior=DirichletProcess(value)).log_prior(labels) for value in ALPHA.values.tolist()]
    exact = (torch.stack(each) + ALPHA.log_weights).softmax(0)
    n = 500
    seen = Counter(sampler.hyperparameters(x, labels)["concentration"] for _ in range(n))
    for value, p in zip(ALPHA.values.tolist(), exact.tolist(), strict=True):
        assert abs(seen[value] / n - p) < 5 * (p * (1 - p) / n) ** 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 0), ("n", 2.0), ("burn_in", -1), ("thin", 0), ("thin", "2")]
    + [("seeds", value) for value in ((), (1, 1), 4, (0.5,), "12")],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must"):
        FIXED.chain(points(), **({"n": 1, "progress": False} | {name: value}))


def test_bad_points_and_labels_are_refused():
    with pytest.raises(ValueError, match=r"^x "):
        FIXED.chain(torch.full((3, 2), torch.nan), n=1, progress=False)
    with pytest.raises(ValueError, match=r"^labels "):
        FIXED.chain(points(), n=1, labels=torch.full((12,), 6), progress=False)


def test_progress_goes_to_stderr_or_nowhere(capsys):
    FIXED.chain(points(), n=2, burn_in=1, seeds=(0, 1))
    out, err = capsys.readouterr()
    assert out == "" and "6/6" in err
    FIXED.chain(points(), n=2, seeds=(0, 1), progress=False)
    assert capsys.readouterr() == ("", "")


# R-hat and effective sample size


def test_independent_draws_count_each():
    row = traced(np.random.default_rng(0).normal(size=(4, 1000))).summary().loc["a"]
    assert row["r_hat"] < 1.01
    assert 3_000 < row["ess_bulk"] < 5_000 and 3_000 < row["ess_tail"] < 5_000
    assert abs(row["mean"]) < 0.1 and abs(row["sd"] - 1) < 0.1


def test_slow_chains_count_for_less():
    """Of an autoregression with coefficient r, (1 - r) / (1 + r) of the draws count."""
    rng, rho = np.random.default_rng(0), 0.9
    y = np.empty((4, 2000))
    y[:, 0] = rng.normal(size=4)
    for t in range(1, 2000):
        y[:, t] = rho * y[:, t - 1] + (1 - rho**2) ** 0.5 * rng.normal(size=4)
    row = traced(y).summary().loc["a"]
    assert 0.5 < row["ess_bulk"] / (8000 * (1 - rho) / (1 + rho)) < 2


def test_chains_that_are_stuck_apart_are_noticed():
    y = np.random.default_rng(0).normal(size=(4, 500)) + 10 * np.arange(4)[:, None]
    row = traced(y).summary().loc["a"]
    assert row["r_hat"] > 2 and row["ess_bulk"] < 10


def test_of_a_constant_nothing_can_be_told():
    value = 1 / 3  # whose mean over the draws is rounded to another number
    with np.errstate(all="raise"):
        row = traced(np.full((4, 100), value)).summary().loc["a"]
    assert row[["r_hat", "ess_bulk", "ess_tail"]].isna().all()
    assert row["mean"] == pytest.approx(value) and row["sd"] == 0


def test_summary_has_a_row_for_each_quantity():
    table = LEARNED.chain(points(), n=10, progress=False).summary()
    assert list(table.index) == ["clusters", "log_joint", "concentration", "discount", "factor"]
    assert list(table.columns) == ["mean", "sd", "r_hat", "ess_bulk", "ess_tail"]


def test_arviz_gets_a_chain_for_each_seed():
    y = np.random.default_rng(0).normal(size=(4, 10))
    posterior = traced(y).to_arviz().posterior
    assert posterior["chain"].values.tolist() == [4, 3, 2, 1]
    assert np.array_equal(posterior["a"].sel(chain=3).values, y[1])


def test_missing_arviz_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    for method in (chains([[[0]]]).summary, chains([[[0]]]).to_arviz):
        with pytest.raises(ModuleNotFoundError, match=r"bnpgan\[arviz\]"):
            method()


# The partition


def some_draws(seed: int, points: int = 9) -> Tensor:
    """Draws (2, 12, N) around a truth of three clusters."""
    torch.manual_seed(seed)
    labels = (torch.arange(points) % 3).repeat(2, 12, 1)
    moved = torch.rand(labels.shape) < 0.3
    return torch.where(moved, torch.randint(5, labels.shape), labels)


def renamed(labels: Tensor) -> Tensor:
    """Each draw with its slots under other numbers."""
    slots = torch.rand(*labels.shape[:2], 9).argsort(-1)
    return slots.gather(-1, labels)


def by_first_appearance(z: Tensor) -> list[int]:
    names = list(dict.fromkeys(z.tolist()))
    return [names.index(k) for k in z.tolist()]


def pairs_apart(c: Tensor, z: Tensor) -> int:
    return sum((a == b) != (k == l) for (a, k), (b, l) in combinations(zip(c.tolist(), z.tolist(), strict=True), 2))


def variation(c: Tensor, z: Tensor) -> float:
    """The entropy of each given the other."""
    both = Counter(zip(c.tolist(), z.tolist(), strict=True))
    return sum(n / len(c) * math.log(c.tolist().count(k) * z.tolist().count(l) / n**2) for (k, l), n in both.items())


ESTIMATES = pytest.mark.parametrize(
    ("estimate", "loss"),
    [(Chains.binder, pairs_apart), (Chains.variation_of_information, variation)],
    ids=["binder", "variation_of_information"],
)


@ESTIMATES
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("chunk", [1, 10_000_000])
def test_estimate_is_the_draw_of_least_expected_loss(estimate, loss, seed, chunk, monkeypatch):
    monkeypatch.setattr(diagnostics, "CHUNK", chunk)
    labels = some_draws(seed)
    draws = labels.flatten(0, 1)
    expected = [np.mean([loss(c, z) for z in draws]) for c in draws]
    found = estimate(chains(labels))
    assert found.tolist() in [by_first_appearance(z) for z in draws]
    assert np.mean([loss(found, z) for z in draws]) == pytest.approx(min(expected))


def test_the_two_losses_are_two():
    """Of eight sets of draws at least one has another best partition under each."""
    found = [chains(some_draws(seed)) for seed in range(8)]
    assert any(c.binder().tolist() != c.variation_of_information().tolist() for c in found)


@ESTIMATES
def test_estimate_finds_a_clear_truth_whatever_the_slots_are_called(estimate, loss):
    labels = some_draws(0, points=30)
    labels[:, ::2] = torch.arange(30) % 3
    for names in (labels, renamed(labels)):
        assert estimate(chains(names)).tolist() == [0, 1, 2] * 10


@ESTIMATES
def test_estimates_and_shares_do_not_depend_on_slot_numbers(estimate, loss):
    labels = some_draws(1)
    assert torch.equal(estimate(chains(labels)), estimate(chains(renamed(labels))))
    assert torch.equal(chains(labels).coclustering(), chains(renamed(labels)).coclustering())


@ESTIMATES
@pytest.mark.parametrize("seed", range(4))
def test_candidates_are_thinned_evenly_and_the_expectation_is_over_all(estimate, loss, seed, monkeypatch):
    monkeypatch.setattr(diagnostics, "MAX_CANDIDATES", 5)
    labels = some_draws(seed)
    labels[0, ::2] = torch.randint(5, (6, 9))  # the first draws are among the worst
    draws = labels.flatten(0, 1)  # 24: every fifth is a candidate
    expected = [np.mean([loss(c, z) for z in draws]) for c in draws[::5]]
    assert np.mean([loss(estimate(chains(labels)), z) for z in draws]) == pytest.approx(min(expected))


@pytest.mark.parametrize("chunk", [1, 200, 10_000_000])
def test_coclustering_counts_draws_in_which_two_points_are_together(chunk, monkeypatch):
    monkeypatch.setattr(diagnostics, "CHUNK", chunk)
    labels = some_draws(3)
    labels[:, 5:] = labels[:, :1]  # most draws alike
    draws = labels.flatten(0, 1)
    expected = (draws[:, :, None] == draws[:, None, :]).float().mean(0)
    torch.testing.assert_close(chains(labels).coclustering(), expected)


def test_coclustering_of_too_many_points_is_refused():
    with pytest.raises(ValueError, match=r"^labels must be of at most 10,000 points"):
        chains(torch.zeros(1, 1, 10_001, dtype=torch.int64)).coclustering()


def test_number_of_clusters_is_a_share_of_all_draws():
    found = chains([[[0, 0, 0], [1, 2, 1]], [[5, 5, 4], [3, 1, 2]]]).number_of_clusters()
    assert found == {1: 0.25, 2: 0.5, 3: 0.25}
    assert all(isinstance(K, int) for K in found)
