"""One protocol for every clusterer, whatever its algorithm; then what is k-means' own."""

from dataclasses import dataclass, replace

import numpy as np
import pyro
import pytest
import torch
from pyro import distributions as dist
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.mixture import BayesianGaussianMixture
from torch import Tensor

from bnpgan.components import Coarsened, DirichletCategorical, NormalInverseGamma, NormalInverseWishart, SphericalNormal
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.engine import chunks
from bnpgan.models import MLP
from bnpgan.partition import Partition
from bnpgan.priors import DirichletProcess, FiniteDirichlet, PitmanYor
from bnpgan.recipes import MICGAN
from bnpgan.samplers import (
    IGMM,
    Algorithm8,
    Clusterer,
    CRPGibbs,
    DPMeans,
    FixedLabels,
    KMeans,
    OnlineKMeans,
    PyroMixture,
    RandomLabels,
    SliceSampler,
    SplitMerge,
    StickBreaking,
)
from bnpgan.samplers.base import check_state
from bnpgan.samplers.kmeans import kmeans_plus_plus, seeded_labels
from bnpgan.samplers.points import Points

pytestmark = pytest.mark.usefixtures("brief_starts")

N, C = 24, 6
MARKED = torch.arange(N) % 3  # slots 3, 4 and 5 are empty


@dataclass(frozen=True)
class Variational(Clusterer):
    """A clusterer from elsewhere takes one class, and nothing else needs to know."""

    capacity: int

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        x = torch.as_tensor(x, dtype=torch.float64)
        seed = int(torch.randint(2**31, ()))
        model = BayesianGaussianMixture(n_components=self.capacity, max_iter=500, random_state=seed)
        return Partition.from_labels(x, torch.from_numpy(model.fit_predict(x.numpy())), self.capacity)


def laplace(mean: Tensor, std: Tensor) -> dist.TorchDistribution:
    return dist.Laplace(pyro.sample("loc", dist.Normal(mean, 3 * std).to_event(1)), 0.2 * std).to_event(1)


NIW = NormalInverseWishart()
SAMPLERS = {
    "CRPGibbs": CRPGibbs(DirichletProcess(1.0), NIW, capacity=C, sweeps=2),
    "StickBreaking-DP": StickBreaking(DirichletProcess(1.0), NIW, capacity=C, sweeps=3),
    "StickBreaking-PY": StickBreaking(PitmanYor(1.0, 0.3), NIW, capacity=C, sweeps=3),
    "StickBreaking-FiniteDirichlet": StickBreaking(FiniteDirichlet(1.0), NIW, capacity=C, sweeps=3),
    "IGMM": IGMM(PitmanYor(1.0, 0.3), NIW, capacity=C, sweeps=3),
    "CRPGibbs-NormalInverseGamma": CRPGibbs(DirichletProcess(1.0), NormalInverseGamma(), capacity=C, sweeps=2),
    "CRPGibbs-SphericalNormal": CRPGibbs(DirichletProcess(1.0), SphericalNormal(), capacity=C, sweeps=2),
    "StickBreaking-NormalInverseGamma": StickBreaking(PitmanYor(1.0, 0.3), NormalInverseGamma(), capacity=C, sweeps=3),
    "StickBreaking-SphericalNormal": StickBreaking(PitmanYor(1.0, 0.3), SphericalNormal(), capacity=C, sweeps=3),
    "SliceSampler-DP": SliceSampler(DirichletProcess(1.0), NIW, capacity=C, sweeps=3),
    "SliceSampler-PY": SliceSampler(PitmanYor(1.0, 0.3), NIW, capacity=C, sweeps=3),
    "Algorithm8": Algorithm8(PitmanYor(1.0, 0.3), NIW, capacity=C, sweeps=2),
    "Algorithm8-SemiConjugateNormal": Algorithm8(DirichletProcess(1.0), SemiConjugateNormal(), capacity=C, sweeps=2),
}
CLUSTERERS = SAMPLERS | {
    "KMeans": KMeans(C),
    "DPMeans": DPMeans(C),
    "OnlineKMeans": OnlineKMeans(C),
    "RandomLabels": RandomLabels(C),
    "FixedLabels": FixedLabels(MARKED, capacity=C),
    "PyroMixture": PyroMixture(laplace, C, steps=10),
    "Variational": Variational(C),
}
STARTS_WARM = {name: CLUSTERERS[name] for name in [*SAMPLERS, "KMeans", "OnlineKMeans", "DPMeans", "PyroMixture"]}
VALIDATES = {name: clusterer for name, clusterer in CLUSTERERS.items() if name != "Variational"}


