"""What the battery returns and refuses."""

import math

import pytest
import torch

from bnpgan.components import DirichletCategorical, NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM, StickBreaking
from bnpgan.testing import Report, Row, check_component, check_sampler
from bnpgan.testing.battery import run_twice
from bnpgan.testing.cases import CATEGORIES

FAMILY = NormalInverseWishart(torch.zeros(2), 0.3, 1.0)


def test_a_row_fails_by_its_p_value_or_else_its_error():
    assert Row(9.0, p=1e-5, level=1e-6).passed
    assert not Row(0.1, p=1e-7, level=1e-6).passed
    assert Row(1e-9).passed
    assert not Row(1e-7).passed
    assert not Row(math.inf).passed
    assert Row(note="does not apply").passed


def test_a_report_says_what_failed():
    report = Report("mine", 3, (Row(1e-15, test="stated law"), Row(8.1, 1e-9, 1e-6, 0.4, 0.1, test="enumeration")))
    assert report.failed == ("enumeration",)
    assert not report.passed
    with pytest.raises(
        AssertionError, match=r"mine, seed 3: FAILED[\s\S]*enumeration +FAILED +8.1 +1e-09 +0.400 \(0.100\)"
    ):
        report.raise_if_failed()
    Report("mine", 3, report.rows[:1]).raise_if_failed()


def test_a_test_that_fails_is_run_again_longer_and_only_that_run_counts():
    lengths = []

    def unlucky(length: int) -> Row:
        lengths.append(length)
        return Row(5.0, p=1e-9 if len(lengths) == 1 else 0.3, level=1e-6)

    row = run_twice(unlucky)
    assert row.passed
    assert lengths == [1, 3]
    assert "1e-09 at first" in row.note
    assert not run_twice(lambda length: Row(5.0, p=1e-9, level=1e-6)).passed


@pytest.mark.parametrize("N", [2, 9])
def test_too_few_or_too_many_points_are_refused(N):
    with pytest.raises(ValueError, match=r"^x must hold 3 to 8 points"):
        check_sampler(IGMM(DirichletProcess(1.0), FAMILY, capacity=6), torch.randn(N, 2))


def test_too_many_slots_in_order_are_refused():
    with pytest.raises(ValueError, match=r"^capacity must leave at most"):
        check_sampler(StickBreaking(DirichletProcess(1.0), FAMILY, capacity=20))


def test_one_seed_gives_one_report():
    first, second = (check_component(FAMILY, seed=4) for _ in range(2))
    assert [row.p for row in first.rows] == [row.p for row in second.rows]
    assert first["parameter draws"].p != check_component(FAMILY, seed=5)["parameter draws"].p


def test_other_families_take_their_own_points():
    assert check_component(DirichletCategorical(0.5), CATEGORIES).passed


def test_a_wrong_family_fails():
    class Narrow(NormalInverseWishart):
        def log_predictive(self, stats, x):
            return super().log_predictive(stats, x) + 0.01

    assert check_component(Narrow(torch.zeros(2), 0.3)).failed == ("conjugacy",)
