"""Data that no textbook shows: every sampler works on them, or says plainly why not."""

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pyro
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from pyro import distributions as dist

from bnpgan.components import NormalInverseGamma, NormalInverseWishart, SemiConjugateNormal, SphericalNormal
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import (
    IGMM,
    Algorithm8,
    CRPGibbs,
    DPMeans,
    KMeans,
    PyroMixture,
    SliceSampler,
    SplitMerge,
    StickBreaking,
)

pytestmark = pytest.mark.usefixtures("brief_starts")

C = 6
NIW = NormalInverseWishart()
SAMPLERS = {
    "CRPGibbs": CRPGibbs(DirichletProcess(1.0), NIW, capacity=C, sweeps=2),
    "StickBreaking": StickBreaking(PitmanYor(1.0, 0.3), NIW, capacity=C, sweeps=2),
    "finite": StickBreaking(MixtureOfFiniteMixtures(), NormalInverseGamma(), capacity=C, sweeps=2),
    "IGMM": IGMM(FiniteDirichlet(Grid.gamma()), SphericalNormal(), capacity=C, sweeps=2),
    "SliceSampler": SliceSampler(DirichletProcess(Grid.gamma()), NIW, capacity=C, sweeps=2),
    "Algorithm8": Algorithm8(DirichletProcess(1.0), NIW, capacity=C, sweeps=1),
    "SplitMerge": SplitMerge(StickBreaking(DirichletProcess(1.0), NIW, capacity=C, sweeps=1), pairs=4),
    "SplitMerge, diagonal": SplitMerge(IGMM(PitmanYor(1.0, 0.1), NormalInverseGamma(), capacity=C, sweeps=1), pairs=4),
}
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())


def laplace(mean, std):
    loc = pyro.sample("loc", dist.Normal(mean, 3 * std).to_event(1))
    return dist.Laplace(loc, 0.1 * std).to_event(1)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def constant_column() -> torch.Tensor:
    x = noise(20, 3)
    x[:, 1] = 7.0
    return x


DATA = {
    "fewer points than dimensions": lambda: noise(4, 9),
    "a constant column": constant_column,
    "duplicates": lambda: noise(4, 2).repeat(6, 1),
    "two points": lambda: noise(2, 2),
    "tiny": lambda: 1e-8 * noise(20, 2),
    "huge": lambda: 1e8 * noise(20, 2),
    "far from 0": lambda: 1e6 + noise(20, 2),
    "scales that differ": lambda: noise(20, 3) * torch.tensor([1e-4, 1.0, 1e4]),
    "one dimension": lambda: noise(15, 1),
    "an outlier": lambda: torch.cat([noise(20, 2), torch.full((1, 2), 1e4, dtype=torch.float64)]),
    "float32": lambda: noise(20, 2).float(),
    "whole numbers": lambda: torch.arange(20).view(10, 2) % 7,
}


def assert_sound(sampler, x) -> None:
    p = sampler.fit(x)
    assert p.labels.dtype == torch.int64
    assert p.labels.shape == (len(x),)
    assert 0 <= int(p.labels.min()) <= int(p.labels.max()) < C
    assert p.components.mean[p.active].isfinite().all()
    assert p.log_prob(x).isfinite().all()
    assert sampler.log_joint(x, p.labels).isfinite()


@each_sampler
@pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())
def test_unusual_data_are_clustered(sampler, data):
    assert_sound(sampler, data())


@each_sampler
@pytest.mark.parametrize("N", [1, 5])
def test_points_that_are_all_equal_have_no_scale_of_their_own(sampler, N):
    with pytest.raises(ValueError, match=r"^scale cannot be set from points that are all equal: pass scale"):
        sampler.fit(torch.full((N, 2), 0.1))


EQUAL = {
    "CRPGibbs": CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(scale=0.1), capacity=C, sweeps=2),
    "StickBreaking": StickBreaking(DirichletProcess(1.0), NormalInverseGamma(scale=0.1), capacity=C, sweeps=2),
    "IGMM": IGMM(DirichletProcess(1.0), SphericalNormal(scale=0.1), capacity=C, sweeps=2),
    "SliceSampler": SliceSampler(DirichletProcess(1.0), NormalInverseWishart(scale=0.1), capacity=C, sweeps=2),
    "Algorithm8": Algorithm8(DirichletProcess(1.0), NormalInverseWishart(scale=0.1), capacity=C, sweeps=1),
    "SplitMerge": SplitMerge(
        StickBreaking(DirichletProcess(1.0), NormalInverseWishart(scale=0.1), capacity=C, sweeps=2)
    ),
}


@pytest.mark.parametrize("sampler", EQUAL.values(), ids=EQUAL.keys())
@pytest.mark.parametrize("N", [1, 12])
def test_points_that_are_all_equal_are_clustered_where_the_scale_is_given(sampler, N):
    assert_sound(sampler, torch.full((N, 2), 0.1))


OTHERS = {
    "KMeans": KMeans(2),
    "DPMeans": DPMeans(capacity=C, clusters=2),
    "PyroMixture": PyroMixture(laplace, capacity=2, steps=5),
    "not conjugate": StickBreaking(DirichletProcess(1.0), SemiConjugateNormal(), capacity=C, sweeps=2),
}


@pytest.mark.parametrize("clusterer", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())
def test_unusual_data_are_clustered_by_other_clusterers_too(clusterer, data):
    x = data()
    p = clusterer.fit(x)
    assert p.labels.shape == (len(x),) and p.components.mean[p.active].isfinite().all()


@pytest.mark.parametrize("clusterer", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("N", [1, 5])
def test_other_clusterers_say_what_points_that_are_all_equal_lack(clusterer, N):
    with pytest.raises(ValueError, match=r"^(x holds|scale cannot be set|spread must be)"):
        clusterer.fit(torch.full((N, 2), 0.1))


@pytest.mark.parametrize("name", SAMPLERS)
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 9), st.integers(1, 3)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_whatever_the_points_labels_are_slots_or_the_reason_is_told(name, x):
    sampler = SAMPLERS[name]
    if (x == x[:1]).all():
        with pytest.raises(ValueError, match=r"all equal"):
            sampler.fit(torch.from_numpy(x))
    else:
        assert_sound(sampler, torch.from_numpy(x))
