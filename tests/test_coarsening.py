"""What docs/coarsening.md shows is so."""

import re
from pathlib import Path

from bnpgan.components.coarsened import EACH

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
    family, each = re.search(
        r"`Coarsened\(\)`[^`]*`([^`]*)`, and `points` of (\d+) for each\s+dimension", PAGE
    ).groups()
    assert (default.points, float(each)) == (None, EACH)
    assert eval(family, names).weight == default.component.weight
