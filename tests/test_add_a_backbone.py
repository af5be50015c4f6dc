"""The backbone that docs/add-a-backbone.md writes trains as it says there."""

import re
from pathlib import Path

import torch

from bnpgan.recipes import RECIPES

PAGE = (Path(__file__).parent.parent / "docs" / "add-a-backbone.md").read_text()
BACKBONE, TRAINING = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_the_backbone_of_the_page_is_short_and_trains():
    lines = [line for line in BACKBONE.splitlines() if line.strip() and not line.startswith(("from", "import"))]
    assert len(lines) <= 35
    names: dict = {}
    for block in (BACKBONE, TRAINING):
        exec(compile(block, "docs/add-a-backbone.md", "exec"), names)
    run, rings = names["run"], names["rings"]
    assert run.partition.capacity == 20 and run.sample(3).shape == (3, 1, 8, 8)
    assert float(run.sample(50).abs().max()) <= 1 and rings.sample(3).shape == (3, 2)


def test_it_goes_with_every_recipe():
    names: dict = {}
    exec(compile(BACKBONE, "docs/add-a-backbone.md", "exec"), names)
    for recipe in RECIPES.values():
        gan = recipe(image_shape=(1, 8, 8), backbone=names["ResidualMLP"](width=16))
        c = torch.arange(4) % gan.clusterer.capacity
        assert gan.generator(gan.latent(c), c).shape == (4, 1, 8, 8)
        assert "ResidualMLP(width=16)" in repr(gan.recipe)
