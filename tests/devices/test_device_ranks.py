"""Points of all ranks, on the device of each: here one rank, whose collectives are those of its device all the same."""

import pytest
import torch
from places import assert_on, assert_same, moved
from pretended_gpu import PretendedGPU
from torch import distributed

from bnpgan import data, ranks
from bnpgan.components import NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.metrics import ari
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import KMeans, StickBreaking


@pytest.fixture
def alone(gpu, tmp_path, monkeypatch):
    """A process group of this process."""
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "lo")
    backend = "gloo" if isinstance(gpu, PretendedGPU) else "nccl"
    distributed.init_process_group(backend, init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("alone")
def test_what_ranks_exchange_is_on_the_device(gpu):
    x = torch.randn(6, 2)
    there, labels = x.to(gpu.device), torch.tensor([0, 2, 2, 0, 0, 0])
    with ranks.together(gpu.device):
        found = [ranks.all_sum(there), ranks.all_max(there), ranks.from_first(there), ranks.all_gather(there)[0]]
        found += [ranks.mean(there), ranks.counts(labels.to(gpu.device), 3)]
    assert_on(gpu.device, found)
    assert_same(found, [x, x, x, x, x.mean(0), labels.bincount()])


@pytest.mark.usefixtures("alone", "brief_starts")
def test_points_of_ranks_are_clustered_on_the_device(gpu):
    x, truth = data.ring(300)
    there = x.to(gpu.device)
    sampler = StickBreaking(DirichletProcess(Grid.gamma(points=3)), NormalInverseWishart(), capacity=20, sweeps=2)
    with ranks.together(gpu.device):
        partition, lloyd = sampler.fit(there), KMeans(8).fit(there, truth.to(gpu.device))
    assert_on(gpu.device, partition, lloyd)
    assert ari(partition.labels, truth) > 0.9
    assert_same(moved(lloyd, "cpu"), KMeans(8).fit(x, truth))


@pytest.mark.usefixtures("alone")
def test_the_first_rank_goes_on_with_its_generators(gpu):
    def drawn():
        return torch.rand(3, device=gpu.device).tolist()

    torch.manual_seed(4)
    expected = [drawn() for _ in range(3)]
    torch.manual_seed(4)
    with ranks.together(gpu.device):
        first = drawn()
        with ranks.alike(gpu.device):
            second = drawn()
    assert [first, second, drawn()] == expected
