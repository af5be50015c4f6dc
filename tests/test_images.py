"""Images that are bytes stay bytes, and training on them is training on their numbers, bit for bit."""

import threading
from dataclasses import replace

import pytest
import small
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import Dataset

from bnpgan import data
from bnpgan.features import FromEncoder
from bnpgan.images import CHUNK, Items, Pixels, images_of
from bnpgan.models import MLP
from bnpgan.ranges import Range, stretched
from bnpgan.samplers import KMeans
from bnpgan.training import checksum, train

pytestmark = pytest.mark.usefixtures("brief_trainings")


def grey(n=120):
    x, truth = data.digits()
    return ((x[:n] + 1) * 127.5).round().to(torch.uint8), truth[:n]


class Floats(TorchDispatchMode):
    """The size of the largest tensor of floats that is made."""

    def __init__(self):
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else [made]:
            if isinstance(each, torch.Tensor) and each.is_floating_point():
                self.largest = max(self.largest, each.numel())
        return made


def test_an_index_gives_what_stretching_all_gives():
    x, _ = grey()
    for known, images in ((Range(0, 255), x), (Range(0, 1), (x > 99).to(torch.uint8)), (Range(0, 1), x > 99)):
        pixels, found = images_of(images, "x")
        assert found == known and isinstance(pixels, Pixels) and pixels.pixels.dtype == torch.uint8
        for index in (slice(3, 9), torch.tensor([5, 2, 2]), slice(None)):
            assert torch.equal(pixels[index], stretched(images, known)[index])
        assert checksum(pixels) == checksum(stretched(images, known))


@pytest.mark.parametrize("recipe", ["mic_gan", "precomputed_label_gan", "sc_gan"])
def test_training_on_bytes_is_training_on_numbers(recipe, tmp_path):
    x, _ = grey()
    signed = stretched(x, Range(0, 255))

    def gan():
        made = small.gan(recipe, signed, arguments={"backbone": MLP(8)})
        if isinstance(made.features, FromEncoder):  # and so that it reads real images
            made.features.real_weight = 0.1
        return made

    runs = [train(gan(), signed, steps=9, progress=False), train(gan(), x, steps=9, out=tmp_path / "a", progress=False)]
    train(gan(), signed, steps=6, out=tmp_path / "b", progress=False)
    runs.append(train(gan(), x, steps=9, out=tmp_path / "b", resume=True, progress=False))
    for run in runs[1:]:
        for name, weights in run.gan.generator.state_dict().items():
            assert torch.equal(weights, runs[0].gan.generator.state_dict()[name])
        assert torch.equal(run.partition.labels, runs[0].partition.labels)
        assert run.config["checksum"] == runs[0].config["checksum"]
    assert torch.equal(runs[0].predict(x), runs[0].predict(signed))


def test_no_more_of_them_are_numbers_than_a_part_at_a_time():
    n, side = 3 * CHUNK, 16
    x = torch.randint(256, (n, 1, side, side), dtype=torch.uint8)
    gan = small.gan("sc_gan", torch.zeros(1, 1, side, side), arguments={"backbone": MLP(8)})
    gan = replace(gan, clusterer=KMeans(small.CAPACITY, restarts=1))
    with Floats() as floats:
        train(gan, x, steps=2, progress=False)
    assert floats.largest == CHUNK * side * side


class Files(Dataset):
    """Images that are made when they are asked for, and how often each was; a label beside each."""

    def __init__(self, images):
        self.images, self.threads = images, set()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        self.threads.add(threading.get_ident())
        return self.images[i], i


@pytest.mark.parametrize("workers", [0, 3])
def test_a_dataset_is_what_it_gives(workers, tmp_path):
    x, _ = grey()
    gan, files = small.gan("mic_gan", stretched(x, Range(0, 255)), arguments={"backbone": MLP(8)}), Files(x)
    items = Items(files, workers)
    for index in (slice(3, 9), torch.tensor([5, 2, 2])):
        assert torch.equal(items[index], stretched(x, Range(0, 255))[index])
    expected = train(gan, x, steps=9, progress=False)
    train(gan, items, steps=6, out=tmp_path, progress=False)
    run = train(gan, Items(files, workers), steps=9, out=tmp_path, resume=True, progress=False)
    assert torch.equal(run.partition.labels, expected.partition.labels)
    for name, weights in run.gan.generator.state_dict().items():
        assert torch.equal(weights, expected.gan.generator.state_dict()[name])
    assert run.config["checksum"] == expected.config["checksum"] and bool(files.threads - {threading.get_ident()}) == (
        workers > 0
    )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(0, 1, 8, 8), "x holds 0 items"),
        (torch.zeros(3, 8, 8), r"x: item 0 has shape \(8, 8\)"),
        (torch.full((3, 1, 8, 8), 7.0), "x: its values run from 7 to 7"),
    ],
)
def test_what_a_dataset_gives_must_be_images(images, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        train(small.gan("sc_gan", torch.zeros(1, 1, 8, 8)), Files(images), steps=1, progress=False)


def test_an_image_outside_the_range_of_the_others_is_named():
    images = torch.rand(2 * CHUNK, 1, 2, 2)
    images[1] = 9.0  # between those that the range is found from
    with pytest.raises(ValueError, match=r"run from .* to 9, others lie in 0..1"):
        Items(Files(images))[:4]
