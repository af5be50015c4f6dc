"""GM-GAN's scores by hand, at their ends and on the digits."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics.functional.image import structural_similarity_index_measure

from bnpgan import data, metrics


@pytest.mark.parametrize("a", [0.5, 1.0, 20.0])
def test_quality_is_the_papers_formula(a):
    real, fake = torch.randn(40, 3, dtype=torch.float64), torch.randn(700, 3, dtype=torch.float64)
    total = 0.0
    for x in fake.tolist():
        square = min(sum((p - q) ** 2 for p, q in zip(x, y, strict=True)) for y in real.tolist())
        total += 1 - math.exp(square) / (math.exp(square) + a)
    assert metrics.quality(fake, real, nn.Identity(), a) == pytest.approx(total / 700)


def test_quality_of_copies_and_of_what_is_far():
    real = torch.randn(600, 1, 5, 5) + 100  # far from the origin a distance of 0 must come out as 0
    assert metrics.quality(real[200:], real, nn.Flatten(), a=3.0) == pytest.approx(0.75, abs=1e-6)
    assert metrics.quality(real + 1e3, real, nn.Flatten()) == 0  # and nothing overflows


def test_quality_is_measured_in_the_features():
    real, fake = torch.tensor([[0.0, 7.0]]), torch.tensor([[2.0, -90.0]])
    assert metrics.quality(fake, real, lambda x: x[:, :1]) == pytest.approx(1 / (1 + math.exp(4)))


@pytest.mark.parametrize("a", [0.0, -1.0, math.inf, math.nan])
def test_quality_names_a_bad_a(a):
    with pytest.raises(ValueError, match=r"^a must be positive, got .*: pass"):
        metrics.quality(torch.zeros(2, 2), torch.zeros(2, 2), nn.Identity(), a)


SHAPES = [(1, 8, 8), (3, 9, 12), (1, 11, 11), (1, 22, 22), (1, 28, 28), (3, 64, 64), (1, 128, 128), (1, 180, 180)]


@pytest.mark.parametrize("shape", SHAPES)
def test_diversity_of_one_image_is_0_and_of_noise_near_1(shape):
    one = torch.rand(1, *shape) * 2 - 1
    assert metrics.diversity(one.expand(3, *shape)) == pytest.approx(0, abs=1e-9)
    assert metrics.diversity(torch.randn(5, *shape).sign()) > 0.85


def test_one_scale_is_plain_structural_similarity_of_brightness():
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64) * 0.3 - 0.8
    x[1] += 0.5 * (x[0] - x[1])
    similarity = structural_similarity_index_measure(
        (x[:1] + 1) / 2, (x[1:] + 1) / 2, sigma=0.9, kernel_size=7, data_range=1.0
    )
    assert metrics.diversity(x) == pytest.approx(1 - similarity.item())
    assert 0 < similarity < 1


@pytest.mark.parametrize(("side", "scales"), [(10, 1), (22, 2), (28, 2), (43, 2), (44, 3), (99, 4), (176, 5)])
def test_scales_halve_and_fill_the_image(side, scales):
    weights = torch.tensor([0.0448, 0.2856, 0.3001, 0.2363, 0.1333], dtype=torch.float64)[:scales]
    x = torch.rand(2, 1, side, side, dtype=torch.float64) * 0.2
    x[1] += 0.7 * (x[0] - x[1])  # alike at every scale
    pair, total = (x + 1) / 2, 1.0
    for s, weight in enumerate(weights / weights.sum()):
        # Contrast and structure at every scale, the luminance of the coarsest.
        whole, contrast = structural_similarity_index_measure(
            pair[:1],
            pair[1:],
            sigma=1.2 if side == 10 else 1.5,
            kernel_size=9 if side == 10 else 11,
            data_range=1.0,
            return_contrast_sensitivity=True,
        )
        total *= (whole if s == scales - 1 else contrast).item() ** weight.item()
        pair = F.avg_pool2d(pair, 2)
    assert 0.05 < total < 0.99 and metrics.diversity(x) == pytest.approx(1 - total)


def test_pairs_are_of_different_images_and_random():
    # Two kinds, half each: in a random circle of 40 a half of the neighbours, 20/39, differ.
    kinds = torch.stack([torch.full((1, 8, 8), -1.0), torch.ones(1, 8, 8)]).repeat(20, 1, 1, 1)
    apart = metrics.diversity(kinds[:2])
    values = torch.tensor([metrics.diversity(kinds) / apart for _ in range(200)])
    assert values.mean().item() == pytest.approx(20 / 39, abs=0.03) and values.std() > 0.03
    torch.manual_seed(1)
    first = metrics.diversity(kinds)
    torch.manual_seed(1)
    assert metrics.diversity(kinds) == first


def test_diversity_is_a_mean_over_chunks_of_pairs():
    x = torch.rand(1, 1, 8, 8).expand(600, 1, 8, 8).clone()
    x[0] = -x[0]
    assert metrics.diversity(x) == pytest.approx(metrics.diversity(x[:2]) * 2 / 600)


def test_ten_digits_are_more_diverse_than_one():
    x, truth = data.digits()
    assert metrics.diversity(x) > metrics.diversity(x[truth == 0]) + 0.1


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(4, 8, 8), r"images has shape \(4, 8, 8\): pass at least 2"),
        (torch.zeros(1, 1, 8, 8), "pass at least 2"),
        (torch.zeros(4, 1, 8, 6), "of 7 pixels or more"),
        (torch.full((4, 1, 8, 8), 255.0), r"images run from 255 to 255: scale them"),
        (torch.full((4, 1, 8, 8), math.nan), "images run from nan to nan: scale them"),
    ],
)
def test_diversity_names_what_does_not_fit(images, message):
    with pytest.raises(ValueError, match=message):
        metrics.diversity(images)
