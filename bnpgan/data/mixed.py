"""Sets of the papers that are made from others: Stacked MNIST, Hybrid, and cats and dogs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bnpgan.data.found import SEED, Data
from bnpgan.data.idx import CLOTHES, stored
from bnpgan.data.npz import arrays

__all__ = ["catdog", "hybrid", "stacked_mnist"]

STACKS = 100_000  # of SC-GAN's code, drawn once
EACH, SIDE = 2000, 32  # images of a part of Hybrid, at most, and their pixels a side: the paper gives neither
DIGITS, WORN = (0, 2, 4, 6, 8), (0, 2, 1, 8, 7)
CATS = "cats-dogs/kaggle_cats_dogs_64.npz"
FACES = "faces/lfw_gray_64.npz"


def stacked_mnist(root: Path | None, train: bool) -> Data:
    r"""Three random digits of MNIST as the red, green and blue of an image: 1,000 classes, 100 a + 10 b + c.

    100,000 images 28x28 of the training digits, the same each time (10,000 of the test digits).

    References:
        Diverse Image Generation via Self-Conditioned GANs, 2020, section 4.3.
    """
    images, digit = stored("mnist", root, train)
    generator = torch.Generator().manual_seed(SEED)
    chosen = torch.randint(len(images), (STACKS if train else STACKS // 10, 3), generator=generator)
    labels = digit[chosen] @ torch.tensor([100, 10, 1])
    return Data(images[chosen, 0], labels, None, f"{len(chosen):,} triples of MNIST's digits, drawn with seed {SEED}")


def hybrid(root: Path | None, train: bool) -> Data:
    """Twelve parts of four sets: five digits, five kinds of clothes, cats and faces, 32x32 and grey.

    2,000 images a part, or as many as there are. The paper's cats are those of another set and its faces CelebA's;
    here cats are Kaggle's (``root/cats-dogs``) and faces LFW's (``root/faces``), as ``note`` says.

    Raises:
        ValueError: If a file is missing or damaged, or there is no root.

    References:
        Unsupervised Image Generation with Infinite Generative Adversarial Networks, 2021, section 4.
    """
    parts = [part.resized(SIDE) for part in _parts(_folder(root, train, "hybrid"))]
    sizes = [len(part.x) for part in parts]
    names = [name for part in parts for name in part.names or ()]
    counts = ", ".join(f"{name} {size}" for name, size in zip(names, sizes, strict=True))
    note = f"Hybrid, {SIDE}x{SIDE} grey; Kaggle's cats and LFW's faces stand in for the paper's; images: {counts}"
    labels = torch.arange(len(parts)).repeat_interleave(torch.tensor(sizes))
    return Data(torch.cat([part.x for part in parts]), labels, names, note)


def catdog(root: Path | None, train: bool) -> Data:
    """Kaggle's cats and dogs, 1,000 of each, 64x64, in colour: a stand-in for MIC-GAN's CatDog, as ``note`` says.

    Read from ``root/cats-dogs/kaggle_cats_dogs_64.npz``. There are no test images.

    Raises:
        ValueError: If the file is missing or damaged, or there is no root.
    """
    images, labels = _archive(_folder(root, train, "catdog") / CATS)
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return Data(x, labels, ("cat", "dog"), "Kaggle's cats and dogs stand in for the CatDog of MIC-GAN's paper")


def _folder(root: Path | None, train: bool, name: str) -> Path:
    if not train:
        raise ValueError(f"train: {name} has no test images: hold some out yourself")
    if root is None:
        raise ValueError(f"root is not given, and {name} is read from files: pass --data-root, or set BNPGAN_DATA")
    return root


def _parts(root: Path) -> Iterator[Data]:
    digits = [f"digit {k}" for k in range(10)]
    for name, kept, told in (("mnist", DIGITS, digits), ("fashion-mnist", WORN, CLOTHES)):
        images, labels = stored(name, root, train=True)
        for k in kept:
            yield Data(images[labels == k][:EACH], names=[told[k]])
    cats, kinds = _archive(root / CATS)
    grey = [np.asarray(Image.fromarray(cat).convert("L")) for cat in cats[kinds.numpy() == 0][:EACH]]
    yield Data(torch.from_numpy(np.stack(grey))[:, None], names=["cat"])
    faces, _ = _archive(root / FACES)
    yield Data(torch.from_numpy(faces[:EACH].transpose(0, 3, 1, 2)), names=["face"])


def _archive(path: Path) -> tuple[NDArray, Tensor]:
    # Images (N, H, W, C) and their classes.
    if not path.exists():
        raise ValueError(f"{path} is missing: put it there, or pass another root (--data-root)")
    found = arrays(path, ("images", "labels"))
    images = found["images"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(f"{path}: images are {images.dtype} of shape {images.shape}: put the original file there")
    return images, torch.from_numpy(found["labels"].astype(np.int64))
