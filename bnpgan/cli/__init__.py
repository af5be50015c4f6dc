"""The command line: one module for commands of a kind."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import FrameType

from bnpgan import __version__
from bnpgan.cli.parser import Help, Parser
from bnpgan.signals import taken

__all__ = ["main"]

COMMANDS = {  # what each does, and the module that is imported when it is called: help takes no time to import torch
    "train": ("runs", "train a mixture GAN"),
    "sample": ("runs", "draw images from a run"),
    "evaluate": ("runs", "score a run and write its metrics.json"),
    "classifier": ("classify", "train a classifier of images, to measure in its features and count its classes"),
    "reconstruct": ("after", "reconstruct training images, cluster by cluster"),
    "diversity": ("after", "draw the surest images of a class, of runs and of the data"),
    "export": ("after", "write a run's generator as a program of torch.export"),
    "cluster": ("clusters", "cluster points from a file"),
    "reproduce": ("studies", "run a paper's small experiment"),
}


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Bad input is one line on the standard error, and 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options, usual = argparse.Namespace(parser=None), warnings.showwarning
    warnings.showwarning = _show  # type: ignore[assignment]
    try:
        with taken(_stop):
            with taken(_leave):  # what is being imported might swallow an exception
                parser = _parser(words)
            parser.parse_args(words, options)
            options.words = words
            options.run(options)
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, such as head, has had enough of it
        _silence()
        return 141
    except (ValueError, OSError) as error:
        print(f"bnpgan: error: {_with_option(' '.join(str(error).split()), options.parser)}", file=sys.stderr)
        _let_go()
        return 2
    except KeyboardInterrupt as stop:
        print(f"bnpgan: stopped{': ' if stop.args else ''}{' '.join(map(str, stop.args))}", file=sys.stderr)
        _let_go()
        return 143 if isinstance(stop, Terminated) else 130
    finally:
        warnings.showwarning = usual
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


def _with_option(message: str, parser: Parser | None) -> str:
    # The library names its arguments, which here are options; a path is neither.
    name = re.match(r"\w+(?![\w/.])", message)
    if parser is None or name is None:
        return message
    option = next((o for o in parser.options if o.lstrip("-").replace("-", "_") == name[0]), name[0])
    return option + message[name.end() :]


def _show(message: Warning | str, *where: object) -> None:
    print(f"bnpgan: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _let_go() -> None:
    # Where output finds no room, what is held of it would fail once more as Python ends, which exits with 120 then.
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _silence()


def _silence() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, frame: FrameType | None) -> None:
    raise Terminated if number == 15 else KeyboardInterrupt


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"bnpgan: stopped\n")
    os._exit(128 + number)
