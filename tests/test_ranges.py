"""One rule for the numbers of images, wherever they come in."""

import numpy as np
import pytest
import small
import torch

from bnpgan import data
from bnpgan.ranges import Range, numbers, recognised, stretched
from bnpgan.training import train

SHARES = torch.linspace(0, 1, 4 * 3 * 8 * 8, dtype=torch.float64).view(4, 3, 8, 8)  # of the way from black to white


@pytest.mark.parametrize(
    ("images", "range_"),
    [
        (SHARES, Range(0, 1)),
        (SHARES.half(), Range(0, 1)),
        (SHARES - 5e-4, Range(0, 1)),
        (SHARES * (1 + 9e-4), Range(0, 1)),
        (2 * SHARES - 1, Range(-1, 1)),
        ((2 * SHARES - 1) * (1 + 1e-6), Range(-1, 1)),
        (255 * SHARES, Range(0, 255)),
        (255 * SHARES - 0.2, Range(0, 255)),
        ((255 * SHARES).round().to(torch.uint8), Range(0, 255)),
        ((255 * SHARES).round().to(torch.int64), Range(0, 255)),
        ((255 * SHARES).round().to(torch.int16), Range(0, 255)),
        ((255 * SHARES).round().to(torch.uint16), Range(0, 255)),
    ],
)
def test_each_range_is_recognised_and_stretched_to_the_same_images(images, range_):
    images = numbers(images, "x")
    assert recognised(images, "x") == range_
    made = stretched(images, range_)
    assert made.dtype == torch.float32 and made.min() >= -1 and made.max() <= 1
    assert (made - (2 * SHARES - 1)).abs().max() < 0.005


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float32])
def test_masks_are_black_and_white(kind):
    mask = (torch.arange(64).view(1, 1, 8, 8) % 3 == 0).to(kind)
    assert stretched(mask, recognised(mask, "x")).unique().tolist() == [-1, 1]


@pytest.mark.parametrize(
    "images", [SHARES * 1.01, SHARES - 0.01, 2.1 * SHARES - 1, SHARES * 16, SHARES * 300, SHARES * 255 - 9, -SHARES * 9]
)
def test_anything_else_is_an_error_that_says_what_there_is(images):
    with pytest.raises(
        ValueError, match=r"x: its values run from .* to .*not clearly one of 0..255, 0..1 and -1..1: scale"
    ):
        recognised(images, "x")


def test_images_are_those_of_a_run_where_they_fit_its_range():
    dark = torch.full((1, 1, 8, 8), 9.0)
    assert recognised(dark, "x", Range(0, 255)) == Range(0, 255)
    assert recognised(dark.to(torch.uint8), "x", Range(-1, 1)) == Range(0, 255)
    assert recognised(dark / 255, "x", Range(0, 255)) == Range(0, 1)
    assert recognised(dark / 255, "x", Range(0, 1)) == Range(0, 1)
    assert recognised(-dark / 50, "x", Range(0, 1)) == Range(-1, 1)
    with pytest.raises(ValueError, match=r"run from -0.0353 to -0.0353, which is not clearly one"):
        recognised(-dark / 255, "x", Range(0, 1))  # what resizing has left of 0..1, or dim images of -1..1
    with pytest.raises(ValueError, match=r"lies in 0..1, where images of -1..1 may lie too"):
        recognised(dark / 255, "x", Range(-1, 1))
    assert recognised(torch.ones(1, 1, 8, 8), "x", Range(-1, 1)) == Range(-1, 1)


def test_what_was_stretched_is_not_stretched_again():
    bright = np.full((3, 8, 8), 200, dtype=np.uint8)
    bright[0, 0] = 255
    made = stretched(torch.from_numpy(bright)[:, None], Range(0, 255))
    assert recognised(made, "x") == Range(-1, 1)


def test_train_and_predict_take_what_load_takes(tmp_path):
    x, _ = small.images()
    ways = {
        "bytes": ((x + 1) * 127.5).round().to(torch.uint8),
        "unit": ((x + 1) / 2).double().numpy(),
        "signed": x * (1 + 2e-7),
    }
    for name, images in ways.items():
        np.save(tmp_path / f"{name}.npy", np.asarray(images))
        run = train(small.gan("sc_gan", x), images, steps=3, progress=False)
        loaded, _ = data.load(tmp_path / f"{name}.npy")
        again = train(small.gan("sc_gan", x), loaded, steps=3, progress=False)
        assert run.config["checksum"] == again.config["checksum"]
        assert torch.equal(run.partition.labels, again.partition.labels)
        assert torch.equal(run.predict(images), run.predict(loaded))
        assert torch.equal(run.predict(images[5:9]), run.predict(loaded)[5:9])
    with pytest.raises(ValueError, match="run from 0 to 16"):
        train(small.gan("sc_gan", x), (x + 1) * 8, steps=3, progress=False)
    with pytest.raises(ValueError, match="holds no images"):
        run.predict(x[:0])
    with pytest.raises(ValueError, match=r"x holds .*not real numbers"):
        train(small.gan("sc_gan", x), np.array([["a"]]), steps=3, progress=False)
