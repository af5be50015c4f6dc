"""Frames: where data and networks meet, and what is learned when a partition moves."""

import pytest
import torch

from bnpgan.models import ClusterFrames, NoFrames


def clusters():
    """Three clusters of 300 points in other places, units and directions, and a slot of one point."""
    torch.manual_seed(0)
    labels = torch.cat([torch.arange(3).repeat(300), torch.tensor([3])])
    mix = torch.tensor([[[2.0, 0.0], [1.0, 0.1]], [[0.01, 0.0], [0.0, 0.01]], [[50.0, 0.0], [-30.0, 4.0]]])
    at = torch.tensor([[0.0, 0.0], [7.0, 7.0], [-400.0, 100.0], [3.0, 3.0]])
    x = at[labels]
    x[:-1] += (mix[labels[:-1]] @ torch.randn(900, 2, 1)).squeeze(-1)
    return x, labels


def framed(x, labels, capacity=6, **options):
    frames = ClusterFrames((x.shape[1],), capacity, **options)
    frames.update_(x)
    frames.update_(x, labels)
    return frames


def test_points_of_a_cluster_have_mean_0_and_covariance_1_in_its_frame_and_come_back():
    x, labels = clusters()
    frames = framed(x, labels)
    y = frames.into(x, labels)
    for k in range(3):
        assert y[labels == k].mean(0).abs().max() < 1e-4
        assert (y[labels == k].T.cov() - torch.eye(2)).abs().max() < 0.03
    assert torch.allclose(frames.out(y, labels), x, rtol=1e-4, atol=1e-4)


def test_wide_data_are_scaled_column_by_column():
    x, labels = clusters()
    frames = framed(x, labels, max_dim=1)
    assert frames.factor.shape == (7, 2)
    y = frames.into(x, labels)
    assert (y[labels == 2].var(0) - 1).abs().max() < 0.03 and torch.allclose(frames.out(y, labels), x, rtol=1e-4)


def test_what_was_learned_in_a_frame_stays_right_when_the_cluster_moves_or_is_taken_by_another():
    x, labels = clusters()
    frames = framed(x, labels)
    learned = torch.randn(5000, 2)  # what a generator draws that has learned a Gaussian cluster, in its frame
    for slot, now in ((0, labels), (0, (labels + 1) % 4)):
        frames.update_(x, now)
        made = frames.out(learned, torch.full((5000,), slot))
        real = x[now == slot]
        if len(real) > 1:
            scale = real.std(0)
            assert ((made.mean(0) - real.mean(0)) / scale).abs().max() < 0.1
            assert (made.std(0) / scale - 1).abs().max() < 0.1


def test_a_slot_of_one_point_is_as_wide_as_clusters_are_and_an_empty_one_keeps_its_frame():
    x, labels = clusters()
    frames = framed(x, labels)
    assert torch.equal(frames.mean[3], x[-1])
    assert frames.factor[3].diagonal().min() > 0
    assert torch.equal(frames.factor[4], frames.factor[-1])  # it never held a point: the frame of all data
    before = frames.factor[1].clone()
    frames.update_(x[labels != 1], labels[labels != 1])
    assert torch.equal(frames.factor[1], before)


def test_before_there_is_a_partition_the_data_are_standardised():
    x, _ = clusters()
    frames = ClusterFrames((2,), capacity=3)
    frames.update_(x)
    y = frames.into(x, None)
    assert y.mean(0).abs().max() < 1e-4 and (y.T.cov() - torch.eye(2)).abs().max() < 0.02
    assert torch.allclose(frames.out(y, torch.zeros(len(y), dtype=torch.long)), x, rtol=1e-4, atol=1e-3)


def test_columns_that_do_not_vary_and_equal_points_have_a_frame():
    x = torch.cat([torch.randn(50, 1), torch.full((50, 1), 3.0)], 1)
    x[:25] = x[0]
    frames = framed(x, torch.arange(50) // 25)
    y = frames.into(x, torch.arange(50) // 25)
    assert y.isfinite().all() and torch.allclose(frames.out(y, torch.arange(50) // 25), x, atol=1e-4)


def test_rows_of_weights_are_between_the_maps_of_the_slots():
    x, labels = clusters()
    frames = framed(x, labels)
    y = torch.randn(1, 2)
    ends = [frames.out(y, torch.tensor([k])) for k in (0, 2)]
    row = torch.zeros(1, 6)
    row[0, [0, 2]] = torch.tensor([0.25, 0.75])
    assert torch.allclose(frames.out(y, row), 0.25 * ends[0] + 0.75 * ends[1], rtol=1e-5)


def test_images_have_no_frames():
    with pytest.raises(ValueError, match="frames are of points"):
        ClusterFrames((1, 8, 8), 3)
    x = torch.randn(2, 1, 8, 8)
    frames = NoFrames((1, 8, 8), 3)
    frames.update_(x)
    assert frames.out(x, torch.tensor([0, 1])) is x and not frames.state_dict()
