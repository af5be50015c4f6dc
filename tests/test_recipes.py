"""Every clusterer goes with both recipes and both backbones, one ``replace`` each."""

from dataclasses import replace

import pytest
import small
import torch

from bnpgan import recipes
from bnpgan.training import train

DATA = {"mlp": small.points, "dcgan": small.images}


@pytest.mark.parametrize("backbone", DATA)
@pytest.mark.parametrize("recipe", ["mic_gan", "sc_gan"])
@pytest.mark.parametrize("clusterer", small.clusterers(0))
def test_any_clusterer_trains_in_any_recipe_on_any_backbone(recipe, backbone, clusterer):
    x, _ = DATA[backbone]()
    gan = replace(small.gan(recipe, x), clusterer=small.clusterers(len(x))[clusterer])
    run = train(gan, x, steps=20, progress=False)
    assert run.partition.labels.shape == (len(x),) and run.partition.capacity == small.CAPACITY
    assert [row["step"] for row in run.history] == [3, 6, 9, 12, 15, 18, 20]
    assert all(row["clusters"] >= 1 for row in run.history[2:])
    made = run.sample(5)
    assert made.shape == (5, *x.shape[1:]) and bool(made.isfinite().all())
    assert run.predict(x[:7]).shape == (7,)
    before, after = gan.generator.state_dict(), run.gan.generator.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("recipe", "arguments"),
    [
        ("mic_gan", {"image_shape": (1, 28, 28), "backbone": "dcgan"}),
        ("sc_gan", {"dim": 3}),
        ("sc_gan", {"image_shape": (3, 8, 8)}),
    ],
)
def test_a_recipe_builds_itself_again_from_its_note(recipe, arguments):
    torch.manual_seed(3)
    first = getattr(recipes, recipe)(capacity=5, **arguments)
    torch.manual_seed(3)
    second = recipes.build(first.recipe)
    assert second.recipe == first.recipe and second.schedule == first.schedule
    for a, b in zip(first.generator.parameters(), second.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_swapped_part_drops_the_note():
    gan = recipes.sc_gan(dim=2)
    assert gan.recipe is not None and replace(gan, loss=gan.loss).recipe is None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "image_shape"),
        ({"dim": 2, "image_shape": (1, 8, 8)}, "image_shape"),
        ({"image_shape": (8, 8)}, "image_shape"),
        ({"dim": 0}, "sizes"),
        ({"dim": 2, "backbone": "transformer"}, "backbone"),
        ({"dim": 2, "backbone": "dcgan"}, "shape"),
        ({"image_shape": (1, 30, 30)}, "shape"),
        ({"image_shape": (1, 8, 12)}, "shape"),
        ({"dim": 2, "capacity": 0}, "capacity"),
        ({"dim": 2, "capacity": -1}, "capacity"),
        ({"dim": 2, "z_dim": 0}, "z_dim"),
        ({"dim": 2, "batch": 0}, "batch"),
        ({"dim": 2, "batch": 1}, "batch"),
        ({"dim": 2, "learning_rate": -1.0}, "generator_rate"),
        ({"dim": 2, "every": 0}, "every"),
        ({"dim": 2, "average": 1.0}, "average"),
        ({"dim": 2, "penalty": -1.0}, "weight"),
    ],
)
@pytest.mark.parametrize("recipe", [recipes.mic_gan, recipes.sc_gan])
def test_bad_arguments_are_named(recipe, arguments, named):
    with pytest.raises(ValueError, match=named):
        recipe(**arguments)


def test_an_unknown_saved_recipe_is_named():
    with pytest.raises(ValueError, match="nonsense"):
        recipes.build({"name": "nonsense", "arguments": {}})
    with pytest.raises(ValueError, match="'mic_gan' cannot be built"):
        recipes.build({"name": "mic_gan"})
    with pytest.raises(ValueError, match="'sc_gan' cannot be built"):
        recipes.build({"name": "sc_gan", "arguments": {"dim": 2, "wings": 2}})
