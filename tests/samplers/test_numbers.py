"""Numbers as they come: what holds them, in which precision, how far apart, how many."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from bnpgan import recipes
from bnpgan.components import Centroids, DirichletCategorical, NormalInverseWishart
from bnpgan.engine.nearest import nearest
from bnpgan.features import Identity
from bnpgan.partition import Partition, Projection, reduced
from bnpgan.priors import DirichletProcess, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import (
    CRPGibbs,
    DPMeans,
    FixedLabels,
    KMeans,
    OnlineKMeans,
    RandomLabels,
    SplitMerge,
    StickBreaking,
)
from bnpgan.samplers.points import Points
from bnpgan.training import train

HALF = [torch.float16, torch.bfloat16]


def groups(far: float, size: int = 90) -> tuple[Tensor, Tensor]:
    """Three groups side by side and a fourth, of one point, far away, in double precision."""
    labels = torch.cat([torch.arange(size) % 3, torch.tensor([3])])
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.2], [far, -far]], dtype=torch.float64)
    return centres[labels] + 0.05 * torch.randn(size + 1, 2, dtype=torch.float64), labels


def same(found: Tensor, truth: Tensor) -> bool:
    """Whether two labellings are one partition."""
    return len(torch.stack([found, truth]).unique(dim=1).T) == len(found.unique()) == len(truth.unique())


# Precision.


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("far", [1e2, 1e5, 1e7, 1e9, 1e13])
def test_a_point_however_far_leaves_the_others_as_they_are(dtype, far):
    x, truth = groups(far)
    x = x.to(dtype)
    for clusterer in (KMeans(4), OnlineKMeans(4), FixedLabels(truth)):
        p = clusterer.fit(x)
        assert same(p.labels, truth)
        assert torch.equal(p.predict(x), p.labels)
        assert p.components.mean.dtype == dtype


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
def test_groups_of_many_scales_in_single_precision(offset):
    truth = torch.arange(240) % 6
    centres = torch.tensor([[0.0], [1.0], [2.0], [1e4], [1e4 + 100], [1e7]])
    x = offset + centres[truth] + 0.05 * torch.randn(240, 1)
    torch.manual_seed(0)
    p = KMeans(6, restarts=20).fit(x)
    assert same(p.labels, truth)
    assert torch.equal(p.predict(x), p.labels)


@pytest.mark.parametrize("D", [1, 3, 40])
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e6])
@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_the_nearest_is_that_of_double_precision(D, spread, precision):
    torch.set_float32_matmul_precision(precision)
    try:
        scale = 10 ** (6 * torch.rand(900, 1) - 3)
        x = 5 + spread * scale * torch.randn(900, D)
        centres = x[torch.randperm(900)[:30]]
        exact = (x.double()[:, None] - centres.double()).square().sum(2).argmin(1)
        assert torch.equal(nearest(x, centres), exact)
        barred = torch.arange(30) % 3 == 0
        exact = (x.double()[:, None] - centres.double()).square().sum(2)[:, ~barred].argmin(1)
        assert torch.equal(nearest(x, centres, ~barred), (~barred).nonzero().flatten()[exact])
        means, points = centres.double(), Points(x)
        assert torch.equal(points.step(means)[0], nearest(x, centres))
    finally:
        torch.set_float32_matmul_precision("highest")


def test_distances_near_each_other_keep_their_digits_where_a_mean_is_far():
    c = Centroids(torch.tensor([[0.0, 0.0], [0.5, 0.0], [1e6, 1e6]]), torch.ones(3))
    log_prob = c.log_prob(torch.tensor([[0.25, 1.0], [0.0, 0.0]]))
    expected = -0.5 * torch.tensor([[1.0625, 1.0625], [0.0, 0.25]]) - math.log(2 * math.pi)
    torch.testing.assert_close(log_prob[:, :2], expected)


@pytest.mark.parametrize("kind", HALF)
@pytest.mark.parametrize("D", [2, 64])
@pytest.mark.usefixtures("brief_starts")
def test_half_precision_is_taken_as_single(kind, D):
    x = torch.randn(80, D).to(kind)
    for clusterer in (
        KMeans(3),
        DPMeans(clusters=3),
        OnlineKMeans(3),
        StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=5, sweeps=2),
    ):
        torch.manual_seed(0)
        half = clusterer.fit(x)
        torch.manual_seed(0)
        single = clusterer.fit(x.float())
        assert torch.equal(half.labels, single.labels)
        assert torch.equal(half.components.mean, single.components.mean)
        assert torch.equal(half.predict(x), half.predict(x.float()))


def test_large_half_precision_numbers_do_not_overflow():
    x = torch.tensor([[60000.0], [59000.0], [-60000.0]], dtype=torch.float16)
    assert KMeans(2).fit(x).counts.tolist() in ([1, 2], [2, 1])


# What holds them.


@pytest.mark.parametrize(
    "wrapped",
    [
        pd.DataFrame,
        np.asfortranarray,
        lambda a: a[::-1][::-1],
        lambda a: a.astype(">f8"),
        lambda a: a.astype(np.longdouble),
        lambda a: a.astype(object),
        lambda a: np.ma.array(a, mask=np.zeros_like(a, dtype=bool)),
        lambda a: pd.DataFrame(a).convert_dtypes(),
        np.ndarray.tolist,
    ],
)
def test_whatever_holds_the_numbers(wrapped):
    a = 1.7e9 + np.random.default_rng(0).normal(size=(40, 2))
    torch.manual_seed(0)
    expected = KMeans(3).fit(torch.from_numpy(a))
    torch.manual_seed(0)
    p = KMeans(3).fit(wrapped(a))
    assert torch.equal(p.labels, expected.labels)
    assert p.components.mean.dtype == torch.float64


def test_a_read_only_array_is_taken_without_a_warning(recwarn):
    a = np.random.default_rng(0).normal(size=(40, 2))
    a.setflags(write=False)
    KMeans(3).fit(a)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.ma.array([[1.0], [2.0], [3.0]], mask=[[0], [1], [0]]), r"^x has masked entries, the first in row 1"),
        (pd.DataFrame({"a": ["one", "two"]}), r"^x must hold numbers only, got DataFrame"),
        ([["1", "2"]], r"^x must hold numbers only, got list"),
        ([[1.0], [2.0, 3.0]], r"^x must hold numbers only, got list"),
        (np.array([["2020-01-01"]], dtype="datetime64[D]"), r"^x must hold numbers only"),
        (pd.DataFrame({"a": [1, None]}), r"^x must be finite"),
        ({"a": 1}, r"^x must hold numbers only, got dict"),
        (None, r"^x must "),
        (torch.randn(4, 2, dtype=torch.complex64), r"^x must hold real numbers, got torch.complex64"),
        (torch.eye(3).to_sparse(), r"^x must be a dense tensor"),
    ],
)
def test_what_is_no_table_of_numbers_is_told(x, told):
    with pytest.raises(ValueError, match=told):
        KMeans(2).fit(x)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int32, ">i4"])
def test_labels_of_any_whole_numbers(kind):
    x, labels = torch.randn(30, 2), np.arange(30) % 3
    assert FixedLabels(capacity=3).fit(x, labels.astype(kind)).labels.tolist() == labels.tolist()
    assert FixedLabels(labels.astype(kind)).fit(x).labels.tolist() == labels.tolist()
    assert FixedLabels(pd.Series(labels.astype(kind))).fit(x).labels.tolist() == labels.tolist()
    assert (
        FixedLabels(capacity=3).fit(x, torch.from_numpy(labels.astype(np.dtype(kind).newbyteorder("=")))).capacity == 3
    )


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (
            np.array([0, 1, 2**64 - 1], dtype=np.uint64),
            r"^labels must lie in the slots \[0, 3\), got 0..18446744073709",
        ),
        (np.ma.array([0, 1, 2], mask=[0, 0, 1]), r"^labels has masked entries, the first in row 2"),
        (["a", "b", "c"], r"^labels must hold numbers only"),
        ([0.0, 1.0, 2.0], r"^labels must be a vector of whole numbers, got torch.float64"),
    ],
)
def test_what_are_no_labels_is_told(labels, told):
    with pytest.raises(ValueError, match=told):
        FixedLabels(capacity=3).fit(torch.randn(3, 2), labels)


# How many.


def test_fewer_points_than_clusters_are_refused_before_anything_is_drawn(monkeypatch):
    monkeypatch.setattr(Points, "seeds", lambda *_: pytest.fail("seeds were drawn"))
    with pytest.raises(ValueError, match=r"^x holds 50 points for capacity=1000 clusters: lower capacity"):
        KMeans(1000).fit(torch.randn(50, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_copies_are_refused_soon_after_all_distinct_points_are_seeds(monkeypatch, dtype):
    rounds, distances = [], Points.distances
    monkeypatch.setattr(Points, "distances", lambda *arguments: rounds.append(1) or distances(*arguments))
    x = torch.randn(12, 3, dtype=dtype).repeat(200, 1)
    with pytest.raises(ValueError, match=r"^x holds 12 distinct points for capacity=2000 clusters"):
        KMeans(2000).fit(x)
    assert len(rounds) <= 4 * 16  # twice in each of 15 rounds, by products and by differences


def test_few_wide_points_need_no_eigenvectors_as_wide(monkeypatch):
    sizes, eigh = [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda a: sizes.append(len(a)) or eigh(a))
    latent = torch.randn(40, 3)
    x = latent @ torch.randn(3, 700) + 1e-3 * torch.randn(40, 700)
    space, left = Points(x).principal()
    assert sizes == [40] and space.x.shape == (40, 3)
    torch.testing.assert_close(torch.cdist(space.x, space.x), torch.cdist(x, x), rtol=1e-2, atol=1e-1)
    assert 0 < left < 1e-3 * float(Points(x).squares.sum())
    KMeans(4).fit(x)
    Points(torch.randn(1500, 1200)).principal()
    assert max(sizes) == 40  # a larger matrix would take longer than k-means itself


def test_eigenvectors_that_do_not_converge_are_done_without(monkeypatch):
    def fails(_):
        raise torch.linalg.LinAlgError("no convergence")

    monkeypatch.setattr(torch.linalg, "eigh", fails)
    assert KMeans(3).fit(torch.randn(9, 50)).counts.min() > 0


def test_the_axis_of_a_far_point_does_not_hide_the_others():
    truth = torch.cat([torch.arange(300) % 5, torch.tensor([5])])
    x = 4 * torch.randn(6, 40)[truth] + 0.1 * torch.randn(301, 40)
    x[-1] += 1e4
    assert Points(x).principal()[0].x.shape[1] == 1
    assert same(KMeans(6).fit(x).labels, truth)


def test_clusters_that_empty_again_and_again_end():
    """A wrong ``means``, as rounding might make it, loses a cluster in each step."""

    class Losing(Points):
        def step(self, means):
            labels, means = super().step(means)
            means[labels[0]] = torch.nan
            return labels, means

    x, calls = torch.randn(60, 2), []
    kmeans = KMeans(5)
    fill = KMeans._fill
    try:
        KMeans._fill = lambda self, points, labels: calls.append(1) or fill(self, points, labels)
        kmeans._lloyd(Losing(x), Points(x).chosen(torch.arange(5)), torch.full((60,), -1))
    finally:
        KMeans._fill = fill
    assert len(calls) == 10


@pytest.mark.parametrize("n", [0, 3])
def test_so_many_slots_are_drawn(n):
    p = Partition.from_labels(torch.randn(6, 2), torch.arange(6) % 2, 3)
    assert p.sample(n).shape == (n,) and p.sample(n).dtype == torch.int64
    with pytest.raises(ValueError, match=r"^n must be at least 0"):
        p.sample(-1)


def test_axes_of_what_is_not_finite_are_refused():
    with pytest.raises(ValueError, match=r"^x must be finite"):
        Projection.fit(torch.full((5, 3), torch.nan), 2)


# Small and wide.


@pytest.mark.parametrize(
    ("N", "D", "max_dim", "left"),
    [
        (100, 8, 32, 8),  # carried
        (1000, 64, 32, 32),  # reduced as asked, without a word
        (100, 20, 32, 10),
        (100, 64, 32, 10),
        (7, 64, 32, 2),
        (7, 64, 1, 1),
        (7, 2, 32, 2),
        (40, 64, None, 64),
    ],
)
def test_columns_are_no_more_than_the_points_carry(recwarn, N, D, max_dim, left):
    x = torch.randn(N, D)
    y, projection = reduced(x, max_dim)
    assert y.shape == (N, left)
    assert (projection is None) == (left == D)
    assert projection is None or torch.equal(projection(x), y)
    told = [str(w.message) for w in recwarn if "do not carry covariances" in str(w.message)]
    limited = max_dim is not None and left < min(max_dim, D)
    assert len(told) == limited
    if limited:
        assert f"{N} points" in told[0] and f"{D} are reduced to {left} by PCA" in told[0]


def test_columns_that_are_left_out_are_left_out_of_all_that_is_asked_later():
    x = torch.randn(100, 6)
    columns = torch.tensor([True, False, True, True, False, True])
    y, projection = reduced(x, 32, columns)
    assert torch.equal(y, x[:, columns]) and torch.equal(projection(x), y)
    axes, rotated = reduced(x, 3, columns)
    torch.testing.assert_close(rotated(x), axes)
    torch.testing.assert_close(axes, Projection.fit(x[:, columns], 3)(x[:, columns]))
    assert torch.equal(projection.columns, columns) and torch.equal(rotated.columns, columns)
    for seen in (projection, rotated):
        assert torch.equal(seen(x + 9.0 * ~columns), seen(x))
    assert reduced(x, 32, torch.ones(6, dtype=torch.bool)) == (x, None)
    assert torch.equal(reduced(x, None, columns)[0], x[:, columns])
    for bad in (columns[:5], columns.nonzero().flatten()):
        with pytest.raises(ValueError, match="columns must be a bool for each of the 6 features"):
            reduced(x, 3, bad)


def test_training_on_few_wide_images_reduces_them_as_far():
    gan = recipes.sc_gan(dim=30, capacity=3)
    sampler = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=3, sweeps=2)
    gan = replace(gan, clusterer=sampler, features=Identity())
    with pytest.warns(UserWarning, match="50 points do not carry .* 30 are reduced to 5"):
        run = train(gan, torch.randn(50, 30), steps=2, progress=False)
    assert run.partition.components.mean.shape == (3, 5)
    assert run.predict(torch.randn(4, 30)).shape == (4,)


# Slots.


@pytest.mark.parametrize(
    "make",
    [
        lambda C: StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=C),
        lambda C: SplitMerge(CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(), capacity=C)),
        KMeans,
        DPMeans,
        RandomLabels,
        lambda C: FixedLabels(torch.arange(30), capacity=C),
    ],
)
@pytest.mark.parametrize("C", [20_000, 500_000, 10**9, 10**15])
def test_slots_beyond_all_use_are_refused_before_memory_is_asked_for(make, C):
    with pytest.raises(ValueError, match="capacity"):
        make(C).fit(torch.randn(30, 2))


def test_spare_slots_under_a_prior_of_finitely_many_clusters_take_no_memory():
    old, new = MixtureOfFiniteMixtures(1.0).log_urn(torch.arange(1, 9), torch.arange(9), capacity=3_000)
    few_old, few = MixtureOfFiniteMixtures(1.0).log_urn(torch.arange(1, 9), torch.arange(9), capacity=9)
    assert new.shape == (9, 3_001)
    torch.testing.assert_close(old, few_old)
    ratio = (new - few[:, :1])[:, :9] - (few - few[:, :1])[:, :9]  # the law of M is cut off elsewhere
    assert all(ratio[t, : t + 1].abs().max() < 1e-6 for t in range(9))


def test_a_discount_just_below_one_is_below_one():
    assert PitmanYor(1.0, 1 - 1e-9).discount == 1 - 1e-9
    with pytest.raises(ValueError, match="discount must lie in"):
        PitmanYor(1.0, 1.0)


@pytest.mark.parametrize("wrong", ["1", None, torch.ones(2), [1.0], 0.0, math.inf, math.nan])
def test_what_is_no_positive_number_is_refused(wrong):
    with pytest.raises(ValueError, match="concentration must be positive"):
        DirichletProcess(wrong)
    with pytest.raises(ValueError, match="kappa must be positive"):
        NormalInverseWishart(kappa=wrong)
    with pytest.raises(ValueError, match="discount must lie in"):
        PitmanYor(1.0, -0.1 if isinstance(wrong, float) else wrong)


def test_values_that_are_no_categories_are_refused():
    sampler = StickBreaking(DirichletProcess(1.0), DirichletCategorical(), capacity=3, sweeps=1)
    with pytest.raises(ValueError, match="x holds values up to 5,000,000,000"):
        sampler.fit(torch.tensor([[0.0], [5e9]], dtype=torch.float64))
