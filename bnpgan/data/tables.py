"""Tables: CSV files and data frames, to points in double precision, or an error that names row and column."""

import csv
import io
import math
import re
import warnings
from collections.abc import Sequence
from itertools import islice
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
SEPARATORS = ("\t", ";", "|", ",", " ")
MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", ".", "<na>"}  # signs aside
INFINITE = {"inf", "infinity"}
TRUTHS = {"true": 1.0, "false": 0.0}  # whatever their case, as pandas, R and JSON write them
LOOKED_AT = 100  # lines from which separator, decimal sign and header are read
ADVICE = "write numbers separated by commas, semicolons or tabs, as many on every line"
Column = str | int


def table(
    source: "str | Path | pd.DataFrame",
    columns: Sequence[Column] | None = None,
    index: Column | None = None,
    header: bool | None = None,
) -> Tensor:
    """Reads points, one a row, from a CSV file or a data frame of pandas.

    A file may be compressed (``.csv.gz``, ``.bz2``, ``.xz``, ``.zip``), its cells separated by commas, semicolons,
    tabs, bars or blanks, quoted, with decimal points or, where commas do not separate, decimal commas. Empty lines and
    lines that begin with ``#`` are passed over. The first line is a header if it has text over numbers; a first column
    without a name, as pandas writes its index, is left out with a warning. A column of nothing but ``True`` and
    ``False``, in any case, is 1 and 0, as one of a data frame is.

    Args:
        source: a path, or a data frame.
        columns: names of the columns to read, or their numbers from 0; ``None``: all.
        index: a column to leave out.
        header: whether the first line is one; ``None``: as it looks. A line of numbers may be both: then this must be
            given. One that only counts three columns or more from 1, or is a single 0, is a point, with a warning.

    Returns:
        Points ``(N, D)``, float64 on the CPU.

    Raises:
        ValueError: If a cell is missing or no number; the message names its row, counted from 1 without the header, and
            its column. Or if there is no such column, no row, or the file cannot be read.

    Example:
        >>> table("measured.csv", columns=["width", "height"])  # doctest: +SKIP
    """
    if isinstance(source, str | Path):
        name = str(source)
        titles, cells, decimal = _read(Path(source), header)
    elif hasattr(source, "iloc"):
        source = source if hasattr(source, "columns") else source.to_frame()
        name, titles, decimal = "the data frame", list(source.columns), "."
        cells = [source.iloc[:, j] for j in range(len(titles))]
    else:
        raise ValueError(f"source must be a path or a data frame, got {type(source).__name__}: pass one of them")
    chosen = _chosen(name, titles, columns, index)
    if not chosen or not len(cells[0]):
        raise ValueError(f"source {name} is empty, it has {len(chosen)} columns: store at least one point")
    return points(np.stack([_numbers(name, titles[j], cells[j], decimal) for j in chosen], 1), Path(name))


def _read(path: Path, header: bool | None) -> tuple[list[Any], list[Any], str]:
    # The titles of columns, their cells, and the decimal sign.
    raw = content(path)
    with readable(path, "save it as UTF-8 text"):
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    lines = [
        line for line in io.StringIO(text, newline="") if line.strip(" \r\n") and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise ValueError(f"source {path} is empty: store at least one point")
    with readable(path, ADVICE):
        separator = _separator(lines)
        check_size(sum(line.count(separator) + 1 for line in lines), f"a table of {len(lines)} lines")
        rows = _cells(lines, separator)
        widths = [len(row) for row in rows]
        for i, width in enumerate(widths):
            if width != widths[0]:
                raise ValueError(f"line {i + 1} has {width} cells where the first has {widths[0]}")
    cells = list(zip(*rows, strict=True))
    if len(cells) > 1 and not any(cells[-1]):  # each line ends in a separator
        cells.pop()
    seen = [list(row) for row in islice(zip(*cells, strict=True), LOOKED_AT)]
    decimal = "," if separator != "," and _has_decimal_commas(seen) else "."
    if _has_header(path, seen, decimal) if header is None else header:
        return [column[0] for column in cells], [column[1:] for column in cells], decimal
    return list(range(len(cells))), cells, decimal


def _separator(lines: list[str]) -> str:
    # Of those that divide all lines into as many cells, the one that leaves most numbers: 1,5 2,5 has decimal commas.
    found = {}
    for separator in SEPARATORS:
        rows = _cells(lines[:LOOKED_AT], separator)
        if len(rows[0]) > 1 and len({len(row) for row in rows}) == 1:
            cells = [cell for row in rows for cell in row]
            signs = "." if separator == "," else ".,"
            numbers = [_is_truth(cell) or any(_number(cell, sign) is not None for sign in signs) for cell in cells]
            found[separator] = sum(numbers) / len(numbers)
    return max(found, key=lambda separator: found[separator], default=",")


def _cells(lines: list[str], separator: str) -> list[list[str]]:
    if separator == " ":
        lines = [line.strip() for line in lines]
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in rows]


