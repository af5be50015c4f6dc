"""The start of all samplers."""

from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_iris, load_wine
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from bnpgan import data
from bnpgan.components import DirichletCategorical, NormalInverseGamma, NormalInverseWishart, SphericalNormal
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.priors import DirichletProcess, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import (
    IGMM,
    Algorithm8,
    CRPGibbs,
    SliceSampler,
    SplitMerge,
    StickBreaking,
    regions,
    settling,
    starts,
)
from bnpgan.samplers.kmeans import seeded_labels
from bnpgan.samplers.regions import with_regions_anew
from bnpgan.samplers.starts import starting_labels

DP = DirichletProcess(1.0)
KINDS = {
    "CRPGibbs": CRPGibbs,
    "IGMM": IGMM,
    "StickBreaking": StickBreaking,
    "SliceSampler": SliceSampler,
    "Algorithm8": Algorithm8,
    "SplitMerge": lambda *parts, **more: SplitMerge(StickBreaking(*parts, **more)),
}
TABLES = {"wine": load_wine, "iris": load_iris}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def blobs():
    """Three clusters twenty standard deviations apart."""
    truth = torch.arange(180) % 3
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.2]], dtype=torch.float64)
    noise = torch.randn(180, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return centres[truth] + 0.05 * noise, truth


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("few", [False, True])
def test_start_finds_the_modes_of_the_grid(seed, few, monkeypatch):
    if few:
        monkeypatch.setattr(starts, "ENOUGH", (1000, 20))
    torch.manual_seed(seed)
    x, truth = data.grid(4000)
    labels = starting_labels(x, StickBreaking(DP, NormalInverseWishart(), capacity=40))
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
    merged = settling.merged(x, cells, prior, family, 12)
    assert len(merged.unique()) < len(cells.unique())

    def likelihood(labels):
        stats = family.fixed(family.stats(x, cells, 12)).stats(x, labels, 12)
        return float(prior.log_eppf(torch.bincount(labels, minlength=12)) + family.log_marginal(stats).sum())

    assert likelihood(merged) > likelihood(cells)
    assert all(len(merged[cells == k].unique()) == 1 for k in cells.unique())  # whole cells
    assert sampler.init(x).max() < 12


def test_clusters_that_are_a_little_likelier_apart_are_not_merged():
    x = torch.randn(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    truth, family = torch.arange(60) // 30, NormalInverseWishart(scale=1.0)
    x[30:, 0] += 5
    apart, merged = (StickBreaking(DP, family, capacity=2).log_joint(x, z) for z in (truth, 0 * truth))
    assert 0 < apart - merged < 50
    assert torch.equal(settling.merged(x, truth, DP, family, 2), truth)


@pytest.mark.parametrize("family", [NormalInverseWishart(), NormalInverseGamma()])
def test_crossing_takes_of_each_region_the_better_labels(family):
    # Six Gaussians; two of them are one in these labels, and two others in those.
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(6, (3000,), generator=generator)
    width = torch.linspace(0.5, 2.0, 6, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.4, 1.0, 0.7]).double()
    means = 12 * torch.randn(6, 4, dtype=torch.float64, generator=generator)
    x = means[truth] + width[truth] * torch.randn(3000, 4, dtype=torch.float64, generator=generator)
    these, those = truth.clamp(max=4), truth.clamp(min=1)
    sampler = StickBreaking(DP, family, capacity=6)
    for one, two in [(these, those), (those, these), (these, truth), (truth, these)]:
        assert adjusted_rand_score(truth, starts._crossed(x, one, two, sampler)) > 0.98
    assert adjusted_rand_score(these, starts._crossed(x, these, these, sampler)) > 0.98  # nothing comes of nothing
    assert starts._crossed(x, these, those, replace(sampler, capacity=5)) is None  # not so many slots


def test_crossings_find_what_no_seed_did(monkeypatch):
    x, truth = data.grid(4000)
    sampler = StickBreaking(DP, NormalInverseWishart(), capacity=40)
    torch.manual_seed(0)
    found = starts._crossed_with_cells(x.double(), truth // 5, 40, sampler)
    assert adjusted_rand_score(truth, found) > 0.98 > adjusted_rand_score(truth, truth // 5)
    monkeypatch.setattr(starts, "_crossed", lambda x, *rest: torch.zeros(len(x), dtype=torch.int64))  # less likely
    assert torch.equal(starts._crossed_with_cells(x.double(), found, 40, sampler), found)
    monkeypatch.setattr(starts, "CROSSINGS", (0, 0))
    assert torch.equal(starts._crossed_with_cells(x.double(), truth // 5, 40, sampler), truth // 5)


@pytest.mark.parametrize(("prior", "family"), [(DP, NormalInverseWishart()), (PitmanYor(1.0, 0.3), SphericalNormal())])
def test_regions_are_settled_anew_until_nothing_is_likelier(monkeypatch, prior, family):
    # Of nine Gaussians two are one in these labels, one is cut in two, and between two others the border is wrong.
    x, truth = data.grid(540, side=3, std=0.2)
    x, wrong = x.double(), truth.clone()
    wrong[truth == 1] = 0
    wrong[(truth == 4) & (x[:, 0] > x[truth == 4, 0].median())] = 9
    wrong[(truth == 7) & (x[:, 1] > x[truth == 7, 1].median())] = 8
    sampler = StickBreaking(prior, family, capacity=10)
    torch.manual_seed(0)
    found = with_regions_anew(x, wrong, sampler)
    assert adjusted_rand_score(truth, found) == 1 > adjusted_rand_score(truth, wrong) + 0.2
    assert with_regions_anew(x, truth, sampler) is truth  # nothing is likelier
    few = StickBreaking(prior, family, capacity=3)
    assert with_regions_anew(x, truth // 3, few).max() < 3  # there are no slots for more
    monkeypatch.setattr(regions, "PIECES", 0)  # nothing is cut, and points alone move
    assert adjusted_rand_score(truth, with_regions_anew(x, wrong, sampler)) < 0.95


class Vast(StickBreaking):
    """Whose log-joints are so large that the nats by which two may differ are lost in rounding."""

    def log_joint(self, x, labels):
        return super().log_joint(x, labels) + 1e16


def test_a_log_joint_that_is_vast_does_not_hide_which_labels_are_the_best():
    x, truth = blobs()
    labels = starting_labels(x, Vast(DP, NormalInverseWishart(), capacity=9))
    assert len(labels) == len(truth) and labels.max() < 9


def test_no_point_of_wine_is_likelier_elsewhere():
    # A covariance of fifty points in thirteen dimensions is what it is by each one of these. Where points judge a
    # cluster of which they are part, several are likelier elsewhere. The start counts the n_k points of a cluster where
    # the law of labels may have other masses, and so may be off by a little.
    torch.manual_seed(0)
    x = torch.as_tensor(StandardScaler().fit_transform(load_wine().data))
    sampler = CRPGibbs(DP, NormalInverseWishart(), capacity=10)
    labels = starting_labels(x, sampler)
    here, used = float(sampler.log_joint(x, labels)), labels.unique().tolist()
    moved = [labels.index_fill(0, torch.tensor([i]), k) for i in range(len(x)) for k in used]
    assert len(used) > 1 and sum(float(sampler.log_joint(x, z)) > here + 0.5 for z in moved) <= 2


@pytest.mark.parametrize("kind", [StickBreaking, Algorithm8])
def test_a_point_by_itself_may_stay_so(kind):
    x = torch.cat([torch.randn(60, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([[40.0, 40.0]])])
    labels = starting_labels(x, kind(DP, NormalInverseWishart(), capacity=10))
    assert (labels == labels[-1]).sum() == 1


def test_families_without_marginals_or_with_categories_start_too():
    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert starting_labels(x, StickBreaking(DP, SemiConjugateNormal(), capacity=5)).max() < 5
    codes = torch.randint(0, 3, (50, 4), generator=torch.Generator().manual_seed(0)).double()
    assert starting_labels(codes, StickBreaking(DP, DirichletCategorical(), capacity=5)).max() < 5
    assert starting_labels(x[:1], StickBreaking(DP, NormalInverseWishart(scale=1.0), capacity=5)).tolist() == [0]


@each_kind
def test_all_samplers_start_alike(kind):
    x, truth = blobs()
    assert adjusted_rand_score(truth, kind(DP, NormalInverseWishart(), capacity=100).init(x)) == 1


def table(name):
    return torch.as_tensor(StandardScaler().fit_transform(TABLES[name]().data))


def test_regions_find_what_crossings_do_not(monkeypatch):
    # Merges from many cells lump the 150 points of iris into two, of which crossings do not make three.
    x, sampler = table("iris"), StickBreaking(DP, NormalInverseWishart(), capacity=100)
    monkeypatch.setattr(starts, "CELLS", ())  # from few cells they are found too
    torch.manual_seed(0)
    height = sampler.log_joint(x, sampler.init(x))
    monkeypatch.setattr(starts, "with_regions_anew", lambda x, labels, sampler: labels)
    torch.manual_seed(0)
    assert sampler.log_joint(x, sampler.init(x)) < height - 3


@pytest.mark.parametrize("name", ["wine", pytest.param("iris", marks=pytest.mark.slow)])
def test_the_start_does_not_depend_on_spare_slots(name):
    """Nor on the sampler; and where it begins with a cell for each slot, it does."""
    x, found = table(name), {}
    for capacity in (20, 60, 200):
        for seed in range(2):
            torch.manual_seed(seed)
            sampler = IGMM(DP, NormalInverseWishart(), capacity=capacity)
            labels = sampler.init(x)
            # Under one law: that of 200 slots.
            law = replace(sampler, capacity=200)
            found[capacity, seed] = len(labels.unique()), float(law.log_joint(x, labels))
    most = max(value for _, value in found.values())
    assert {K for K, _ in found.values()} <= set(range(2, 6)), found
    assert all(value > most - 20 for _, value in found.values()), found
    fine = seeded_labels(x, 60)
    assert law.log_joint(x, fine) < most - 100  # what the start was: as many cells as slots


@pytest.mark.parametrize(("N", "D", "K"), [(30, 20, 2), (30, 31, 2), (100, 40, 5)])
@pytest.mark.parametrize("family", [NormalInverseGamma(), SphericalNormal()], ids=["diagonal", "spherical"])
@pytest.mark.usefixtures("brief_starts")
def test_fewer_points_than_dimensions_have_clusters_too(family, N, D, K):
    generator, truth = torch.Generator().manual_seed(0), torch.arange(N) % K
    centres = 6 * torch.randn(K, D, dtype=torch.float64, generator=generator)
    x = centres[truth] + torch.randn(N, D, dtype=torch.float64, generator=generator)
    torch.manual_seed(0)
    labels = starting_labels(x, StickBreaking(DP, family, capacity=20))
    assert adjusted_rand_score(truth, labels) == 1


@pytest.mark.parametrize("far", [1e4, 1e5, 1e6, 1e7])
@pytest.mark.usefixtures("brief_starts")
def test_a_stray_row_hides_no_clusters_however_far(far):
    x, truth = blobs()
    x[0] = far
    torch.manual_seed(0)
    partition = StickBreaking(DP, NormalInverseWishart(), capacity=20, sweeps=2).fit(x)
    assert adjusted_rand_score(truth[1:], partition.labels[1:]) == 1
    assert int(partition.counts[partition.labels[0]]) == 1


def test_equal_clusters_are_in_the_order_of_their_first_points():
    labels = torch.tensor([3, 3, 1, 0, 0, 5, 5, 5])
    assert settling.ordered(labels, 6).tolist() == [1, 1, 3, 2, 2, 0, 0, 0]
