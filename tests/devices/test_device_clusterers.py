"""Every clusterer takes points of a device, and what it finds is there too, by the same law as on the CPU."""

import pyro
import pytest
import torch
from places import assert_on, assert_same, moved
from pyro import distributions as dist

from bnpgan import data
from bnpgan.components import (
    Coarsened,
    DirichletCategorical,
    NormalInverseGamma,
    NormalInverseWishart,
    SemiConjugateNormal,
    SphericalNormal,
)
from bnpgan.grids import Grid
from bnpgan.metrics import ari
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import (
    IGMM,
    Algorithm8,
    CRPGibbs,
    DPMeans,
    FixedLabels,
    KMeans,
    OnlineKMeans,
    PyroMixture,
    RandomLabels,
    Sharded,
    SliceSampler,
    SplitMerge,
    StickBreaking,
)

pytestmark = pytest.mark.usefixtures("brief_starts")

N, M, C = 48, 4, 8  # points, the clusters that they are of, slots


def blob(mean, std):
    return dist.Normal(pyro.sample("loc", dist.Normal(mean, 3 * std).to_event(1)), 0.1 * std).to_event(1)


class Told(DirichletProcess):
    """A prior that says its predictive anew, so that no compiled loop can be used."""

    def log_predictive(self, counts):
        return super().log_predictive(counts)


def samplers(sweeps):
    prior, learned = PitmanYor(1.0, 0.3), PitmanYor(Grid.gamma(points=3), Grid.beta(points=2))
    wishart, few = NormalInverseWishart(), {"capacity": C, "sweeps": sweeps}
    return {
        "CRPGibbs": CRPGibbs(learned, wishart, **few),
        "CRPGibbs, not compiled": CRPGibbs(prior, NormalInverseGamma(), **few),
        "StickBreaking": StickBreaking(learned, wishart, **few),
        "StickBreaking, spherical": StickBreaking(FiniteDirichlet(Grid([0.5, 2.0])), SphericalNormal(), **few),
        "StickBreaking, any number": StickBreaking(MixtureOfFiniteMixtures(), NormalInverseGamma(), **few),
        "IGMM": IGMM(learned, wishart, **few),
        "IGMM, not compiled": IGMM(Told(1.0), wishart, **few),
        "SliceSampler": SliceSampler(learned, wishart, **few),
        "StickBreaking, coarsened": StickBreaking(learned, Coarsened(NormalInverseGamma(), points=20), **few),
        "Algorithm8": Algorithm8(prior, SemiConjugateNormal(), **few),
        "SplitMerge of sticks": SplitMerge(StickBreaking(learned, wishart, **few), pairs=4),
        "SplitMerge of seats": SplitMerge(CRPGibbs(prior, wishart, **few), pairs=4),
    }


