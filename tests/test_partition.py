"""Partitions of points among slots: moments, prediction, alignment, sampling."""

import math
from dataclasses import replace

import pytest
import torch
from scipy import stats
from torch import Tensor

from bnpgan.components import Centroids, Gaussians
from bnpgan.partition import Partition, Projection, check_points

LABELS = torch.tensor([0, 0, 3, 3, 3, 1])  # of four slots: slot 2 is empty


def points(D: int = 2) -> Tensor:
    return torch.randn(6, D, dtype=torch.float64)


def gaussian_partition(x: Tensor, labels: Tensor = LABELS, capacity: int = 4) -> Partition:
    """Every slot tells by its mean, its memory and its weight which one it is."""
    k = torch.arange(capacity, dtype=torch.float64)
    log_weights = (torch.bincount(labels, minlength=capacity) / len(labels)).log()
    covariance = (1 + k).view(-1, 1, 1) * torch.eye(x.shape[1], dtype=torch.float64)
    memory = {"age": 10 * k, "step": torch.tensor(7)}
    return Partition(labels, log_weights, Gaussians(k[:, None].repeat(1, x.shape[1]), covariance), memory)


def permuted(p: Partition, order: list[int]) -> Partition:
    """The same clusters under other numbers: slot k holds what was in order[k]."""
    order = torch.tensor(order)
    return replace(
        p,
        labels=order.argsort()[p.labels],
        log_weights=p.log_weights[order],
        components=p.components.permute(order),
        memory={"age": p.memory["age"][order], "step": p.memory["step"]},
    )


def assert_same(p: Partition, q: Partition) -> None:
    assert torch.equal(p.labels, q.labels)
    assert torch.equal(p.log_weights, q.log_weights)
    for one, two in ((vars(p.components), vars(q.components)), (p.memory, q.memory)):
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_counts_and_active_slots():
    p = Partition.from_labels(points(), LABELS, capacity=4)
    assert p.capacity == 4
    assert p.counts.tolist() == [2, 1, 0, 3]
    assert p.active.tolist() == [True, True, False, True]


# Labels that come without a model.


def test_from_labels_has_the_moments_of_its_clusters():
    x = points()
    p = Partition.from_labels(x, LABELS, capacity=4)
    means = torch.stack([x[k == LABELS].mean(0) if k != 2 else x.mean(0) for k in range(4)])
    torch.testing.assert_close(p.components.mean, means)
    torch.testing.assert_close(p.log_weights.exp(), torch.tensor([2, 1, 0, 3]) / 6, check_dtype=False)
    pooled = ((x - means[LABELS]) ** 2).sum() / 12
    torch.testing.assert_close(p.components.variance, pooled.expand(4))


def test_from_labels_predicts_the_nearest_centroid_of_an_occupied_slot():
    x = torch.tensor([[0.0], [2.0], [10.0]])
    p = Partition.from_labels(x, torch.tensor([0, 0, 2]), capacity=3)  # centroids 1, (4), 10
    assert p.predict(torch.tensor([[4.0], [5.4], [5.6], [99.0]])).tolist() == [0, 0, 2, 2]


def test_from_labels_stands_points_on_their_centroids():
    p = Partition.from_labels(torch.tensor([[0.0], [5.0]]), torch.tensor([0, 1]), capacity=2)
    assert p.predict(torch.tensor([[1.0], [4.0]])).tolist() == [0, 1]
    assert p.log_prob(torch.tensor([[0.0], [5.0]])).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_from_labels_keeps_the_dtype_of_the_points(dtype):
    p = Partition.from_labels(points().to(dtype), LABELS, capacity=4)
    assert {p.log_weights.dtype, p.components.mean.dtype, p.components.variance.dtype} == {dtype}


# The mixture density.


