"""Every sampler under the public battery, `bnpgan.testing`, from a point mass start; at length in the slow runs.

False alarms: a test fails if its p-value is below 1e-6 twice, by itself and on a run three times as long under another
seed. The p-values rest on means of short chains being normal, which they are not quite: tests/testing/test_false_alarms
measures what a nominal 1e-6 is worth. A correct sampler fails one test in fewer than 1 of 1,000,000 seeds, all that is
run here together in fewer than 1 of 1,000, and none under these.
"""

import pytest
import torch
from exact_posterior import DP, LEVEL, NAMES, PY, points  # noqa: F401  (other tests take them from here)

from bnpgan.testing import check_sampler, compare_samplers
from bnpgan.testing.battery import battery_of, run_test
from bnpgan.testing.cases import cases, combinations, pairs

CASES, COMBINATIONS, PAIRS = cases(), combinations(), pairs()
# Those that have no enumeration of their own: CRPGibbs has one in tests/test_add_a_component.py. All of them at length
# in the slow runs.
FAST = ["IGMM, PY, NIW", "StickBreaking, DP, NIW"]


@pytest.mark.parametrize("name", FAST)
def test_sampler_passes_the_battery(name):
    check_sampler(*CASES[name]).raise_if_failed()


@pytest.mark.parametrize("name", ["CRPGibbs and SliceSampler", "CRPGibbs and StickBreaking of 20"])
def test_samplers_agree(name):
    compare_samplers(*PAIRS[name]).raise_if_failed()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_sampler_passes_the_battery_at_length(name):
    """Split-merge at the usual length: on a handful of points a sweep costs ten of others."""
    sampler, x = CASES[name]
    check_sampler(sampler, x, seed=1, thorough="SplitMerge" not in name).raise_if_failed()


@pytest.mark.slow
@pytest.mark.parametrize("name", COMBINATIONS)
def test_every_sampler_passes_with_every_prior(name):
    sampler, x = COMBINATIONS[name]
    check_sampler(sampler, x, seed=2).raise_if_failed()


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_samplers_agree_on_forty_points(name):
    compare_samplers(*PAIRS[name], seed=1, thorough="SplitMerge" not in name).raise_if_failed()


def test_the_ambient_generator_is_left_alone():
    before = torch.random.get_rng_state()
    run_test(battery_of(*CASES["StickBreaking, DP, NIW"])["parameter draws"])
    assert torch.equal(torch.random.get_rng_state(), before)
