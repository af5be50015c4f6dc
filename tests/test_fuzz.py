"""Files that were generated, then damaged: what comes of each is what it held, or a ``ValueError`` that names it."""

import bz2
import gzip
import io
import json
import lzma
import os
import resource
import shutil
import signal
import struct
import time
import traceback
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import small
import torch
from PIL import Image
from safetensors.torch import load_file
from test_training import assert_same_run

from bnpgan import data
from bnpgan.training import load, train

pytestmark = pytest.mark.usefixtures("plain_pictures")

FAST, SLOW = range(200), pytest.param(range(200, 2200), marks=pytest.mark.slow)
ROOM = 2**31  # bytes that a process which reads such files may ask for
SECONDS = 20  # that one of them may take


def watched(cases, one):
    """Does ``one(case)`` for each in a process of its own, which must neither hang, nor die, nor take much memory."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + ROOM, held + ROOM))
        try:
            for case in cases:
                os.write(writer, f"\n>>> {case}\n".encode())
                signal.alarm(SECONDS)
                one(case)
            os.write(writer, b"all")
        except BaseException:
            os.write(writer, traceback.format_exc()[-6000:].encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        said = told.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not said.endswith("all"):
        pytest.fail(f"exit {code} in {said.rpartition('>>> ')[2]}")


def png_chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def damage(g, content):
    """The bytes of a file with something wrong."""
    if not content:
        return bytes(g.bytes(9))
    early = g.random() < 0.5  # headers are where it matters
    place = int(g.integers(min(len(content), 200) if early else len(content)))
    end = place + int(g.integers(1, 40))
    digits = [i for i, byte in enumerate(content[:4000]) if chr(byte).isdigit()] or [0]
    digit = int(g.choice(digits))
    kinds = (
        content[:place],
        content[:place] + bytes([content[place] ^ 1 << int(g.integers(8))]) + content[place + 1 :],
        content[:place] + g.bytes(end - place) + content[end:],
        content[:place] + g.bytes(int(g.integers(1, 40))) + content[place:],
        content[:place] + content[end:],
        content[:end] + content[place:],
        content[:place] + bytes(end - place) + content[end:],
        content[:place] + b"\xff" * (end - place) + content[end:],
        content[:digit] + str(10 ** int(g.integers(3, 40))).encode() + content[digit:],
        content[:digit] + b"-" + content[digit + 1 :],
        content + g.bytes(int(g.integers(1, 3000))),
    )
    return kinds[int(g.integers(len(kinds)))]


# Data of all kinds: each maker writes a file or a folder, and returns it with what it holds.


def pixels(g, shape):
    """Images in one of the ranges, and the same in [-1, 1]."""
    x = g.integers(0, 256, shape)
    x.flat[:2] = 0, 255
    kinds = (x.astype(g.choice(["u1", "i2", "<i8", ">i4"])), x / 255, x / 127.5 - 1, x.astype("f4"))
    return kinds[int(g.integers(len(kinds)))], x / 127.5 - 1


def array(g):
    n, labels = int(g.integers(2, 9)), None
    if g.random() < 0.5:
        x = (g.normal(size=(n, int(g.integers(1, 5)))) * 100).astype(g.choice(["f8", ">f4", "f2", "i2", "i8", "?"]))
        held = x.astype(np.float64)
    else:
        x, held = pixels(g, [(n, 8, 6), (n, 1, 4, 8), (n, 3, 5, 7)][int(g.integers(3))])
        held = held if x.ndim == 4 else held[:, None]
    if g.random() < 0.3:
        x = np.asfortranarray(x)
    if g.random() < 0.5:
        labels = g.integers(0, 3, n).astype(g.choice(["i8", "u1", ">i4"]))
    return x, held, labels


def npy(g, folder):
    x, held, _ = array(g)
    with (folder / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, x, version=(int(g.integers(1, 4)), 0))
    return "x.npy", held, None


def npz(g, folder):
    x, held, labels = array(g)
    arrays = {str(g.choice(["x", "images", "features", "data", "mine"])): x}
    if labels is not None:
        arrays[str(g.choice(["y", "label", "labels"]))] = labels
    (np.savez if g.random() < 0.5 else np.savez_compressed)(folder / "x.npz", **arrays)
    return "x.npz", held, labels


def csv(g, folder):
    x = g.normal(size=(int(g.integers(2, 30)), int(g.integers(2, 5)))) * 10.0 ** g.integers(-9, 9)
    separator = str(g.choice([",", ";", "\t", "|", " "]))
    comma = separator != "," and g.random() < 0.3
    quote, end = ('"' if g.random() < 0.3 else ""), str(g.choice(["\n", "\r\n", "\r"]))
    rows = [[repr(float(value)) for value in row] for row in x]
    if g.random() < 0.7:
        rows.insert(0, [f"column {j}" if separator != " " else f"c{j}" for j in range(x.shape[1])])
        if separator != " " and g.random() < 0.3:
            rows = [[f"{i - 1}" if i else "", *row] for i, row in enumerate(rows)]
    rows = [[quote + (cell.replace(".", ",") if comma else cell) + quote for cell in row] for row in rows]
    text = end.join(separator.join(row) for row in rows) + (end if g.random() < 0.8 else "")
    content = text.encode(str(g.choice(["utf-8", "utf-8-sig", "utf-16"])))
    packed = str(g.choice(["", "", "", ".gz", ".bz2", ".xz", ".zip"]))
    if packed == ".zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.csv", content)
        content = file.getvalue()
    elif packed:
        content = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[packed].compress(content)
    (folder / f"x.csv{packed}").write_bytes(content)
    return f"x.csv{packed}", x, None


FORMATS = {  # and the modes that they hold as they are
    "png": ("1", "L", "RGB", "P"),
    **{"bmp": ("1", "L", "RGB"), "tif": ("1", "L", "RGB"), "ppm": ("RGB",), "pgm": ("L",), "gif": ("L",)},
    **{"tga": ("L", "RGB"), "webp": ("RGB",), "sgi": ("L", "RGB"), "pcx": ("L", "RGB")},
}
LOSSY = {"jpg": ("L", "RGB", "CMYK"), "jp2": ("L", "RGB")}


def pictures(g, folder):
    height, width, classes = int(g.integers(1, 12)), int(g.integers(1, 12)), int(g.integers(0, 3))
    held, labels, exact = [], [], True
    for i in range(int(g.integers(1, 5))):
        kinds = FORMATS if g.random() < 0.8 else LOSSY
        ending = str(g.choice(list(kinds)))
        mode = str(g.choice(kinds[ending]))
        picture = Image.fromarray(g.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)
        label = int(g.integers(classes)) if classes else 0
        place = folder / "set" / f"class {label}" if classes else folder / "set"
        place.mkdir(parents=True, exist_ok=True)
        picture.save(place / f"{i}.{ending}", **({"lossless": True, "quality": 100} if ending == "webp" else {}))
        grey = mode in ("1", "L") and ending != "webp"
        held.append(np.asarray(picture.convert("L" if grey else "RGB")))
        labels.append(label)
        exact &= kinds is FORMATS
    if any(picture.ndim == 3 for picture in held):
        held = [np.broadcast_to(p if p.ndim == 3 else p[..., None], (height, width, 3)) for p in held]
        x = np.stack(held).transpose(0, 3, 1, 2)
    else:
        x = np.stack(held)[:, None]
    order = sorted(range(len(labels)), key=lambda i: (labels[i], i))
    seen = sorted(set(labels))
    held = (x[order] / 127.5 - 1) if exact else None
    return "set", held, np.array([seen.index(labels[i]) for i in order]) if classes else None


def idx(g, folder):
    x, labels = g.integers(0, 256, (3, 28, 28), dtype=np.uint8), g.integers(0, 10, 3, dtype=np.uint8)
    for name, array, magic in (("images-idx3", x, 0x803), ("labels-idx1", labels, 0x801)):
        content = struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()
        packed = g.random() < 0.5
        (folder / "mnist").mkdir(exist_ok=True)
        path = folder / "mnist" / f"train-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    return "", x[:, None] / 127.5 - 1, labels


MAKERS = (npy, npz, csv, pictures, idx)


def read(case, folder):
    g, folder = np.random.default_rng(case), folder / str(case)
    folder.mkdir()
    make = MAKERS[case % len(MAKERS)]
    name, held, labels = make(g, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    broken = g.random() < 0.8
    for _ in range(int(g.integers(1, 3)) if broken else 0):
        path = files[int(g.integers(len(files)))]
        path.write_bytes(damage(g, path.read_bytes()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            x, found = data.load("mnist", root=folder) if make is idx else data.load(folder / name)
    except ValueError as error:
        assert broken and str(folder) in str(error), error
        assert len(str(error)) < 1000
    else:
        assert x.ndim in (2, 4) and x.numel() and x.is_floating_point() and x.isfinite().all()
        assert x.ndim == 2 or (x.dtype == torch.float32 and x.min() >= -1 and x.max() <= 1)
        assert found is None or (found.dtype == torch.int64 and found.shape == (len(x),))
        if not broken:
            assert (found is None) == (labels is None) and (labels is None or found.tolist() == labels.tolist())
            assert held is None or np.abs(x.numpy() - held).max() <= (1e-6 if x.ndim == 4 else 0)
    shutil.rmtree(folder)


@pytest.mark.parametrize("cases", [FAST, SLOW], ids=["fast", "slow"])
def test_data_files_are_what_they_hold_or_named(tmp_path, cases):
    watched(cases, lambda case: read(case, tmp_path))


# A run's own files.


def work(out, steps, **how):
    x, _ = small.points()
    return train(small.gan("sc_gan", x), x, steps=steps, out=out, seed=3, progress=False, device="cpu", **how)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of seven steps, and one of nine."""
    made = tmp_path_factory.mktemp("runs")
    with torch.random.fork_rng():
        for steps in (7, 9):
            work(made / str(steps), steps)
    return made


