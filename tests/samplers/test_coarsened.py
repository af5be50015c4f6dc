"""Every sampler of a coarsened family has the law that it states; what forgets its power has not."""

import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from exact_posterior import LEVEL
from sklearn.metrics import adjusted_rand_score

from bnpgan.components import Coarsened, DirichletCategorical, NormalInverseGamma, NormalInverseWishart, SphericalNormal
from bnpgan.plain import from_plain, to_plain
from bnpgan.priors import DirichletProcess
from bnpgan.recipes import MICGAN
from bnpgan.samplers import IGMM, CRPGibbs, SplitMerge, StickBreaking
from bnpgan.testing import check_component, check_sampler
from bnpgan.testing.battery import battery_of, run_test
from bnpgan.testing.cases import CATEGORIES, coarsened
from bnpgan.testing.checks import against
from bnpgan.testing.law import Law
from bnpgan.testing.planted import broken

CASES = coarsened()
FAST = "StickBreaking, DP, coarsened NIW*"  # all of them at length in the slow runs


def test_all_of_them_are_coarse():
    assert len(CASES) == 21
    for sampler, x in CASES.values():
        for points in (x, x[1:]):
            stats = sampler.component.stats(points, torch.zeros(len(points), dtype=torch.int64), 2)
            assert stats.replicas == 3 and stats.inner.n.tolist() == [len(points) / 3, 0]


def test_sticks_have_the_law_by_enumeration():
    row = run_test(battery_of(*CASES[FAST])["enumeration"])
    assert row.passed, row


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_sampler_passes_the_battery_at_length(name):
    sampler, x = CASES[name]
    report = check_sampler(sampler, x, seed=1, thorough="SplitMerge" not in name)
    report.raise_if_failed()
    assert "no law of points" in report["Geweke"].note and "no law of points" in report["parameter draws"].note


def test_identities_hold_and_what_is_learned_is_drawn_from_its_conditional():
    sampler, x = CASES["StickBreaking, DP, coarsened NIW*"]
    check_component(sampler.component, x).raise_if_failed()
    for test in ("learned values", "stated law"):
        row = run_test(battery_of(sampler, x)[test])
        assert row.passed and row.statistic == row.statistic, row


# Errors that must be found.


def one_replica(self, stats):
    """As if one draw of the parameters stood for all: too sure where the posterior is wide."""
    drawn = self.component.posterior_sample(stats.inner)
    return type(drawn).of_natural(drawn.mean, *drawn.natural(drawn.mean))


def power_forgotten(self, stats, x, share=1.0):
    return self.component.log_predictive(stats.inner, x, share / stats.replicas)


def whole_points(self, stats):
    """All points, g times over."""
    return stats.replicas * self.component.log_marginal(self.component.with_sums(stats.inner, stats.sums))


# Each errs in the more the fewer points the nine make.
ERRORS = {
    "one replica": ("StickBreaking, DP, coarsened NIG", {"posterior_sample": one_replica}),
    "one replica, IGMM": ("IGMM, DP, coarsened categorical", {"posterior_sample": one_replica}),
}


def against_right(case, length=1, replicas=9, **methods):
    sampler, x = CASES[case]
    right = replace(sampler, component=replace(sampler.component, replicas=replicas))
    with warnings.catch_warnings(action="ignore"):  # of the loop that is lost
        wrong = replace(right, component=broken(right.component, **methods)) if methods else right
    law = Law.of_labels(right, len(x)).given(right, x)
    return run_test(lambda length: against(law, wrong, x, LEVEL, length, (40, 12, 16)), length)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one replica", "one replica, IGMM"])
def test_planted_error_is_found(name):
    case, methods = ERRORS[name]
    row = against_right(case, **methods)
    assert row.p < LEVEL / 100, row
    assert against_right(case).passed


def error_of_conditionals(sampler, x, law):
    """The largest error of a weight of a seat, against the law of the labels."""
    before, errors = torch.arange(len(x)) % 2, []
    for s in sampler.seatings(x, before):
        joint = []
        for k in range(sampler.capacity):
            z = before.clone()
            z[s.index] = k
            joint.append(law.log_joint(x, z))
        errors.append(float((s.weights - torch.stack(joint).softmax(0)).abs().max()))
        before = s.labels
    return max(errors)


