"""Tests of the tests: each finds an error planted for it, far below its level.

The fast runs plant one error for each test, the slow runs all.
"""

from dataclasses import replace

import pytest
import torch

from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess, PitmanYor
from bnpgan.samplers import CRPGibbs
from bnpgan.testing import planted_errors
from bnpgan.testing.battery import LEVEL, battery_of, run_test
from bnpgan.testing.cases import cases, pairs
from bnpgan.testing.checks import agreement
from bnpgan.testing.points import many

CASES = cases()
CAUGHT = [
    ("CRPGibbs, DP, NIW", "never moves", "enumeration"),
    ("CRPGibbs, DP, NIW", "names forgotten", "stated law"),
    ("CRPGibbs, DP, NIW", "new-cluster mass not shared", "enumeration"),
    ("CRPGibbs, DP, NIW", "points not removed", "conjugacy"),
    ("CRPGibbs, DP, NIW", "evidence wrong alike", "Geweke"),
    ("CRPGibbs, DP, NIW", "evidence wrong alike", "parameter draws"),
    ("IGMM, PY, NIW", "proposal not checked", "enumeration"),
    ("IGMM, PY, NIW", "discount forgotten", "prior only"),
    ("IGMM, PY, NIW", "parameters not drawn", "Geweke"),
    ("IGMM, DP*, spherical*", "learned scale maximised", "learned values"),
    ("StickBreaking, DP, NIW", "weak limit for sticks", "truncation"),
    ("StickBreaking, DP, NIW", "parameters not drawn", "parameter draws"),
    ("StickBreaking, DP, NIW", "later slots ignored", "prior only"),
    ("StickBreaking, PY*, NIW*", "learned prior not conditioned", "learned values"),
    ("IGMM, DP*, spherical*", "learned scale not conditioned", "enumeration"),
    ("Algorithm8, PY, NIW", "new-cluster mass not shared", "prior only"),
]


FIRST = {test: (case, error, test) for case, error, test in reversed(CAUGHT)}.values()


@pytest.mark.parametrize(
    ("case", "error", "test"), [pytest.param(*row, marks=[] if row in FIRST else [pytest.mark.slow]) for row in CAUGHT]
)
def test_planted_error_is_caught(case, error, test):
    sampler, x = CASES[case]
    row = run_test(battery_of(planted_errors(sampler, x)[error], x)[test])
    assert not row.passed, row
    assert row.p is None or row.p < LEVEL / 100, row


def test_every_test_catches_an_error():
    sampler, x = CASES["StickBreaking, DP, NIW"]
    assert {test for _, _, test in CAUGHT} == set(battery_of(sampler, x))


def test_samplers_that_differ_do_not_agree():
    right = replace(pairs()["CRPGibbs and IGMM"][1], prior=PitmanYor(1.0, 0.8))
    wrong = planted_errors(right)["discount forgotten"]
    assert run_test(lambda length: agreement(right, wrong, many(8), LEVEL, length)).p < LEVEL / 100


@pytest.mark.slow
@pytest.mark.parametrize("case", [name for name in CASES if "SplitMerge" not in name])
def test_every_planted_error_is_caught_by_some_test(case):
    sampler, x = CASES[case]
    for error, wrong in planted_errors(sampler, x).items():
        assert any(not run_test(test, 3).passed for test in battery_of(wrong, x).values()), error


def test_errors_are_planted_where_they_bear():
    family = NormalInverseWishart(torch.zeros(2), 1.0)
    plain = planted_errors(CRPGibbs(DirichletProcess(1.0), family, capacity=6))
    assert "points not removed" in plain
    assert not {"discount forgotten", "parameters not drawn", "learned scale maximised", "later slots ignored"} & set(
        plain
    )
    sticks = planted_errors(*CASES["StickBreaking, PY*, NIW*"])
    assert {"discount forgotten", "learned scale maximised", "later slots ignored"} <= set(sticks)
    assert not {"points not removed", "new-cluster mass not shared"} & set(sticks)
