"""IDX files come back as they were written, damaged ones are named, and the real ones are read where they are."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils import Bunch

from bnpgan import data

HERE = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def no_root(monkeypatch):
    monkeypatch.delenv("BNPGAN_DATA", raising=False)


def idx(array, magic=None):
    magic = 0x0800 + array.ndim if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


def write(folder, images, labels, split="train", ending=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("images-idx3", idx(images)), ("labels-idx1", idx(labels))):
        path = folder / f"{split}-{name}-ubyte{ending}"
        path.write_bytes(gzip.compress(content) if ending else content)


def some(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)


@pytest.mark.parametrize(("read", "name"), [(data.mnist, "mnist"), (data.fashion_mnist, "fashion-mnist")])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_come_back_as_written(tmp_path, read, name, ending):
    train, test = some(5), some(3, seed=1)
    write(tmp_path / name, *train, ending=ending)
    write(tmp_path / name, *test, split="t10k", ending=ending)
    for (images, labels), (x, found) in ((train, read(tmp_path)), (test, read(str(tmp_path), train=False))):
        assert x.dtype == torch.float32 and found.dtype == torch.int64
        assert torch.equal(x, torch.from_numpy(images)[:, None].float() / 127.5 - 1)
        assert found.tolist() == labels.tolist()
    x, found = data.load(name, root=tmp_path)
    assert x.shape == (5, 1, 28, 28) and found.tolist() == train[1].tolist()


def test_root_is_the_argument_or_else_the_environments(tmp_path, monkeypatch):
    write(tmp_path / "a" / "mnist", *some(2))
    write(tmp_path / "b" / "mnist", *some(3))
    monkeypatch.setenv("BNPGAN_DATA", str(tmp_path / "a"))
    assert len(data.mnist()[0]) == len(data.load("mnist")[0]) == 2
    assert len(data.mnist(tmp_path / "b")[0]) == len(data.load("mnist", tmp_path / "b")[0]) == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("images-idx3", b"", r"starts with 0x00000000, not 0x00000803: put the original"),
        ("images-idx3", b"\0\0\x08", r"starts with 0x00000800, not 0x00000803: put the original"),
        ("images-idx3", b"<html>no such file</html>", r"starts with 0x3c68746d, not 0x00000803: put the original"),
        ("images-idx3", idx(some(5)[1]), r"starts with 0x00000801, not 0x00000803: put"),
        ("images-idx3", idx(some(5)[0])[:-1], r"holds 3919 bytes for an array of \[5, 28, 28\]: it is damaged"),
        ("images-idx3", idx(some(5)[0]) + b"\0", r"holds 3921 bytes for an array of \[5, 28, 28\]: it is damaged"),
        ("images-idx3", struct.pack(">4I", 0x803, *[2**32 - 1] * 3), r"holds 0 bytes .*: it is damaged, put"),
        ("images-idx3", idx(some(5)[0][:, :20]), r"holds images of \(20, 28\) pixels, not 28x28: put"),
        ("labels-idx1", idx(some(4)[1]), r"holds 4 labels of 5 images: put the files of one set"),
        ("labels-idx1", idx(some(5)[1], magic=0x0D01), r"starts with 0x00000d01, not 0x00000801: put"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    write(tmp_path / "mnist", *some(5))
    file = tmp_path / "mnist" / f"train-{name}-ubyte"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        data.mnist(tmp_path)
    assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.parametrize("damage", [lambda b: b[:-20], lambda b: b"no gzip", lambda b: b[:20] + b"~" * 40 + b[60:]])
def test_damaged_archives_are_named(tmp_path, damage):
    write(tmp_path / "mnist", *some(5), ending=".gz")
    file = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match="it is damaged, put the original file there") as caught:
        data.mnist(tmp_path)
    assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.parametrize("name", ["images-idx3", "labels-idx1"])
def test_a_missing_file_is_named_and_nothing_is_downloaded(tmp_path, monkeypatch, name):
    monkeypatch.setattr("bnpgan.data.openml.fetch_openml", None)  # calling it would fail otherwise
    write(tmp_path / "mnist", *some(5))
    (tmp_path / "mnist" / f"train-{name}-ubyte").unlink()
    with pytest.raises(ValueError, match=rf"train-{name}-ubyte.gz is missing: put it there.*--data-root"):
        data.mnist(tmp_path)


@pytest.mark.parametrize(
    ("read", "name"), [(data.mnist, "mnist_784"), (data.fashion_mnist, "Fashion-MNIST")], ids=["mnist", "fashion"]
)
def test_without_a_root_it_is_openml(monkeypatch, read, name):
    calls = []

    def fetch(*arguments, **options):
        calls.append((arguments, options))
        grey = np.arange(70_000, dtype=np.int64)[:, None] % 256
        # As it comes: whole numbers, not as bytes, and labels as text.
        return Bunch(
            data=np.broadcast_to(grey, (70_000, 784)), target=(np.arange(70_000) % 10).astype(str).astype(object)
        )

    monkeypatch.setattr("bnpgan.data.openml.fetch_openml", fetch)
    x, labels = read(train=False)
    assert x.shape == (10_000, 1, 28, 28) and x.dtype == torch.float32 and labels.dtype == torch.int64
    assert labels[:3].tolist() == [0, 1, 2]
    torch.testing.assert_close(x[:, 0, 3, 5], (torch.arange(60_000, 70_000) % 256) / 127.5 - 1)
    x, labels = read()
    assert len(x) == len(labels) == 60_000 and x[1].unique().item() == pytest.approx(1 / 127.5 - 1)
    assert [arguments for arguments, _ in calls] == [(name,)] * 2
    assert calls[0][1] == {"version": 1, "as_frame": False}


@pytest.mark.parametrize("error", [OSError("no route"), ValueError("no such set"), ImportError("pandas is missing")])
def test_without_a_root_or_a_network_it_says_what_to_do(monkeypatch, error):
    def fetch(*arguments, **options):
        raise error

    monkeypatch.setattr("bnpgan.data.openml.fetch_openml", fetch)
    with pytest.raises(ValueError, match=rf"^root is not given, .*\({error}\): pass .*--data-root.*BNPGAN_DATA"):
        data.load("mnist")


def test_another_set_from_openml_is_refused(monkeypatch):
    stored = Bunch(data=np.zeros((10, 784)), target=np.zeros(10))
    monkeypatch.setattr("bnpgan.data.openml.fetch_openml", lambda *arguments, **options: stored)
    with pytest.raises(ValueError, match=r"^root is not given, and mnist_784 from OpenML has shape \(10, 784\)"):
        data.mnist()


ROOT = Path(os.environ.get("BNPGAN_DATA") or HERE)


@pytest.mark.skipif(
    not (ROOT / "mnist").exists(), reason="the real files are not here: set BNPGAN_DATA to their folder"
)
@pytest.mark.parametrize(
    ("read", "counts"),
    [
        (data.mnist, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
        (data.fashion_mnist, [1000] * 10),
    ],
    ids=["mnist", "fashion"],
)
def test_the_real_files(read, counts):
    x, labels = read(ROOT, train=False)
    assert x.shape == (10_000, 1, 28, 28) and (x.min(), x.max()) == (-1, 1)
    assert labels.bincount().tolist() == counts
    x, labels = read(ROOT)
    assert x.shape == (60_000, 1, 28, 28) and len(labels.bincount()) == 10
