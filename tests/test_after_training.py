"""After training: the generator as a program, images one by one, reconstructions, and the diversity of a class."""

import json
from dataclasses import replace

import numpy as np
import pytest
import small
import torch
from PIL import Image

from bnpgan import plotting, recipes, report
from bnpgan.classifiers import Convolutional, save_classifier
from bnpgan.cli import main
from bnpgan.export import exported
from bnpgan.models import MLP, ClusterFrames
from bnpgan.page import page
from bnpgan.reconstruction import errors, reconstruct, train_inverter
from bnpgan.run import Run
from bnpgan.samplers import RandomLabels
from bnpgan.training import train


@pytest.fixture(scope="module")
def run():
    x, _ = small.images()
    return train(small.gan("sc_gan", x, arguments={"backbone": MLP(16)}), x, steps=20, progress=False)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A run of the command line, and a folder for what is made of it."""
    path = tmp_path_factory.mktemp("after")
    words = ["train", "sc-gan", "--data", "digits", "--limit", "150", "--steps", "3", "--capacity", "3"]
    assert main([*words, "--backbone", "mlp", "--width", "8", "--quiet", "--out", str(path / "run")]) == 0
    return path


@pytest.mark.parametrize("recipe", ["sc_gan", "gm_gan", "mic_gan"])
def test_the_program_makes_what_the_run_makes(recipe, tmp_path):
    x, _ = small.images()
    run = train(small.gan(recipe, x, arguments={} if recipe == "mic_gan" else {"backbone": MLP(8)}), x, steps=2,
                out=tmp_path / "run", progress=False)  # fmt: skip
    assert main(["export", str(tmp_path / "run")]) == 0
    made = torch.export.load(tmp_path / "run" / "generator.pt2").module()
    for n in (2, 7):
        c, noise = torch.arange(n) % small.CAPACITY, torch.randn(n, run.latent_dim)
        with torch.no_grad():
            run.averaged.eval()
            expected = run.made(c, noise)
            torch.testing.assert_close(made(noise, c), expected)


def test_a_generator_that_makes_one_image_of_each_cluster_is_told(run, monkeypatch, directory, capsys):
    """And one that makes the real ones is not."""
    images, truth = small.images()
    state, drawn = torch.get_rng_state(), Run.sample
    assert report.spreads(run, images) == report.spreads(run, images)
    assert torch.equal(torch.get_rng_state(), state)

    monkeypatch.setattr(Run, "sample", lambda run, n, cluster: drawn(run, n, cluster, scale=0))
    spreads = report.spreads(run, images)
    large = [k for k, n in enumerate(run.partition.counts.tolist()) if n > 1]
    assert set(large) <= set(spreads) and max(spreads.values()) < 1e-3
    told = report.alike(spreads)
    assert f"in {len(spreads)} of {len(spreads)} clusters" in told
    assert report.evaluate(run, truth, spreads)["spread"] < 1e-3
    text = page(run, {"spread": 0.0}, spreads, directory)
    assert f"I{told[1:]}." in text and text.count("<td>0.00</td>") == len(spreads)
    assert main(["evaluate", str(directory / "run")]) == 0
    assert "the generator has collapsed there" in capsys.readouterr().out

    def real(run, n, cluster):
        members = images[run.partition.labels == cluster]
        return members[torch.randint(len(members), (n,))]

    monkeypatch.setattr(Run, "sample", real)
    spreads = report.spreads(run, images)
    assert min(spreads.values()) > 0.8 and max(spreads.values()) < 1.2 and report.alike(spreads) is None


def test_the_spread_of_clusters_without_any_is_not_asked_for(run):
    images, truth = small.images()
    spreads = report.spreads(run, images[:1].expand_as(images))
    assert not spreads and report.alike(spreads) is None and "spread" not in report.evaluate(run, truth, spreads)


def test_real_images_beside_a_cluster_are_from_all_of_the_file(run, monkeypatch, tmp_path):
    """And not its first members: a file is often sorted by class."""
    shown, figure = [], plotting.cluster_grid
    monkeypatch.setattr(plotting, "cluster_grid", lambda real, *rest: shown.append(real) or figure(real, *rest))
    images, _ = small.images()
    images = torch.linspace(-1, 1, len(images))[:, None, None, None].expand_as(images)
    report.pictures(run, images, tmp_path)
    heaviest = images[run.partition.labels == int(run.partition.counts.argmax())][:, 0, 0, 0]
    told = shown[0][0][:, 0, 0, 0]
    assert (len(told), float(told[0]), float(told[-1])) == (8, float(heaviest[0]), float(heaviest[-1]))


def test_frames_are_part_of_the_program():
    x, _ = small.points()
    gan = recipes.SCGAN(shape=(2,), capacity=4, backbone=MLP(8), frames=ClusterFrames).build()
    run = train(gan, x + 5, steps=3, progress=False)
    c, noise = torch.tensor([0, 3, 1]), torch.randn(3, run.latent_dim)
    with torch.no_grad():
        run.averaged.eval()
        torch.testing.assert_close(exported(run).module()(noise, c), run.made(c, noise))
    assert (run.made(c, noise) > 3).all()


def test_what_cannot_be_traced_is_said(run):
    class Odd(torch.nn.Module):
        dim = 4

        def forward(self, c, noise=None):
            return noise if float(noise.sum()) > 0 else -noise

    run = type(run)(run.gan, run.partition, run.history, torch.nn.ModuleDict(
        {"generator": run.averaged["generator"], "latent": Odd()}), run.config)  # fmt: skip
    with pytest.raises(ValueError, match=r"^the generator cannot be exported"):
        exported(run)


def test_reconstruction_finds_the_noise_of_generated_images(run):
    torch.manual_seed(0)
    inverter = train_inverter(run, steps=300)
    c = run.slots(40)
    own = reconstruct(run, inverter, run.generate(c), steps=60, batch=17)
    before, after = own.guessed.mean(), own.error.mean()
    assert after < 0.5 * before  # the optimisation adds to what the encoder guesses
    guess = reconstruct(run, inverter, run.generate(c), steps=0)
    assert torch.equal(guess.guessed, guess.error)
    x, _ = small.images()
    real = reconstruct(run, inverter, x[:40], steps=60)
    assert real.error.mean() > 2 * after  # which a generator of twenty steps cannot make
    torch.testing.assert_close(real.error, (real.images - x[:40]).abs().flatten(1).mean(1))
    rows = errors(run, real, run.partition.labels[:40])
    assert sum(row["images"] for name, row in rows.items() if name != "all") == rows["all"]["images"] == 40
    total = sum(row["images"] * row["error"] for name, row in rows.items() if name != "all")
    assert total / 40 == pytest.approx(rows["all"]["error"])
    assert run.partition.active[real.slots].all()


def test_an_inverter_needs_a_trunk_where_there_is_no_recipe(run):
    with pytest.raises(ValueError, match=r"^trunk is needed"):
        train_inverter(replace(run, gan=replace(run.gan, recipe=None)))


def test_images_one_by_one(directory, capsys):
    out, run = directory / "pictures", str(directory / "run")
    assert main(["sample", run, "-n", "3", "--out-dir", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["00000.png", "00001.png", "00002.png"]
    assert main(["sample", run, "-n", "3", "--out", str(directory / "same.npy")]) == 0
    with Image.open(out / "00001.png") as image:
        assert image.mode == "L" and image.size == (8, 8)
        levels = np.rint((np.load(directory / "same.npy")[1, 0] + 1) * 127.5)
        assert (np.asarray(image) == levels).all()
    assert main(["sample", run, "--out-dir", str(out)]) == 2
    assert "--out-dir: " in capsys.readouterr().err
    for other in ("7.png", "00009.npy", "photo.png"):
        (out / other).touch()
    assert main(["sample", run, "-n", "2", "--out-dir", str(out), "--overwrite"]) == 0
    assert {path.name for path in out.iterdir()} == {"00000.png", "00001.png", "7.png", "00009.npy", "photo.png"}


def test_the_command_reconstructs_cluster_by_cluster(directory, capsys):
    words = ["reconstruct", str(directory / "run"), "-n", "30", "--encoder-steps", "5", "--steps", "3"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "real images" in said and "generated ones" in said and "cluster " in said
    rows = json.loads((directory / "run" / "reconstruction.json").read_text())["rows"]
    assert rows["real images"]["images"] == rows["generated ones"]["images"] == 30
    assert (directory / "run" / "reconstruction.png").exists()


def test_the_surest_of_a_class_of_runs_and_data(directory, capsys):
    net = Convolutional((1, 8, 8), 10, width=2).eval()
    save_classifier(net, directory / "classifier", {})
    words = ["diversity", str(directory / "run"), "--classifier", str(directory / "classifier"), "-n", "50"]
    assert main([*words, "--of", "3", "--shown", "6", "--out", str(directory / "of3.png")]) == 0
    with Image.open(directory / "of3.png") as image:
        assert image.width > image.height
    assert main([*words, "--of", "ten", "--out", str(directory / "of.png")]) == 2
    assert "--of 'ten' is no class: pass a number below 10" in capsys.readouterr().err
    assert main([*words[:2], "--classifier", "pixels", "--of", "3", "--out", str(directory / "of.png")]) == 2
    assert "names no classes" in capsys.readouterr().err


def test_pictures_of_many_small_clusters_are_drawn(tmp_path):
    x, _ = small.images()
    train(small.gan("sc_gan", x, clusterer=small.Foreign(1)), x, steps=1, out=tmp_path / "one", progress=False)
    many = recipes.sc_gan(image_shape=(1, 8, 8), capacity=200, backbone="mlp")
    train(
        replace(many, clusterer=RandomLabels(200)), x.repeat(3, 1, 1, 1), steps=1, out=tmp_path / "many", progress=False
    )
    two = recipes.sc_gan(image_shape=(2, 8, 8), capacity=3, backbone="mlp")
    train(two, x.repeat(1, 2, 1, 1), steps=1, out=tmp_path / "channels", progress=False)
    assert all((tmp_path / name / "samples.png").exists() for name in ("one", "many", "channels"))
