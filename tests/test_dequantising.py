"""Values in steps are spread over them, and clusters are not those that agree in a column."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from bnpgan.cli import main
from bnpgan.components import (
    Coarsened,
    DirichletCategorical,
    NormalInverseGamma,
    NormalInverseWishart,
    SemiConjugateNormal,
)
from bnpgan.dequantising import dequantised
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import StickBreaking


def with_counts(N=450):
    """Three clear clusters beside five columns of rare counts."""
    generator, truth = torch.Generator().manual_seed(0), torch.arange(N) % 3
    x = torch.randn(N, 2, dtype=torch.float64, generator=generator) + 8.0 * torch.eye(3, 2, dtype=torch.float64)[truth]
    counts = torch.poisson(torch.full((N, 5), 0.1, dtype=torch.float64), generator=generator)
    return torch.cat([x, counts], 1), truth


def test_each_value_is_spread_over_the_step_of_its_column():
    values = torch.tensor([0.0, 3.0, 6.0]).repeat(2000)
    x = torch.stack([values, 0.1 * values + 7, torch.full_like(values, 5.0), torch.arange(6000.0) % 20], 1)
    torch.manual_seed(0)
    y = dequantised(x)
    assert y.dtype == torch.float64 and torch.equal(y[:, 2], x[:, 2].double())
    apart, steps = (y - x)[:, [0, 1, 3]], torch.tensor([3.0, 0.3, 1.0], dtype=torch.float64)
    assert ((apart.abs() / steps).amax(0) - 0.5).abs().max() < 0.01
    torch.testing.assert_close(apart.var(0), steps**2 / 12, rtol=0.05, atol=0)  # three standard errors and more
    torch.testing.assert_close(apart.mean(0) / steps, torch.zeros(3, dtype=torch.float64), rtol=0, atol=0.015)


def test_steps_are_not_what_rounding_makes_of_equal_values():
    x = torch.tensor([[0.3], [0.1 + 0.2], [1.3]], dtype=torch.float64)
    assert float((dequantised(x.repeat(50, 1)) - x.repeat(50, 1)).abs().max()) > 0.4


def test_values_that_hardly_repeat_stay_as_they_are_whatever_does():
    x = torch.randn(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[::2, 0] = 0.0
    assert torch.equal(dequantised(x), x)


def test_a_vast_value_hides_no_steps():
    x = torch.poisson(torch.full((200, 1), 3.0), generator=torch.Generator().manual_seed(0)).double()
    x[0] = 5e12
    y = dequantised(x)
    assert 0.4 < float((y - x).abs().max()) <= 0.5


def test_whole_numbers_one_point_and_a_generator_will_do_and_nothing_is_written_to():
    x = torch.tensor([[1, 2], [3, 2]])
    first, second = (dequantised(x, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second) and x.tolist() == [[1, 2], [3, 2]]
    assert torch.equal(dequantised(x[:1]), x[:1].double())
    with pytest.raises(ValueError, match=r"^x "):
        dequantised(torch.tensor([[torch.nan]]))


def fitted(x, family):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is found stands in the flags
        return StickBreaking(DirichletProcess(1.0), family, capacity=20, sweeps=5).fit(x)


@pytest.mark.parametrize("family", [NormalInverseWishart(), Coarsened(points=1e9)])
def test_clusters_that_agree_in_a_column_are_told_of_and_can_be_avoided(family):
    x, truth = with_counts()
    before, after = fitted(x, family), fitted(dequantised(x), family)
    assert adjusted_rand_score(truth, before.labels) < 0.5 < 0.9 < adjusted_rand_score(truth, after.labels)
    assert "agreeing" in before.flags and after.flags == ()


def test_a_few_stray_clusters_are_not_worth_a_word():
    x = torch.randn(300, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[:10] = 9.0  # where all agree: 3 % of the points
    assert fitted(x, NormalInverseWishart()).flags == ()


@pytest.mark.parametrize(
    "family",
    [NormalInverseWishart(scale=1.0), NormalInverseGamma(scale=1.0), SemiConjugateNormal()],
    ids=["full", "diagonal", "semi-conjugate"],
)
def test_all_points_may_agree(family):
    x = torch.randn(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert "agreeing" not in fitted(torch.nn.functional.pad(x, (0, 1), value=7.0), family).flags


def test_rounding_hides_no_agreement_and_zeros_among_others_are_told_of_when_spread_too():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 2, dtype=torch.float64, generator=generator)
    x[::2, 0] = 0.0
    noise = 1e-15 * torch.randn(300, 2, dtype=torch.float64, generator=generator)
    assert all("agreeing" in fitted(y, NormalInverseWishart()).flags for y in (x, x + noise, dequantised(x)))


def test_categories_may_agree():
    codes = torch.arange(2).repeat_interleave(50)[:, None].repeat(1, 4)
    partition = fitted(codes, DirichletCategorical())
    assert all(len(codes[partition.labels == k].unique()) <= 1 for k in range(20)) and partition.flags == ()


def test_the_command_spreads_values_when_it_is_told_to(tmp_path, capsys):
    x, truth = with_counts()
    points, labels = str(tmp_path / "x.npy"), str(tmp_path / "z.npy")
    np.save(points, x.numpy())
    found, briefly = [], ["--chains", "1", "--sweeps", "5", "--overwrite"]
    for words in ([], ["--dequantise"]):
        main(["cluster", "stick-breaking", points, "--out", labels, *briefly, *words])
        found.append(adjusted_rand_score(truth, np.load(labels)))
    assert found[0] < 0.5 < 0.9 < found[1]