def test_log_prob_is_that_of_the_mixture():
    x = points()
    p = gaussian_partition(x)
    densities = p.components.log_prob(x)
    expected = sum(math.exp(w) * densities[:, k].exp() for k, w in enumerate(p.log_weights.tolist()))
    torch.testing.assert_close(p.log_prob(x), expected.log())


def test_responsibilities_are_posterior_probabilities_and_spare_empty_slots():
    x = points()
    p = gaussian_partition(x)
    r = p.responsibilities(x)
    torch.testing.assert_close(r.sum(1), torch.ones(6, dtype=torch.float64))
    assert not r[:, 2].any()
    assert torch.equal(p.predict(x), r.argmax(1))


def test_sample_follows_the_frequencies_and_skips_empty_slots():
    """A chi-square test of 3,000 draws; fails once in 10^4 seeds."""
    p = Partition.from_labels(points(), LABELS, capacity=4)
    drawn = p.sample(3_000)
    assert drawn.dtype == torch.int64
    counts = torch.bincount(drawn, minlength=4)
    assert counts[2] == 0
    assert stats.chisquare(counts[[0, 1, 3]].numpy(), [1000, 500, 1500]).pvalue > 1e-4


# Alignment.


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 0, 1, 2], [1, 0, 3, 2], [2, 3, 0, 1]])
def test_align_recovers_a_permutation_of_the_slots(order):
    p = gaussian_partition(points(), torch.tensor([0, 0, 0, 2, 2, 1]))
    assert torch.equal(permuted(p, order).align_to(p).labels, p.labels)


@pytest.mark.parametrize("order", [[3, 0, 1, 2], [1, 0, 3, 2]])
def test_align_moves_weights_components_and_memory_with_the_labels(order):
    p = gaussian_partition(points(), torch.tensor([0, 0, 1, 2, 2, 3]))
    assert_same(permuted(p, order).align_to(p), p)


@pytest.mark.parametrize("labels", [[0, 0, 3, 3, 3, 1], [2, 2, 2, 2, 2, 2], [3, 2, 1, 0, 0, 0]])
def test_align_to_itself_changes_nothing(labels):
    p = gaussian_partition(points(), torch.tensor(labels))
    assert_same(p.align_to(p), p)


def test_align_keeps_the_slots_that_hold_most_of_the_same_points():
    x = points()
    old = Partition.from_labels(x, torch.tensor([0, 0, 0, 1, 1, 1]), capacity=3)
    new = Partition.from_labels(
        x, torch.tensor([2, 2, 1, 1, 0, 0]), capacity=3
    )  # overlaps: 2-0: 2, 1-0: 1, 1-1: 1, 0-1: 2
    assert new.align_to(old).labels.tolist() == [0, 0, 2, 2, 1, 1]


def test_align_maximises_the_total_overlap_and_not_slot_by_slot():
    x = torch.randn(9, 1)
    old = Partition.from_labels(x, torch.tensor([0] * 5 + [1] * 4), capacity=2)
    new = Partition.from_labels(x, torch.tensor([0] * 3 + [1] * 2 + [0] * 4), capacity=2)
    # 0 overlaps old 0 in 3 and old 1 in 4; 1 overlaps old 0 in 2: swapping keeps 2 + 4 of 9, staying 3 + 0.
    assert new.align_to(old).labels.tolist() == [1] * 3 + [0] * 2 + [1] * 4


def test_align_is_of_partitions_of_the_same_points_and_slots():
    x = points()
    p = Partition.from_labels(x, LABELS, capacity=4)
    for other in (Partition.from_labels(x, LABELS, capacity=5), Partition.from_labels(x[:5], LABELS[:5], capacity=4)):
        with pytest.raises(ValueError, match=r"^reference "):
            p.align_to(other)


# Wide features.


