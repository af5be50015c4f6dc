"""Every clusterer goes with both recipes and both backbones, one ``replace`` each."""

import json
from dataclasses import replace
from functools import partial

import pytest
import small
import torch

from bnpgan import recipes
from bnpgan.components import NormalInverseWishart
from bnpgan.features import FixedEncoder, Identity
from bnpgan.grids import Grid
from bnpgan.losses import GradientPenalty, Hinge
from bnpgan.models import DCGAN, Concat, MLPGenerator
from bnpgan.plain import from_plain, to_plain
from bnpgan.priors import PitmanYor
from bnpgan.samplers import KMeans, SplitMerge, StickBreaking
from bnpgan.training import load, train

pytestmark = pytest.mark.usefixtures("brief_trainings")

DATA = {"mlp": small.points, "dcgan": small.images}
slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("recipe", "backbone"),
    [("mic_gan", "dcgan"), ("sc_gan", "mlp"), slow("mic_gan", "mlp"), slow("sc_gan", "dcgan")],
)
@pytest.mark.parametrize("clusterer", small.clusterers(0))
def test_any_clusterer_trains_in_any_recipe_on_any_backbone(recipe, backbone, clusterer):
    x, _ = DATA[backbone]()
    gan = replace(small.gan(recipe, x), clusterer=small.clusterers(len(x))[clusterer])
    run = train(gan, x, steps=10, progress=False)
    assert run.partition.labels.shape == (len(x),) and run.partition.capacity == small.CAPACITY
    assert [row["step"] for row in run.history] == [3, 6, 9, 10]
    assert all(row["clusters"] >= 1 for row in run.history[2:])
    made = run.sample(5)
    assert made.shape == (5, *x.shape[1:]) and bool(made.isfinite().all())
    assert run.predict(x[:7]).shape == (7,)
    before, after = gan.generator.state_dict(), run.gan.generator.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


TURNED = "precomputed_label_gan by turns"  # of images only
VARIANTS = {
    TURNED: ("precomputed_label_gan", {"rotations": True}),
    **{name: (name, {}) for name in recipes.RECIPES},
    "mic_gan by sticks, in every layer": ("mic_gan", {"sticks": True, "every_layer": True, "learned_embedding": False}),
    "mic_gan with a learned scale": (
        "mic_gan",
        {"scale": 0.0, "split_merge": True, "embedding_dim": 4, "decay": 8, "projection": True},
    ),
    "mic_gan in the hidden layer": ("mic_gan", {"scale": 0.0, "scale_isotropic": True, "encoder_hidden": True}),
    "sc_gan with a projection": ("sc_gan", {"projection": True}),
    "sc_gan online": ("sc_gan", {"online": True}),
    "sc_gan ablated": ("sc_gan", {"warm_start": False, "matching": False}),
    "gm_gan with learned weights": ("gm_gan", {"weighted": True}),
    "supervised_gm_gan, softmax": ("supervised_gm_gan", {"softmax": True, "dynamic": True}),
}


def test_the_width_of_mic_gans_clusters_is_given_in_one_way():
    def component(**options):
        return recipes.mic_gan(dim=2, **options).clusterer.component

    assert (component().scatter, component().scale) == (None, 0.1)
    assert (component(scatter=0.1).scatter, component(scatter=0.1).scale) == (0.1, None)
    assert (component(scale=0.2).scatter, component(scale=0.2).scale) == (None, 0.2)
    assert component(scale=0.0).from_data and isinstance(component(scale=0.0).factor, Grid)
    assert component(scale=None, scatter=0.1).scatter == 0.1
    for scale in (0.0, 0.1):
        with pytest.raises(ValueError, match="scale and scatter exclude each other"):
            recipes.mic_gan(dim=2, scale=scale, scatter=0.1)


def test_the_scale_of_mic_gans_embedding_is_taken():
    for everywhere in (False, True):
        torch.manual_seed(0)
        found = recipes.mic_gan(dim=2, capacity=40, z_dim=50, embedding_scale=0.3, every_layer=everywhere)
        table = next(p for name, p in found.generator.named_parameters() if name.endswith("table"))
        assert table.shape == (40, 50) and table.std().item() == pytest.approx(0.3, rel=0.1)
    with pytest.raises(ValueError, match="embedding_scale is of an embedding that is added"):
        recipes.mic_gan(dim=2, embedding_dim=3, embedding_scale=0.5)
    with pytest.raises(ValueError, match="scale must be positive"):
        recipes.mic_gan(dim=2, embedding_scale=0.0)


