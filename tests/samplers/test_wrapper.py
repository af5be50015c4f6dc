"""What goes around a sampler is as its base in all that it does not say itself."""

from dataclasses import dataclass, replace
from inspect import signature

import pytest
import torch

from bnpgan import data
from bnpgan.components import NormalInverseGamma, NormalInverseWishart
from bnpgan.plain import from_plain, to_plain
from bnpgan.priors import DirichletProcess, PitmanYor
from bnpgan.recipes import SCGAN
from bnpgan.samplers import CRPGibbs, KMeans, Sharded, SplitMerge, StickBreaking, Wrapper

X = data.ring(60)[0]


@dataclass(frozen=True, eq=False)
class Twice(Wrapper):
    """Two sweeps for each of the base."""

    note: str = "nothing"

    def step(self, x, labels):
        return self.base.step(x, self.base.step(x, labels))


def base():
    return StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=9, sweeps=3, max_points=50)


def test_all_else_is_as_the_base_has_it():
    wrapper, inner = Twice(base()), base()
    for name in ("capacity", "sweeps", "max_dim", "max_points", "ordered"):
        assert getattr(wrapper, name) == getattr(inner, name)
    torch.manual_seed(0)
    labels = wrapper.init(X)
    torch.manual_seed(0)
    assert torch.equal(labels, inner.init(X))
    assert wrapper.log_joint(X, labels) == inner.log_joint(X, labels)
    torch.manual_seed(1)
    moved = wrapper.step(X, labels)
    torch.manual_seed(1)
    assert torch.equal(moved, inner.step(X, inner.step(X, labels)))


def test_replace_reaches_the_base_however_deep():
    prior, family = PitmanYor(1.0, 0.3), NormalInverseGamma()
    wrapper = replace(Twice(SplitMerge(base(), pairs=6)), capacity=30, prior=prior, component=family, note="deep")
    assert type(wrapper.base) is SplitMerge and wrapper.base.pairs == 6 and wrapper.note == "deep"
    assert wrapper.capacity == wrapper.base.base.capacity == 30
    assert wrapper.prior is prior and wrapper.component is family and wrapper.sweeps == 3
    assert replace(Sharded(KMeans(3)), capacity=4).base.capacity == 4
    assert Twice(base(), note="here", capacity=5).capacity == 5
    with pytest.raises(TypeError, match="slots"):
        replace(wrapper, slots=3)


def test_it_goes_around_samplers_only():
    with pytest.raises(ValueError, match="base must be a sampler"):
        Twice(KMeans(3))
    with pytest.raises(ValueError, match="base must be a clusterer"):
        Sharded(3)
    assert list(signature(Twice).parameters) == ["base", "note"]


def test_it_is_data():
    wrapper = SplitMerge(SplitMerge(CRPGibbs(PitmanYor(1.0, 0.3), NormalInverseWishart(), capacity=7)), pairs=6)
    again = from_plain(to_plain(wrapper))
    assert to_plain(again) == to_plain(wrapper) and again.base.base.capacity == 7
    recipe = SCGAN(shape=(2,), capacity=12, clusterer=wrapper)
    assert recipe.clusterer.base.base.capacity == 12 and recipe.clusterer.pairs == 6
    assert from_plain(to_plain(recipe)) == recipe
