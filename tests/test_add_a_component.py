"""The family that docs/add-a-component.md writes works as it says there."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM, Algorithm8, CRPGibbs, SliceSampler, SplitMerge, StickBreaking
from bnpgan.testing import check_sampler, oracle

PAGE = (Path(__file__).parent.parent / "docs" / "add-a-component.md").read_text()
FAMILY, CHECK, USE = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def run(*blocks: str) -> dict:
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/add-a-component.md", "exec"), names)
    return names


NAMES = run(FAMILY)
PoissonGamma = NAMES["PoissonGamma"]


@oracle.log_evidence.register
def _(component: PoissonGamma, points: np.ndarray, z: tuple[int, ...]) -> float:
    # The predictive of a count is negative binomial, one point after another.
    total = 0.0
    for k in set(z):
        a, b = np.full(points.shape[1], float(component.shape)), float(component.rate)
        for x in points[np.array(z) == k]:
            total += float(stats.nbinom(a, b / (b + 1)).logpmf(x).sum())
            a, b = a + x, b + 1
    return total


def test_the_family_of_the_page_is_short_and_passes(capsys):
    assert len([s for s in FAMILY.splitlines() if s.strip() and not s.startswith(("from", "import"))]) <= 25
    torch.manual_seed(0)
    run(FAMILY, CHECK, USE)
    said = capsys.readouterr().out
    assert "seed 0: passed" in said and said.count("30.") == 6


COUNTS = torch.tensor([[0, 1], [2, 0], [7, 5], [9, 6], [3, 2]], dtype=torch.float64)
KINDS = {
    "CRPGibbs": lambda prior, family: CRPGibbs(prior, family, capacity=6),
    "IGMM": lambda prior, family: IGMM(prior, family, capacity=6),
    "Algorithm8": lambda prior, family: Algorithm8(prior, family, capacity=6),
    "SliceSampler": lambda prior, family: SliceSampler(prior, family, capacity=6),
    "StickBreaking": lambda prior, family: StickBreaking(prior, family, capacity=3),
    "SplitMerge": lambda prior, family: SplitMerge(StickBreaking(prior, family, capacity=3)),
}


@pytest.mark.slow  # SplitMerge takes minutes: 24 ms a sweep of hundreds of small operations, however few the points are
@pytest.mark.parametrize("kind", KINDS)
def test_every_sampler_is_exact_with_it(kind):
    family = PoissonGamma(shape=Grid([0.5, 1.0, 2.0]), rate=0.3)
    report = check_sampler(KINDS[kind](DirichletProcess(1.0), family), COUNTS)
    assert report.passed, report
    assert "no formula" not in report["stated law"].note


def test_rates_at_the_posterior_mean():
    family = PoissonGamma(shape=2.0, rate=0.5)
    found = family.stats(COUNTS, torch.tensor([0, 0, 2, 2, 2]), capacity=3)
    components = family.posterior_mean(found)
    torch.testing.assert_close(components.mean[1], torch.full((2,), 4.0, dtype=torch.float64))
    phi = torch.cat(list(family.features(found, COUNTS)))
    torch.testing.assert_close(phi @ family.natural(found).T, components.log_prob(COUNTS))
    expected = math.log(stats.poisson(float(components.mean[0, 0])).pmf(7)) + math.log(
        stats.poisson(float(components.mean[0, 1])).pmf(5)
    )
    assert float(components.log_prob(COUNTS)[2, 0]) == pytest.approx(expected)
