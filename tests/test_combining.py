"""Components that are read as one cluster."""

import math

import pytest
import torch

from bnpgan.combining import combine
from bnpgan.components import NormalInverseWishart
from bnpgan.metrics import clustering
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import StickBreaking


def entropy(t):
    return -float(torch.xlogy(t, t).sum())


def test_entropies_are_those_of_the_merged_columns_and_the_first_pair_is_the_best():
    t = torch.rand(40, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 4
    t /= t.sum(1, keepdim=True)
    found = combine(t)
    for row, value in zip(found.slots, found.entropies, strict=True):
        merged = torch.zeros_like(t).index_add_(1, row, t)
        assert math.isclose(entropy(merged), float(value), abs_tol=1e-9)
    pairs = [(a, b) for a in range(5) for b in range(a)]
    best = min(
        entropy(torch.cat([t[:, [a, b]].sum(1, keepdim=True), t[:, [c for c in range(5) if c not in (a, b)]]], 1))
        for a, b in pairs
    )
    assert math.isclose(best, float(found.entropies[-2]), abs_tol=1e-9)
    assert abs(float(found.entropies[0])) < 1e-9 and (found.entropies.diff() >= 0).all()
    assert [len(row.unique()) for row in found.slots] == [1, 2, 3, 4, 5]


def test_clusters_that_are_no_gaussians_are_put_together():
    # Two crescents: Gaussians cut each in pieces, which overlap where they meet, and combining puts them together.
    generator = torch.Generator().manual_seed(0)
    angle = math.pi * torch.rand(600, generator=generator, dtype=torch.float64)
    truth = torch.arange(600) % 2
    x = torch.stack([angle.cos() + truth, (1 - 2 * truth) * angle.sin() + 0.5 * truth], 1) * 3
    x += 0.15 * torch.randn(600, 2, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    p = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=20).fit(x)
    apart = clustering(p.labels, truth)["ari"]
    together = combine(p.responsibilities(x)).labels(p.labels, clusters=2)
    assert apart < 0.7
    assert clustering(together, truth)["ari"] > 0.95


def test_what_is_no_matrix_of_probabilities_is_refused():
    for wrong in (torch.ones(3, 2), torch.tensor([[1.5, -0.5]]), torch.ones(3)):
        with pytest.raises(ValueError, match="responsibilities must be"):
            combine(wrong)
    with pytest.raises(ValueError, match="clusters must be 1 to 2"):
        combine(torch.eye(2)).labels(torch.tensor([0, 1]), clusters=3)
