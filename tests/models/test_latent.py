"""The mixture in the latent space."""

import math

import pytest
import torch

from bnpgan.models import Gaussian, GaussianMixture

C = torch.arange(3).repeat_interleave(20_000)


def moments(z):
    z = z.unflatten(0, (3, -1))
    return z.mean(1), torch.stack([part.T.cov() for part in z])


@pytest.mark.parametrize("full", [False, True])
def test_each_slot_draws_from_its_own_gaussian(full):
    torch.manual_seed(0)
    latent = GaussianMixture(3, 2, spread=5.0, std=0.5, dynamic=True, full=full)
    with torch.no_grad():
        latent.factors.copy_(torch.randn_like(latent.factors))
        mean, covariance = moments(latent(C))
        A = latent.factors if full else latent.factors.diag_embed()
    torch.testing.assert_close(mean, latent.means.detach(), rtol=0, atol=0.06)
    torch.testing.assert_close(covariance, (A @ A.mT).detach(), rtol=0, atol=0.15)


def test_static_means_and_factors_do_not_learn_and_are_saved():
    latent = GaussianMixture(3, 2)
    assert not list(latent.parameters()) and set(latent.state_dict()) == {"means", "factors"}
    assert float(latent.means.abs().max()) <= 1


def test_dynamic_ones_learn_for_the_slots_that_were_drawn():
    latent = GaussianMixture(3, 2, dynamic=True, full=True)
    latent(torch.tensor([0, 2])).sum().backward()
    for p in (latent.means, latent.factors):
        assert [bool((row != 0).any()) for row in p.grad] == [True, False, True]


def test_several_gaussians_to_a_slot_are_drawn_alike():
    torch.manual_seed(0)
    latent = GaussianMixture(2, 4, spread=50.0, std=0.01, each=3)
    z = latent(torch.ones(30_000, dtype=torch.int64))
    nearest = torch.cdist(z, latent.means).argmin(1).bincount(minlength=6)
    assert nearest[:3].sum() == 0 and (nearest[3:] - 10_000).abs().max() < 500


@pytest.mark.parametrize("latent", [Gaussian(2), GaussianMixture(3, 2, dynamic=True, full=True)])
def test_noise_that_is_given_is_what_varies(latent):
    noise = torch.randn(3, 2)
    c = torch.tensor([0, 1, 2])
    assert torch.equal(latent(c, noise), latent(c, noise))
    at_mean = latent(c, torch.zeros(3, 2))
    torch.testing.assert_close(latent(c, 2 * noise) - at_mean, 2 * (latent(c, noise) - at_mean))


def test_rows_of_weights_lie_between_slots():
    latent = GaussianMixture(3, 2, spread=5.0, dynamic=True, full=True)
    noise = torch.randn(1, 2).expand(3, -1)
    ends = latent(torch.tensor([0, 2, 0]), noise)
    rows = torch.tensor([[1.0, 0, 0], [0, 0, 1.0], [0.5, 0, 0.5]])
    between = latent(rows, noise)
    torch.testing.assert_close(between[:2], ends[:2])
    torch.testing.assert_close(between[2], (ends[0] + ends[1]) / 2)


@pytest.mark.parametrize(("full", "each"), [(False, 1), (True, 2)])
def test_densities_are_those_of_the_draws(full, each):
    """Against torch's own normals, of all Gaussians of a slot alike."""
    torch.manual_seed(0)
    latent = GaussianMixture(3, 2, spread=5.0, dynamic=True, full=full, each=each).double()
    with torch.no_grad():
        latent.factors.copy_(torch.randn_like(latent.factors))
    A = latent.factors if full else latent.factors.diag_embed()
    z = 5 * torch.randn(7, 2, dtype=torch.float64)
    normals = torch.distributions.MultivariateNormal(latent.means, A @ A.mT)
    expected = normals.log_prob(z[:, None]).unflatten(1, (3, each)).logsumexp(2) - math.log(each)
    torch.testing.assert_close(latent.log_densities(z), expected, rtol=1e-3, atol=1e-3)


def test_separation_counts_in_standard_deviations():
    torch.manual_seed(0)
    latent = GaussianMixture(200, 100, spread=0.1, std=0.15)
    assert latent.separation() == pytest.approx(0.1 * (2 * 100 / 3) ** 0.5 / 0.15, rel=0.02)
    assert GaussianMixture(1, 4).separation() == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((0, 2), "capacity"), ((2, 2, -1.0), "spread"), ((2, 2, 1.0, 0.0), "std"), ((2, 2, 1.0, 1.0, 0), "each")],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        GaussianMixture(*arguments)
