"""The command line: train, sample, evaluate, cluster, reproduce."""

import argparse
import sys
from collections.abc import Sequence

from bnpgan import __version__
from bnpgan.cli import clusters, runs, studies
from bnpgan.cli.shared import Parser

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Bad input is one line on the standard error, and 2."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"bnpgan: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bnpgan: stopped; a run goes on from its last checkpoint with --resume", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="bnpgan", description="Bayesian-nonparametric samplers and the mixture GANs that they feed.")
    parser.add_argument("--version", action="version", version=f"bnpgan {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    runs.add(commands)
    clusters.add(commands)
    studies.add(commands)
    return parser
