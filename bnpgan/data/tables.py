"""Tables: CSV files and data frames, to points in double precision, or an error that names row and column."""

import csv
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bnpgan.data.packed import content
from bnpgan.data.parsing import check_size, points, readable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "table"]

TABLES = (".csv", ".tsv")
SEPARATORS = ("\t", ";", "|", ",", " ")  # the first that divides all lines into as many cells, more than one
MISSING = {"", "na", "n/a", "#n/a", "nan", "-nan", "null", "none", "nil", "?", "-", "--", ".", "<na>"}
LOOKED_AT = 100  # lines from which separator, decimal sign and header are read
ADVICE = "write numbers separated by commas, semicolons or tabs, as many on every line"
Column = str | int


def table(
    source: "str | Path | pd.DataFrame",
    columns: Sequence[Column] | None = None,
    index: Column | None = None,
    header: bool | None = None,
) -> Tensor:
    """Reads points, one a row, from a CSV file or a data frame.

    A file may be compressed (``.csv.gz``, ``.bz2``, ``.xz``, ``.zip``), its cells separated by commas, semicolons,
    tabs, bars or blanks, quoted, with decimal points or, where commas do not separate, decimal commas. Empty lines and
    lines that begin with ``#`` are passed over. The first line is a header if it has text over numbers; a first column
    without a name, as pandas writes its index, is left out with a warning.

    Args:
        source: a path, or a data frame.
        columns: names of the columns to read, or their numbers from 0; ``None``: all.
        index: a column to leave out.
        header: whether the first line is one; ``None``: as it looks. A line of numbers may be both: then this must be
            given.

    Returns:
        Points ``(N, D)``, float64 on the CPU.

    Raises:
        ValueError: If a cell is missing or no number; the message names its row, counted from 1 without the header, and
            its column. Or if there is no such column, no row, or the file cannot be read.

    Example:
        >>> import pandas as pd
        >>> table(pd.DataFrame({"x": [1.0, 2.0], "y": [0.5, 0.25], "who": ["ann", "bob"]}), columns=["x", "y"])
        tensor([[1.0000, 0.5000],
                [2.0000, 0.2500]], dtype=torch.float64)
    """
    if not isinstance(source, str | Path):
        name, frame, decimal = "the data frame", source, "."
    else:
        path = Path(source)
        name, (frame, decimal) = f"{path}", _read(path, header)
    chosen = _chosen(name, list(frame.columns), columns, index)
    if not len(frame) or not chosen:
        raise ValueError(f"source {name} is empty, shape ({len(frame)}, {len(chosen)}): store at least one point")
    return points(np.stack([_numbers(name, frame, j, decimal) for j in chosen], 1), Path(name))


def _read(path: Path, header: bool | None) -> "tuple[pd.DataFrame, str]":
    import pandas as pd  # half a second

    raw = content(path)
    with readable(path, "save it as UTF-8 text"):
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise ValueError(f"source {path} is empty, shape (0, 0): store at least one point")
    with readable(path, ADVICE):
        separator, cells = _separated(lines)
        widest = max(map(len, cells))
        for i, row in enumerate(cells):
            if len(row) != widest:
                raise ValueError(f"line {i + 1} has {len(row)} cells where others have {widest}")
        check_size(len(lines) * widest, f"a table of {len(lines)} x {widest} numbers")
        # All text, so that nothing is guessed and every digit is kept until the numbers are made.
        frame = pd.read_csv(
            io.StringIO("\n".join(lines)),
            sep=r"\s+" if separator == " " else separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            skipinitialspace=True,
        )
    if widest > 1 and not any(str(cell).strip() for cell in frame.iloc[:, -1]):  # each line ends in a separator
        frame, cells = frame.iloc[:, :-1], [row[:-1] for row in cells]
    decimal = "," if separator != "," and _has_decimal_commas(cells) else "."
    named = _has_header(path, cells, decimal) if header is None else header
    if named:
        titles = [str(title).strip() for title in frame.iloc[0]]
        frame = frame.iloc[1:].reset_index(drop=True)
        frame.columns = pd.Index(titles)
    return frame, decimal


def _separated(lines: list[str]) -> tuple[str, list[list[str]]]:
    for separator in SEPARATORS:
        cells = _cells(lines[:LOOKED_AT], separator)
        if len(cells[0]) > 1 and len({len(row) for row in cells}) == 1:
            return separator, cells
    return ",", _cells(lines[:LOOKED_AT], ",")


def _cells(lines: list[str], separator: str) -> list[list[str]]:
    if separator == " ":
        return [line.split() for line in lines]
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in rows]


def _has_decimal_commas(cells: list[list[str]]) -> bool:
    numbers = [cell for row in cells for cell in row if re.fullmatch(r"[-+]?[0-9]*[.,]?[0-9]+([eE][-+]?[0-9]+)?", cell)]
    return any("," in cell for cell in numbers) and not any("." in cell for cell in numbers)


