"""The command that trains a classifier, and the extractors that commands know by name."""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bnpgan import data
from bnpgan.classifiers import (
    CIFARResNet,
    Classifier,
    Inception,
    accuracy,
    load_classifier,
    save_classifier,
    suited,
    train_classifier,
)
from bnpgan.cli.shared import add_data, check_classes, check_least, check_seed, read
from bnpgan.images import images_of
from bnpgan.run import Run

__all__ = ["Extractor", "add_classifier", "extractor", "stored"]

RESNETS = {"resnet20": "cifar10_resnet20.npz", "resnet56": "cifar10_resnet56.npz"}  # in the folder weights of the root


@dataclass(frozen=True)
class Extractor:
    """What a command measures in.

    Args:
        told: what it is, beside every figure.
        features: maps images to features.
        classifier: where it names classes.
    """

    told: str
    features: Callable[[Tensor], Tensor]
    classifier: Classifier | None = None


def extractor(name: str, run: Run, root: Path | None, device: torch.device) -> Extractor:
    """The extractor of that name: of the run, or what ``stored`` finds for its images.

    Raises:
        ValueError: if there is none.
    """
    if name == "discriminator":
        told = "the run's own discriminator: its features differ from run to run, so never compare runs in them"
        gan = run.gan
        gan.discriminator.eval()
        return Extractor(told, gan.discriminator.features)  # type: ignore[arg-type]
    return stored(name, tuple(run.config["shape"]), root, device)


def stored(name: str, shape: tuple[int, ...], root: Path | None, device: torch.device) -> Extractor:
    """The extractor of that name for images of this shape: pixels, of the weights in the root, or of a path.

    Raises:
        ValueError: if there is none.
    """
    if name == "pixels":
        return Extractor("pixels", torch.nn.Flatten())
    path = Path(name)
    if name in RESNETS:
        if root is None:
            raise ValueError(f"extractor {name} is read from the root's folder weights: pass --data-root")
        net: Classifier = CIFARResNet.from_file(root / "weights" / RESNETS[name])
    elif path.suffix == ".npz":
        net = CIFARResNet.from_file(path)
    elif path.suffix == ".pth":
        net = Inception(path)
    elif path.is_dir():
        net = load_classifier(path)
    else:
        raise ValueError(
            f"extractor {name} is not known: pass pixels, discriminator, {', '.join(RESNETS)}, a directory that bnpgan "
            "classifier has written, an .npz of a CIFAR ResNet, or a .pth of Inception's weights"
        )
    net = suited(net, shape).to(device).eval()
    return Extractor(net.told, net, net if net.classes else None)


def add_classifier(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_data(command, required=True)
    command.add_argument("--out", type=Path, required=True, help="the directory of the classifier")
    command.add_argument("--epochs", type=float, default=3.0, help="how often each image is seen")
    command.add_argument("--width", type=int, default=16, help="channels of the first stage")
    command.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    command.add_argument("--device", help="e.g. cpu or cuda:0; by default the GPU if there is one")
    command.add_argument("--overwrite", action="store_true", help="replace the classifier in the directory")
    command.add_argument("--quiet", action="store_true", help="no progress bar")
    command.set_defaults(run=_classifier, parser=command)


def _classifier(options: argparse.Namespace) -> None:
    check_seed(options.seed)
    check_least(options, width=1)
    if options.out.exists() and any(options.out.iterdir()) and not options.overwrite:
        raise ValueError(f"out: {options.out} is not empty: pass --overwrite, or name another place")
    found = read(options.data, options)
    check_classes(options.data, found)
    held_out, told = found, "the test images"
    if found.labels is None or found.x.ndim != 4:
        raise ValueError(f"data: {options.data} are no images with classes: pass some that are")
    if options.data in data.TESTED:
        held_out = read(options.data, options, train=False)
    else:
        found, held_out = found.held_out()
        told = "a tenth of the images, held out"
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    images, others = (images_of(each.x, "data")[0].to(device) for each in (found, held_out))
    assert found.labels is not None and held_out.labels is not None
    torch.manual_seed(options.seed)
    start = time.perf_counter()
    net = train_classifier(images, found.labels, epochs=options.epochs, width=options.width, progress=not options.quiet)
    seconds = time.perf_counter() - start
    right = accuracy(net, others, held_out.labels)
    noted = {"data": options.data, "note": found.note, "images": len(images), "epochs": options.epochs}
    noted |= {"seed": options.seed, "accuracy": right, "held_out": f"{told} ({len(others):,})", "seconds": seconds}
    save_classifier(net, options.out, noted)
    print(f"accuracy {right:.4f} on {told} ({len(others):,}), after {seconds:.0f} s of training; wrote {options.out}")
