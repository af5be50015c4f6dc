"""Priors of counts on a device: what they say is there, and equal to what they say on the CPU."""

import pytest
import torch
from places import assert_on, assert_same
from torch.distributions import Poisson

from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor

GRID = Grid.gamma(points=3)
PRIORS = {
    "DirichletProcess": DirichletProcess(1.5),
    "DirichletProcess, learned": DirichletProcess(GRID),
    "PitmanYor": PitmanYor(1.5, 0.4),
    "PitmanYor, learned": PitmanYor(GRID, Grid.beta(points=2)),
    "FiniteDirichlet": FiniteDirichlet(1.5),
    "FiniteDirichlet, learned": FiniteDirichlet(GRID),
    "MixtureOfFiniteMixtures": MixtureOfFiniteMixtures(1.5),
    "MixtureOfFiniteMixtures, learned": MixtureOfFiniteMixtures(GRID, Poisson(4.0)),
}
COUNTS = torch.tensor([7, 0, 3, 1, 0, 12, 0])
SEVERAL = torch.stack([COUNTS, COUNTS.flip(0), torch.zeros_like(COUNTS), torch.full_like(COUNTS, 2)])


def each(priors):
    return pytest.mark.parametrize("prior", priors.values(), ids=priors.keys())


@each(PRIORS)
def test_probabilities_are_those_of_the_cpu(gpu, prior):
    for law, counts in (
        (prior.log_predictive, COUNTS),
        (prior.log_eppf, COUNTS),
        (prior.log_eppf, SEVERAL),
        (prior.log_marginal, COUNTS),
        (prior.log_marginal, SEVERAL),
        (prior.log_order, COUNTS),
    ):
        there = law(counts.to(gpu.device))
        assert_on(gpu.device, there)
        assert_same(there, law(counts))


@each(PRIORS)
def test_what_is_learned_is_drawn_given_counts_of_the_device(gpu, prior):
    for ordered in (False, True):
        drawn = prior.draw(COUNTS.to(gpu.device), ordered)
        assert not drawn.learned and type(drawn) is type(prior)
        assert all(float(getattr(drawn, name)) in getattr(prior, name).values for name in prior.learned)
        assert_same(drawn.log_predictive(COUNTS.to(gpu.device)), drawn.log_predictive(COUNTS))


@each(PRIORS)
def test_an_urn_is_on_the_device_of_the_sizes(gpu, prior):
    prior, sizes = prior.draw(COUNTS), torch.arange(1, 7)
    there = prior.log_urn(sizes.to(gpu.device), sizes[2:4].to(gpu.device), 7)
    assert_on(gpu.device, there)
    assert_same(there, prior.log_urn(sizes, sizes[2:4], 7))


@each(PRIORS)
def test_weights_and_orders_are_drawn_on_the_device(gpu, prior):
    counts = COUNTS.to(gpu.device)
    log_weights, slots = prior.sample_log_weights(counts), prior.draw(counts).sample_order(counts)
    assert_on(gpu.device, log_weights, slots)
    assert log_weights.shape == slots.shape == counts.shape and slots.dtype == torch.int64
    torch.testing.assert_close(float(log_weights.exp().sum()), 1.0)
    taken = slots[counts > 0].tolist()
    assert len(set(taken)) == len(taken)


@each(PRIORS)
def test_weights_have_the_mean_that_the_counts_say(gpu, prior):
    counts = COUNTS.to(gpu.device)
    drawn = torch.stack([prior.sample_log_weights(counts) for _ in range(40)]).exp().mean(0)
    one_more = COUNTS + torch.eye(len(COUNTS), dtype=torch.int64)
    mean = (prior.log_marginal(one_more) - prior.log_marginal(COUNTS)).exp()
    assert (drawn.cpu() - mean).abs().max() < 0.08  # four standard errors


@each({name: prior for name, prior in PRIORS.items() if "Process" in name or "Yor" in name})
def test_masses_are_drawn_on_the_device(gpu, prior):
    counts = COUNTS.to(gpu.device)
    prior = prior.draw(counts)
    masses = prior.sample_masses(counts)
    assert_on(gpu.device, masses)
    assert torch.equal(masses == -torch.inf, counts == 0)
    for least in (-4.0, 0.5):
        new = prior.sample_new_masses(counts, torch.tensor(least, dtype=torch.float64, device=gpu.device))
        assert_on(gpu.device, new)
        assert bool((new > least).all())
