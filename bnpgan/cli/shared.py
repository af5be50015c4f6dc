"""What commands share: data to read, places to write to."""

import argparse
from pathlib import Path

import torch

from bnpgan import data

__all__ = ["add_data", "add_root", "free", "read"]


def add_data(parser: argparse.ArgumentParser, required: bool) -> None:
    """The options that name data."""
    text = "the name of a set (ring, grid, digits, mnist ...), or a path: .npy, .npz, .csv or a folder of images"
    parser.add_argument(
        "--data", required=required, help=text if required else text + "; by default what it was trained on"
    )
    add_root(parser)


def add_root(parser: argparse.ArgumentParser) -> None:
    """The option that says where stored sets are."""
    parser.add_argument("--data-root", type=Path, help="the folder of mnist and fashion-mnist; else BNPGAN_DATA")


def read(source: str, options: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The data of that name or path, and their classes if they have some."""
    return data.load(source, options.data_root)


def free(path: Path, endings: tuple[str, ...], overwrite: bool) -> Path:
    """The path, once it is sure that a file of this kind can be written there."""
    if path.suffix not in endings:
        raise ValueError(f"{path} must end in {' or '.join(endings)}: name it so")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent} is not a directory: make it first")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists: pass --overwrite to replace it, or name another file")
    return path