def test_projection_finds_the_axes_of_most_variance():
    x = torch.randn(200, 5, dtype=torch.float64) * torch.tensor([1.0, 20.0, 0.1, 5.0, 0.1]) + 3
    projection = Projection.fit(x, 2)
    torch.testing.assert_close(projection.axes.T @ projection.axes, torch.eye(2, dtype=torch.float64))
    variances = projection(x).var(0)
    eigenvalues = torch.linalg.eigvalsh(x.T.cov()).flip(0)
    torch.testing.assert_close(variances, eigenvalues[:2])
    torch.testing.assert_close(projection(x).mean(0), torch.zeros(2, dtype=torch.float64))


def test_projection_has_no_more_axes_than_points_or_dimensions():
    assert Projection.fit(torch.randn(3, 8), 5).axes.shape == (8, 3)
    assert Projection.fit(torch.randn(9, 2), 5).axes.shape == (2, 2)


def test_equal_data_have_equal_coordinates():
    x = torch.randn(50, 6, dtype=torch.float64) * torch.arange(1, 7)
    order = torch.randperm(50)  # the order of the points may turn the axes that the decomposition finds
    torch.testing.assert_close(Projection.fit(x, 3)(x), Projection.fit(x[order], 3)(x))


def test_partition_applies_its_projection_to_the_points_it_is_asked_about():
    x = torch.randn(40, 5, dtype=torch.float64)
    projection = Projection.fit(x, 2)
    labels = torch.arange(40) % 3
    reduced = Partition.from_labels(projection(x), labels, capacity=3)
    p = replace(reduced, projection=projection)
    new = torch.randn(7, 5, dtype=torch.float64)
    for method in ("predict", "responsibilities", "log_prob"):
        assert torch.equal(getattr(p, method)(new), getattr(reduced, method)(projection(new)))


# What is refused.


@pytest.mark.parametrize(
    ("labels", "capacity", "message"),
    [
        ([0, 1, 2, 3, 4, 0], 4, "^labels must lie"),
        ([0, 1, -1, 0, 0, 0], 4, "^labels must lie"),
        ([0, 1, 2], 4, "^labels has 3 entries"),
        ([[0, 1, 2, 0, 1, 2]], 4, "^labels must be a vector"),
        ([0.0, 1.0, 2.0, 0.0, 1.0, 2.0], 4, "^labels must be a vector of whole numbers"),
        ([0, 0, 0, 0, 0, 0], 0, "^capacity"),
    ],
)
def test_labels_outside_the_slots_are_refused(labels, capacity, message):
    with pytest.raises(ValueError, match=message):
        Partition.from_labels(points(), torch.tensor(labels), capacity)


def test_components_and_memory_must_have_a_row_for_each_slot():
    centroids = Centroids(torch.zeros(3, 2), torch.ones(3))
    with pytest.raises(ValueError, match=r"^components "):
        Partition(LABELS, torch.zeros(4), centroids)
    with pytest.raises(ValueError, match=r"^memory"):
        Partition(LABELS % 3, torch.zeros(3), centroids, {"age": torch.zeros(2)})


def test_points_that_do_not_fit_are_refused():
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    partition = Partition.from_labels(x, torch.tensor([0, 1]), 2)
    for bad, message in ((x * float("nan"), "finite"), (x[0], "shape"), (x[:, :1], "columns"), (x * 1e30, "rescale")):
        with pytest.raises(ValueError, match=message):
            partition.predict(bad)


@pytest.mark.parametrize("unit", [1e-170, 1e-90, 1e90, 1e170])
def test_points_in_units_beyond_double_precision_are_refused(unit):
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"^x .*rescale"):
        check_points(unit * x)
    assert torch.equal(check_points(0 * x), 0 * x)


@pytest.mark.parametrize("kind", [torch.int32, torch.uint8])
def test_labels_of_any_whole_type_become_slots(kind):
    partition = Partition.from_labels(torch.zeros(3, 1), torch.tensor([0, 2, 2], dtype=kind), 3)
    assert partition.labels.dtype == torch.int64 and partition.counts.tolist() == [1, 0, 2]
