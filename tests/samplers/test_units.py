"""In other units, and beside a stray row, data have the same clusters, whatever the sampler."""

import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from test_starts import DP, KINDS, blobs, each_kind

from bnpgan.components import Coarsened, NormalInverseGamma, NormalInverseWishart, SphericalNormal
from bnpgan.components.shapes import Shape
from bnpgan.samplers import Algorithm8, CRPGibbs

each_family = pytest.mark.parametrize(
    "family", [NormalInverseWishart(), NormalInverseGamma()], ids=["full", "diagonal"]
)


def fitted(kind, family, x, sweeps=2):
    torch.manual_seed(3)
    return kind(DP, family, capacity=20, sweeps=sweeps).fit(x).labels


def in_units():
    """Three clear clusters and a column of noise, and the same in other units."""
    x, truth = blobs()
    x = torch.cat([x, torch.randn(180, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))], 1)
    units = torch.tensor([[1e-6, 1.0, 1.0], [1.0, 1.0, 1e6]], dtype=torch.float64)
    return x, [x * unit for unit in units], truth


@each_kind
@each_family
@pytest.mark.usefixtures("brief_starts")  # which all have in common: below
def test_the_labels_are_the_same_in_any_units(kind, family):
    """The same seed, sweep by sweep, up to rounding."""
    x, others, truth = in_units()
    before = fitted(kind, family, x)
    assert all(torch.equal(fitted(kind, family, other), before) for other in others)
    assert adjusted_rand_score(truth, before) > 0.9


@each_family
def test_the_start_is_the_same_in_any_units(family):
    x, others, _ = in_units()
    before = fitted(KINDS["StickBreaking"], family, x, sweeps=0)
    assert all(torch.equal(fitted(KINDS["StickBreaking"], family, other, sweeps=0), before) for other in others)


class Towards(NormalInverseWishart):
    """What the default was: the covariance of the data drawn towards a multiple of the identity."""

    def spread(self, x):
        (N, D), covariance = x.shape, x.T.cov()
        eye = torch.eye(D, dtype=x.dtype)
        return [Shape((N * covariance + D * covariance.trace() / D * eye) / (N + D), 0 * eye)], D + 2.0


def test_a_scale_that_depends_on_units_is_found_out():
    x, truth = blobs()
    x = torch.cat([x, 1e6 * torch.randn(180, 1, dtype=torch.float64)], 1)
    assert adjusted_rand_score(truth, fitted(KINDS["StickBreaking"], Towards(factor=1.0), x)) < 0.5


@each_kind
@pytest.mark.parametrize("stray", [-999.0, 1e6])
@pytest.mark.usefixtures("brief_starts")
def test_a_stray_row_is_a_cluster_of_its_own_and_no_more(kind, stray):
    x, truth = blobs()
    x = torch.cat([x, torch.full((1, 2), stray, dtype=torch.float64)])
    labels = fitted(kind, NormalInverseWishart(), x)
    assert adjusted_rand_score(torch.cat([truth, torch.tensor([3])]), labels) > 0.95
    assert int((labels == labels[180]).sum()) == 1


@each_kind
@each_family
@pytest.mark.usefixtures("brief_starts")
def test_a_flag_that_few_rows_have_hides_no_clusters(kind, family):
    x, truth = blobs()
    flag = (torch.arange(180) % 90 == 0).double()[:, None]
    labels = fitted(kind, family, torch.cat([x, flag], 1))
    assert adjusted_rand_score(truth, labels) > 0.9


def beside(x, what):
    """Columns that say nothing new."""
    columns = {
        "a constant": torch.full_like(x[:, :1], 0.1),
        "a copy in other units": 1e6 * x[:, :1] + 3,
        "a sum": x.sum(1, keepdim=True),
        "a sum in few digits": (x.sum(1, keepdim=True) * 100).round() / 100,
    }
    return torch.cat([x, columns[what]], 1)


@pytest.mark.parametrize("what", ["a constant", "a copy in other units", "a sum", "a sum in few digits"])
@pytest.mark.parametrize("family", [NormalInverseWishart(), Coarsened(points=100)], ids=["full", "coarsened"])
@pytest.mark.usefixtures("brief_starts")
def test_a_column_that_says_nothing_new_hides_no_clusters(family, what):
    """Clusters would be the likelier, the narrower they are there, whatever they are elsewhere."""
    x, truth = blobs()
    assert adjusted_rand_score(truth, fitted(KINDS["StickBreaking"], family, beside(x, what))) > 0.9


@each_kind
@pytest.mark.usefixtures("brief_starts")
def test_no_sampler_minds_a_constant_and_a_copy(kind):
    x, truth = blobs()
    x = beside(beside(x, "a constant"), "a copy in other units")
    assert adjusted_rand_score(truth, fitted(kind, NormalInverseWishart(), x)) > 0.9


@pytest.mark.parametrize("family", [NormalInverseWishart(), Coarsened(points=100)], ids=["full", "coarsened"])
@pytest.mark.usefixtures("brief_starts")
def test_columns_that_say_nothing_new_do_not_change_the_labels(family):
    x = torch.randn(120, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) ** 3
    narrow, wide = (fitted(CRPGibbs, family, y) for y in (x, beside(beside(x, "a constant"), "a copy in other units")))
    assert len(narrow.unique()) > 1 and torch.equal(narrow, wide)


@pytest.mark.parametrize("family", [NormalInverseGamma(), SphericalNormal()], ids=["diagonal", "spherical"])
def test_a_constant_column_hides_no_clusters_of_families_without_correlations(family):
    x, truth = blobs()
    assert adjusted_rand_score(truth, fitted(CRPGibbs, family, beside(x, "a constant"))) > 0.9


def test_algorithm8_is_at_the_truth_from_its_start():
    x, truth = blobs()
    sampler = Algorithm8(DP, NormalInverseWishart(), sweeps=2)
    for seed in range(2):
        torch.manual_seed(seed)
        labels = sampler.fit(x).labels
        assert sampler.log_joint(x, labels) > sampler.log_joint(x, truth) - 20


@pytest.mark.parametrize(("N", "D", "K"), [(400, 16, 1), (100, 10, 1), (600, 16, 3)])
def test_the_restaurant_finds_what_there_is_in_many_dimensions(N, D, K):
    generator, truth = torch.Generator().manual_seed(0), torch.arange(N) % K
    centres = 3 * torch.randn(K, D, dtype=torch.float64, generator=generator) * (K > 1)
    x = centres[truth] + torch.randn(N, D, dtype=torch.float64, generator=generator)
    sampler = CRPGibbs(DP, NormalInverseWishart(), sweeps=2)
    labels = sampler.fit(x).labels
    assert sampler.log_joint(x, labels) > sampler.log_joint(x, truth) - 50
    assert adjusted_rand_score(truth, labels) == 1