@pytest.mark.parametrize(
    ("variant", "backbone"),
    [
        *((v, "mlp") for v in VARIANTS if v != TURNED),
        *((v, "dcgan") for v in ("mic_gan", "sc_gan", "gm_gan", "pac_gan", TURNED)),
    ],
)
def test_every_recipe_trains_resumes_exactly_and_samples_by_cluster(tmp_path, variant, backbone):
    name, arguments = VARIANTS[variant]
    x, truth = DATA[backbone]()
    labels = truth % small.CAPACITY if name in ("class_conditional_gan", "supervised_gm_gan") else None

    def run(steps, out, resume=False):
        gan = small.gan(name, x, arguments=arguments)
        return train(gan, x, steps=steps, out=tmp_path / out, resume=resume, labels=labels, progress=False)

    whole = run(9, "whole")
    run(6, "parts")
    parts = run(9, "parts", resume=True)
    again = load(tmp_path / "parts")
    for other in (parts, again):
        assert torch.equal(whole.partition.labels, other.partition.labels)
        for a, b in zip(whole.averaged.state_dict().values(), other.averaged.state_dict().values(), strict=True):
            assert torch.equal(a, b)
    if labels is not None:
        assert torch.equal(whole.partition.labels, labels)
    made = whole.sample(5, cluster=int(whole.partition.counts.argmax()), scale=0.5)
    assert made.shape == (5, *x.shape[1:]) and bool(made.isfinite().all())
    assert whole.sample(5).shape == made.shape and whole.predict(x[:7]).shape == (7,)
    assert torch.equal(parts.predict(x), again.predict(x))


def test_gmgan_s_clusters_are_those_of_its_classifier():
    x, _ = small.points()
    run = train(small.gan("gm_gan", x), x, steps=5, progress=False)
    with torch.no_grad():
        named = run.gan.features(run.gan, x).argmax(1)
    assert torch.equal(run.partition.labels, named)
    assert run.history[-1]["clusters"] == 0  # none in training


def test_a_gaussian_that_no_image_fell_to_is_sampled_all_the_same():
    x, _ = small.points()
    run = train(small.gan("gm_gan", x), x, steps=3, progress=False)
    empty = (~run.partition.active).nonzero().flatten().tolist()
    assert empty and run.sample(3, cluster=empty[0]).shape == (3, 2)
    assert run.slots(200).unique().tolist() == list(range(small.CAPACITY))


def test_ablations_are_arguments_of_the_schedule():
    assert recipes.sc_gan(dim=2, warm_start=False).schedule.warm_start is False
    assert recipes.sc_gan(dim=2, matching=False).schedule.matching is False
    online = recipes.sc_gan(dim=2, online=True)
    assert online.schedule.every is None and hasattr(online.clusterer, "update")


def test_a_pack_divides_the_batch():
    assert recipes.pac_gan(dim=2, pack=3).schedule.batch == 99
    with pytest.raises(ValueError, match="batch must be a multiple of pack=3"):
        recipes.pac_gan(dim=2, pack=3, batch=100)


MADE = {
    "mic_gan": {"image_shape": (1, 28, 28), "backbone": "dcgan", "width": 4, "split_merge": True, "scale": 0.0},
    "sc_gan": {"dim": 3, "online": True, "penalty": 2.0, "decay": 9},
    "gm_gan": {"dim": 2, "full": True, "latent_rate": 1e-2},
    "supervised_gm_gan": {"dim": 2, "softmax": True, "each": 2},
    "gan": {"dim": 2},
    "class_conditional_gan": {"dim": 2},
    "random_label_gan": {"image_shape": (3, 8, 8)},
    "pac_gan": {"dim": 2, "pack": 3},
    "precomputed_label_gan": {"image_shape": (1, 8, 8)},
    "info_gan": {"dim": 2, "uniform": 1},
    "cluster_gan": {"dim": 2, "std": 0.2},
    "deli_gan": {"image_shape": (1, 8, 8), "kernels": 3},
    "dm_gan": {"dim": 2, "capacity": 3},
    "m_gan": {"dim": 2, "weight": 0.1},
    "md_gan": {"dim": 2, "capacity": 4},
}


