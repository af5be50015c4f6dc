"""Classifiers: what they see and name, where their weights come from, and the scores of a run in their features."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from test_data_idx import write

from bnpgan import data, recipes
from bnpgan.classifiers import (
    Channels,
    CIFARResNet,
    Convolutional,
    Inception,
    accuracy,
    load_classifier,
    suited,
    train_classifier,
)
from bnpgan.cli import main
from bnpgan.fidelity import fidelity
from bnpgan.images import images_of
from bnpgan.models import MLP
from bnpgan.training import train

ROOT = Path(os.environ.get("BNPGAN_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(scope="module")
def digits():
    x, truth = data.digits()
    torch.manual_seed(0)
    return train_classifier(x[:1400], truth[:1400], epochs=8, shift=0, progress=False)


def test_it_learns_the_digits(digits):
    x, truth = data.digits()
    assert accuracy(digits, x[1400:], truth[1400:]) > 0.85


def test_images_of_another_size_are_resized_and_channels_looked_at_each(digits):
    x, _ = data.digits()
    large = torch.nn.functional.interpolate(x[:50], (16, 16), mode="nearest")
    assert digits(large).shape == (50, 64)
    assert (digits.named(digits(large)) == digits.named(digits(x[:50]))).double().mean() > 0.8
    triples = x[:60].view(20, 3, 8, 8)
    channels = suited(digits, (3, 8, 8))
    assert isinstance(channels, Channels) and channels.classes == 1000 and "each of 3 channels" in channels.told
    named = digits.named(digits(x[:60])).view(20, 3) @ torch.tensor([100, 10, 1])
    assert torch.equal(channels.named(channels(triples)), named)
    with pytest.raises(ValueError, match="takes images of 3 channels, and these have 1"):
        suited(CIFARResNet(1), (1, 32, 32))


def test_weights_of_a_resnet_are_read_and_foreign_ones_refused(tmp_path):
    net = CIFARResNet(2).eval()
    weights = {name: each.numpy() for name, each in net.state_dict().items()}
    np.savez(tmp_path / "net.npz", **{name: each for name, each in weights.items() if "tracked" not in name})
    images = torch.randn(3, 3, 32, 32)
    again = CIFARResNet.from_file(tmp_path / "net.npz")
    assert torch.equal(again(images), net(images)) and again.told.startswith("ResNet-14 ")
    np.savez(tmp_path / "net.npz", **(weights | {"linear.weight": np.zeros((10, 63), np.float32)}))
    with pytest.raises(ValueError, match=r"linear.weight does not fit ResNet-14"):
        CIFARResNet.from_file(tmp_path / "net.npz")


def test_inception_asks_for_what_it_needs(tmp_path):
    with pytest.raises(ValueError, match="is missing: pass the file of Inception's weights"):
        Inception(tmp_path / "inception.pth")
    if find_spec("torch_fidelity") is None:
        (tmp_path / "inception.pth").write_bytes(b"")
        with pytest.raises(ValueError, match=r"Inception needs torch-fidelity .*bnpgan\[inception\]"):
            Inception(tmp_path / "inception.pth")


@pytest.mark.skipif(not (ROOT / "weights").exists(), reason="set BNPGAN_DATA to the folder of the real files")
def test_the_real_resnet_names_the_real_images():
    found = data.read(ROOT / "cifar10" / "data_batch_1_first4000.bin", limit=200)
    net = CIFARResNet.from_file(ROOT / "weights" / "cifar10_resnet20.npz")
    assert accuracy(net, images_of(found.x, "x")[0], found.labels) > 0.97  # training images: 99.8 %


def test_real_images_score_as_real_ones_and_clusters_each_have_a_row(digits):
    x, truth = data.digits()
    gan = recipes.class_conditional_gan(image_shape=(1, 8, 8), capacity=10, backbone=MLP(8))
    run = train(gan, x, labels=truth, steps=2, progress=False)

    class Real(type(run)):  # a generator that gives other real images of the slot
        def generate(self, c, scale=1.0):
            return torch.stack([x[(truth == k).nonzero()[torch.randint(170, ())][0]] for k in c.tolist()])

    own = (run.gan, run.partition, run.history, run.averaged, run.config)
    how = {"n": 500, "named": digits.named, "frequencies": truth.bincount()}
    near, far = fidelity(Real(*own), x, digits, **how), fidelity(run, x, digits, **how)
    assert set(near) == {"all", *(f"cluster {k}" for k in range(10))}
    assert near["all"]["coverage"] > 0.5 > far["all"]["coverage"]
    for name in ("frechet_distance", "kernel_distance", "reverse_kl"):
        assert near["all"][name] < 0.2 * far["all"][name]
    assert near["all"]["modes"] == 10 and sum(row["real"] for name, row in near.items() if name != "all") == 500
    for k in (2, 5):
        assert near[f"cluster {k}"]["frechet_distance"] < 0.5 * far[f"cluster {k}"]["frechet_distance"]


def test_the_commands_train_one_and_measure_in_its_features(tmp_path, capsys):
    labels = np.arange(120, dtype=np.uint8) % 3
    images = np.zeros((120, 28, 28), np.uint8)
    for i, k in enumerate(labels):
        images[i, 9 * k : 9 * k + 9] = 200 + i % 50
    for split in ("train", "t10k"):
        write(tmp_path / "mnist", images, labels, split)
    root, out, run = ["--data-root", str(tmp_path)], str(tmp_path / "classifier"), str(tmp_path / "run")
    assert main(["classifier", "--data", "mnist", *root, "--out", out, "--epochs", "12", "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("accuracy 1.0000 on the test images (120)")
    assert "trained on mnist, accuracy 1.0000 on the test images" in load_classifier(out).told
    net = ["--backbone", "mlp", "--width", "8", "--capacity", "3", "--steps", "2", "--quiet"]
    assert main(["train", "sc-gan", "--data", "mnist", *root, *net, "--out", run]) == 0
    capsys.readouterr()
    assert main(["evaluate", run, *root, "--extractor", out, "--images", "100"]) == 0
    told = capsys.readouterr().out
    assert "in the features of a small convolutional classifier" in told and "exact labels" in told
    for other in (["--extractor", "pixels", "--images", "60"], []):
        assert main(["evaluate", run, *root, *other]) == 0
    measured = json.loads((tmp_path / "run" / "metrics.json").read_text())["fidelity"]
    assert "accuracy 1.0000" in measured[out]["features"] and measured[out]["rows"]["all"]["real"] == 100
    assert measured["pixels"]["features"] == "pixels" and measured["pixels"]["rows"]["all"]["real"] == 60
    assert main(["evaluate", run, *root, "--images", "9"]) == 2
    assert main(["evaluate", run, *root, "--extractor", "fid"]) == 2
    assert "extractor fid is not known" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "mnist").exists(), reason="set BNPGAN_DATA to the folder of the real files")
def test_mnist_is_learned_in_minutes():
    found, held_out = (data.read("mnist", ROOT, train=train) for train in (True, False))
    net = train_classifier(images_of(found.x, "x")[0], found.labels, progress=False)
    assert isinstance(net, Convolutional)
    assert accuracy(net, images_of(held_out.x, "x")[0], held_out.labels) > 0.99