def _has_header(path: Path, cells: list[list[str]], decimal: str) -> bool:
    first, rest = cells[0], cells[1:]
    columns = [[row[j] for row in rest if j < len(row)] for j in range(len(first))]
    numeric = [_number(cell, decimal) is not None for cell in first]
    titles = [not number and cell.casefold() not in MISSING for number, cell in zip(numeric, first, strict=True)]
    over_numbers = [any(_number(cell, decimal) is not None for cell in column) for column in columns]
    if not any(numeric):
        # Text over numbers; a table of one line has nothing below.
        return any(title and (over or not rest) for title, over in zip(titles, over_numbers, strict=True))
    counted = [cell for cell, number in zip(first, numeric, strict=True) if number]
    counts = counted == [str(j) for j in range(len(counted))]  # as pandas numbers columns
    if not all(numeric):  # a name or an index beside numbered columns
        return counts and all(
            title or cell == "" for title, number, cell in zip(titles, numeric, first, strict=True) if not number
        )
    if not rest or any("." in cell or "e" in cell.casefold() or "," in cell for cell in first):
        return False
    broken = all(any(_is_fraction(cell, decimal) for cell in column) for column in columns)
    counts = counts and len(first) > 1
    if counts and broken:
        return True
    if counts or broken:
        raise ValueError(
            f"source {path}: its first line, {', '.join(first[:4])}, may be a header or a point: "
            "pass header=True or header=False (--header or --no-header)"
        )
    return False


def _is_fraction(cell: str, decimal: str) -> bool:
    number = _number(cell, decimal)
    return number is not None and number != round(number)


def _number(cell: str, decimal: str) -> float | None:
    if cell.casefold().lstrip("+-") in MISSING | {"inf", "infinity"} or "_" in cell:
        return None
    if decimal != ".":
        cell = "x" if "." in cell else cell.replace(decimal, ".")
    try:
        return float(cell)
    except ValueError:
        return None


def _chosen(name: str, titles: list[Any], columns: Sequence[Column] | None, index: Column | None) -> list[int]:
    # The positions of the columns that are points.
    twice = {title for title in titles if titles.count(title) > 1 and str(title)}

    def place(column: Column) -> int:
        if column in twice:
            raise ValueError(f"source {name}: {column!r} names several columns: rename them, or pass numbers from 0")
        if column in titles:
            return titles.index(column)
        if str(column).isdecimal() and int(column) < len(titles):
            return int(column)
        known = ", ".join(map(str, titles[:12])) + (" ..." if len(titles) > 12 else "")
        raise ValueError(f"source {name} has no column {column!r}: choose of {known}, or numbers below {len(titles)}")

    left_out = set() if index is None else {place(index)}
    if columns is not None:
        return [j for column in columns if (j := place(column)) not in left_out]
    if index is None and len(titles) > 1 and re.fullmatch(r"(Unnamed: 0)?", str(titles[0]).strip()):
        warnings.warn(f"source {name}: the first column has no name and is left out, as an index", stacklevel=3)
        left_out = {0}
    return [j for j in range(len(titles)) if j not in left_out]


def _numbers(name: str, frame: "pd.DataFrame", j: int, decimal: str) -> NDArray[np.float64]:
    column, title = frame.iloc[:, j], frame.columns[j]
    told = f"column {title!r}" if isinstance(title, str) else f"column {title}"
    kind = getattr(column.dtype, "kind", "O")
    if kind in "iuf":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.flatnonzero(np.isnan(values))
        if len(bad):
            raise ValueError(f"source {name}: row {bad[0] + 1}, {told} is missing (NaN): drop or fill such rows")
        return values
    cells = [str(cell).strip() for cell in column]
    try:
        values = np.array(cells, dtype=np.str_).astype(np.float64) if decimal == "." else np.array([np.nan])
        if np.isfinite(values).all() and not any("_" in cell for cell in cells):
            return values
    except ValueError:
        pass
    values = np.empty(len(cells))
    for i, cell in enumerate(cells):
        number = _number(cell, decimal)
        if number is None:
            raise ValueError(f"source {name}: row {i + 1}, {told} {_wrong(cell)}")
        values[i] = number
    return values


def _wrong(cell: str) -> str:
    if cell.casefold().lstrip("+-") in ("nan", "inf", "infinity"):
        return f"is {cell}, NaN or infinite: drop or fill such rows"
    if cell.casefold() in MISSING:
        return f"is missing ({cell!r}): drop or fill such rows, {ADVICE}"
    return f"holds {cell[:40]!r}, no number: choose the columns of numbers (columns, --columns), or {ADVICE}"