SAMPLERS = samplers(sweeps=1)
KMEANS = {"KMeans": KMeans(M), "OnlineKMeans": OnlineKMeans(M), "Sharded k-means": Sharded(KMeans(M))}
SURE = {**KMEANS, "DPMeans": DPMeans(C, clusters=M)}  # the same from the same labels, whatever is drawn
CLUSTERERS = {
    **SAMPLERS,
    **SURE,
    "PyroMixture": PyroMixture(blob, C, steps=4, batch=N // 2),
    "Sharded sticks": Sharded(SAMPLERS["StickBreaking"]),
    "RandomLabels": RandomLabels(C),
    "FixedLabels": FixedLabels(torch.arange(N) % M, C),
}
FINDERS = {**samplers(sweeps=4), **SURE, "PyroMixture": PyroMixture(blob, M, steps=40)}


SLOW = "CRPGibbs, not compiled", "IGMM, not compiled", "SplitMerge of seats", "Sharded sticks"  # as others, but slower


def each(clusterers):
    marks = {name: [pytest.mark.slow] if name in SLOW else [] for name in clusterers}
    values = [pytest.param(clusterer, marks=marks[name], id=name) for name, clusterer in clusterers.items()]
    return pytest.mark.parametrize("clusterer", values)


def points():
    """Clusters far apart, and which point is of which."""
    truth = torch.arange(N) % M
    corners = torch.stack([truth % 2, truth // 2], 1) * 10.0
    return corners + 0.3 * torch.randn(N, 2), truth


@each(CLUSTERERS)
def test_a_partition_is_on_the_device_of_the_points(gpu, clusterer):
    x, truth = (part.to(gpu.device) for part in points())
    before = x.clone(), truth.clone()
    for partition in (clusterer.fit(x, truth), clusterer.fit(x, truth.cpu()), clusterer.partition(x, truth)):
        assert_on(gpu.device, partition)
        assert partition.labels.shape == (N,) and partition.capacity == clusterer.capacity
    assert torch.equal(x, before[0]) and torch.equal(truth, before[1])


@each(SAMPLERS | {"Sharded": CLUSTERERS["Sharded sticks"]})
def test_a_chain_stays_on_the_device_step_by_step(gpu, clusterer):
    x = points()[0].to(gpu.device)
    start = clusterer.init(x)
    before = x.clone(), start.clone()
    labels = clusterer.step(x, start)
    assert_on(gpu.device, start, labels)
    assert labels.dtype == torch.int64 and int(labels.min()) >= 0 and int(labels.max()) < C
    assert torch.equal(x, before[0]) and torch.equal(start, before[1])


@pytest.mark.slow
@each(FINDERS)
def test_clear_clusters_are_found(gpu, clusterer):
    x, truth = points()
    partition = clusterer.fit(x.to(gpu.device))
    assert_on(gpu.device, partition)
    assert ari(partition.labels, truth) > 0.9


@pytest.mark.parametrize("kind", [StickBreaking, SliceSampler, IGMM, CRPGibbs])
def test_many_points_go_to_their_clusters(gpu, kind):
    x, truth = data.ring(2000)
    prior = PitmanYor(Grid.gamma(points=5), Grid.beta(points=3))
    sampler = kind(prior, NormalInverseWishart(), capacity=30, sweeps=3)
    partition = sampler.fit(x.to(gpu.device), truth.to(gpu.device) if kind is CRPGibbs else None)
    assert_on(gpu.device, partition)
    assert ari(partition.labels, truth) > 0.95


@each(SAMPLERS)
def test_the_law_of_labels_is_that_of_the_cpu(gpu, clusterer):
    x, truth = points()
    for labels in (truth, torch.randint(C, (N,))):
        there = x.to(gpu.device), labels.to(gpu.device)
        assert_same(clusterer.log_prior(there[1]), clusterer.log_prior(labels))
        assert_same(clusterer.log_joint(*there), clusterer.log_joint(x, labels))
        assert_on(gpu.device, clusterer.log_prior(there[1]), clusterer.log_joint(*there))


@each({name: c for name, c in CLUSTERERS.items() if name not in ("PyroMixture", "RandomLabels")})
def test_what_is_known_of_given_labels_is_that_of_the_cpu(gpu, clusterer):
    x, truth = points()
    assert_same(clusterer.partition(x.to(gpu.device), truth.to(gpu.device)), clusterer.partition(x, truth))


@each(SURE)
def test_what_does_not_depend_on_chance_is_found_as_on_the_cpu(gpu, clusterer):
    x, truth = points()
    start = truth.where(torch.arange(N) % 5 > 0, 0)  # some are wrong
    assert_same(clusterer.fit(x.to(gpu.device), start.to(gpu.device)), clusterer.fit(x, start))


@pytest.mark.parametrize("name", ["StickBreaking", "IGMM", "SplitMerge of seats"])
def test_chains_keep_their_labels_on_the_device_and_their_traces_as_numbers(gpu, name):
    x, truth = points()
    state = torch.get_rng_state(), torch.cuda.get_rng_state(gpu.device)
    chains = SAMPLERS[name].chain(x.to(gpu.device), n=2, seeds=(0, 1), labels=truth.to(gpu.device), progress=False)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert torch.equal(torch.cuda.get_rng_state(gpu.device), state[1])
    assert_on(gpu.device, chains.labels)
    for labels, value in zip(chains.labels.flatten(0, 1), chains.trace["log_joint"].flatten(), strict=True):
        torch.testing.assert_close(value, SAMPLERS[name].log_joint(x, labels.cpu()))


def test_a_chain_is_what_stepping_by_hand_gives(gpu):
    x, truth = (part.to(gpu.device) for part in points())
    sampler = SAMPLERS["StickBreaking"]
    chains = sampler.chain(x, n=2, seeds=(7,), labels=truth, progress=False)
    torch.manual_seed(7)
    labels = truth
    for kept in chains.labels[0]:
        labels = sampler.step(x, labels)
        assert torch.equal(labels, kept)


@each(SAMPLERS)
def test_hyperparameters_are_numbers(gpu, clusterer):
    x, truth = (part.to(gpu.device) for part in points())
    drawn = clusterer.hyperparameters(x, truth)
    learned = len(clusterer.prior.learned) + len(clusterer.component.learned)
    assert len(drawn) == learned and all(isinstance(value, float) for value in drawn.values())


def test_a_mini_batch_moves_centroids_as_on_the_cpu(gpu):
    x, truth = points()
    clusterer, i = OnlineKMeans(M), torch.arange(0, N, 7)
    partition = clusterer.fit(x, truth)
    there = clusterer.update(moved(partition, gpu.device), x[i].to(gpu.device) + 1, i.to(gpu.device))
    assert_on(gpu.device, there)
    assert_same(there, clusterer.update(partition, x[i] + 1, i))


def test_a_mini_batch_gets_other_random_labels(gpu):
    x, i = points()[0].to(gpu.device), torch.arange(0, N, 2, device=gpu.device)
    clusterer = RandomLabels(C)
    before = clusterer.fit(x)
    after = clusterer.update(before, x[i], i)
    assert_on(gpu.device, after)
    assert torch.equal(before.labels[1::2], after.labels[1::2])
    assert not torch.equal(before.labels, after.labels)


def test_rows_of_categories_are_clustered_on_the_device(gpu):
    x = (torch.arange(N) % 3)[:, None].expand(N, 5)
    sampler = StickBreaking(DirichletProcess(1.0), DirichletCategorical(0.2), capacity=C, sweeps=5)
    partition = sampler.fit(x.to(gpu.device))
    assert_on(gpu.device, partition)
    assert ari(partition.labels, x[:, 0]) > 0.9


def test_a_family_that_is_not_conjugate_is_drawn_on_the_device(gpu):
    x, truth = (part.to(gpu.device) for part in points())
    sampler = StickBreaking(DirichletProcess(1.0), SemiConjugateNormal(), capacity=C, sweeps=3)
    partition = sampler.fit(x, truth)
    assert_on(gpu.device, partition)
    assert ari(partition.labels, truth) > 0.9


def test_points_may_be_in_double_precision_or_whole_numbers(gpu):
    x = points()[0].to(gpu.device)
    for other in (x.double(), x.long()):
        assert_on(gpu.device, KMeans(M).fit(other), SAMPLERS["CRPGibbs"].fit(other))


def test_bad_points_and_labels_are_named(gpu):
    x, truth = (part.to(gpu.device) for part in points())
    spoilt = x.index_put((truth == 1,), torch.tensor(torch.nan, device=gpu.device))
    for clusterer in (KMeans(M), SAMPLERS["StickBreaking"]):
        with pytest.raises(ValueError, match=r"x must be finite, got \[nan"):
            clusterer.fit(spoilt)
        with pytest.raises(ValueError, match="labels must lie in the slots"):
            clusterer.fit(x, truth + clusterer.capacity)


def test_algorithm_8_opens_clusters_on_the_device(gpu):
    x = points()[0].to(gpu.device)
    family = SemiConjugateNormal(spread=x.std(0), scale=0.05 * x.var(0))
    sampler = Algorithm8(DirichletProcess(30.0), family, capacity=C, auxiliaries=10)
    labels = sampler.step(x, torch.zeros(N, dtype=torch.int64, device=gpu.device))
    assert_on(gpu.device, labels)
    assert len(labels.unique()) > 1


def test_crp_shows_each_seating_on_the_device(gpu):
    x, labels = (part[:6].to(gpu.device) for part in points())
    sampler = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(scale=1.0), capacity=M)
    for start in (None, labels):
        for seating in sampler.seatings(x, start):
            assert_on(gpu.device, seating.weights, seating.labels)
