"""What docs/coarsening.md shows is so."""

import re
from pathlib import Path

import pytest
import torch

from bnpgan import data
from bnpgan.components import Coarsened
from bnpgan.components.coarsened import EACH, LEAST
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import StickBreaking

PAGE = (Path(__file__).parent.parent / "docs" / "coarsening.md").read_text()


def test_the_example_finds_three_clusters_where_gaussians_are_many():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names: dict = {}
    exec(compile(code, "docs/coarsening.md", "exec"), names)
    assert names["found"]["Coarsened"] == 3
    assert 9 <= names["found"]["NormalInverseWishart"] <= 14


def test_the_setting_of_the_page_is_the_default():
    names: dict = {}
    exec("from bnpgan.components import *", names)
    default = names["Coarsened"]()
    family, each, least = re.search(
        r"`Coarsened\(\)`[^`]*`([^`]*)`, and `points` of (\d+) for each\s+dimension.*? and (\d+) at least", PAGE, re.S
    ).groups()
    assert (default.points, float(each), float(least)) == (None, EACH, LEAST)
    assert eval(family, names).weight == default.component.weight


@pytest.mark.parametrize(
    ("N", "D", "points"),
    [(10_000, 32, 960), (1000, 32, 500), (570, 30, 300), (10_000, 2, 300), (100, 4, 300)],
    ids=["30 a dimension", "half of them", "half of them is too few", "two dimensions", "few"],
)
def test_what_all_points_count_for_by_default(N, D, points):
    stats = Coarsened().stats(torch.randn(N, D, dtype=torch.float64), torch.zeros(N, dtype=torch.int64), 2)
    assert stats.replicas == 1 + round(N / points)


def test_by_default_twenty_five_modes_of_the_plane_are_told_apart():
    torch.manual_seed(0)
    x, truth = data.grid(2000, std=0.05)
    p = StickBreaking(DirichletProcess(1.0), Coarsened(), sweeps=2).fit(x.double())
    assert int(p.active.sum()) == len(truth.unique()) == 25
