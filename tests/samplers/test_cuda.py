"""On a GPU: the same partitions, and nobody waits for the device more often than the algorithm asks.

.venv/bin/pytest -m cuda tests/samplers
"""

import warnings

import pytest
import torch

from bnpgan import data
from bnpgan.components import NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.metrics import ari
from bnpgan.priors import DirichletProcess, PitmanYor
from bnpgan.samplers import IGMM, CRPGibbs, KMeans, SliceSampler, SplitMerge, StickBreaking

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
PARTS = DirichletProcess(1.0), NormalInverseWishart()
LOOKS = {
    "StickBreaking": 12,
    "KMeans": 8,
}  # a sweep, and an iteration: checks of input, failures, the choice of precision


@pytest.mark.parametrize("kind", [StickBreaking, SliceSampler, IGMM, CRPGibbs])
@pytest.mark.parametrize("prior", [DirichletProcess(1.0), PitmanYor(Grid.gamma(), Grid.beta())], ids=["DP", "PY*"])
def test_sampler_finds_the_ring_on_the_device(kind, prior):
    x, truth = data.ring(2000)
    sampler = kind(prior, NormalInverseWishart(), capacity=30, sweeps=5)
    partition = sampler.fit(x.cuda(), truth.cuda() if kind is CRPGibbs else None)
    assert partition.labels.is_cuda
    assert ari(truth, partition.labels.cpu()) > 0.95


def test_split_merge_and_k_means_on_the_device():
    x, truth = data.ring(2000)
    for clusterer in (SplitMerge(StickBreaking(*PARTS, capacity=30, sweeps=20)), KMeans(8)):
        partition = clusterer.fit(x.cuda())
        assert partition.labels.is_cuda
        assert ari(truth, partition.labels.cpu()) > 0.95


def test_a_sweep_on_the_device_is_that_on_the_cpu():
    x, _ = data.grid(5000)
    stats = PARTS[1].stats(x.double(), torch.arange(5000) % 40, 40)
    there = PARTS[1].stats(x.double().cuda(), torch.arange(5000).cuda() % 40, 40)
    torch.testing.assert_close(there.sums.cpu(), stats.sums)
    gaussians = PARTS[1].posterior_mean(stats)
    log_weights = torch.zeros(40, dtype=torch.float64)
    drawn = type(gaussians)(gaussians.mean.cuda(), gaussians.covariance.cuda()).draw(x.cuda(), log_weights.cuda())
    share = (gaussians.log_prob(x.double()).softmax(1).mean(0) - torch.bincount(drawn.cpu(), minlength=40) / 5000).abs()
    assert share.max() < 0.05


def test_a_sweep_seldom_waits_for_the_device():
    x = torch.randn(20_000, 8, dtype=torch.float64, device="cuda")
    labels = torch.arange(20_000, device="cuda") % 20
    sampler, kmeans = StickBreaking(*PARTS, capacity=40), KMeans(20, iterations=1)
    for name, step in {
        "StickBreaking": lambda: sampler.step(x, labels),
        "KMeans": lambda: kmeans.fit(x, labels),
    }.items():
        step()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            step()
            torch.cuda.set_sync_debug_mode("default")
        assert len([w for w in caught if "synchroniz" in str(w.message)]) <= LOOKS[name]
