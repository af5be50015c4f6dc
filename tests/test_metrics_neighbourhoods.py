"""Precision, recall, density and coverage against sums written out and laws; counts of classes."""

import math
from importlib import import_module

import pytest
import torch
from torch import nn

from bnpgan import metrics


def written_out(real, fake, k):
    def reach(x, i):
        return sorted(math.dist(x[i], y) for y in x)[k]

    balls = [[math.dist(f, r) <= reach(real, i) for i, r in enumerate(real)] for f in fake]
    others = [[math.dist(r, f) <= reach(fake, j) for j, f in enumerate(fake)] for r in real]
    return {
        "precision": sum(map(any, balls)) / len(fake),
        "recall": sum(map(any, others)) / len(real),
        "density": sum(map(sum, balls)) / (k * len(fake)),
        "coverage": sum(map(any, zip(*balls, strict=True))) / len(real),
    }


@pytest.mark.parametrize("k", [1, 3])
def test_they_are_their_definitions_also_in_parts(k, monkeypatch):
    real, fake = torch.randn(23, 2).double(), torch.randn(17, 2).double() * 1.5 + 0.5
    expected = written_out(real.tolist(), fake.tolist(), k)
    assert metrics.neighbourhoods(real, fake, nn.Identity(), k) == pytest.approx(expected)
    monkeypatch.setattr(import_module("bnpgan.metrics.neighbourhoods"), "_PAIRS", 50)  # two or three rows at a time
    assert metrics.neighbourhoods(real, fake, nn.Identity(), k) == pytest.approx(expected)


def test_two_samples_of_one_law_score_what_the_papers_say():
    n, k, means = 300, 5, []
    for _ in range(10):
        scores = metrics.neighbourhoods(*torch.randn(2, n, 3), nn.Identity(), k)
        means.append([scores["density"], scores["coverage"]])
    density, coverage = torch.tensor(means).mean(0).tolist()
    assert density == pytest.approx(1, abs=0.05)
    assert coverage == pytest.approx(1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1)), abs=0.01)


def test_dropped_modes_cost_recall_and_outliers_cost_precision():
    real = torch.cat([torch.randn(200, 2), torch.randn(200, 2) + 50])
    dropped = metrics.neighbourhoods(real, torch.randn(400, 2), nn.Identity())
    spread = metrics.neighbourhoods(real[:200], real + torch.randn(400, 2) * 0.1, nn.Identity())
    assert dropped["precision"] > 0.9 and dropped["recall"] < 0.6 and dropped["coverage"] < 0.6
    assert spread["precision"] < 0.6 and spread["recall"] > 0.8


@pytest.mark.parametrize("neighbours", [0, 5])
def test_neighbours_must_be_there(neighbours):
    with pytest.raises(ValueError, match=r"^neighbours must lie in 1 .. 4"):
        metrics.neighbourhoods(torch.randn(5, 2), torch.randn(9, 2), nn.Identity(), neighbours)


def test_classes_are_counted_beside_exact_ones():
    p = torch.tensor([1.0, 1.0, 2.0])
    named = torch.tensor([0] * 50 + [2] * 50)
    scores = metrics.class_modes(named, p)
    assert scores["modes"] == 2
    assert scores["reverse_kl"] == pytest.approx(0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.5))
    assert scores["exact_modes"] == 3 and 0 < scores["exact_reverse_kl"] < 0.05
    for named, frequencies, message in (([3], [1.0] * 3, "named"), ([], [1.0], "named"), ([0], [1.0, 0.0], "freq")):
        with pytest.raises(ValueError, match=f"^{message}"):
            metrics.class_modes(torch.tensor(named, dtype=torch.int64), torch.tensor(frequencies))
