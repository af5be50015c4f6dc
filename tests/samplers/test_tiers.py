"""A sampler says what it needs of its parts when it is made, and of a compiled loop that is lost."""

import warnings
from dataclasses import dataclass, replace

import pytest
import torch

from bnpgan.components import Component, Conjugate, NormalInverseWishart, SemiConjugateNormal
from bnpgan.priors import DirichletProcess, FiniteDirichlet, OrderedWeights, Partitions, PitmanYor, Prior
from bnpgan.samplers import IGMM, Algorithm8, CRPGibbs, SliceSampler, SplitMerge, StickBreaking

DP, NIW = DirichletProcess(1.0), NormalInverseWishart()


@dataclass(frozen=True)
class Bare(Partitions):
    """The Dirichlet process of concentration 1 as a law of partitions and no more."""

    def log_eppf_of(self, n, hyper):
        return torch.where(n > 0, torch.lgamma(n), 0.0).sum(-1) - torch.lgamma(n.sum(-1) + 1)


REFUSED = {
    "a number for a prior": (lambda: CRPGibbs(1.0, NIW), "prior must be a prior over partitions, got 1.0"),
    "a family for a prior": (lambda: IGMM(NIW, DP), "prior must be a prior over partitions, got NormalInverseWishart"),
    "no family": (lambda: Algorithm8(DP, "niw"), "component must be a family of components, got niw"),
    "no predictive": (lambda: CRPGibbs(DP, SemiConjugateNormal()), "no predictive density in closed form"),
    "no predictive below": (lambda: SplitMerge(StickBreaking(DP, SemiConjugateNormal())), "sums of features"),
    "no sticks": (lambda: StickBreaking(Bare(), NIW), "prior must have weights of ordered slots"),
    "no masses": (lambda: SliceSampler(FiniteDirichlet(1.0), NIW), "prior must have infinitely many clusters"),
    "replaced": (lambda: replace(SplitMerge(CRPGibbs(DP, NIW)), component=SemiConjugateNormal()), "no predictive"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_parts_of_another_tier_are_refused_at_once(what):
    make, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        make()


def test_the_old_names_are_the_lowest_tiers():
    assert Prior is Partitions and issubclass(OrderedWeights, Prior)
    assert isinstance(SemiConjugateNormal(), Component) and not isinstance(SemiConjugateNormal(), Conjugate)


class Narrower(NormalInverseWishart):
    """It says nothing anew."""


class Louder(NormalInverseWishart):
    """It says its predictive anew."""

    def log_predictive(self, stats, x):
        return super().log_predictive(stats, x)


class Halved(PitmanYor):
    """It says its predictive anew."""

    def log_predictive(self, counts):
        return super().log_predictive(counts)


def test_a_subclass_that_loses_a_compiled_loop_is_told_once():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CRPGibbs(DP, Narrower())
        StickBreaking(DP, Louder())  # no loop of this sampler asks for the predictive
    assert Narrower().has_seating and not Louder().has_seating and not Halved(1.0, 0.5).has_urn
    with pytest.warns(UserWarning, match="Louder says log_predictive anew") as told:
        CRPGibbs(DP, Louder())
        CRPGibbs(DP, Louder())
    assert len(told) == 1
    with pytest.warns(UserWarning, match="Halved says log_predictive anew"):
        IGMM(Halved(1.0, 0.5), NIW)


class Sociable(DirichletProcess):
    """It says its law anew, half its concentration, and keeps the urn of the whole."""

    def log_eppf_of(self, n, hyper):
        return super().log_eppf_of(n, hyper._replace(concentration=hyper.concentration / 2))


class SociableUrn(Sociable):
    """It says the urn of that law too."""

    def log_urn_of(self, sizes, totals, used, capacity, hyper):
        return super().log_urn_of(sizes, totals, used, capacity, hyper._replace(concentration=hyper.concentration / 2))


def test_the_predictive_follows_a_law_said_anew_and_not_the_urn_of_the_old_one():
    counts = torch.tensor([3, 0, 1, 0])
    for prior in (Sociable(2.0), SociableUrn(2.0)):
        torch.testing.assert_close(prior.log_predictive(counts), DP.log_predictive(counts))
    assert not Sociable(2.0).has_urn and SociableUrn(2.0).has_urn
    with pytest.warns(UserWarning, match="Sociable says log_eppf_of anew"):
        CRPGibbs(Sociable(2.0), NIW)


def test_a_law_of_partitions_is_enough_for_restaurants():
    x = torch.randn(12, 2, dtype=torch.float64)
    for counts in (torch.tensor([3, 0, 1, 0]), torch.tensor([0, 0])):
        torch.testing.assert_close(Bare().log_predictive(counts), DP.log_predictive(counts))
    for kind in (CRPGibbs, IGMM, Algorithm8):
        labels = []
        for prior in (Bare(), DP):
            torch.manual_seed(0)
            labels.append(kind(prior, NIW, capacity=5, sweeps=2).fit(x).labels)
        assert torch.equal(*labels)
