"""The centre of data and the covariances within groups of them: in any units, whatever a stray row says."""

import pytest
import torch

from bnpgan.components import NormalInverseGamma, NormalInverseWishart, SemiConjugateNormal, SphericalNormal, shapes
from bnpgan.components.shapes import data_center, data_spread

UNITS = torch.tensor([1e-6, 1.0, 1e6, 30.0], dtype=torch.float64)
FAMILIES = [NormalInverseWishart(), NormalInverseGamma(), SphericalNormal(), SemiConjugateNormal()]


def blobs(N=400):
    """Three clusters, three times as wide in one direction as in the others, whose axes are oblique."""
    generator = torch.Generator().manual_seed(0)
    centres = 30 * torch.randn(3, 4, dtype=torch.float64, generator=generator)
    noise = torch.randn(N, 4, dtype=torch.float64, generator=generator) * torch.tensor([3.0, 1.0, 1.0, 1.0])
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=generator))[0]
    return centres[torch.arange(N) % 3] + noise @ rotation.T, rotation


def within(x, diagonal=False):
    return [shape.times(1.0) for shape in shapes.within_covariances(x, diagonal)]


def assert_close(one, other, **tolerance):
    torch.testing.assert_close(one, other, **({"rtol": 1e-6, "atol": 0} | tolerance))


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3, 1e6])
def test_nothing_depends_on_the_unit_of_a_column_nor_on_where_it_begins(unit, column):
    x, _ = blobs()
    units, shift = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    units[column], shift[column] = unit, 100 * unit
    other = units * x + shift
    assert_close(data_center(other), units * data_center(x) + shift)
    assert_close(data_spread(other), units * data_spread(x))
    for diagonal in (False, True):
        for one, two in zip(within(x, diagonal), within(other, diagonal), strict=True):
            assert_close(two / units / units[:, None], one, atol=1e-6)


def test_a_covariance_that_is_drawn_towards_a_multiple_of_the_identity_depends_on_units():
    """What the default was."""
    x, _ = blobs()

    def towards_identity(x):
        return (len(x) * x.T.cov() + 4 * x.T.cov().trace() / 4 * torch.eye(4)) / (len(x) + 4)

    inner = towards_identity(UNITS * x) / UNITS / UNITS[:, None]
    assert float((inner / towards_identity(x) - 1).abs().max()) > 1e3


def test_covariances_are_those_within_the_clusters():
    x, rotation = blobs()
    expected = rotation @ torch.diag(torch.tensor([9.0, 1.0, 1.0, 1.0]).double()) @ rotation.T
    for covariance in within(x):
        assert torch.equal(covariance, covariance.T)
        # Groups within a cluster are narrower than it, in its longest direction above all.
        assert 0.5 < float(torch.linalg.solve(expected, covariance).trace()) / 4 < 1.2
    assert_close(within(x)[0], expected, atol=1.5, rtol=0)
    assert float(x.T.cov().trace()) > 30 * float(expected.trace())
    diagonal = within(x, diagonal=True)[0]
    assert torch.equal(diagonal, diagonal.diagonal().diag())


@pytest.mark.parametrize("stray", [-9999.0, 1e6])
def test_a_stray_row_moves_hardly_anything(stray):
    x, _ = blobs()
    other = torch.cat([x, torch.full((1, 4), stray, dtype=torch.float64)])
    assert float(((data_center(other) - data_center(x)) / data_spread(x)).abs().max()) < 0.25
    assert_close(data_spread(other), data_spread(x), rtol=0.5)
    assert float(other.std(0).min()) > 20 * float(data_spread(x).max())  # moments are the stray row's
    for one, two in zip(within(x), within(other), strict=True):
        assert 0.5 < float(torch.linalg.solve(one, two).trace()) / 4 < 1.5


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 / 3])
def test_a_constant_column_has_spread_1_and_leaves_the_others_alone(value):
    """Whatever rounding makes of its mean."""
    x, _ = blobs(30)
    wide = torch.cat([x, torch.full((30, 1), value, dtype=torch.float64)], 1)
    assert float(data_spread(wide)[4]) == 1
    assert_close(data_center(wide)[4], torch.tensor(value).double())
    for covariance in within(wide):
        assert float(torch.linalg.eigvalsh(covariance)[0]) > 0
        assert float(covariance[4, 4]) == pytest.approx(shapes.LEAST**2)


@pytest.mark.parametrize("share", [0.005, 0.05, 0.3])
def test_a_column_of_which_most_values_are_the_same_keeps_its_width(share, monkeypatch):
    """A flag that few rows have; the law of Cauchy itself would be ever narrower."""
    x, _ = blobs()
    flag = (torch.arange(400) % round(1 / share) == 0).double()[:, None]
    spread = float(data_spread(torch.cat([x, flag], 1))[4])
    assert 0.3 < spread / float(flag.std()) < 1.1


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
@pytest.mark.parametrize("N", [1, 2, 3, 4, 5, 12])
def test_a_handful_of_points_in_more_dimensions_sets_a_scale_unless_they_are_equal(family, N):
    x, labels = torch.randn(N, 8, dtype=torch.float64), torch.zeros(N, dtype=torch.int64)
    whole = (3 * x).round()
    for points in [x, whole, torch.cat([x, x, x])] if N > 1 else []:
        stats = family.stats(points, labels[:1].expand(len(points)), 2)
        assert family.log_evidence(stats).isfinite()
        assert family.posterior_sample(stats).log_prob(points).isfinite().all()
    with pytest.raises(ValueError, match=r"^scale cannot be set from points that are all equal"):
        family.resolve(x[:1].expand(N, 8).clone())


def test_of_many_points_a_part_is_looked_at_whatever_their_order(monkeypatch):
    x, _ = blobs(1000)
    whole = within(x)
    monkeypatch.setattr(shapes, "POINTS", 300)
    some = x.clone()
    for one, two in zip(whole, within(some), strict=True):
        assert 0.5 < float(torch.linalg.solve(one, two).trace()) / 4 < 1.5
    drawn = torch.rand(3)
    within(some)
    assert torch.equal(within(some)[0], within(some.clone())[0])
    assert not torch.equal(drawn, torch.rand(3))
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    within(x.clone())
    assert torch.equal(torch.random.get_rng_state(), before)  # by random numbers of its own
