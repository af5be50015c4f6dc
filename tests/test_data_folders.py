"""Folders of pictures as people bring them: which are read, in which classes, and what a picture looks like."""

import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from test_fuzz import png_chunk

from bnpgan import data
from bnpgan.data.folders import natural


def paint(path, value=128, size=(6, 5), mode="L", **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value,) * len(mode)).save(path, **how)


@pytest.mark.parametrize("ending", ["tif", "TIFF", "gif", "ppm", "pgm", "jfif", "jpe", "jp2", "tga", "dib", "PnG"])
def test_pictures_of_all_formats_are_read_whatever_the_case(tmp_path, ending):
    paint(tmp_path / f"a.{ending}", 200, mode="L" if ending == "pgm" else "RGB")
    x, _ = data.load(tmp_path)
    assert x.shape[2:] == (5, 6) and (x - (200 / 127.5 - 1)).abs().max() < 0.02


def test_what_is_left_out_is_named(tmp_path):
    paint(tmp_path / "ape" / "a.png")
    for name in ("drawing.svg", "photo.heic", "notes"):
        (tmp_path / "ape" / name).write_text("<svg/>")
    os.mkfifo(tmp_path / "ape" / "pipe.png")
    (tmp_path / "ape" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.warns(UserWarning, match=r"left out ape/drawing\.svg, .*gone\.png.* and 1 more") as told:
        x, labels = data.load(tmp_path)
    assert len(x) == 1 and labels.tolist() == [0] and len(told) == 1


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints", ".git/x", "@eaDir", "__MACOSX"])
def test_hidden_folders_and_files_are_no_classes_and_no_pictures(tmp_path, hidden):
    for name in ("ape", "bee", hidden, f"ape/{hidden}"):
        paint(tmp_path / name / "a.png")
    (tmp_path / "ape" / "._a.png").write_bytes(b"\0\5\26\7")
    x, labels = data.load(tmp_path)
    assert len(x) == 2 and labels.tolist() == [0, 1] and data.class_names(tmp_path) == ["ape", "bee"]


def test_linked_folders_are_followed_but_not_in_a_circle(tmp_path):
    paint(tmp_path / "set" / "ape" / "a.png")
    paint(tmp_path / "elsewhere" / "bee" / "b.png")
    (tmp_path / "set" / "bee").symlink_to(tmp_path / "elsewhere" / "bee")
    (tmp_path / "set" / "ape" / "again").symlink_to(tmp_path / "set")
    x, labels = data.load(tmp_path / "set")
    assert labels.tolist() == [0, 1] and len(x) == 2


def test_classes_are_in_natural_order(tmp_path):
    for k in range(12):
        paint(tmp_path / str(k) / "a.png", 20 * k)
    x, labels = data.load(tmp_path)
    assert labels.tolist() == list(range(12)) and data.class_names(tmp_path) == [str(k) for k in range(12)]
    assert ((x[:, 0, 0, 0] + 1) * 127.5 / 20).round().tolist() == labels.tolist()
    assert sorted(["b10", "B9", "a", "b2x", "10"], key=natural) == ["10", "a", "b2x", "B9", "b10"]
    assert data.class_names("ring") is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_a_viewer_turns_them(tmp_path, orientation):
    upright = np.zeros((16, 16), np.uint8)
    upright[:8], upright[:8, :8] = 250, 120
    turned = {
        **{1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1]},
        **{5: upright.T, 6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1)},
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(turned[orientation].copy()).save(tmp_path / "a.jpg", exif=exif, quality=100)
    x, _ = data.load(tmp_path)
    assert np.abs((x[0, 0].numpy() + 1) * 127.5 - upright).mean() < 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pictures_lie_on_white(tmp_path, mode):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., :3] = np.random.default_rng(0).integers(0, 256, (8, 8, 1))
    pixels[2:6, 2:6] = (40, 40, 40, 255)
    picture = Image.fromarray(pixels)
    if mode == "P":
        picture = Image.fromarray((pixels[..., 3] > 0).astype(np.uint8)).convert("P")
        picture.putpalette([9, 99, 199, 40, 40, 40] + [0] * 762)
        picture.save(tmp_path / "a.png", transparency=0)
    else:
        picture.convert(mode).save(tmp_path / "a.png")
    x, _ = data.load(tmp_path)
    seen = ((x[0] + 1) * 127.5).round().unique().tolist()
    assert x.shape[1] == (1 if mode == "LA" else 3) and seen == [40, 255]


def png16(colour, channels):
    rows = b"".join(b"\0" + bytes(8 * channels) for _ in range(4))
    head = struct.pack(">IIBBBBB", 4, 4, 16, colour, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", png16(2, 3)),
        ("a.png", png16(6, 4)),
        ("a.png", png16(4, 2)),
        ("a.png", png16(0, 1)),
        ("a.ppm", b"P6 4 4 65535\n" + bytes(96)),
        ("a.pgm", b"P5 4 4 1023\n" + bytes(32)),
    ],
)
def test_sixteen_bits_are_not_cut(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="has more than 8 bits a channel"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    ("size", "mode"), [((8, 1), "RGB"), ((8, 3), "RGB"), ((3, 1), "RGB"), ((1, 3), "L"), ((3, 3), "L")]
)
def test_low_pictures_are_what_they_are(tmp_path, size, mode):
    paint(tmp_path / "a.png", 7, size, mode)
    assert data.load(tmp_path)[0].shape == (1, len(mode), size[1], size[0])


def test_pictures_are_resized_cropped_and_mirrored(tmp_path):
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, :10], wide[:, 30:] = (250, 0, 0), (0, 250, 0)
    Image.fromarray(wide).save(tmp_path / "a.png")
    paint(tmp_path / "b.png", 99, size=(7, 9))
    x, labels = data.folder(tmp_path, size=16)
    assert x.shape == (2, 3, 16, 16) and labels is None and x[0, 0, :, :3].mean() > 0.9 and x[0, 1, :, 13:].mean() > 0.9
    x, _ = data.folder(tmp_path, size=16, crop="center")
    assert (x[0] < -0.9).all() and (x[1] - (99 / 127.5 - 1)).abs().max() < 0.01
    x, _ = data.folder(tmp_path, size=16, mirror=True)
    assert torch.equal(x[2:], x[:2].flip(3)) and not torch.equal(x[2:], x[:2])
    (tmp_path / "b.png").unlink()
    assert data.folder(tmp_path, crop="center")[0].shape == (1, 3, 20, 20)
    for wrong in ({"size": 0}, {"size": 2.5}, {"crop": "left"}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be"):
            data.folder(tmp_path, **wrong)


def test_mirrored_pictures_have_the_classes_of_the_others(tmp_path):
    for name in ("ape", "bee"):
        paint(tmp_path / name / "a.png")
    assert data.folder(tmp_path, mirror=True)[1].tolist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match="is no folder"):
        data.folder(tmp_path / "ape" / "a.png")
