"""What all commands share: one-line errors, help with defaults, places to write to."""

import argparse
from pathlib import Path
from typing import NoReturn

import torch

from bnpgan import data

__all__ = ["Help", "Parser", "add_data", "add_root", "free", "read"]


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows defaults which say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, False) else action.help


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the error and leave with 2."""
        self.exit(2, f"bnpgan: error: {message} (see {self.prog} --help)\n")


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
