"""What commands share: data to read, places to write to."""

import argparse
import os
from pathlib import Path
from typing import Any

from bnpgan import data
from bnpgan.cli.parser import refuse
from bnpgan.images import Images, images_of
from bnpgan.run import Run
from bnpgan.training import checksum

__all__ = [
    *(
        "READING",
        "add_data",
        "add_reading",
        "check_classes",
        "check_least",
        "check_seed",
        "free",
        "images_of_run",
        "kept",
        "read",
        "reading",
        "root_of",
    ),
]

READING = ("size", "crop", "mirror", "classes", "limit", "columns", "index", "header")


def add_data(parser: argparse.ArgumentParser, required: bool) -> None:
    """The options that name data."""
    text = "the name of a set (ring, digits, mnist, cifar10 ...), or a path: .npy, .npz, .csv or a folder of images"
    parser.add_argument(
        "--data", required=required, help=text if required else text + "; by default what it was trained on"
    )
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The options that say where stored sets are, and how folders and tables are read."""
    parser.add_argument("--data-root", type=Path, help=f"the folder of {', '.join(data.STORED)}; else BNPGAN_DATA")
    parser.add_argument("--classes", type=int, help="only the first so many classes")
    parser.add_argument("--limit", type=int, help="only so many, drawn at random, the same ones each time")
    parser.add_argument("--size", type=int, help="resize images to so many pixels a side")
    group = parser.add_argument_group("folders of pictures")
    middle = "before resizing, cut out the middle square; without it width and height are scaled each by its own"
    group.add_argument("--crop", nargs="?", const="center", choices=["center"], help=middle)
    group.add_argument("--mirror", action="store_true", help="add all pictures once more, left and right swapped")
    group = parser.add_argument_group("tables")
    numbers = "names with commas between, or numbers from 0"
    group.add_argument("--columns", type=lambda text: text.split(","), help=f"the columns that are points: {numbers}")
    group.add_argument("--index", help="a column to leave out: its name, or its number from 0")
    seen = "whether the first line is a header; by default as it looks"
    group.add_argument("--header", action=argparse.BooleanOptionalAction, help=seen)


def reading(options: argparse.Namespace) -> dict[str, Any]:
    """The options of ``READING`` that were given."""
    given = {name: getattr(options, name) for name in READING}
    return {name: value for name, value in given.items() if value is not None and (name != "mirror" or value)}


def read(source: str, options: argparse.Namespace, train: bool = True) -> data.Data:
    """The data of that name or path, their classes if they have some, and what has to be said of them."""
    if source not in data.STORED:
        refuse(options, ["data_root"], f"{source} is not one of {', '.join(data.STORED)}")
    return data.read(source, options.data_root, train=train, **reading(options))


def kept(found: data.Data) -> Images:
    """Images as training keeps them, or points."""
    return images_of(found.x, "data")[0] if found.x.ndim == 4 else found.x


def images_of_run(run: Run, options: argparse.Namespace) -> tuple[Images, data.Data]:
    """What a run was trained on, from ``--data`` or else read again as it was; ``options.data`` then names it.

    Raises:
        ValueError: if it is something else.
    """
    noted = run.config["data"]
    if options.data is None and (given := reading(options)):
        raise ValueError(f"{next(iter(given))} has no effect: without --data what the run saw is read as it was then")
    if options.data is None and isinstance(noted, dict):  # read again as it was
        vars(options).update({name: noted[name] for name in READING if name in noted})
        noted = noted.get("source")
    options.data = options.data or noted
    if not isinstance(options.data, str):
        raise ValueError("data: the run does not say what it was trained on: pass --data")
    found = read(options.data, options)
    images = kept(found)
    if checksum(images) != run.config["checksum"]:
        raise ValueError(f"data: {options.data} is not what the run was trained on: pass --data with what it saw")
    return images, found


def root_of(options: argparse.Namespace) -> Path | None:
    """The folder of stored sets and weights."""
    return options.data_root or (Path(os.environ["BNPGAN_DATA"]) if "BNPGAN_DATA" in os.environ else None)


def check_seed(seed: int | None) -> None:
    """Raise a ``ValueError`` unless the seed is one that torch takes."""
    if seed is not None and not 0 <= seed < 2**63:
        raise ValueError(f"seed must lie in [0, 2^63), got {seed}: pass e.g. 0")


def check_least(options: argparse.Namespace, **least: int) -> None:
    """Raise a ``ValueError`` unless each of these options, where it was given, is at least so much."""
    for name, smallest in least.items():
        if (given := getattr(options, name)) is not None and given < smallest:
            raise ValueError(f"{name} must be at least {smallest}, got {given}: pass more, or leave it out")


def check_classes(source: str, found: data.Data) -> None:
    """Raise a ``ValueError`` if the data have classes below 0."""
    if found.labels is not None and (lowest := int(found.labels.min())) < 0:
        raise ValueError(f"data: {source} has the class {lowest}: store classes as 0, 1, ..., and drop rows of none")


def free(path: Path, endings: tuple[str, ...], overwrite: bool) -> Path:
    """The path, once it is sure that a file of this kind can be written there."""
    if path.suffix not in endings:
        raise ValueError(f"{path} must end in {' or '.join(endings)}: name it so")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent} is not a directory: make it first")
    if path.is_dir():
        raise ValueError(f"{path} is a directory: name a file")
    if (path.exists() or path.is_symlink()) and not overwrite:
        raise ValueError(f"{path} exists: pass --overwrite to replace it, or name another file")
    return path