def each(clusterers: dict[str, Clusterer]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("clusterer", clusterers.values(), ids=clusterers.keys())


def points(dtype: torch.dtype = torch.float32) -> Tensor:
    centres = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]], dtype=dtype)
    return centres[MARKED] + 0.3 * torch.randn(N, 2, dtype=dtype)


# The protocol.


@each(CLUSTERERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_partition_has_slots_weights_and_components(clusterer, dtype):
    x = points(dtype)
    p = clusterer.fit(x)
    assert p.labels.dtype == torch.int64
    assert p.labels.shape == (N,)
    assert p.labels.min() >= 0
    assert p.labels.max() < p.capacity == clusterer.capacity == C
    assert torch.equal(p.log_weights == -torch.inf, ~p.active)
    assert float(p.log_weights.exp().sum()) == pytest.approx(1)
    assert p.components.mean.shape == (C, 2)
    assert p.components.log_prob(x).shape == (N, C)


@each(CLUSTERERS)
def test_new_points_go_to_occupied_slots(clusterer):
    p = clusterer.fit(points())
    new = 5 * torch.randn(100, 2)
    assert p.predict(new).dtype == torch.int64
    assert p.active[p.predict(new)].all()
    assert p.log_prob(new).isfinite().all()


@each(CLUSTERERS)
@pytest.mark.parametrize("labels", [None, MARKED], ids=["cold", "warm"])
def test_one_seed_gives_one_partition(clusterer, labels):
    x = points()
    torch.manual_seed(1)
    first = clusterer.fit(x, labels)
    torch.manual_seed(1)
    second = clusterer.fit(x, labels)
    assert torch.equal(first.labels, second.labels)
    assert torch.equal(first.components.mean, second.components.mean)


@each(CLUSTERERS)
def test_inputs_are_left_as_they_were(clusterer):
    x, labels = points(), MARKED.clone()
    before = x.clone()
    clusterer.fit(x, labels)
    assert torch.equal(x, before)
    assert torch.equal(labels, MARKED)


@each(CLUSTERERS)
def test_numpy_and_tensors_of_the_same_points_give_the_same_partition(clusterer):
    x = points()
    torch.manual_seed(1)
    tensors = clusterer.fit(x)
    torch.manual_seed(1)
    arrays = clusterer.fit(x.numpy())
    assert torch.equal(tensors.labels, arrays.labels)


@each(STARTS_WARM)
def test_points_that_ask_for_gradients_are_points_too(clusterer):
    assert not clusterer.fit(points().requires_grad_(), MARKED).components.mean.requires_grad


def test_points_of_a_chain_stay_the_same_tensor():
    """What is remembered of points, such as their covariance, is found again by the tensor that they are."""
    x = points(torch.float64)
    assert check_state(x, MARKED, C)[0] is x


@each(STARTS_WARM)
def test_numpy_labels_start_a_fit(clusterer):
    assert clusterer.fit(points(), MARKED.numpy()).labels.shape == (N,)


@each(CLUSTERERS)
def test_whole_numbers_are_points_too(clusterer):
    assert clusterer.fit(np.random.default_rng(0).integers(0, 100, (N, 2))).labels.shape == (N,)


@each({"StickBreaking": SAMPLERS["StickBreaking-DP"], "CRPGibbs": SAMPLERS["CRPGibbs"], "IGMM": SAMPLERS["IGMM"]})
@pytest.mark.parametrize("capacity", [1, N + 5], ids=["one slot", "more slots than points"])
def test_any_number_of_slots_will_do(clusterer, capacity):
    assert replace(clusterer, capacity=capacity).fit(points()).capacity == capacity


# Samplers: the label vector is the state.


@each(SAMPLERS)
def test_fit_is_init_and_sweeps_steps(clusterer):
    x = points()
    torch.manual_seed(1)
    fitted = clusterer.fit(x)
    torch.manual_seed(1)
    labels = clusterer.init(x)
    for _ in range(clusterer.sweeps):
        labels = clusterer.step(x, labels)
    assert torch.equal(fitted.labels, labels)


@each(SAMPLERS)
def test_warm_start_is_steps_from_the_given_labels(clusterer):
    x = points()
    torch.manual_seed(1)
    fitted = clusterer.fit(x, MARKED)
    torch.manual_seed(1)
    labels = MARKED
    for _ in range(clusterer.sweeps):
        labels = clusterer.step(x, labels)
    assert torch.equal(fitted.labels, labels)


@each(SAMPLERS)
def test_no_sweeps_keep_the_given_labels(clusterer):
    assert torch.equal(replace(clusterer, sweeps=0).fit(points(), MARKED).labels, MARKED)


@each(SAMPLERS)
def test_step_leaves_its_inputs(clusterer):
    x, labels = points(torch.float64), MARKED.clone()
    before = x.clone()
    clusterer.step(x, labels)
    assert torch.equal(x, before)
    assert torch.equal(labels, MARKED)


@each(SAMPLERS)
def test_log_joint_is_finite_and_prefers_the_clusters_there_are(clusterer):
    x = points()
    jumbled = MARKED[torch.randperm(N)]
    assert clusterer.log_joint(x, MARKED).isfinite()
    assert clusterer.log_joint(x, MARKED) > clusterer.log_joint(x, jumbled)


@each(SAMPLERS)
def test_partition_of_a_sampler_has_the_posterior_means_given_its_labels(clusterer):
    x = points(torch.float64)
    p = replace(clusterer, sweeps=0).fit(x, MARKED)
    expected = clusterer.component.posterior_mean(clusterer.component.stats(x, MARKED, C))
    torch.testing.assert_close(p.components.mean, expected.mean)
    torch.testing.assert_close(p.components.covariance, expected.covariance)


# Points need not be numbers: categorical values.


CATEGORICAL = {
    "CRPGibbs": CRPGibbs(DirichletProcess(1.0), DirichletCategorical(), capacity=C, sweeps=20),
    "StickBreaking": StickBreaking(PitmanYor(1.0, 0.3), DirichletCategorical(), capacity=C, sweeps=20),
    "IGMM": IGMM(DirichletProcess(1.0), DirichletCategorical(), capacity=C, sweeps=20),
}


def answers() -> Tensor:
    """Rows of two kinds, all 2 or all 3, but for one value in twenty."""
    return torch.where(torch.rand(N, 12) < 0.95, MARKED[:, None] % 2 + 2, torch.randint(4, (N, 12)))


@each(CATEGORICAL)
def test_categorical_values_are_partitioned_by_the_same_samplers(clusterer):
    x = answers()
    assert clusterer.fit(x).labels.shape == (N,)
    p = clusterer.fit(x, MARKED)
    assert p.components.log_prob(x).shape == (N, C)
    assert p.components.mean.shape == (C, 12)
    assert not (set(p.labels[MARKED == 1].tolist()) & set(p.labels[MARKED != 1].tolist()))
    torch.manual_seed(1)
    first = clusterer.step(x, MARKED)
    torch.manual_seed(1)
    assert torch.equal(clusterer.step(x.to(torch.float32), MARKED), first)


@each(CATEGORICAL)
def test_values_that_are_no_categories_are_refused(clusterer):
    for x in (answers() - 1, answers() + 0.5):
        with pytest.raises(ValueError, match=r"^x must hold whole numbers"):
            clusterer.fit(x)


# What is refused, in words that name the argument.


@each(VALIDATES)
@pytest.mark.parametrize(
    "x",
    [
        torch.full((N, 2), torch.nan),
        torch.cat([torch.zeros(N - 1, 2), torch.tensor([[0.0, torch.inf]])]),
        torch.zeros(N),
        torch.zeros(N, 2, 1),
        torch.zeros(0, 2),
        torch.zeros(N, 0),
    ],
    ids=["nan", "inf", "rank 1", "rank 3", "no points", "no dimensions"],
)
def test_bad_points_are_refused(clusterer, x):
    for labels in (None, torch.zeros(len(x), dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"^x "):
            clusterer.fit(x, labels)


@each(STARTS_WARM)
@pytest.mark.parametrize(
    "labels",
    [MARKED - 1, MARKED + C, MARKED[1:], MARKED.float(), MARKED[:, None]],
    ids=["negative", "above the slots", "too few", "float", "rank 2"],
)
def test_bad_labels_are_refused(clusterer, labels):
    with pytest.raises(ValueError, match=r"^labels "):
        clusterer.fit(points(), labels)


@each(SAMPLERS)
def test_step_and_log_joint_refuse_what_fit_refuses(clusterer):
    for method in (clusterer.step, clusterer.log_joint):
        with pytest.raises(ValueError, match=r"^x "):
            method(torch.full((N, 2), torch.nan), MARKED)
        with pytest.raises(ValueError, match=r"^labels "):
            method(points(), MARKED + C)


@each({name: c for name, c in VALIDATES.items() if name != "FixedLabels"})
@pytest.mark.parametrize("capacity", [0, -1, 2.5])
def test_bad_capacity_is_refused(clusterer, capacity):
    with pytest.raises(ValueError, match=r"^capacity "):
        replace(clusterer, capacity=capacity)


@each(SAMPLERS)
@pytest.mark.parametrize("sweeps", [-1, 1.5])
def test_bad_sweeps_are_refused(clusterer, sweeps):
    with pytest.raises(ValueError, match=r"^sweeps "):
        replace(clusterer, sweeps=sweeps)


@pytest.mark.parametrize(
    ("labels", "capacity", "message"),
    [
        (torch.tensor([0, 1, 2]), 2, r"^labels "),
        (torch.tensor([0, -1]), None, r"^labels "),
        (torch.tensor([0.0, 1.0]), None, r"^labels "),
        (torch.tensor([[0, 1]]), None, r"^labels "),
        (torch.tensor([0, 1]), 0, r"^capacity "),
    ],
)
def test_bad_fixed_labels_are_refused(labels, capacity, message):
    with pytest.raises(ValueError, match=message):
        FixedLabels(labels, capacity)


def test_fixed_labels_are_for_as_many_points():
    with pytest.raises(ValueError, match=r"^labels "):
        FixedLabels(MARKED[1:]).fit(points())


# Labels from elsewhere, or from nowhere.


def test_fixed_labels_may_be_handed_over_as_numpy():
    assert FixedLabels(capacity=2).fit(np.zeros((2, 1)), np.array([0, 1])).labels.tolist() == [0, 1]


@pytest.mark.parametrize("make", [torch.tensor, np.array, list, lambda z: torch.tensor(z, dtype=torch.uint8)])
def test_fixed_labels_may_come_in_any_whole_type(make):
    p = FixedLabels(make([0, 2, 2])).fit(torch.randn(3, 2))
    assert p.labels.tolist() == [0, 2, 2]
    assert p.capacity == 3


def test_random_labels_redraw_those_of_the_mini_batch_only():
    x = torch.randn(2_000, 2)
    clusterer = RandomLabels(10)
    old = clusterer.fit(x)
    before, index = old.labels.clone(), torch.arange(1_000)
    new = clusterer.update(old, x[index], index)
    assert torch.equal(new.labels[1_000:], old.labels[1_000:])
    assert 0.05 < (new.labels[:1_000] == old.labels[:1_000]).double().mean() < 0.15  # 5 standard errors around 1 / 10
    assert torch.equal(old.labels, before)


# k-means.


def blobs(n: int = 300, k: int = 12) -> tuple[Tensor, Tensor]:
    modes = torch.arange(n) % k
    return 4 * torch.randn(k, 2, dtype=torch.float64)[modes] + 0.7 * torch.randn(n, 2, dtype=torch.float64), modes


def grid(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    modes = torch.arange(450) % 9
    middles = 20 * torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0))
    return (middles[modes] + torch.randn(450, 2)).to(dtype), modes


def inertia(x: Tensor, p: Partition) -> float:
    return float(((x - p.components.mean[p.labels]) ** 2).sum())


def test_kmeans_is_as_good_as_scikit_learn():
    x, _ = blobs()
    reference = SklearnKMeans(12, n_init=10, random_state=0).fit(x.numpy()).inertia_
    assert inertia(x, KMeans(12).fit(x)) < 1.01 * reference


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kmeans_is_as_good_as_scikit_learn_on_average(dtype):
    """Overlapping clusters with many local optima: 12 fits of 3 restarts each; standard errors are near 0.3 %."""
    torch.manual_seed(0)
    x = (torch.randn(30, 3)[torch.arange(1_500) % 30] + 0.3 * torch.randn(1_500, 3)).to(dtype)
    reference = [SklearnKMeans(30, n_init=3, random_state=seed).fit(x.numpy()).inertia_ for seed in range(12)]
    ours = [inertia(x, KMeans(30, restarts=3).fit(x)) for _ in range(12)]
    assert sum(ours) < 1.015 * sum(reference)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_kmeans_finds_modes_wherever_they_are(dtype, offset):
    x, modes = grid(dtype)
    p = KMeans(9).fit(x + offset)
    assert p.components.mean.dtype == dtype
    assert torch.equal(p.labels[:9][modes], p.labels)
    assert len(p.labels[:9].unique()) == 9


def test_kmeans_by_blocks_of_rows_is_the_same(monkeypatch):
    x = torch.randn(120, 3, dtype=torch.float64)
    means = x[:20]
    nearest = torch.cdist(x, means).argmin(1)
    widest = []
    step, addmm = Points.step, torch.addmm
    monkeypatch.setattr(torch, "addmm", lambda *args, **options: widest.append(addmm(*args, **options)) or widest[-1])
    for numbers in (2**17, 64, 1):  # all rows at once, three, one
        for held in ("CACHED", "HELD"):  # of 64 and 1: no centred copy, and restarts one by one
            monkeypatch.setattr(chunks, held, 8 * numbers)
        widest.clear()
        labels, moved = step(Points(x), means)
        assert torch.equal(labels, nearest)
        torch.testing.assert_close(moved, torch.stack([x[nearest == k].mean(0) for k in range(20)]))
        assert max(out.numel() for out in widest) <= max(numbers, 20)
        assert KMeans(20, restarts=2, iterations=3).fit(x).counts.min() > 0
        assert max(out.numel() for out in widest) <= max(numbers, 2 * 20)


def test_restarts_of_wide_points_in_principal_axes_lose_nothing(monkeypatch):
    torch.manual_seed(0)
    flat = torch.randn(30, 3)[torch.arange(1_500) % 30] + 0.3 * torch.randn(1_500, 3)
    x = flat @ torch.randn(3, 40) + 0.01 * torch.randn(1_500, 40)
    assert Points(x).principal()[0].x.shape == (1_500, 3)
    ours = [inertia(x, KMeans(30, restarts=3).fit(x)) for _ in range(8)]
    monkeypatch.setattr("bnpgan.samplers.points.MANY_COLUMNS", 41)
    assert Points(x).principal()[0].x is x
    assert sum(ours) < 1.015 * sum(inertia(x, KMeans(30, restarts=3).fit(x)) for _ in range(8))


def test_tight_clusters_far_apart_are_compared_in_more_axes_and_not_in_all(monkeypatch):
    """Thirty clusters of four parts each, which three axes do not tell apart: they leave out more than the parts."""
    torch.manual_seed(0)
    far, near = torch.randn(30, 3)[torch.arange(2_400) % 30], torch.randn(120, 4)[torch.arange(2_400) % 120]
    parts = torch.cat([far + 0.01 * torch.randn(2_400, 3), 0.02 * near, 1e-4 * torch.randn(2_400, 57)], 1)
    x = parts @ torch.linalg.qr(torch.randn(64, 64))[0]
    widths, exact, best_in, seeds = [], [], KMeans._best_in, Points.seeds
    monkeypatch.setattr(KMeans, "_best_in", lambda self, p: widths.append(p.x.shape[1]) or best_in(self, p))
    monkeypatch.setattr(
        Points, "seeds", lambda self, *a, **k: exact.append(k.get("exact", False)) or seeds(self, *a, **k)
    )
    found = KMeans(120).fit(x)
    assert widths == [3, 7]
    assert inertia(x, found) < 1.5 * inertia(x, Partition.from_labels(x, torch.arange(2_400) % 120, 120))
    assert not any(exact)


@pytest.mark.parametrize("D", [1, 64, 4096])
def test_rounding_of_distances_is_what_dust_says(D):
    torch.manual_seed(0)
    points = Points(torch.randn(2_000, D) + 3)
    chosen = torch.arange(40)
    (_, quick), (_, right) = (next(iter(points.distances(chosen, exact))) for exact in (False, True))
    shown = (quick.double() - right.double()).abs().max() / points.squares.max()
    assert shown < points.dust < 1e-4


def test_points_that_are_one_in_the_principal_axes_are_told_apart():
    x = torch.zeros(80, 40, dtype=torch.float64)
    x[:, 0], x[:, 1], x[:, 7] = (torch.arange(80) // n % 2 * scale for n, scale in ((1, 9.0), (2, 9.0), (4, 0.1)))
    assert Points(x).principal()[0].x.shape == (80, 2)
    assert KMeans(8).fit(x).counts.tolist() == [10] * 8
    with pytest.raises(ValueError, match="x holds 8 distinct points"):
        KMeans(9).fit(x)


def test_kmeans_follows_an_outlier_and_still_tells_near_points_apart():
    """Next to the outlier the matrix product takes all others for copies of one point."""
    x = torch.cat([torch.tensor([[1e6, 1e6]]), torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0))])
    assert len(kmeans_plus_plus(x, 10)) == 10
    assert KMeans(2).fit(x).counts.tolist() in ([1, 9], [9, 1])


