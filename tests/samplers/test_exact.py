"""Samplers against the exact posterior over every partition of five points, from a point mass start.

A chain that starts at stationarity would also pass if it never moved. Capacity exceeds the number of points for the
samplers that follow the prior's own law, or a wrong mass of new clusters would go unseen.

False alarms: a sampler fails if Hotelling's p-value is below ``LEVEL`` = 1e-6. Means of short chains are not quite
normal: with independent draws from the laws here, 8 a chain, a nominal 1e-5 was passed in at most 2 of 10,000 simulated
tests (20,000 for each law). A correct sampler therefore fails in fewer than 1 of 10,000 seeds, and not under this one.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from exact_posterior import Law, label_vectors, log_restaurant, log_sticks, log_urn, run_chains, set_partitions
from torch import Tensor
from torch.distributions import Beta

from bnpgan.components import Gaussians, NormalInverseWishart
from bnpgan.components.normal_inverse_wishart import NormalInverseWishartStats
from bnpgan.priors import DirichletProcess, FiniteDirichlet, PitmanYor
from bnpgan.samplers import IGMM, CRPGibbs, Sampler, StickBreaking
from bnpgan.samplers.base import categorical

LEVEL = 1e-6
DP, PY, FINITE = DirichletProcess(1.0), PitmanYor(0.5, 0.5), FiniteDirichlet(2.0)
SLOTS = 4  # of StickBreaking: a truncation that the posterior feels
POINTS = np.array([[-1.2, 0.3], [-0.9, -0.2], [0.1, 0.9], [0.5, 0.4], [1.3, -0.8], [-0.3, 0.1]])
NAMES = {DP: "DP", PY: "PY", FINITE: "FiniteDirichlet"}

CASES = [
    pytest.param(sampler, prior, D, id=f"{sampler.__name__}-{NAMES[prior]}-{D}D")
    for sampler, priors in ((CRPGibbs, (DP, PY)), (IGMM, (DP, PY)), (StickBreaking, (DP, PY, FINITE)))
    for prior in priors
    for D in (1, 2)
]


def points(D: int, N: int = 5) -> Tensor:
    return torch.from_numpy(POINTS[:N, :D].copy())


def strengths(kind: type, D: int) -> dict:
    """A base measure about as wide as the data: the posterior spreads over many partitions and chains mix fast.

    Here Sigma barely has a prior mean, and the prior of mu is vague where a slot is found by its predictive: errors in
    how parameters are drawn, or points removed, then weigh most.
    """
    kappa = 1.0 if issubclass(kind, StickBreaking) else 0.3
    return {"mean": np.zeros(D), "scale": 0.3 * np.eye(D), "kappa": kappa, "nu": D + 1.1}


def build(kind: type, prior, D: int, N: int = 5, family: type = NormalInverseWishart) -> Sampler:
    return kind(prior, family(**strengths(kind, D)), capacity=SLOTS if issubclass(kind, StickBreaking) else N + 1)


def law(kind: type, prior, x: Tensor) -> Law:
    N, D = x.shape
    if not issubclass(kind, StickBreaking):
        states, log_prior = set_partitions(N), lambda z: log_restaurant(z, prior.concentration, prior.discount)
    elif prior is FINITE:
        states, log_prior = label_vectors(N, SLOTS), lambda z: log_urn(z, SLOTS, prior.concentration)
    else:
        states = label_vectors(N, SLOTS)
        log_prior = lambda z: log_sticks(z, SLOTS, prior.concentration, prior.discount)  # noqa: E731
    return Law.enumerate(x, states, log_prior, slots=issubclass(kind, StickBreaking), **strengths(kind, D))


def short_chains(sampler: Sampler, x: Tensor) -> Tensor:
    """60 chains of 26 sweeps; a blocked sampler forgets more slowly and takes 50 of 50."""
    if isinstance(sampler, StickBreaking):
        return run_chains(sampler, x, chains=50, burn_in=20, sweeps=30)
    return run_chains(sampler, x, chains=60, burn_in=6, sweeps=20)


@pytest.mark.parametrize(("kind", "prior", "D"), CASES)
def test_sampler_draws_from_the_exact_posterior(kind, prior, D):
    x = points(D)
    exact, draws = law(kind, prior, x), short_chains(build(kind, prior, D), x)
    p, (distance, noise) = exact.p_value(draws), exact.total_variation(draws)
    assert p > LEVEL, f"p = {p:.1e}; total variation over partitions {distance:.3f}, {noise:.3f} expected of noise"


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "prior", "D"), CASES)
def test_sampler_draws_from_the_exact_posterior_of_six_points_at_length(kind, prior, D):
    x = points(D, N=6)
    exact, draws = law(kind, prior, x), run_chains(build(kind, prior, D, N=6), x, chains=40, burn_in=40, sweeps=200)
    distance, noise = exact.total_variation(draws)
    assert exact.p_value(draws) > LEVEL
    assert distance < 2 * noise


# Tests of the test: each sampler below is wrong in one way, and the same check with the same settings must notice.


@dataclass(frozen=True)
class NewMassForEveryEmptySlot(DirichletProcess):
    def log_predictive(self, counts: Tensor) -> Tensor:
        empty = counts == 0
        return super().log_predictive(counts) + torch.where(empty, empty.sum().log(), 0.0)


@dataclass(frozen=True)
class SticksThatIgnoreLaterSlots(PitmanYor):
    def sample_log_weights(self, counts: Tensor) -> Tensor:
        k = torch.arange(1, len(counts))
        v = Beta(1 - self.discount + counts[:-1], self.concentration + self.discount * k).sample()
        return torch.cat([v.log(), torch.zeros(1)]) + torch.cat([torch.zeros(1), (1 - v).log().cumsum(0)])


class ParametersNotDrawn(NormalInverseWishart):
    def posterior_sample(self, stats: NormalInverseWishartStats) -> Gaussians:
        return self.posterior_mean(stats)


class PointNotRemoved(NormalInverseWishart):
    def add_(self, stats: NormalInverseWishartStats, k: int, x: Tensor, sign: int = 1) -> None:
        if sign == 1:
            super().add_(stats, k, x)


class IGMMThatKeepsThePoint(IGMM):
    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        labels = labels.clone()
        log_prob = self.component.posterior_sample(self.component.stats(x, labels, self.capacity)).log_prob(x)
        for i in range(len(x)):
            counts = torch.bincount(labels, minlength=self.capacity)
            labels[i] = categorical(self.prior.log_predictive(counts) + log_prob[i : i + 1])
        return labels


class NeverMoves(CRPGibbs):
    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        return labels


NEW_MASS_NOT_SHARED, DISCOUNT_FORGOTTEN = NewMassForEveryEmptySlot(1.0), DirichletProcess(0.5)
MUTANTS = {
    "CRPGibbs: new-cluster mass not shared": (CRPGibbs, DP, build(CRPGibbs, NEW_MASS_NOT_SHARED, 2)),
    "IGMM: new-cluster mass not shared": (IGMM, DP, build(IGMM, NEW_MASS_NOT_SHARED, 2)),
    "CRPGibbs: discount forgotten": (CRPGibbs, PY, build(CRPGibbs, DISCOUNT_FORGOTTEN, 2)),
    "IGMM: discount forgotten": (IGMM, PY, build(IGMM, DISCOUNT_FORGOTTEN, 2)),
    "StickBreaking: discount forgotten": (StickBreaking, PY, build(StickBreaking, DISCOUNT_FORGOTTEN, 2)),
    "CRPGibbs: point not removed": (CRPGibbs, PY, build(CRPGibbs, PY, 2, family=PointNotRemoved)),
    "IGMM: point not removed": (IGMM, PY, build(IGMMThatKeepsThePoint, PY, 2)),
    "StickBreaking: later slots ignored": (StickBreaking, PY, build(StickBreaking, SticksThatIgnoreLaterSlots(0.5), 2)),
    "StickBreaking: parameters not drawn": (StickBreaking, PY, build(StickBreaking, PY, 2, family=ParametersNotDrawn)),
    "never moves": (CRPGibbs, DP, build(NeverMoves, DP, 2)),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_sampler_is_noticed(name):
    kind, prior, mutant = MUTANTS[name]
    x = points(2)
    assert law(kind, prior, x).p_value(short_chains(mutant, x)) < LEVEL


# The law that each sampler states is the one enumerated.


def namings(sampler: Sampler, z: tuple[int, ...]) -> int:
    """In how many ways a partition may be named by slots; 1 where the slots are part of the state."""
    return 1 if isinstance(sampler, StickBreaking) else math.perm(sampler.capacity, len(set(z)))


@pytest.mark.parametrize(("kind", "prior", "D"), CASES)
def test_log_joint_is_that_of_the_enumeration(kind, prior, D):
    x = points(D)
    exact, sampler = law(kind, prior, x), build(kind, prior, D)
    for z, log_joint in zip(exact.states[::7], exact.log_joint[::7].tolist(), strict=True):
        expected = log_joint - math.log(namings(sampler, tuple(z.tolist())))
        assert float(sampler.log_joint(x, z)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", [CRPGibbs, IGMM])
@pytest.mark.parametrize("prior", [DP, PY], ids=NAMES.get)
def test_log_prior_of_a_partition_is_shared_among_its_namings(kind, prior):
    sampler = build(kind, prior, D=1, N=3)
    stated = {z: float(sampler.log_prior(torch.tensor(z)).exp()) for z in label_vectors(3, sampler.capacity)}
    assert sum(stated.values()) == pytest.approx(1)
    for z in set_partitions(3):
        expected = math.exp(log_restaurant(z, prior.concentration, prior.discount))
        assert stated[z] * namings(sampler, z) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("prior", "log_prior"),
    [
        (DP, lambda z: log_sticks(z, 3, 1.0)),
        (PitmanYor(0.7, 0.3), lambda z: log_sticks(z, 3, 0.7, 0.3)),
        (FINITE, lambda z: log_urn(z, 3, 2.0)),
    ],
    ids=["DP", "PY", "FiniteDirichlet"],
)
def test_log_prior_of_stick_breaking_is_its_truncated_law(prior, log_prior):
    sampler = StickBreaking(prior, NormalInverseWishart(), capacity=3)
    states = label_vectors(4, 3)
    stated = torch.stack([sampler.log_prior(torch.tensor(z)) for z in states])
    assert float(stated.exp().sum()) == pytest.approx(1)
    np.testing.assert_allclose(stated, [log_prior(z) for z in states], rtol=0, atol=1e-12)