@pytest.mark.parametrize("name", ["NIG", "categorical"])
def test_seats_are_taken_by_the_power_of_the_predictive(name):
    sampler, x = CASES[f"CRPGibbs, DP, coarsened {name}"]
    assert error_of_conditionals(sampler, x, sampler) < 1e-7
    with warnings.catch_warnings(action="ignore"):
        wrong = replace(sampler, component=broken(sampler.component, log_predictive=power_forgotten))
    assert error_of_conditionals(wrong, x, sampler) > 0.05


@pytest.mark.slow
def test_planted_error_in_what_only_split_merge_asks_for_is_found():
    assert against_right("SplitMerge(StickBreaking), coarsened NIG", log_marginal=whole_points).p < LEVEL / 100


# What it is for, and around it.


@pytest.mark.parametrize("family", [NormalInverseWishart(), NormalInverseGamma(), SphericalNormal()])
@pytest.mark.parametrize("kind", [CRPGibbs, IGMM, StickBreaking, pytest.param(SplitMerge, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("brief_starts")
def test_far_more_points_than_there_are_are_the_plain_family(kind, family):
    x = torch.randn(90, 2, dtype=torch.float64) ** 3
    found = []
    for each in (family, Coarsened(family, points=1e6)):
        base = CRPGibbs(DirichletProcess(1.0), each, capacity=20, sweeps=3)
        sampler = SplitMerge(base) if kind is SplitMerge else kind(*base_parts(base))
        torch.manual_seed(1)
        labels = sampler.fit(x).labels
        found.append((labels, sampler.log_joint(x, labels)))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-12, atol=0)


def base_parts(sampler):
    return sampler.prior, sampler.component, sampler.capacity, sampler.sweeps


def skewed(N):
    """Three clusters that are no Gaussians: each a cloud with long tails to one side."""
    generator, truth = torch.Generator().manual_seed(0), torch.arange(N) % 3
    tails = -torch.rand(N, 2, dtype=torch.float64, generator=generator).log() * torch.tensor([1.0, 0.3])
    return 9 * torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).double()[truth] + tails, truth


def test_clusters_that_are_no_gaussians_stay_nearly_whole():
    """Gaussians cut them up."""
    x, truth = skewed(4000)
    found = {}
    for name, family in (("coarse", Coarsened(points=100)), ("plain", NormalInverseWishart())):
        labels = StickBreaking(DirichletProcess(1.0), family, capacity=40, sweeps=5).fit(x).labels
        found[name] = int((torch.bincount(labels) > 80).sum()), adjusted_rand_score(truth, labels)
    assert found["coarse"][0] == 3 and found["coarse"][1] > 0.95
    assert found["plain"][0] > 6 and found["plain"][1] < 0.6


def test_what_is_learned_is_told():
    x, _ = skewed(200)
    sampler = StickBreaking(DirichletProcess(1.0), Coarsened(points=50), capacity=9, sweeps=1)
    chains = sampler.chain(x, n=3, seeds=(0, 1), progress=False)
    assert list(chains.trace) == ["clusters", "log_joint", "factor"]
    told = sampler.hyperparameters(x, chains.labels[0, 0])
    assert any(math.isclose(told["factor"], value) for value in NormalInverseWishart().factor.values.tolist())


def test_a_recipe_with_a_coarsened_family_is_data():
    family = Coarsened(DirichletCategorical(0.5, categories=3), points=70)
    for component in (family, Coarsened(), Coarsened(NormalInverseGamma(scale=torch.ones(2)), replicas=2)):
        sampler = IGMM(DirichletProcess(1.0), component, sweeps=2)
        recipe = MICGAN(shape=(2,), capacity=12, clusterer=sampler)
        again = from_plain(json.loads(json.dumps(to_plain(recipe))))
        assert to_plain(again) == to_plain(recipe)
        assert type(again.clusterer.component) is Coarsened
        assert again.clusterer.component.points == component.points
        assert type(again.clusterer.component.component) is type(component.component)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"points": 0.0}, r"^points must"),
        ({"points": np.nan}, r"^points must"),
        ({"replicas": 0}, r"^replicas must"),
        ({"replicas": 1.5}, r"^replicas must"),
        ({"component": DirichletProcess(1.0)}, r"^component must be an exponential family, got DirichletProcess"),
        ({"component": Coarsened()}, r"^component is coarsened already"),
    ],
)
def test_bad_arguments_are_named(arguments, told):
    with pytest.raises(ValueError, match=told):
        Coarsened(**arguments)


def test_categories_need_no_gaussians():
    p = StickBreaking(DirichletProcess(1.0), Coarsened(DirichletCategorical(), points=3), capacity=4).fit(CATEGORIES)
    assert p.log_prob(CATEGORIES).isfinite().all()
