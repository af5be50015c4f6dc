"""A partition of points on a device predicts, draws and is aligned there, as on the CPU."""

from dataclasses import replace

import pyro
import pytest
import torch
from places import assert_on, assert_same, moved
from pyro import distributions as dist

from bnpgan.components import DirichletCategorical, NormalInverseGamma, NormalInverseWishart
from bnpgan.partition import Partition, Projection
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import KMeans, PyroMixture, StickBreaking

N, D, K = 60, 2, 5


def heavy(mean, std):
    loc = pyro.sample("loc", dist.Normal(mean, 3 * std).to_event(1))
    return dist.StudentT(3.0, loc, 0.3 * std).to_event(1)


KINDS = {
    "Centroids": KMeans(K),
    "Gaussians": StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=K, sweeps=1),
    "DiagonalGaussians": StickBreaking(DirichletProcess(1.0), NormalInverseGamma(), capacity=K, sweeps=1),
    "Categoricals": StickBreaking(DirichletProcess(1.0), DirichletCategorical(), capacity=K, sweeps=1),
    "described in Pyro": PyroMixture(heavy, K, steps=3),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def points(kind):
    if kind == "Categoricals":
        return torch.randint(3, (N, D)).double()
    return torch.randn(N, D, dtype=torch.float64) + 5.0 * (torch.arange(N) % 3)[:, None]


def both(kind, device):
    """A partition of the same labels on the device and on the CPU; slots 3 and 4 are empty."""
    x = points(kind)
    here = KINDS[kind].partition(x, torch.arange(N) % 3)
    return moved(here, device), here, x.to(device), x


@each_kind
def test_predictions_and_densities_are_those_of_the_cpu(gpu, kind):
    there, here, x, y = both(kind, gpu.device)
    for method in (Partition.predict, Partition.responsibilities, Partition.log_prob):
        assert_on(gpu.device, method(there, x))
        assert_same(method(there, x), method(here, y))
        assert_same(method(there, y), method(here, y))  # points of the CPU are taken to the partition
    assert_on(gpu.device, there.counts, there.active)


@each_kind
def test_slots_are_drawn_there_by_frequency(gpu, kind):
    there, *_ = both(kind, gpu.device)
    slots = there.sample(200)
    assert_on(gpu.device, slots, there.components.sample(slots))
    assert slots.unique().tolist() == [0, 1, 2]


@each_kind
def test_slots_are_named_as_in_the_reference(gpu, kind):
    there, here, _, _ = both(kind, gpu.device)
    turned = (torch.arange(N) % 3 + 2) % K
    reference = Partition.from_labels(torch.randn(N, D), turned, K)
    aligned = there.align_to(moved(reference, gpu.device))
    assert_on(gpu.device, aligned)
    assert torch.equal(aligned.labels.cpu(), turned)
    assert_same(aligned, here.align_to(reference))


def test_moments_of_labels_are_those_of_the_cpu(gpu):
    x, labels = points(""), torch.arange(N) % 3
    there = Partition.from_labels(x.to(gpu.device), labels, K)  # labels are taken to the points
    assert_on(gpu.device, there)
    assert_same(there, Partition.from_labels(x, labels, K))


def test_what_a_clusterer_remembers_is_aligned_with_its_slots(gpu):
    there, here, _, _ = both("Centroids", gpu.device)
    there, here = (replace(p, memory={"seen": p.counts, "steps": p.counts.sum()}) for p in (there, here))
    reference = replace(here, labels=here.labels.roll(1))
    aligned = there.align_to(moved(reference, gpu.device))
    assert_on(gpu.device, aligned)
    assert_same(aligned, here.align_to(reference))


def test_wide_features_are_reduced_on_the_device(gpu):
    x = torch.randn(N, 3, dtype=torch.float64) @ torch.randn(3, 20, dtype=torch.float64) + 4.0
    there = Projection.fit(x.to(gpu.device), 3)
    assert_on(gpu.device, there, there(x.to(gpu.device)))
    assert_same(there(x.to(gpu.device)), Projection.fit(x, 3)(x))
    labels = torch.arange(N) % 3
    here = moved(there, "cpu")
    partition = KINDS["Gaussians"].partition(here(x), labels)
    reduced = replace(moved(partition, gpu.device), projection=there)
    assert_same(reduced.predict(x), replace(partition, projection=here).predict(x))