def test_seeds_can_be_sought_among_fewer_points():
    x = torch.arange(100.0)[:, None]
    assert len(seeded_labels(x, 10, among=5)) == 100
    assert [len(seeded_labels(x, 10, among).unique()) for among in (5, 10, 200, None)] == [5, 10, 10, 10]


def test_kmeans_is_at_rest():
    x, _ = blobs()
    p = KMeans(12).fit(x)
    assert torch.equal(p.predict(x), p.labels)


def test_kmeans_of_old_labels_under_other_numbers_keeps_those_numbers():
    x, modes = blobs(k=5)
    p = KMeans(5).fit(x, modes)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(KMeans(5).fit(x, order[modes]).labels, order[p.labels])


def test_kmeans_fills_an_empty_cluster_with_the_farthest_point():
    x = torch.tensor([[0.0], [0.1], [0.2], [9.0], [9.1], [50.0]])
    p = KMeans(3).fit(x, torch.tensor([0, 0, 0, 2, 2, 2]))
    assert p.labels.tolist() == [0, 0, 0, 2, 2, 1]


@pytest.mark.parametrize("labels", [None, torch.tensor([0, 1, 2, 0, 1, 2])], ids=["cold", "warm"])
def test_kmeans_needs_as_many_distinct_points_as_clusters(labels):
    x = torch.tensor([[0.1], [0.7], [0.1], [0.7], [0.1], [0.7]])
    assert KMeans(2).fit(x).counts.tolist() == [3, 3]
    with pytest.raises(ValueError, match=r"^x holds"):
        KMeans(3).fit(x, labels)


