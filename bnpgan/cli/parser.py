"""Parsers whose errors are one line, and help that shows defaults which say something."""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

__all__ = ["Help", "Parser", "refuse"]


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows defaults which say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, False) else action.help


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and name the command and what may have been meant."""

    @property
    def options(self) -> list[str]:
        """The names of all options."""
        return list(self._option_string_actions)

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse; what is not known is an error of the command that it was said to."""
        options, rest = super().parse_known_args(args, namespace)
        if rest:
            near = get_close_matches(rest[0].partition("=")[0], self.options, 1) if rest[0].startswith("-") else []
            self.error(f"{rest[0]!r} is unknown to {self.prog}" + "".join(f", did you mean {one}?" for one in near))
        return options, rest

    def error(self, message: str) -> NoReturn:
        """Print the error and leave with 2."""
        chosen = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if chosen and (near := get_close_matches(chosen[1], re.findall(r"[\w-]+", chosen[2]), 1)):
            message += f", did you mean {near[0]}?"
        self.exit(2, f"bnpgan: error: {' '.join(message.split())} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        # Of help and version argparse passes over it when they find no room; and later nobody is left to say so.
        if file is not None and file is sys.stdout:
            file.write(message)
            file.flush()
        else:
            super()._print_message(message, file)


def refuse(options: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Raise a ``ValueError`` if one of these options was given, for it would have no effect."""
    for name in names:
        given = getattr(options, name, None)
        if given is not None and given is not False:
            raise ValueError(f"{name} has no effect: {why}")
