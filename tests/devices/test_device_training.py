"""Training on a device: whatever was trained, stopped, resumed and loaded is there, and goes on as if never stopped."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import small
import torch
from places import assert_on, assert_same, moved
from pretended_gpu import PretendedGPU

from bnpgan import data, report
from bnpgan.features import Identity
from bnpgan.losses import R1, GradientPenalty
from bnpgan.models import Gaussian
from bnpgan.recipes import RECIPES
from bnpgan.samplers import FixedLabels, KMeans
from bnpgan.training import load, train

pytestmark = pytest.mark.usefixtures("brief_trainings")

IMAGES = {"mic_gan", "sc_gan", "gm_gan", "precomputed_label_gan"}  # the others train on points, below
ON_IMAGES = [pytest.param(name, marks=[] if name in IMAGES else [pytest.mark.slow]) for name in RECIPES]
RIVALS = {"info_gan", "cluster_gan", "deli_gan", "dm_gan", "m_gan", "md_gan"}  # on a device in the slow runs alone
ON_POINTS = [pytest.param(name, marks=[pytest.mark.slow] if name in RIVALS else []) for name in RECIPES]
VARIANTS = {
    "mic_gan by sticks in every layer": ("mic_gan", {"sticks": True, "every_layer": True}),
    "mic_gan with split-merge": ("mic_gan", {"scale": 0.0, "split_merge": True, "encoder_hidden": True}),
    "sc_gan online": ("sc_gan", {"online": True}),
    "supervised_gm_gan with a softmax": ("supervised_gm_gan", {"softmax": True, "dynamic": True}),
}


@contextmanager
def left_alone(device):
    """The ambient generators of the CPU and of the device are afterwards as they were."""
    before = torch.get_rng_state(), torch.cuda.get_rng_state(device)
    yield
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(torch.cuda.get_rng_state(device), before[1])


def assert_run_is_on(device, run):
    gan = run.gan
    parts = [part.state_dict() for part in (gan.generator, gan.discriminator, run.averaged)]
    assert_on(device, run.partition, *parts, *(part.state_dict() for part in (gan.features,) if part.state_dict()))


def begun(recipe, x, truth):
    """A recipe for ``x``, and what is handed to ``train`` with it."""
    labels = truth % small.CAPACITY if recipe in ("class_conditional_gan", "supervised_gm_gan") else None
    return small.gan(recipe, x), {"labels": labels, "progress": False}


def told(run):
    """The history without what a clock says."""
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in run.history]


def weights(run):
    """Those of the generator as it trains, and the averaged ones."""
    return moved([dict(part.named_parameters()) for part in (run.gan.generator, run.averaged)], "cpu")


@pytest.mark.parametrize("recipe", ON_POINTS)
def test_every_recipe_goes_on_with_points_as_if_never_stopped(gpu, tmp_path, recipe):
    gan, given = begun(recipe, *small.points())
    x, given = small.points()[0], {**given, "device": gpu.device}
    with left_alone(gpu.device):
        whole = train(gan, x, steps=10, **given)
        train(gan, x, steps=5, out=tmp_path, **given)
        parts = train(gan, x, steps=10, out=tmp_path, resume=True, **given)
    assert_run_is_on(gpu.device, whole)
    assert_run_is_on(gpu.device, parts)
    assert [row["step"] for row in parts.history] == [3, 6, 9, 10]
    if isinstance(gpu, PretendedGPU):
        assert told(parts) == told(whole)
        assert_same(moved(parts.partition, "cpu"), moved(whole.partition, "cpu"), rtol=0, atol=0)
        assert_same(weights(parts), weights(whole), rtol=0, atol=0)
    else:  # sums are taken in any order, and where a gradient is next to nothing Adam still takes a whole step
        assert_same(weights(parts), weights(whole), rtol=0, atol=10 * 2 * gan.schedule.generator_rate)


@pytest.mark.parametrize("recipe", ON_IMAGES)
def test_every_recipe_trains_on_images_and_is_taken_up_again(gpu, tmp_path, recipe):
    gan, given = begun(recipe, *small.images())
    x, given = small.images()[0], {**given, "device": gpu.device, "out": tmp_path}
    train(gan, x, steps=3, **given)
    run = train(gan, x, steps=6, resume=True, **given)
    assert_run_is_on(gpu.device, run)
    assert [row["step"] for row in run.history] == [3, 6]
    assert_on(gpu.device, run.sample(3), run.predict(x[:5]))
    assert run.sample(3).shape == (3, 1, 8, 8) and bool(run.sample(3).isfinite().all())


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_recipes_train_on_the_device(gpu, variant):
    recipe, arguments = VARIANTS[variant]
    x, truth = small.points()
    labels = truth % small.CAPACITY if recipe == "supervised_gm_gan" else None
    gan = small.gan(recipe, x, arguments=arguments)
    run = train(gan, x, steps=5, labels=labels, progress=False, device=gpu.device)
    assert_run_is_on(gpu.device, run)
    assert run.history[-1]["clusters"] >= 1


@pytest.mark.parametrize("clusterer", [name for name in small.clusterers(0) if name != "foreign"])
def test_any_clusterer_trains_on_the_device(gpu, clusterer):
    x, _ = small.points()  # their features are wide, and reduced for most clusterers
    gan = small.gan("sc_gan", x, clusterer=small.clusterers(len(x))[clusterer])
    run = train(gan, x, steps=5, progress=False, device=gpu.device)
    assert_run_is_on(gpu.device, run)
    assert (run.partition.projection is not None) == (gan.clusterer.max_dim is not None)
    assert_on(gpu.device, run.predict(x))


@pytest.mark.parametrize("recipe", ["mic_gan", "gm_gan"])
def test_a_run_samples_and_predicts_on_the_device(gpu, recipe):
    x, _ = small.images()
    run = train(small.gan(recipe, x), x, steps=5, progress=False, device=gpu.device)
    a, b, c, d = (run.partition.active.nonzero().flatten().tolist() * 4)[:4]
    slots = run.slots(5)
    made = [run.sample(5), run.sample(5, cluster=a, scale=0.5), run.generate(slots), run.interpolate(a, b, 5)]
    assert_on(gpu.device, slots, *made, run.interpolate_four(a, b, c, d, 2), run.predict(x))
    assert all(part.shape == (5, *x.shape[1:]) and bool(part.isfinite().all()) for part in made)
    assert torch.equal(run.predict(x.to(gpu.device)), run.predict(x))


@pytest.mark.parametrize("recipe", ["mic_gan", "sc_gan"])
def test_a_run_is_loaded_on_either_device(gpu, tmp_path, recipe):
    x, _ = small.images()
    gan = small.gan(recipe, x)
    run = train(gan, x, steps=6, out=tmp_path, progress=False, device=gpu.device)
    with left_alone(gpu.device):
        there, here = (load(tmp_path, gan=gan, device=device) for device in (gpu.device, "cpu"))
    assert_run_is_on(gpu.device, there)
    assert_run_is_on(torch.device("cpu"), here)
    for loaded in (there, here):
        assert_same(moved(run.partition, "cpu"), moved(loaded.partition, "cpu"), rtol=0, atol=0)
        assert_same(weights(loaded), weights(run), rtol=0, atol=0)
        assert loaded.history == run.history
    assert torch.equal(there.predict(x), run.predict(x))
    assert (here.predict(x) == there.predict(x).cpu()).float().mean() > 0.9  # a device rounds convolutions to 11 bits
    assert_on(gpu.device, there.sample(3))
    assert here.sample(3).device.type == "cpu"
    assert {path.name for path in tmp_path.iterdir()} >= {"samples.png", "clusters.png", "metrics.json"}


def test_a_run_goes_on_on_another_device(gpu, tmp_path):
    x, _ = small.points()
    gan = small.gan("mic_gan", x)
    for steps, device in ((5, "cpu"), (9, gpu.device), (12, "cpu")):
        run = train(gan, x, steps=steps, out=tmp_path, progress=False, device=device, resume=steps > 5)
        assert_run_is_on(torch.device(device), run)
    assert [row["step"] for row in run.history] == [3, 6, 9, 12]


def test_data_and_parts_may_be_on_the_device_already(gpu):
    x, truth = small.points()
    x, labels = x.to(gpu.device), (truth % small.CAPACITY).to(gpu.device)
    run = train(small.gan("mic_gan", x), x, steps=5, labels=labels, progress=False, device=gpu.device)
    for device in (gpu.device, "cpu"):  # what was trained is trained on
        again = train(run.gan, x, steps=5, labels=labels, progress=False, device=device)
        assert_run_is_on(torch.device(device), again)
    fixed = small.gan("sc_gan", x, clusterer=FixedLabels(labels, small.CAPACITY), features=Identity())
    again = train(fixed, x, steps=2, progress=False, device=gpu.device)
    assert torch.equal(again.partition.labels, labels)


def test_training_goes_to_the_gpu_where_there_is_one(gpu):
    x, _ = small.points()
    assert_run_is_on(gpu.device, train(small.gan("sc_gan", x), x, steps=1, progress=False))


def test_a_clusterer_that_sees_some_points_predicts_the_others_on_the_device(gpu):
    x, _ = small.points()
    gan = small.gan("sc_gan", x, clusterer=KMeans(small.CAPACITY, max_points=60), features=Identity())
    run = train(gan, x, steps=2, progress=False, device=gpu.device)
    assert torch.equal(run.partition.labels, run.partition.predict(x))


@pytest.mark.parametrize("penalty", [R1(1.0), GradientPenalty(1.0, every=2)], ids=["R1", "GradientPenalty"])
def test_penalties_train_on_the_device(gpu, penalty):
    x, _ = small.images()
    gan = small.gan("sc_gan", x).scheduled(penalty=penalty, discriminator_steps=2, decay=4)
    assert bool(train(gan, x, steps=3, progress=False, device=gpu.device).sample(4).isfinite().all())


def test_a_loss_that_is_not_finite_is_named_on_the_device(gpu):
    x, _ = small.points()
    gan = small.gan("sc_gan", x).scheduled(discriminator_rate=1e30, log=50, save=50)
    with pytest.raises(ValueError, match=r"the loss is not finite at step \d"):
        train(gan, x, steps=50, progress=False, device=gpu.device)


def test_networks_that_are_too_small_are_named_wherever_they_are(gpu):
    x, _ = small.points()
    gan = small.gan("mic_gan", x)
    gan = replace(gan, latent=Gaussian(3))
    with pytest.raises(ValueError, match="the networks cannot take slot 5"):
        train(gan, x, steps=1, progress=False, device=gpu.device)


def test_scores_of_a_run_on_the_device_are_numbers(gpu):
    x, truth = small.points()
    run = train(small.gan("sc_gan", x), x, steps=3, progress=False, device=gpu.device)
    scores = report.evaluate(run, truth, report.spreads(run, x.to(gpu.device)))
    assert 0 < scores["purity"] <= 1 and scores["spread"] >= scores["spread_least"] > 0
    made, exact = report.coverage(run, *data.KNOWN["ring"], n=500)
    assert made["modes"] <= exact["modes"] == 8
    baselines = report.baselines(x.to(gpu.device), truth.to(gpu.device))
    assert all(0 < row["nmi"] <= 1 for row in baselines.values())