@pytest.mark.parametrize("name", ["restarts", "iterations"])
def test_kmeans_needs_a_run_and_an_iteration(name):
    with pytest.raises(ValueError, match=name):
        KMeans(3, **{name: 0})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_seeds_are_distinct_points_and_fewer_where_there_are_fewer(dtype):
    x = torch.randn(5, 3, dtype=dtype).repeat(20, 1) + 1_000
    for k in (1, 3, 5, 9):
        seeds = kmeans_plus_plus(x, k)
        assert len(x[seeds].unique(dim=0)) == len(seeds) == min(k, 5)


def test_seeds_are_drawn_by_squared_distance():
    """Two seeds, the second the better of two candidates: its law by enumeration; no two candidates are as good."""
    x = torch.tensor([[0.0], [1.0], [1.5], [3.0], [8.0]], dtype=torch.float64)
    seeds = Points(x).seeds(2, 60_000)
    square = (x - x.T) ** 2
    for first in range(5):
        p = square[first] / square[first].sum()
        left = torch.minimum(square[first], square).sum(1)
        a, b = torch.cartesian_prod(torch.arange(5), torch.arange(5)).T
        better = torch.where(left[b] < left[a], b, a)
        expected = torch.zeros(5, dtype=torch.float64).index_add_(0, better, p[a] * p[b])
        second = seeds[seeds[:, 0] == first, 1]
        share = torch.bincount(second, minlength=5) / len(second)
        assert (share - expected).abs().max() < 0.023  # 5 standard errors of 12,000 draws


