"""Parsers whose errors are one line, and help that shows defaults which say something."""

import argparse
from typing import NoReturn

__all__ = ["Help", "Parser"]


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows defaults which say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, False) else action.help


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the error and leave with 2."""
        self.exit(2, f"bnpgan: error: {message} (see {self.prog} --help)\n")
