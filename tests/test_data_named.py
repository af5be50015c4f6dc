"""Sets of images by their names: read from files, as bytes, with what stands in for what."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_data_idx import write

from bnpgan import data
from bnpgan.cli import main

ROOT = Path(os.environ.get("BNPGAN_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(autouse=True)
def no_root(monkeypatch):
    monkeypatch.delenv("BNPGAN_DATA", raising=False)


def records(n, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([np.arange(n, dtype=np.uint8)[:, None] % 10, rng.integers(0, 256, (n, 3072), np.uint8)], 1)


@pytest.fixture
def root(tmp_path):
    """Twenty images of each class of MNIST and of Fashion-MNIST, thirty cats and dogs, five faces."""
    rng = np.random.default_rng(0)
    for name in ("mnist", "fashion-mnist"):
        labels = np.arange(200, dtype=np.uint8) % 10
        images = np.broadcast_to(labels[:, None, None] * 20, (200, 28, 28)).astype(np.uint8)
        write(tmp_path / name, np.ascontiguousarray(images), labels)
    for path, n, channels in (("cats-dogs/kaggle_cats_dogs_64.npz", 30, 3), ("faces/lfw_gray_64.npz", 5, 1)):
        (tmp_path / path).parent.mkdir()
        pixels = rng.integers(0, 256, (n, 64, 64, channels), dtype=np.uint8)
        np.savez(tmp_path / path, images=pixels, labels=np.arange(n, dtype=np.uint8) % 2)
    return tmp_path


def test_original_batches_of_cifar_come_back_as_written(tmp_path):
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    written = [records(20, i) for i in range(6)]
    for i, rows in enumerate(written[:5], 1):
        (folder / f"data_batch_{i}.bin").write_bytes(rows.tobytes())
    (folder / "test_batch.bin").write_bytes(written[5].tobytes())
    found, held_out = data.read("cifar10", tmp_path), data.read("cifar10", tmp_path, train=False)
    assert found.x.dtype == torch.uint8 and found.x.shape == (100, 3, 32, 32) and found.note is None
    assert torch.equal(found.x[20:40].flatten(1), torch.from_numpy(written[1][:, 1:]))
    assert found.labels[:12].tolist() == [*range(10), 0, 1] and found.names[9] == "truck"
    assert torch.equal(held_out.x.flatten(1), torch.from_numpy(written[5][:, 1:]))
    alone = data.read(folder / "test_batch.bin")
    assert torch.equal(alone.x, held_out.x)
    (folder / "test_batch.bin").write_bytes(written[5].tobytes()[:-1])
    with pytest.raises(ValueError, match=r"holds no records of CIFAR-10"):
        data.read("cifar10", tmp_path, train=False)


def test_the_jpeg_copy_of_cifar_says_what_it_is(tmp_path):
    (tmp_path / "cifar10").mkdir()
    files = []
    for k in range(6):
        files.append(io.BytesIO())
        Image.new("RGB", (32, 32), (40 * k, 0, 0)).save(files[-1], "JPEG", quality=95)
    contents = [file.getvalue() for file in files]
    offset = np.cumsum([0, *map(len, contents)])
    jpeg = np.frombuffer(b"".join(contents), np.uint8)
    label, split = np.array([0, 1, 2, 0, 1, 2], np.uint8), np.array([0, 0, 0, 0, 1, 1], np.uint8)
    np.savez(tmp_path / "cifar10" / "cifar10_jpeg.npz", jpeg=jpeg, offset=offset, label=label, split=split)
    found = data.read("cifar10", tmp_path)
    assert found.labels.tolist() == [0, 1, 2, 0] and "JPEG" in found.note
    assert (found.x[:, 0].double().mean((1, 2)) - 40.0 * torch.arange(4)).abs().max() < 3
    assert data.read("cifar10", tmp_path, train=False).labels.tolist() == [1, 2]
    assert data.read("cifar10", tmp_path, classes=2).labels.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match=r"^classes must lie in 1 .. 3"):
        data.read("cifar10", tmp_path, classes=4)
    np.savez(tmp_path / "cifar10" / "cifar10_jpeg.npz", jpeg=jpeg[:-9], offset=offset, label=label, split=split)
    with pytest.raises(ValueError, match="restore it"):
        data.read("cifar10", tmp_path, train=False)


def test_stacked_digits_are_three_digits(root):
    found = data.read("stacked-mnist", root, limit=3000)
    assert found.x.shape == (3000, 3, 28, 28) and found.x.dtype == torch.uint8
    digits = found.x[:, :, 0, 0].long() // 20  # an image of the fixture is as bright as its digit
    assert torch.equal(digits @ torch.tensor([100, 10, 1]), found.labels)
    assert 900 < len(found.labels.unique()) <= 1000 and "seed 0" in found.note
    assert torch.equal(found.labels, data.read("stacked-mnist", root, limit=3000).labels)


def test_hybrid_has_twelve_parts_and_says_how_many_of_each(root):
    found = data.read("hybrid", root)
    assert found.x.shape == (220, 1, 32, 32) and found.x.dtype == torch.uint8
    assert found.labels.bincount().tolist() == [20] * 10 + [15, 5] and len(found.names) == 12
    grey = [int(found.x[found.labels == k][0, 0, 9, 9]) for k in range(10)]
    assert grey == [0, 40, 80, 120, 160, 0, 40, 20, 160, 140]
    for said in ("digit 8 20", "sneaker 20", "cat 15", "face 5", "stand in"):
        assert said in found.note
    assert data.read("catdog", root, size=16).x.shape == (30, 3, 16, 16)
    (root / "faces" / "lfw_gray_64.npz").unlink()
    with pytest.raises(ValueError, match=r"lfw_gray_64.npz is missing"):
        data.read("hybrid", root)


@pytest.mark.parametrize("name", ["hybrid", "catdog"])
def test_sets_of_files_need_a_root(name):
    with pytest.raises(ValueError, match=rf"^root is not given, and {name}"):
        data.read(name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 8}, "size has no effect: it is for images"),
        ({"mirror": True}, "mirror has no effect: it is for folders of pictures"),
        ({"columns": [0]}, "columns has no effect: it is for tables"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"train": False}, "train has no effect"),
    ],
)
def test_what_has_no_effect_is_an_error(given, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        data.read("ring", **given)


def test_a_run_on_a_named_set_says_what_stands_in(root, tmp_path, capsys):
    out = tmp_path / "run"
    reading = ["--data", "hybrid", "--data-root", str(root), "--size", "8", "--limit", "60"]
    training = ["--steps", "2", "--out", str(out), "--capacity", "3", "--backbone", "mlp", "--width", "8", "--quiet"]
    assert main(["train", "sc-gan", *reading, *training]) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["points"] == 60 and config["shape"] == [1, 8, 8] and config["range"] == [0, 255]
    assert config["data"] | {"note": ""} == {"source": "hybrid", "size": 8, "limit": 60, "note": ""}
    assert "LFW" in config["data"]["note"]
    before = capsys.readouterr().out
    assert main(["evaluate", str(out), "--data-root", str(root)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == before.splitlines()[:2]


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / "cifar10").exists(), reason="set BNPGAN_DATA to the folder of the real files")
@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("mnist", (60_000, 1, 28, 28), 10),
        ("cifar10", (50_000, 3, 32, 32), 10),
        ("stacked-mnist", (100_000, 3, 28, 28), 1000),
        ("hybrid", (23_000, 1, 32, 32), 12),
        ("catdog", (2000, 3, 64, 64), 2),
    ],
)
def test_the_real_files(name, shape, classes):
    found = data.read(name, ROOT)
    assert found.x.shape == shape and found.x.dtype == torch.uint8 and len(found.labels.unique()) == classes
