"""Pictures of what lies on a device: tensors are handed over as they are."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from places import moved

from bnpgan import plotting
from bnpgan.components import NormalInverseGamma, NormalInverseWishart
from bnpgan.diagnostics import Chains
from bnpgan.partition import Partition
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import KMeans, StickBreaking

N, K = 30, 4


def axes():
    return Figure().subplots()


def points():
    return torch.randn(N, 2) + 5.0 * (torch.arange(N) % 3)[:, None]


PARTITIONS = {
    "from labels": lambda x, z: Partition.from_labels(x, z, K),
    "k-means": lambda x, z: KMeans(3).fit(x, z),
    "Gaussians": lambda x, z: StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), K).partition(x, z),
    "diagonal": lambda x, z: StickBreaking(DirichletProcess(1.0), NormalInverseGamma(), K).partition(x, z),
}


@pytest.mark.parametrize("name", PARTITIONS)
def test_a_mixture_is_drawn_as_it_comes(gpu, name):
    x, z = points().to(gpu.device), torch.arange(N, device=gpu.device) % 3
    ax = plotting.mixture(x, PARTITIONS[name](x, z), axes())
    assert len(ax.patches) == 3 and ax.get_title() == "3 clusters"


@pytest.mark.parametrize("wide", [2, 5])
def test_features_are_drawn_in_the_plane(gpu, wide):
    x, z = torch.randn(N, wide, device=gpu.device), torch.arange(N, device=gpu.device) % 3
    assert len(plotting.embedding(x, z, axes()).texts) == 3


@pytest.mark.parametrize("name", PARTITIONS)
def test_a_density_is_drawn_as_it_comes(gpu, name):
    x, z = points().to(gpu.device), torch.arange(N, device=gpu.device) % 3
    assert plotting.density(x, PARTITIONS[name](x, z), axes()).collections


def test_chains_of_the_device_move(gpu):
    x, z = points().to(gpu.device), torch.arange(N, device=gpu.device) % 3
    moving = plotting.animate(x, Chains(z.expand(2, 3, N), {}, (0, 1), 1.0))
    moving._draw_frame(2)
    assert [len(ax.patches) for ax in moving._fig.axes] == [3, 3]


def test_clusters_are_drawn_side_by_side(gpu):
    x, z = points().to(gpu.device), torch.arange(N, device=gpu.device) % 3
    parts = [x[z == k] for k in range(3)]
    assert plotting.cluster_scatter(parts, parts, [0, 1, 2]).axes
    images = torch.rand(N, 1, 8, 8, device=gpu.device) * 2 - 1
    parts = [images[z == k] for k in range(3)]
    assert plotting.cluster_grid(parts, parts, ["a", "b", "c"]).axes


def test_images_are_drawn_as_those_of_the_cpu(gpu):
    x = torch.rand(5, 3, 8, 8) * 2 - 1
    there, here = (plotting.images(part).images[0].get_array() for part in (x.to(gpu.device), x))
    assert np.array_equal(there, here)


def test_scores_and_slots_are_taken_from_the_device(gpu):
    scores = torch.tensor([0.4, 0.3, 0.1]), torch.tensor([0.5, 0.6, 0.7])
    assert plotting.tradeoff([0.5, 1.0, 2.0], *moved(scores, gpu.device)).texts
    slots = torch.arange(5)
    assert np.array_equal(plotting.colours(slots.to(gpu.device)), plotting.colours(slots))
    assert plotting.trace({"log joint": torch.randn(5, device=gpu.device), "clusters": [1, 2]}).axes


def test_pictures_are_drawn_of_what_still_has_gradients(gpu):
    x = points().to(gpu.device).requires_grad_()
    assert plotting.embedding(x, torch.zeros(N, dtype=torch.int64, device=gpu.device), axes()).texts