def test_seeds_prefer_far_points():
    """Twenty far points among 2,000: uniform draws would miss them in 4 of 5 runs."""
    x = torch.cat([torch.randn(2_000, 2), 100 + torch.randn(20, 2)])
    for _ in range(20):
        assert (kmeans_plus_plus(x, 2) >= 2_000).any()


COUNTS = {
    "capacity": lambda n: RandomLabels(n),
    "sweeps": lambda n: IGMM(DirichletProcess(1.0), NIW, sweeps=n),
    "max_dim": lambda n: IGMM(DirichletProcess(1.0), NIW, max_dim=n),
    "max_points": lambda n: KMeans(3, max_points=n),
    "pairs": lambda n: SplitMerge(IGMM(DirichletProcess(1.0), NIW), pairs=n),
    "auxiliaries": lambda n: Algorithm8(DirichletProcess(1.0), NIW, auxiliaries=n),
    "restarts": lambda n: KMeans(3, restarts=n),
    "iterations": lambda n: DPMeans(iterations=n),
    "clusters": lambda n: DPMeans(clusters=n),
    "memory": lambda n: OnlineKMeans(3, memory=n),
    "batch": lambda n: PyroMixture(laplace, batch=n),
    "categories": lambda n: DirichletCategorical(categories=n),
    "replicas": lambda n: Coarsened(replicas=n),
    "width": lambda n: MLP(width=n),
    "z_dim": lambda n: MICGAN(shape=(2,), z_dim=n),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_whole_numbers_numpy_s_too_and_no_truth_values(name):
    for n in (np.int64(50), np.uint8(50)):
        kept = getattr(COUNTS[name](n), name)
        assert kept == 50 and type(kept) is int
    for wrong in (True, 2.5, "50", -1):
        with pytest.raises(ValueError, match=rf"^{name} must be a whole number of at least \d, got {wrong!r}: pass"):
            COUNTS[name](wrong)


def test_a_wrapper_has_numpy_s_counts_in_its_base():
    sampler = replace(SplitMerge(IGMM(DirichletProcess(1.0), NIW)), capacity=np.int64(7), sweeps=np.int32(2))
    assert sampler.capacity == 7 and type(sampler.base.capacity) is type(sampler.sweeps) is int
    assert sampler.fit(torch.randn(20, 2)).log_weights.shape == (7,)
    for wrong in (2.5, True):
        with pytest.raises(ValueError, match=r"^sweeps must be a whole number of at least 0"):
            replace(sampler, sweeps=wrong)
