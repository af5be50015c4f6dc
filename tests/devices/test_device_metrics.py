"""Metrics of labels, points and images on a device: the numbers that they give on the CPU."""

import pytest
import torch
from places import moved
from torch import nn

from bnpgan import metrics

N, K = 40, 4


def labels():
    return torch.randint(K, (N,)), torch.arange(N) % 3


def images():
    return torch.rand(2, 30, 1, 8, 8) * 2 - 1


PARTITIONS = {
    "purity": metrics.purity,
    "inverse_purity": metrics.inverse_purity,
    "top_purity": lambda z, truth: metrics.top_purity(z, truth, 2),
    "nmi": metrics.nmi,
    "ari": metrics.ari,
    "matched_accuracy": metrics.matched_accuracy,
    "clustering": metrics.clustering,
    "large_clusters": lambda z, truth: metrics.large_clusters(z, 0.3),
    "effective_clusters": lambda z, truth: metrics.effective_clusters(z),
}


@pytest.mark.parametrize("name", PARTITIONS)
def test_scores_of_clusters_are_those_of_the_cpu(gpu, name):
    z, truth = labels()
    value = PARTITIONS[name](z, truth)
    assert PARTITIONS[name](z.to(gpu.device), truth.to(gpu.device)) == value
    assert PARTITIONS[name](z.to(gpu.device), truth) == value


@pytest.mark.parametrize("box", [False, True])
def test_modes_are_those_of_the_cpu(gpu, box):
    means = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    x, weights = means[torch.arange(N) % 3] + torch.randn(N, 2), torch.tensor([1.0, 2.0, 3.0])
    value = metrics.modes(x, means, 1.0, box, weights)
    for given in ((means, weights), moved((means, weights), gpu.device)):
        assert metrics.modes(x.to(gpu.device), given[0], 1.0, box, given[1]) == pytest.approx(value)


def test_exact_points_of_modes_are_drawn_on_the_device(gpu):
    means = torch.tensor([[0.0, 0.0], [50.0, 50.0]])
    for weights in (None, torch.tensor([1.0, 3.0])):
        scores = metrics.exact_modes(500, means.to(gpu.device), 1.0, weights, repeats=4)
        assert scores["modes"] == 2 and scores["quality"] == pytest.approx(0.989, abs=0.02)


def test_distances_are_those_of_the_cpu(gpu):
    real, fake = images().double()
    there, network = moved((real, fake), gpu.device), nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).double()
    frechet = metrics.frechet_distance(real, fake, network)
    kernel = metrics.kernel_distance(real, fake, network, subsets=2, subset_size=30)  # all images, in any order
    network.to(gpu.device)
    assert metrics.frechet_distance(*there, network) == pytest.approx(frechet, rel=1e-4)
    assert metrics.kernel_distance(*there, network, subsets=2, subset_size=30) == pytest.approx(kernel, abs=1e-9)


def test_quality_is_that_of_the_cpu(gpu):
    real, fake = images() / 10
    there = moved((fake, real), gpu.device)
    assert metrics.quality(*there, nn.Flatten()) == pytest.approx(metrics.quality(fake, real, nn.Flatten()))


def test_diversity_is_that_of_the_cpu(gpu):
    two = images()[0, :2]  # of two images there is one pair
    assert metrics.diversity(two.to(gpu.device)) == pytest.approx(metrics.diversity(two))
    same = torch.zeros(9, 1, 28, 28, device=gpu.device)
    assert metrics.diversity(same) == pytest.approx(0)


def test_what_is_wrong_with_images_of_a_device_is_named(gpu):
    spoilt = torch.full((5, 1, 8, 8), torch.nan, device=gpu.device)
    with pytest.raises(ValueError, match="NaN"):
        metrics.frechet_distance(spoilt, spoilt, nn.Flatten())
    with pytest.raises(ValueError, match="scale them to"):
        metrics.diversity(spoilt)
    with pytest.raises(ValueError, match="NaN"):
        metrics.modes(spoilt[:, 0, 0, :2], torch.zeros(1, 2), 1.0)
