"""DP-means against the algorithm of the paper, one point after another."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from bnpgan.samplers import DPMeans
from bnpgan.samplers.dpmeans import farthest_first


def reference(x: np.ndarray, penalty: float, capacity: int, labels: list[int]) -> list[int]:
    """The paper's loop, with slots."""
    while True:
        centroids = {k: x[[i for i, z in enumerate(labels) if z == k]].mean(0) for k in set(labels)}
        moved = []
        for point in x:
            distance = {k: ((point - centroid) ** 2).sum() for k, centroid in sorted(centroids.items())}
            k = min(distance, key=distance.get)
            if distance[k] > penalty and len(centroids) < capacity:
                k = min(set(range(capacity)) - set(centroids))
                centroids[k] = point
            moved.append(k)
        if moved == labels:
            return labels
        labels = moved


def points(n: int, D: int = 2, modes: int = 7) -> Tensor:
    centres = 6 * torch.randn(modes, D, dtype=torch.float64)
    return centres[torch.randint(modes, (n,))] + torch.randn(n, D, dtype=torch.float64)


def objective(x: Tensor, labels: Tensor, penalty: float) -> float:
    total = penalty * len(labels.unique())
    return total + sum(float(((x[labels == k] - x[labels == k].mean(0)) ** 2).sum()) for k in labels.unique())


@pytest.mark.parametrize("penalty", [0.5, 3.0, 20.0, 1e3])
@pytest.mark.parametrize("capacity", [1, 4, 60], ids=["one slot", "too few slots", "slots enough"])
def test_labels_are_those_of_the_paper(penalty, capacity):
    for _ in range(5):
        x = points(60)
        got = DPMeans(capacity, penalty).fit(x).labels
        assert got.tolist() == reference(x.numpy(), penalty, capacity, [0] * 60)


@pytest.mark.parametrize("capacity", [4, 60])
def test_warm_labels_are_those_of_the_paper(capacity):
    for _ in range(5):
        x, labels = points(60), torch.randint(4, (60,))
        got = DPMeans(capacity, 5.0).fit(x, labels).labels
        assert got.tolist() == reference(x.numpy(), 5.0, capacity, labels.tolist())


@pytest.mark.parametrize("capacity", [3, 20])
def test_no_pass_raises_the_objective(capacity):
    x, values = points(400, D=3), []
    for n in range(1, 30):
        values.append(objective(x, DPMeans(capacity, 4.0, iterations=n).fit(x).labels, 4.0))
    assert all(after <= before + 1e-9 * before for before, after in pairwise(values))
    assert values[-1] < 0.99 * values[0]  # there was something to lower
    assert values[-1] == values[-2]


def test_it_is_at_rest():
    x = points(300)
    p = DPMeans(capacity=40, penalty=6.0).fit(x)
    assert torch.equal(DPMeans(capacity=40, penalty=6.0).fit(x, p.labels).labels, p.labels)
    assert torch.equal(p.predict(x), p.labels)


def test_old_clusters_keep_their_slots_and_new_ones_take_empty_slots():
    x = torch.tensor([[0.0], [0.1], [30.0], [30.1], [60.0]])
    assert DPMeans(capacity=4, penalty=300.0).fit(x, torch.tensor([3, 3, 1, 1, 1])).labels.tolist() == [3, 3, 1, 1, 0]


def test_points_beyond_the_penalty_go_to_the_nearest_where_slots_are_used_up():
    x = torch.tensor([[0.0], [10.0], [21.0]])
    assert DPMeans(capacity=2, penalty=1.0).fit(x, torch.tensor([0, 1, 1])).labels.tolist() == [0, 1, 1]


def test_copies_of_a_point_are_one_cluster():
    x = torch.tensor([[0.1, 0.7], [0.3, 0.9], [0.1, 0.7]]).repeat(30, 1)
    p = DPMeans(penalty=1e-12).fit(x)
    assert p.counts.sort(descending=True).values[:3].tolist() == [60, 30, 0]


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_the_unit_does_not_matter(unit):
    x = points(200)
    assert torch.equal(DPMeans(clusters=6).fit(x).labels, DPMeans(clusters=6).fit(unit * x + unit).labels)


@pytest.mark.parametrize("far", [1e6, 1e8, 1e10])
def test_the_place_does_not_matter(far):
    x = torch.randn(120, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[60:] += 8
    assert torch.equal(DPMeans(10, clusters=2).fit(x + far).labels, DPMeans(10, clusters=2).fit(x).labels)


def test_penalty_from_the_data_is_the_farthest_first_distance():
    x = points(100)
    chosen = [x.mean(0)]
    for _ in range(5):
        distance = torch.stack([((x - t) ** 2).sum(1) for t in chosen]).amin(0)
        chosen.append(x[distance.argmax()])
    assert farthest_first(x, 5) == pytest.approx(float(distance.max()))
    assert torch.equal(DPMeans(clusters=5).fit(x).labels, DPMeans(penalty=float(distance.max())).fit(x).labels)


def test_as_many_clusters_as_expected_where_they_are_plain():
    centres = 100 * torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    x = centres.repeat(25, 1) + torch.randn(100, 2)
    assert int(DPMeans(clusters=4).fit(x).active.sum()) == 4


@pytest.mark.parametrize("points", [torch.zeros(5, 2), torch.tensor([[0.1], [0.3]]).repeat(9, 1), torch.ones(1, 3)])
def test_fewer_distinct_points_than_clusters_set_no_penalty(points):
    with pytest.raises(ValueError, match=r"^x holds fewer than clusters=4 distinct points"):
        DPMeans(clusters=4).fit(points)
    assert DPMeans(penalty=1.0).fit(points).active.sum() == 1


@pytest.mark.parametrize(
    ("name", "value"), [("penalty", 0.0), ("penalty", float("nan")), ("clusters", 0), ("iterations", 0)]
)
def test_bad_numbers_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        DPMeans(**{name: value})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("D", [1, 2, 6])
def test_neither_unit_nor_place_nor_sign_decides_whether_the_point_of_the_penalty_is_a_cluster(dtype, D):
    """The penalty is the distance of one of the points from another: it is met, and not exceeded, by just that."""
    for _ in range(15):
        x = (4 * torch.randn(5, D)[torch.arange(100) % 5] + torch.randn(100, D)).to(dtype)
        variants = (x, 7 * x, x / 3, -x, x + 3, 1e-5 * x, 100 - x)
        assert len({int(DPMeans(clusters=5).fit(v).active.sum()) for v in variants}) == 1


@pytest.mark.parametrize(
    "values",
    [[0.0, 1.0, 2.0], [-0.3, 0.0, 0.3], [1e9 + 1, 1e9 + 2, 1e9 + 3], [0.1, 0.2, 0.3], [-5.0, -1.0, 0.0, 1.0, 5.0]],
)
@pytest.mark.parametrize("copies", [1, 7])
def test_the_mean_is_no_point_of_its_own(values, copies):
    x = torch.tensor(values, dtype=torch.float64)[:, None].repeat(copies, 1)
    counts = DPMeans(clusters=len(values)).fit(x).counts
    assert counts[counts > 0].tolist() == [copies] * len(values)
    with pytest.raises(ValueError, match=rf"^x holds fewer than clusters={len(values) + 1} distinct points"):
        DPMeans(clusters=len(values) + 1).fit(x)