@pytest.mark.parametrize("recipe", MADE)
def test_a_recipe_is_equal_to_itself_from_json_and_builds_the_same_weights(recipe):
    torch.manual_seed(3)
    first = getattr(recipes, recipe)(**MADE[recipe])
    note = json.loads(json.dumps(to_plain(first.recipe)))
    assert from_plain(note) == first.recipe and first.by_hand == ()
    assert from_plain(note) != replace(first.recipe, z_dim=7)
    torch.manual_seed(3)
    second = recipes.build(note)
    assert second.recipe == first.recipe and second.schedule == first.schedule
    for a, b in zip(first.generator.parameters(), second.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_capacity_is_set_in_one_place():
    recipe = recipes.MICGAN(shape=(1, 8, 8), capacity=7, backbone="mlp")
    sticks = StickBreaking(PitmanYor(1.0, 0.3), NormalInverseWishart())
    for variant in (replace(recipe, clusterer=sticks), replace(recipe, clusterer=SplitMerge(sticks))):
        gan = variant.build()
        assert variant.clusterer.capacity == gan.clusterer.capacity == 7
        assert gan.generator.conditioning.table.shape[0] == 7 and gan.discriminator.head.linear.out_features == 8
    assert replace(variant, capacity=9).build().clusterer.capacity == 9


def test_a_backbone_is_an_object_that_anyone_can_pass():
    torch.manual_seed(0)
    named = recipes.MICGAN(shape=(1, 8, 8), backbone="dcgan").build()
    torch.manual_seed(0)
    passed = recipes.MICGAN(shape=(1, 8, 8), backbone=DCGAN(width=64)).build()
    assert named.recipe == passed.recipe
    assert all(
        torch.equal(a, b) for a, b in zip(named.generator.parameters(), passed.generator.parameters(), strict=True)
    )
    assert recipes.mic_gan((1, 8, 8), width=4).recipe.backbone == DCGAN(width=4)


def test_what_is_swapped_on_a_built_gan_is_noted_in_its_recipe():
    gan = recipes.sc_gan(dim=2, capacity=6)
    variant = replace(gan, clusterer=KMeans(6, restarts=2), loss=Hinge(), features=Identity())
    variant = variant.scheduled(betas=(0.0, 0.9)).scheduled(log=7, penalty=GradientPenalty(3.0))
    again = from_plain(json.loads(json.dumps(to_plain(variant.recipe))))
    assert again == variant.recipe and variant.by_hand == ()
    assert (again.clusterer, again.loss, again.features) == (KMeans(6, restarts=2), Hinge(), Identity)
    assert again.schedule == variant.schedule and again.schedule.penalty == GradientPenalty(3.0)
    assert replace(variant, features=gan.features).recipe.features is None
    assert gan.recipe == recipes.sc_gan(dim=2, capacity=6).recipe  # the first is as it was


def test_parts_that_were_made_by_hand_are_named():
    gan, other = recipes.sc_gan(dim=2), recipes.sc_gan(dim=2, z_dim=5)
    assert replace(gan, generator=MLPGenerator((2,), Concat(50, 2, 32))).by_hand == ("generator",)
    assert replace(gan, generator=other.generator, latent=other.latent).by_hand == ("generator", "latent")
    assert replace(gan, generator=recipes.sc_gan(dim=2).generator).by_hand == ()
    assert replace(gan, features=FixedEncoder(torch.nn.Linear(2, 2))).by_hand == ("features",)
    assert replace(gan, clusterer=KMeans(3)).by_hand == ("clusterer",)  # the networks have other slots
    assert "generator" in replace(gan, recipe=None).by_hand


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


NOTE = to_plain(recipes.SCGAN(shape=(2,)))


@pytest.mark.parametrize(
    ("damaged", "named"),
    [
        ({"class": "bnpgan.recipes.Nonsense"}, "Nonsense"),
        ({"class": "nowhere.SCGAN"}, "nowhere"),
        ({"class": "os.system"}, "no dataclass"),
        ({"class": "bnpgan.samplers.KMeans", "capacity": 3}, "is none"),
        ({"name": "sc_gan", "arguments": {}}, "nothing that was noted"),
        (NOTE | {"wings": 2}, "wings"),
        (NOTE | {"schedule": {"class": "bnpgan.mixture.Schedule", "speed": 1}}, "schedule"),
        (NOTE | {"schedule": {"class": "bnpgan.mixture.Schedule", "batch": 1}}, "batch"),
        (NOTE | {"loss": {"named": "os.getcwd"}}, "loss"),
        (NOTE | {"clusterer": {"tensor": "x", "dtype": "system"}}, "clusterer"),
    ],
)
def test_what_is_no_recipe_is_named(damaged, named):
    with pytest.raises(ValueError, match=named):
        recipes.build(damaged)
