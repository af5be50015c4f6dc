"""The prior that docs/add-a-prior.md writes works as it says there."""

import math
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from exact_posterior import points

from bnpgan import testing
from bnpgan.components import NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.samplers import IGMM, Algorithm8, CRPGibbs, SplitMerge
from bnpgan.testing import check_sampler, oracle
from bnpgan.testing.battery import battery_of, run_test

PAGE = (Path(__file__).parent.parent / "docs" / "add-a-prior.md").read_text()
PRIOR, CHECK, REFUSAL = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def run(*blocks: str) -> dict:
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/add-a-prior.md", "exec"), names)
    return names


Gnedin = run(PRIOR)["Gnedin"]


def log_urn(prior: Gnedin, z: tuple[int, ...]) -> float:
    """Points one after another: (n_k + 1) (n - K + gamma) for a cluster, K (K - gamma) for a new one."""
    gamma, total, counts = float(prior.gamma), 0.0, Counter(z[:1])
    for i, k in enumerate(z[1:], start=1):
        K = len(counts)
        weight = (counts[k] + 1) * (i - K + gamma) if counts[k] else K * (K - gamma)
        total += math.log(weight / (i * (i + gamma)))
        counts[k] += 1
    return total


def by_enumeration(sampler: CRPGibbs) -> str:
    """One test in place of all."""
    return "passed" if run_test(battery_of(sampler, points(2))["enumeration"]).passed else "FAILED"


def test_the_prior_of_the_page_is_short_and_exact(capsys, monkeypatch):
    assert len([s for s in PRIOR.splitlines() if s.strip() and not s.startswith(("from", "import"))]) <= 25
    monkeypatch.setattr(testing, "check_sampler", by_enumeration)
    run(PRIOR, CHECK, REFUSAL)
    said = capsys.readouterr().out
    assert said.startswith("passed\n")
    assert "prior must have weights of ordered slots, got Gnedin(gamma=0.5)" in said
    with pytest.raises(ValueError, match="gamma must lie between 0 and 1"):
        Gnedin(1.5)


@pytest.mark.slow
def test_the_prior_of_the_page_passes(capsys):
    run(PRIOR, CHECK)
    said = capsys.readouterr().out
    assert "seed 0: passed" in said and "no formula for Gnedin" in said  # the page registers none


@pytest.mark.parametrize("gamma", [0.3, Grid([0.2, 0.5, 0.8])])
def test_its_urn_makes_the_ratios_of_its_law(gamma):
    prior = Gnedin(gamma)
    for counts in ([3, 0, 1, 0], [0, 0, 0], [1, 1, 1, 0], [2, 5]):
        n = torch.tensor(counts)
        ratios = prior.log_eppf(n + torch.eye(len(n), dtype=torch.int64)) - prior.log_eppf(n)
        ratios -= torch.where(n == 0, (n == 0).sum().log(), 0.0)
        torch.testing.assert_close(prior.log_predictive(n).exp(), ratios.exp())
    assert prior.has_urn


def test_its_law_is_that_of_points_one_after_another():
    prior = Gnedin(0.3)
    for z in oracle.set_partitions(5):
        counts = torch.tensor(list(Counter(z).values()))
        assert float(prior.log_eppf(counts)) == pytest.approx(log_urn(prior, z))


# SplitMerge takes minutes: 24 ms a sweep of hundreds of small operations, however few the points are.
@pytest.mark.slow
@pytest.mark.parametrize("kind", [IGMM, Algorithm8, lambda *parts, **slots: SplitMerge(CRPGibbs(*parts, **slots))])
def test_every_restaurant_is_exact_with_it(kind):
    family = NormalInverseWishart(mean=torch.zeros(2), scale=0.3, kappa=0.3, nu=3.1)
    report = check_sampler(kind(Gnedin(Grid([0.2, 0.5, 0.8])), family, capacity=6))
    assert report.passed, report
