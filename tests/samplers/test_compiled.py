"""The compiled loops do what the readable ones do."""

import math

import numpy as np
import pytest
import torch

from bnpgan.components import Coarsened, NormalInverseWishart, SphericalNormal
from bnpgan.engine.seating import inverse_factor, move, reseat
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import IGMM, CRPGibbs, crp, igmm

PRIORS = {
    "DP": DirichletProcess(0.8),
    "PY": PitmanYor(0.7, 0.3),
    "Dirichlet": FiniteDirichlet(2.0),
    "MFM": MixtureOfFiniteMixtures(1.3),
}


def points(N, D, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = 5 * torch.randint(0, 3, (N, D), generator=generator)
    return centres + torch.randn(N, D, dtype=torch.float64, generator=generator)


def readable(sampler, x, labels=None):
    *_, last = sampler.seatings(x, labels)
    return last.labels


FAMILIES = {
    "plain": NormalInverseWishart(),
    "coarsened": Coarsened(NormalInverseWishart(), points=30),
    "thrice": Coarsened(NormalInverseWishart(scale=1.0), replicas=3),
}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize(("N", "D", "capacity"), [(40, 1, 3), (300, 2, 40), (60, 7, 30)])
def test_compiled_sweep_and_seats_for_all_are_the_readable_ones(name, N, D, capacity, family):
    sampler, x = CRPGibbs(PRIORS[name], family, capacity=capacity), points(N, D)
    starts = []
    for step in (lambda z: sampler._sweep(x, crp._nobody(x)), lambda z: sampler.step(x, z)):
        torch.manual_seed(1)
        fast = step(starts[0] if starts else None)
        torch.manual_seed(1)
        slow = readable(sampler, x, starts[0] if starts else None)
        assert torch.equal(fast, slow)
        starts.append(fast)
    assert len(starts[0].unique()) > 1 or N == 40  # a few points on a line may be one cluster


def test_outlier_that_leaves_its_cluster_takes_its_rounding_with_it():
    x = points(30, 2)
    x[7] = 3e5
    sampler = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(scale=1.0, mean=torch.zeros(2)), capacity=10)
    labels = torch.zeros(30, dtype=torch.int64)
    torch.manual_seed(0)
    fast = sampler.step(x, labels)
    torch.manual_seed(0)
    assert torch.equal(fast, readable(sampler, x, labels))
    assert (fast == fast[7]).sum() == 1


def test_subclass_is_heeded():
    class Louder(NormalInverseWishart):
        def log_predictive(self, stats, x, share=1.0):
            raise ArithmeticError("asked")

    class LouderYet(Coarsened):
        def log_predictive(self, stats, x, share=1.0):
            raise ArithmeticError("asked")

    labels = torch.zeros(5, dtype=torch.int64)
    for family in (Louder(), Coarsened(Louder()), LouderYet()):
        with pytest.raises(ArithmeticError, match="asked"):
            CRPGibbs(DirichletProcess(1.0), family, capacity=5).step(points(5, 2), labels)
    CRPGibbs(DirichletProcess(1.0), SphericalNormal(), capacity=5).step(points(5, 2), labels)


@pytest.mark.parametrize("P", [2, 3, 9])
def test_factor_follows_its_matrix_through_thousands_of_moves(P):
    rng = np.random.default_rng(0)
    matrix, factor, v, sums = np.eye(P), np.eye(P), np.empty(P), np.empty(P)
    log_det, held = 0.0, []
    for _ in range(3000):
        if held and rng.random() < 0.5:
            gain = move(matrix, factor, held.pop(rng.integers(len(held))), -1.0, v, sums)
        else:
            held.append(np.concatenate([[1.0], rng.normal(size=P - 1)]))
            gain = move(matrix, factor, held[-1], 1.0, v, sums)
        log_det += np.log(gain)
    whole = np.eye(P) + sum(np.outer(y, y) for y in held)
    np.testing.assert_allclose(np.tril(matrix), np.tril(whole), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(factor, np.linalg.inv(np.linalg.cholesky(whole)), rtol=1e-8, atol=1e-9)
    assert log_det == pytest.approx(np.linalg.slogdet(whole)[1], abs=1e-8)
    fresh = np.zeros((P, P))
    assert inverse_factor(matrix, fresh) == pytest.approx(log_det, abs=1e-8)
    np.testing.assert_allclose(fresh, factor, rtol=1e-8, atol=1e-9)
    assert np.isnan(inverse_factor(-matrix, fresh))


@pytest.mark.parametrize(("N", "seeds"), [(200, 1), (8, 60)])  # of a few points clusters empty and are born
def test_reseat_moves_points_one_after_the_other(N, seeds):
    prior, C = PitmanYor(0.7, 0.3), 6
    old, new = prior.log_urn(torch.arange(N), torch.tensor([N - 1]), C)
    for seed in range(seeds):
        torch.manual_seed(seed)
        density, uniform = torch.rand(N, C, dtype=torch.float64) ** 4, torch.rand(N, dtype=torch.float64)
        moved = torch.randint(0, 4, (N,))
        counts, expected = torch.bincount(moved, minlength=C), moved.clone()
        n = counts.clone()
        reseat(*(t.numpy() for t in (density, moved, uniform, n)), old.exp().numpy(), new[0].exp().numpy())
        igmm._reseat(prior, density, expected, uniform, counts)
        assert torch.equal(moved, expected) and torch.equal(n, counts)


class SameAgain(PitmanYor):
    def log_predictive(self, counts):
        return super().log_predictive(counts)


class Reluctant(PitmanYor):
    """Opens a cluster with half of the mass."""

    def log_predictive(self, counts):
        return super().log_predictive(counts) + (counts == 0) * math.log(0.5)


@pytest.mark.parametrize("kind", [CRPGibbs, IGMM])
def test_a_prior_that_says_its_predictive_anew_is_heeded(kind):
    x, start = 0.1 * points(60, 2), torch.arange(60) % 10
    opened = {}
    for prior in (PitmanYor(0.7, 0.3), Reluctant(0.7, 0.3), SameAgain(0.7, 0.3)):
        torch.manual_seed(0)
        sampler = kind(prior, NormalInverseWishart(scale=0.1), capacity=30)
        opened[type(prior)] = sampler.step(x, start)
    assert torch.equal(opened[PitmanYor], opened[SameAgain])
    assert not torch.equal(opened[PitmanYor], opened[Reluctant])


@pytest.mark.parametrize("name", PRIORS)
def test_urn_makes_the_ratios_of_the_partition_law(name):
    prior, C = PRIORS[name], 5
    for counts in ([4, 0, 2, 0, 1], [3, 1, 1, 1, 0], [0, 0, 0, 0, 0], [7, 0, 0, 0, 0]):
        n = torch.tensor(counts)
        K, free = int((n > 0).sum()), int((n == 0).nonzero()[0])
        old, new = prior.log_urn(torch.arange(9), torch.arange(9), C)
        new = new[min(int(n.sum()), len(new) - 1), K]
        opened = n.clone()
        opened[free] += 1
        for k in (n > 0).nonzero().flatten().tolist():
            more = n.clone()
            more[k] += 1
            assert float(new - old[n[k]]) == pytest.approx(float(prior.log_eppf(opened) - prior.log_eppf(more)))
