"""Batches of concrete distributions against torch's, their samples, and their way to a file and back."""

import math

import pytest
import torch
from families import gaussian
from scipy import stats
from torch import Tensor
from torch.distributions import Categorical, MultivariateNormal, Normal

from bnpgan.components import Categoricals, Centroids, DiagonalGaussians, Gaussians
from bnpgan.engine import chunks
from bnpgan.files import pack_partition, unpack_partition
from bnpgan.partition import Partition


def probabilities() -> Tensor:
    return torch.tensor(
        [[[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], [[0.2, 0.2, 0.6], [0.7, 0.2, 0.1]], [[0.3, 0.4, 0.3], [0.6, 0.2, 0.2]]],
        dtype=torch.float64,
    )


BATCHES = {
    "Gaussians": Gaussians(gaussian(2)(3), torch.arange(1.0, 4.0).view(3, 1, 1) * torch.eye(2, dtype=torch.float64)),
    "DiagonalGaussians": DiagonalGaussians(gaussian(2)(3), torch.arange(1.0, 7.0).view(3, 2)),
    "Centroids": Centroids(gaussian(2)(3), torch.arange(1.0, 4.0)),
    "Categoricals": Categoricals(probabilities().log()),
}
each_batch = pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES.keys())


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("width", [1.0, 1e-3])
def test_gaussian_log_prob_is_that_of_torch_for_data_far_from_zero_and_narrow(offset, width):
    mean = offset + width * torch.randn(3, 4, dtype=torch.float64)
    root = width * (torch.eye(4, dtype=torch.float64) + 0.2 * torch.randn(3, 4, 4, dtype=torch.float64))
    x = offset + width * torch.randn(50, 4, dtype=torch.float64)
    covariance = root @ root.mT
    expected = MultivariateNormal(mean, covariance).log_prob(x[:, None])
    torch.testing.assert_close(Gaussians(mean, covariance).log_prob(x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("width", [1.0, 1e-3])
def test_diagonal_log_prob_is_that_of_torch_for_data_far_from_zero_and_narrow(offset, width):
    mean = offset + width * torch.randn(3, 4, dtype=torch.float64)
    variance = (width * (0.5 + torch.rand(3, 4, dtype=torch.float64))) ** 2
    x = offset + width * torch.randn(50, 4, dtype=torch.float64)
    expected = Normal(mean, variance.sqrt()).log_prob(x[:, None]).sum(-1)
    torch.testing.assert_close(DiagonalGaussians(mean, variance).log_prob(x), expected, rtol=0, atol=1e-6)


def test_categorical_log_prob_is_that_of_torch():
    x = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    expected = Categorical(probabilities()).log_prob(x[:, None]).sum(-1)
    torch.testing.assert_close(BATCHES["Categoricals"].log_prob(x), expected)
    torch.testing.assert_close(expected.exp().sum(0), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("name", ["Gaussians", "Categoricals"])
def test_log_prob_of_many_chunks_is_that_of_each_point(name, monkeypatch):
    batch, x = BATCHES[name], torch.randint(3, (25, 2)).to(torch.float64)
    whole = batch.log_prob(x)
    for held in ("CACHED", "HELD"):
        monkeypatch.setattr(chunks, held, 8 * 28)  # four points at a time
    torch.testing.assert_close(batch.log_prob(x), whole)


@pytest.mark.parametrize("name", ["DiagonalGaussians", "Centroids"])
def test_covariance_says_what_the_density_is(name):
    batch, x = BATCHES[name], gaussian(2)(20)
    torch.testing.assert_close(batch.log_prob(x), Gaussians(batch.mean, batch.covariance.to(x)).log_prob(x))


def test_mean_of_categoricals_is_the_expected_value():
    torch.testing.assert_close(
        BATCHES["Categoricals"].mean, torch.tensor([[0.7, 1.7], [1.4, 0.4], [1.0, 0.6]], dtype=torch.float64)
    )


def test_centroids_assign_the_nearest_mean_that_has_a_weight():
    c = Centroids(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([1.0, 1.0, 9.0]))
    log_weights = torch.tensor([0.1, 0.0, 0.9]).log()
    assert c.assign(torch.tensor([[1.1], [2.4], [2.6]]), log_weights).tolist() == [0, 0, 2]


@pytest.mark.parametrize(("kind", "spread"), [(Gaussians, torch.ones(2, 1, 1)), (DiagonalGaussians, torch.ones(2, 1))])
def test_gaussians_assign_by_weight_and_density(kind, spread):
    batch = kind(torch.tensor([[0.0], [2.0]]), spread)
    assert batch.assign(torch.tensor([[1.2]]), torch.tensor([0.5, 0.5]).log()).tolist() == [1]
    assert batch.assign(torch.tensor([[1.2]]), torch.tensor([0.9, 0.1]).log()).tolist() == [0]


def test_categoricals_assign_by_weight_and_probability():
    c = Categoricals(torch.tensor([[[0.6, 0.4]], [[0.4, 0.6]]]).log())
    assert c.assign(torch.tensor([[0], [1]]), torch.tensor([0.5, 0.5]).log()).tolist() == [0, 1]
    assert c.assign(torch.tensor([[0], [1]]), torch.tensor([0.1, 0.9]).log()).tolist() == [1, 1]


@pytest.mark.parametrize("kind", ["gaussians", "diagonal", "centroids"])
def test_samples_have_the_moments_of_their_slots(kind):
    """20,000 draws: the mean and covariance of each coordinate within six standard errors."""
    mean = torch.tensor([[0.0, 3.0], [-2.0, 1.0]], dtype=torch.float64)
    covariance = torch.tensor([[[1.0, 0.6], [0.6, 2.0]], [[0.5, 0.0], [0.0, 0.5]]], dtype=torch.float64)
    batch = {
        "gaussians": Gaussians(mean, covariance),
        "diagonal": DiagonalGaussians(mean, covariance.diagonal(dim1=1, dim2=2)),
        "centroids": Centroids(mean, covariance[:, 1, 1]),
    }[kind]
    for k in range(2):
        x = batch.sample(torch.full((20_000,), k))
        torch.testing.assert_close(x.mean(0), mean[k], rtol=0, atol=6 * math.sqrt(2 / 20_000))
        torch.testing.assert_close(x.T.cov(), batch.covariance[k], rtol=0, atol=6 * 2 * math.sqrt(2 / 20_000))


def test_samples_of_categoricals_have_the_probabilities_of_their_slots():
    """20,000 rows, chi-square over the nine cells of each slot at 1e-6."""
    slots = torch.arange(20_000) % 2
    x = BATCHES["Categoricals"].sample(slots)
    assert x.dtype == torch.float64
    for k in range(2):
        cells = torch.bincount((3 * x[slots == k, 0] + x[slots == k, 1]).long(), minlength=9)
        expected = torch.outer(*probabilities()[k]).flatten() * 10_000
        assert stats.chisquare(cells.numpy(), expected.numpy()).pvalue > 1e-6


@each_batch
def test_permute_moves_every_tensor(batch):
    order = torch.tensor([2, 0, 1])
    moved = batch.permute(order)
    assert type(moved) is type(batch)
    for name, tensor in vars(batch).items():
        assert torch.equal(getattr(moved, name), tensor[order])


@each_batch
def test_a_partition_of_them_survives_its_file(batch):
    partition = Partition(torch.tensor([0, 2, 2]), torch.tensor([1 / 3, 0.0, 2 / 3]).log(), batch)
    again = unpack_partition(*pack_partition(partition)).components
    assert type(again) is type(batch)
    for name, tensor in vars(batch).items():
        assert torch.equal(getattr(again, name), tensor)


def test_covariances_that_have_no_digits_left_are_named_with_what_to_do():
    flat = Gaussians(torch.zeros(1, 50), torch.ones(1, 50, 50))
    told = r"covariance of 50 columns is not positive definite.*reduce these.*or use a component without correlations"
    for use in (lambda: flat.log_prob(torch.zeros(3, 50)), lambda: flat.sample(torch.tensor([0]))):
        with pytest.raises(ValueError, match=told):
            use()