def taken_up(case, folder, runs, whole):
    g, folder = np.random.default_rng(case), folder / str(case)
    shutil.copytree(runs / "7", folder)
    path = folder / str(g.choice(["checkpoint.safetensors", "partition.safetensors", "config.json", "stats.jsonl"]))
    before = path.read_bytes()
    path.write_bytes(damage(g, before))
    if path.suffix == ".safetensors" and g.random() < 0.2:  # what a header says, in a file that is whole
        length = struct.unpack("<Q", before[:8])[0]
        header = damage(g, before[8 : 8 + length])
        path.write_bytes(struct.pack("<Q", len(header)) + header + before[8 + length :])
    try:
        run = load(folder)
        assert torch.equal(run.partition.labels, whole.partition.labels)
        for one, other in zip(run.gan.generator.parameters(), whole.gan.generator.parameters(), strict=True):
            assert torch.equal(one, other)
    except ValueError as error:
        assert str(folder) in str(error)
    if case % 20 == 0:
        try:
            work(folder, 9, resume=True)
        except ValueError as error:
            assert str(folder) in str(error)
        else:
            assert_same_run(folder, runs / "9")
    shutil.rmtree(folder)


@pytest.mark.parametrize("cases", [FAST, SLOW], ids=["fast", "slow"])
def test_files_of_a_run_are_what_they_were_or_named(tmp_path, runs, cases):
    whole = load(runs / "7")
    watched(cases, lambda case: taken_up(case, tmp_path, runs, whole))


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_any_moment_a_run_goes_on_bit_for_bit(tmp_path, kills):
    steps = 40
    began = time.monotonic()
    work(tmp_path / "whole", steps)
    usual = time.monotonic() - began
    g, killed, out = np.random.default_rng(kills), 0, tmp_path / "0"
    while killed < kills:
        pid = os.fork()
        if not pid:
            try:
                work(out, steps, resume=(out / "config.json").exists() or (out / "checkpoint.safetensors").exists())
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        time.sleep(g.uniform(0, usual / 3))
        os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, -signal.SIGKILL)
        killed += code < 0
        if (out / "checkpoint.safetensors").exists():
            assert json.loads((out / "config.json").read_text())["seed"] == 3
        if code == 0:
            assert_same_run(out, tmp_path / "whole")
            out = tmp_path / str(killed)
    work(out, steps, resume=(out / "config.json").exists())
    assert_same_run(out, tmp_path / "whole")
    whole = load_file(tmp_path / "whole" / "checkpoint.safetensors")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in load_file(out / "checkpoint.safetensors").items())
