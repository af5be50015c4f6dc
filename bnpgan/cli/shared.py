"""What commands share: data to read, places to write to."""

import argparse
from pathlib import Path
from typing import Any

import torch

from bnpgan import data
from bnpgan.cli.parser import refuse

__all__ = ["READING", "add_data", "add_reading", "check_seed", "free", "read", "reading"]

OF_FOLDERS, OF_TABLES = ("size", "crop", "mirror"), ("columns", "index", "header")
READING = (*OF_FOLDERS, *OF_TABLES)
Read = tuple[torch.Tensor, torch.Tensor | None]


def add_data(parser: argparse.ArgumentParser, required: bool) -> None:
    """The options that name data."""
    text = "the name of a set (ring, grid, digits, mnist ...), or a path: .npy, .npz, .csv or a folder of images"
    parser.add_argument(
        "--data", required=required, help=text if required else text + "; by default what it was trained on"
    )
    add_reading(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The options that say where stored sets are, and how folders and tables are read."""
    parser.add_argument("--data-root", type=Path, help="the folder of mnist and fashion-mnist; else BNPGAN_DATA")
    group = parser.add_argument_group("folders of pictures")
    group.add_argument("--size", type=int, help="resize pictures to so many pixels a side")
    middle = "before that, cut out the middle square; without it width and height are scaled each by its own"
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


def read(source: str, options: argparse.Namespace) -> Read:
    """The data of that name or path, and their classes if they have some."""
    given = reading(options)
    if source not in ("mnist", "fashion-mnist"):
        refuse(options, ["data_root"], f"{source} is not mnist or fashion-mnist")
    if not given:
        return data.load(source, options.data_root)
    if set(given) <= set(OF_FOLDERS) and Path(source).is_dir():
        return data.folder(source, **given)
    if set(given) <= set(OF_TABLES) and Path(source).is_file():
        return data.table(source, **given), None
    name = next(iter(given))
    kind = "folders of pictures" if name in OF_FOLDERS else "tables"
    raise ValueError(f"{name} has no effect: it is for {kind}, which {source} is not")


def check_seed(seed: int | None) -> None:
    """Raise a ``ValueError`` unless the seed is one that torch takes."""
    if seed is not None and not 0 <= seed < 2**63:
        raise ValueError(f"seed must lie in [0, 2^63), got {seed}: pass e.g. 0")


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