def _has_decimal_commas(cells: list[list[str]]) -> bool:
    numbers = [cell for row in cells for cell in row if re.fullmatch(r"[-+]?[0-9]*[.,]?[0-9]+([eE][-+]?[0-9]+)?", cell)]
    return any("," in cell for cell in numbers) and not any("." in cell for cell in numbers)


def _has_header(path: Path, cells: list[list[str]], decimal: str) -> bool:
    first, rest = cells[0], cells[1:]
    columns = list(zip(*rest, strict=True)) or [()] * len(first)
    over_truths = [cell for cell, column in zip(first, columns, strict=True) if all(map(_is_truth, column or (cell,)))]
    if over_truths:  # a number, as pandas writes over an array, is no cell of such a column
        return not any(map(_is_truth, over_truths)) and any(cell.casefold() not in MISSING for cell in over_truths)
    numeric = [_number(cell, decimal) is not None for cell in first]
    nothing = [cell.casefold().lstrip("+-") in MISSING | INFINITE for cell in first]
    titles = [not number and not missing for number, missing in zip(numeric, nothing, strict=True)]
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
    if first == ["0"] or (len(first) > 2 and first == [str(j + 1) for j in range(len(first))]):
        warnings.warn(
            f"source {path}: its first line, {', '.join(first[:4])}, is read as a point, "
            "and might be a header that counts columns: pass header=True if it is one, else header=False "
            "(--header or --no-header)",
            stacklevel=4,
        )
    return False


def _is_fraction(cell: str, decimal: str) -> bool:
    number = _number(cell, decimal)
    return number is not None and number != round(number)


def _is_truth(cell: str) -> bool:
    return cell.casefold() in TRUTHS


def _number(cell: str, decimal: str) -> float | None:
    # The number, if it is one and finite.
    if "_" in cell or (decimal != "." and "." in cell):
        return None
    try:
        number = float(cell.replace(decimal, "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


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


def _numbers(name: str, title: Column, column: Any, decimal: str) -> NDArray[np.float64]:
    if getattr(getattr(column, "dtype", None), "kind", "O") in "biuf":  # of a data frame
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        column = values
    else:
        column = [str(cell).strip() for cell in column]
        if all(map(_is_truth, column)):
            return np.array([TRUTHS[cell.casefold()] for cell in column])
        values = np.array([_number(cell, decimal) for cell in column], dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"source {name}: row {bad[0] + 1}, column {title!r} {_wrong(str(column[bad[0]]))}")
    return values


def _wrong(cell: str) -> str:
    if cell.casefold().lstrip("+-") in MISSING:
        return f"is missing ({cell!r}): drop or fill such rows"
    if cell.casefold().lstrip("+-") in INFINITE:
        return f"is {cell}: drop or fill such rows"
    return f"holds {cell[:40]!r}, no number: choose the columns of numbers (columns, --columns), or {ADVICE}"
