"""Chains whose labels are on a device: estimates are there too, and those of the CPU."""

from dataclasses import replace

import pytest
import torch
from places import assert_on, assert_same

from bnpgan import plotting
from bnpgan.diagnostics import Chains


def chains():
    trace = {"clusters": torch.randint(2, 5, (2, 6)), "log_joint": torch.randn(2, 6, dtype=torch.float64)}
    return Chains(torch.randint(3, (2, 6, 20)), trace, (0, 1), 1.0)


def on(device, here):
    return replace(here, labels=here.labels.to(device))


@pytest.mark.parametrize("estimate", [Chains.binder, Chains.variation_of_information, Chains.coclustering])
def test_estimates_are_those_of_the_cpu(gpu, estimate):
    here = chains()
    there = on(gpu.device, here)
    assert_on(gpu.device, estimate(there))
    assert_same(estimate(there), estimate(here))


def test_tables_are_those_of_the_cpu(gpu):
    pytest.importorskip("arviz")
    here = chains()
    there = on(gpu.device, here)
    assert there.number_of_clusters() == here.number_of_clusters()
    assert there.summary().equals(here.summary())
    moved = replace(there, trace={name: value.to(gpu.device) for name, value in here.trace.items()})
    assert moved.summary().equals(here.summary()) and moved.number_of_clusters() == here.number_of_clusters()


def test_chains_of_a_device_are_drawn(gpu):
    there = on(gpu.device, chains())
    for figure in (
        plotting.chains(there),
        plotting.number_of_clusters(there),
        plotting.similarity(there.coclustering()),
    ):
        assert figure.axes
