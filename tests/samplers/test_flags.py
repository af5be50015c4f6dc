"""What a fit says of itself: each flag where it is due, and a settled fit says nothing."""

import math
import warnings

import pytest
import torch

from bnpgan import data
from bnpgan.components import Coarsened, NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs, StickBreaking
from bnpgan.samplers.flags import LOOKS, looks, tell

WISHART = NormalInverseWishart()
ONE = torch.zeros(300, dtype=torch.int64)
LOW = Grid([1e-6, 1e-5, 1e-4, 1e-3, 1e-2])


@pytest.fixture
def ring():
    return data.ring(300)[0].double()


def fitted(sampler, x, labels=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        partition = sampler.fit(x, labels)
    return partition, [str(each.message) for each in caught]


@pytest.mark.parametrize(
    ("sampler", "labels", "flag", "word"),
    [
        (StickBreaking(DirichletProcess(1.0), WISHART, capacity=4, sweeps=3), None, "slots", "raise capacity"),
        (StickBreaking(DirichletProcess(LOW), WISHART, capacity=30, sweeps=3), None, "grid", "prior.concentration"),
        (StickBreaking(DirichletProcess(1.0), WISHART, capacity=30, sweeps=3), ONE, "stuck", "leave labels out"),
        (StickBreaking(DirichletProcess(1.0), WISHART, capacity=30, sweeps=3), None, None, ""),
        (CRPGibbs(DirichletProcess(1.0), Coarsened(points=100), capacity=30, sweeps=3), None, None, ""),
    ],
)
def test_a_flag_where_it_is_due(ring, sampler, labels, flag, word):
    partition, said = fitted(sampler, ring, labels)
    assert partition.flags == ((flag,) if flag else ())
    assert len(said) == len(partition.flags) and all(word in line for line in said)
    assert math.isclose(partition.log_joint, float(sampler.log_joint(ring, partition.labels)), rel_tol=1e-9)


def test_clusters_that_are_nearly_points_do_not_reach_the_end_of_the_grid():
    """The factor of the scale is learned far below a covariance within groups."""
    x, _ = data.grid(2000, std=1e-4)
    sampler = StickBreaking(DirichletProcess(1.0), WISHART, capacity=40, sweeps=3)
    partition, said = fitted(sampler, x)
    assert partition.flags == () and not said
    assert int(partition.active.sum()) == 25
    assert sampler.hyperparameters(x, partition.labels)["factor"] < 1e-5


def test_a_rise_is_told_from_noise(ring):
    sampler = StickBreaking(DirichletProcess(1.0), WISHART, capacity=30)
    labels = sampler.init(ring)
    with pytest.warns(UserWarning, match="still climbs, by 50 nats"):
        assert tell(sampler, ring, labels, [0.0, 12.0, 11.0, 30.0, 40.0, 50.0], None) == ["climbing"]
    for settled in (
        [0.0, 9.0, 3.0, 1.0, 12.0, 8.0],
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
        [50.0, 40.0, 30.0, 20.0, 10.0, 0.0],
        [],
    ):
        assert tell(sampler, ring, labels, settled, None) == []
    # As often as not a settled chain has a later look above an earlier one: it is flagged in .8 % of orders.
    orders = torch.rand(20_000, LOOKS).argsort(1)
    pairs = sum((orders[:, a] < orders[:, b]).long() for b in range(LOOKS) for a in range(b))
    assert 0.005 < float((pairs >= 14).double().mean()) < 0.012


def test_looks_are_even_over_the_last_half():
    assert looks(100) == [50, 60, 70, 80, 90, 100]
    assert looks(11) == [] and looks(12)[-1] == 12 and len(looks(12)) == LOOKS
