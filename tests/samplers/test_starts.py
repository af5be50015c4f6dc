"""The start of the samplers that move all points at once."""

import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from bnpgan import data
from bnpgan.components import DirichletCategorical, NormalInverseGamma, NormalInverseWishart
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.priors import DirichletProcess, MixtureOfFiniteMixtures
from bnpgan.samplers import StickBreaking, starts
from bnpgan.samplers.kmeans import seeded_labels
from bnpgan.samplers.starts import starting_labels

DP = DirichletProcess(1.0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("few", [False, True])
def test_start_finds_the_modes_of_the_grid(seed, few, monkeypatch):
    if few:
        monkeypatch.setattr(starts, "ENOUGH", 20)
    torch.manual_seed(seed)
    x, truth = data.grid(4000)
    labels = starting_labels(x, DP, NormalInverseWishart(), 40)
    counts = torch.bincount(labels, minlength=40)
    assert (counts > 0).sum() == 25
    assert all(len(labels[truth == k].unique()) == 1 for k in range(25))
    assert counts.tolist() == sorted(counts.tolist(), reverse=True)


@pytest.mark.parametrize(
    ("prior", "family"), [(DP, NormalInverseWishart()), (MixtureOfFiniteMixtures(), NormalInverseGamma())]
)
def test_merges_make_the_labels_likelier(prior, family):
    x = torch.randn(300, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sampler = StickBreaking(prior, family, capacity=12)
    torch.manual_seed(0)
    cells = seeded_labels(x, 12)
    merged = starts._merged(x, cells, prior, family, 12)
    assert len(merged.unique()) < len(cells.unique())

    def likelihood(labels):
        stats = family.fixed(family.stats(x, cells, 12)).stats(x, labels, 12)
        return float(prior.log_eppf(torch.bincount(labels, minlength=12)) + family.log_marginal(stats).sum())

    assert likelihood(merged) > likelihood(cells)
    assert all(len(merged[cells == k].unique()) == 1 for k in cells.unique())  # whole cells
    assert (starts._merged(x, merged, prior, family, 12) == merged).all()  # until none is worth it
    assert sampler.init(x).max() < 12


@pytest.mark.parametrize("family", [NormalInverseWishart(), NormalInverseGamma()])
def test_two_in_one_are_split_and_gaussians_are_not(family, monkeypatch):
    # Six Gaussians, a small one in the cluster of another, as where it had no seed.
    generator = torch.Generator().manual_seed(0)
    truth = torch.multinomial(torch.tensor([1.0, 1, 1, 1, 1, 0.2]), 3000, replacement=True, generator=generator)
    width = torch.linspace(0.5, 2.0, 6, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.4, 1.0, 0.7]).double()
    means = 6 * torch.randn(6, 4, dtype=torch.float64, generator=generator)
    means[5] = means[4] + 4 * width[4]
    x = means[truth] + width[truth] * torch.randn(3000, 4, dtype=torch.float64, generator=generator)
    joined = truth.clamp(max=4)
    assert starts._wide(x, joined, family.posterior_mean(family.stats(x, joined, 8))) == [4]
    torch.manual_seed(0)
    assert torch.equal(starts._split(x, truth, DP, family, 8), truth)
    found = starts._split(x, joined, DP, family, 8)
    assert [len(found[joined == k].unique()) for k in range(5)] == [1, 1, 1, 1, 2]
    assert (found.unique() < 8).all()
    assert adjusted_rand_score(truth, found) > 0.98 > adjusted_rand_score(truth, joined)
    assert torch.equal(starts._split(x, joined, DP, family, 5), joined)  # no slot is free
    monkeypatch.setattr(starts, "TOO_WIDE", float("inf"))
    assert torch.equal(starts._split(x, joined, DP, family, 8), joined)


def test_families_without_marginals_or_with_categories_start_too():
    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    cells = seeded_labels(x, 5)
    torch.manual_seed(0)
    assert torch.equal(starting_labels(x, DP, SemiConjugateNormal(), 5), cells)
    codes = torch.randint(0, 3, (50, 4), generator=torch.Generator().manual_seed(0)).double()
    assert starting_labels(codes, DP, DirichletCategorical(), 5).max() < 5
    assert starting_labels(x[:1], DP, NormalInverseWishart(scale=1.0), 5).tolist() == [0]
