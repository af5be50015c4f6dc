"""The command line: train, sample, evaluate, cluster, reproduce."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from bnpgan import __version__
from bnpgan.cli.parser import Help, Parser

__all__ = ["main"]

COMMANDS = {  # what each does, and the module that is imported when it is called: help takes no time to import torch
    "train": ("runs", "train a mixture GAN"),
    "sample": ("runs", "draw images from a run"),
    "evaluate": ("runs", "score a run and write its metrics.json"),
    "cluster": ("clusters", "cluster points from a file"),
    "reproduce": ("studies", "run a paper's small experiment"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Bad input is one line on the standard error, and 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser(words).parse_args(words)
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"bnpgan: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bnpgan: stopped; a run goes on from its last checkpoint with --resume", file=sys.stderr)
        return 130
    return 0


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = Parser(prog="bnpgan", description="Bayesian-nonparametric samplers and the mixture GANs that they feed.")
    parser.add_argument("--version", action="version", version=f"bnpgan {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    called = next((word for word in words if not word.startswith("-")), None)
    for name, (module, told) in COMMANDS.items():
        command = commands.add_parser(name, help=told, description=f"{told.capitalize()}.", formatter_class=Help)
        if name == called:
            getattr(import_module(f"bnpgan.cli.{module}"), f"add_{name}")(command)
    return parser
