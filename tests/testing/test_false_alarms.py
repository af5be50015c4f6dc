"""How often the tests fail where nothing is wrong: by simulation with independent draws of the laws themselves.

A chain of 16 sweeps is worth about six such draws, one three times as long about 18. Means of so few are not normal: a
nominal 1e-6 is passed in up to 1 of 1,000 tests, and for the longer run in up to 1 of 10,000. Both must be, hence 1 of
10,000,000 for each of the less than 100 tests that are run together.
"""

import numpy as np
import pytest
import torch

from bnpgan.testing.cases import cases
from bnpgan.testing.checks import _partition_statistics
from bnpgan.testing.identities import _pooled
from bnpgan.testing.law import Law, hotelling

CASES = cases()
CHAINS, DRAWS = 40, 6


def p_values(law: Law, draws: int, simulations: int) -> np.ndarray:
    scores = law.scores(law.states)
    means = (
        scores[torch.multinomial(law.probability, CHAINS * draws, replacement=True)].view(CHAINS, draws, -1).mean(1)
        for _ in range(simulations)
    )
    return np.array([hotelling(rows)[1] for rows in means])


def posterior(name: str) -> Law:
    sampler, x = CASES[name]
    return Law.of_labels(sampler, len(x)).given(sampler, x)


@pytest.mark.parametrize("name", ["IGMM, PY, NIW", "StickBreaking, DP, NIW"])
def test_p_values_of_a_law_against_itself_are_nearly_uniform(name):
    p = p_values(posterior(name), DRAWS, 1_500)
    assert abs((p < 0.5).mean() - 0.5) < 0.1
    assert (p < 0.01).mean() < 0.04  # about .02
    assert (p < 1e-6).mean() < 0.005


def test_p_values_of_two_samples_of_one_law_are_nearly_uniform():
    law = posterior("IGMM, PY, NIW")
    values = _partition_statistics(law.states)
    drawn = torch.multinomial(law.probability, 1_500 * 2 * 30 * DRAWS, replacement=True)
    rows = values[drawn].view(1_500, 2, 30, DRAWS, -1).mean(3)
    p = np.array([hotelling(one, two)[1] for one, two in rows])
    assert abs((p < 0.5).mean() - 0.5) < 0.1
    assert (p < 0.01).mean() < 0.02


@pytest.mark.parametrize("chances", [[0.2] * 5, [0.9, 0.05, 0.03, 0.01, 0.01]])
def test_rare_values_are_pooled_until_ten_are_expected(chances):
    expected = 150 * np.array(chances)
    seen, pooled = _pooled(np.arange(5), expected)
    assert (pooled >= 10).all()
    assert seen.sum() == 10
    assert pooled.sum() == pytest.approx(150)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if "SplitMerge" not in name])
def test_false_alarms_are_as_rare_as_stated(name):
    law = posterior(name)
    first, second = (p_values(law, draws, 20_000) < 1e-6 for draws in (DRAWS, 3 * DRAWS))
    assert first.mean() < 2e-3
    assert second.mean() < 2e-4
