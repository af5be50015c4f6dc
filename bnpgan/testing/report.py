"""The results of a battery of tests: a report, and its rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Report", "Row"]

TOLERANCE = 1e-8  # nats by which two ways to compute one log-probability may differ by rounding


@dataclass(frozen=True)
class Row:
    """The outcome of one test.

    Args:
        statistic: the largest z-score of those that were tested together; for an identity the largest error; for a
            bound the largest ratio to it. ``nan`` where the test does not apply.
        p: the p-value of all of them together; ``None`` where nothing is random.
        level: the p-value, or for an identity the error, at which the test fails.
        distance: total variation between the partitions seen and their law, where that is known.
        noise: the mean of ``distance`` if nothing is wrong.
        seconds: running time.
        note: further information, or why the test does not apply.
        test: its name.

    Example:
        >>> Row(statistic=1.9, p=0.4, level=1e-6).passed
        True
    """

    statistic: float = math.nan
    p: float | None = None
    level: float = TOLERANCE
    distance: float = math.nan
    noise: float = math.nan
    seconds: float = 0.0
    note: str = ""
    test: str = ""

    @property
    def applies(self) -> bool:
        """Whether there was anything to test."""
        return not math.isnan(self.statistic)

    @property
    def passed(self) -> bool:
        """Whether the test found no error, or does not apply."""
        if not self.applies:
            return True
        return self.statistic <= self.level if self.p is None else self.p >= self.level

    def cells(self) -> list[str]:
        """The row as text: test, verdict, statistic, p-value, total variation and its noise, seconds, note."""
        distance = "" if math.isnan(self.distance) else f"{self.distance:.3f} ({self.noise:.3f})"
        verdict = ("passed" if self.passed else "FAILED") if self.applies else "-"
        statistic = "" if not self.applies else f"{self.statistic:.2g}" if self.p is None else f"{self.statistic:.1f}"
        p = "" if self.p is None else f"{self.p:.1g}" if self.p < 0.01 else f"{self.p:.2f}"
        return [self.test, verdict, statistic, p, distance, f"{self.seconds:.1f}", self.note]


HEADER = ["test", "verdict", "statistic", "p", "TV (noise)", "s", ""]


@dataclass(frozen=True)
class Report:
    """All rows about one sampler, or one pair of samplers; printed, it is a table.

    Args:
        title: what was tested.
        seed: of all random numbers used.
        rows: one for each test.

    Example:
        >>> report = Report("mine", 0, (Row(1e-15, test="stated law"), Row(9.3, 1e-40, 1e-6, test="enumeration")))
        >>> report.passed, report.failed
        (False, ('enumeration',))
    """

    title: str
    seed: int
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the tests that failed."""
        return tuple(row.test for row in self.rows if not row.passed)

    @property
    def seconds(self) -> float:
        """Running time of all tests."""
        return sum(row.seconds for row in self.rows)

    def __getitem__(self, test: str) -> Row:
        """The row of a test."""
        return next(row for row in self.rows if row.test == test)

    def __str__(self) -> str:
        title = f"{self.title}, seed {self.seed}: {'passed' if self.passed else 'FAILED'} in {self.seconds:.0f} s"
        return title + "\n" + aligned([HEADER, *(row.cells() for row in self.rows)])

    def raise_if_failed(self) -> None:
        """Raise an ``AssertionError`` that shows the table unless every test passed."""
        if not self.passed:
            raise AssertionError(str(self))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
