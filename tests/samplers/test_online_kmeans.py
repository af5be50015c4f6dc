"""k-means that follows mini-batches."""

import pytest
import torch

from bnpgan.partition import Partition
from bnpgan.samplers import KMeans, OnlineKMeans


def blobs(n=400):
    torch.manual_seed(0)
    truth = torch.arange(n) % 4
    return 10.0 * torch.stack([truth % 2, truth // 2], 1) + 0.1 * torch.randn(n, 2), truth


def test_it_fits_as_k_means_does():
    x, _ = blobs()
    start = torch.arange(400) // 100
    fitted = OnlineKMeans(4).fit(x, start)
    assert torch.equal(fitted.labels, KMeans(4).fit(x, start).labels)
    assert torch.equal(fitted.memory["seen"], fitted.counts)


def test_centroids_are_means_of_all_that_they_were_given_one_by_one():
    x, truth = blobs()
    p = OnlineKMeans(4).fit(x, truth)
    mean, seen = p.components.mean.clone(), p.memory["seen"].clone()
    index = torch.randint(400, (60,))
    moved = x[index] + 1.0
    nearest = torch.cdist(moved, mean).argmin(1)
    for point, k in zip(moved, nearest, strict=True):
        seen[k] += 1
        mean[k] += (point - mean[k]) / seen[k]
    q = OnlineKMeans(4).update(p, moved, index)
    torch.testing.assert_close(q.components.mean, mean)
    assert torch.equal(q.memory["seen"], seen)


def test_only_the_labels_of_the_batch_change_and_the_old_partition_does_not():
    x, truth = blobs()
    p = OnlineKMeans(4).fit(x, truth)
    before, mean = p.labels.clone(), p.components.mean.clone()
    index = torch.tensor([0, 4, 8])
    q = OnlineKMeans(4).update(p, torch.full((3, 2), 10.0), index)
    assert bool((q.labels[index] == 3).all())
    others = torch.ones(400, dtype=torch.bool)
    others[index] = False
    assert torch.equal(q.labels[others], before[others])
    assert torch.equal(p.labels, before) and torch.equal(p.components.mean, mean)
    torch.testing.assert_close(q.log_weights.exp(), q.counts / 400)


def test_a_slot_that_is_given_nothing_stays_where_it_is():
    x, truth = blobs()
    p = OnlineKMeans(4).fit(x, truth)
    q = OnlineKMeans(4).update(p, torch.zeros(2, 2), torch.tensor([0, 4]))
    assert torch.equal(q.components.mean[1:], p.components.mean[1:])
    assert not torch.equal(q.components.mean[0], p.components.mean[0])


def test_a_partition_of_given_labels_is_counted():
    x, truth = blobs()
    p = OnlineKMeans(4).partition(x, truth)
    assert isinstance(p, Partition) and p.memory["seen"].tolist() == [100] * 4


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"capacity": 0}, "capacity"),
        ({"capacity": 2, "restarts": 0}, "restarts"),
        ({"capacity": 2, "memory": 0}, "memory"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        OnlineKMeans(**arguments)


def moving(memory):
    """The clusters of four blobs that move away by 2 % a step, and the truth."""
    x, truth = blobs()
    x = x + 5
    p = OnlineKMeans(4, memory=memory).fit(x, truth)
    clusterer = OnlineKMeans(4, memory=memory)
    for step in range(150):
        index = torch.randint(400, (40,))
        p = clusterer.update(p, x[index] * 1.02**step, index)
    return p, truth


def test_centroids_with_a_memory_follow_features_that_move_and_others_lose_their_points():
    p, truth = moving(memory=20)
    assert torch.equal(p.labels, truth)
    assert int(p.memory["seen"].max()) == 20
    q, _ = moving(memory=None)
    assert len(q.labels.unique()) < 4
