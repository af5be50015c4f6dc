"""The table of a study: what papers report, what our runs score, and what exact samples score."""

import math
from collections.abc import Sequence

import numpy as np

from bnpgan.reproduce.runs import Row
from bnpgan.reproduce.study import Scores, Study

__all__ = ["markdown"]


def markdown(study: Study, rows: Sequence[Row], reference: Scores) -> str:
    """A table in Markdown: for each method the paper's row, where it has one, and our mean with its standard error.

    Args:
        study: that was run.
        rows: of its runs, see ``finished``.
        reference: the scores of exact samples, as ``study.reference()`` gives them; empty where there are none.
    """
    rows, reference = [row | {"scores": _known(row["scores"])} for row in rows], _known(reference)
    titles = [title for title, _ in study.columns.values()]
    ends = [_frechet(rows, method) for method in ("gan", "class-conditional")]
    lines = ["| | seeds | " + " | ".join(titles) + " | seconds |", "| --- " * (len(titles) + 3) + "|"]
    for name, method in study.methods.items():
        ours = [row for row in rows if row["method"] == name]
        if method.paper and ours:
            lines.append(f"| {name}, the paper | | " + _cells(study, [method.paper]) + " | |")
        if ours:
            seconds = np.median([row["seconds"] for row in ours])
            scores = [row["scores"] | gap(row["scores"], ends) for row in ours]
            lines.append(f"| **{name}** | {len(ours)} | " + _cells(study, scores) + f" | {seconds:.0f} |")
    if reference:
        lines.append("| exact samples | | " + _cells(study, [reference]) + " | |")
    return "\n".join(lines)


def gap(scores: Scores, ends: Sequence[float]) -> Scores:
    r"""The share of the label gap that a run closes, :math:`(d_0 - d) / (d_0 - d_1)`.

    With d its Frechet distance and the ends :math:`d_0` that of a plain GAN, :math:`d_1` that of one that is given the
    classes: 0 is no better than the one, 1 as good as the other. Empty where one is not known.
    """
    plain, given = ends
    distance = scores.get("frechet_distance", math.nan)
    return {} if math.isnan(plain + given + distance) else {"gap": (plain - distance) / (plain - given)}


def told(rows: Sequence[Row], command: str) -> str:
    """A line that says how the rows were made."""

    def all_of(key: str) -> str:
        return ", ".join(sorted({str(row[key]) for row in rows}))

    seeds = all_of("seed")
    return (
        f"`{command}`; commit {all_of('commit')}; seeds {seeds}; {all_of('steps')} steps; {all_of('hardware')}, "
        f"{all_of('threads')} thread a run, torch {all_of('torch')}; {all_of('date')}."
    )


def _known(scores: Scores) -> Scores:
    return {name: value for name, value in scores.items() if value is not None}  # which was not finite


def _frechet(rows: Sequence[Row], method: str) -> float:
    known = [
        row["scores"]["frechet_distance"]
        for row in rows
        if row["method"] == method and "frechet_distance" in row["scores"]
    ]
    return float(np.mean(known)) if known else math.nan


def _cells(study: Study, scores: Sequence[Scores]) -> str:
    return " | ".join(_cell([s.get(key, math.nan) for s in scores], form) for key, (_, form) in study.columns.items())


def _cell(values: Sequence[float], form: str) -> str:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return ""
    mean = format(float(np.mean(known)), f"z{form}")  # no "-0"
    return mean if len(known) == 1 else f"{mean} ± {format(float(np.std(known, ddof=1)) / math.sqrt(len(known)), form)}"
