"""One page on a run, ``report.html``: it holds all that it shows, and fetches nothing."""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from torch import Tensor

from bnpgan import report
from bnpgan.plotting import colours
from bnpgan.run import Run

__all__ = ["curves", "page", "sizes"]

WIDTH, HEIGHT = 640, 150  # pixels of a drawing
STYLE = (
    "body{font:15px/1.4 sans-serif;color:#333;max-width:960px;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:right;border-bottom:1px solid #eee}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}pre{white-space:pre-wrap;font-size:12px}"
    "svg{display:block}h2{margin-top:1.6em}"
)


def page(
    run: Run, scores: Mapping[str, float], spreads: Mapping[int, float], directory: Path, truth: Tensor | None = None
) -> str:
    """The text of the page: scores, pictures, curves, clusters, and what the run was made from.

    Args:
        run: the run.
        scores: by name.
        spreads: of clusters, see ``report.spreads``.
        directory: where its pictures are.
        truth: the class of each training image ``(N,)``, where there are classes.
    """
    steps = run.history[-1]["step"] if run.history else 0
    recipe = "composed by hand" if run.gan.recipe is None else type(run.gan.recipe).__name__
    data = run.config["data"]
    source, note = (data.get("source"), data.get("note")) if isinstance(data, dict) else (data, None)
    parts = [
        f"<h1>{escape(recipe)}, {steps:,} steps{f', on {escape(str(source))}' if source else ''}</h1>",
        f"<p>{escape(note)}</p>" if note else "",
        _table(["", *scores], [["scores", *(f"{value:.4g}" for value in scores.values())]]),
    ]
    for name, told in (("samples.png", "Generated and real, cluster by cluster"), ("clusters.png", "The features")):
        if (directory / name).exists():
            code = base64.b64encode((directory / name).read_bytes()).decode()
            parts.append(f'<h2>{told}</h2><img alt="{told}" src="data:image/png;base64,{code}">')
    history = run.history
    if len(history) > 1:
        at = [row["step"] for row in history]
        losses = {"D": [row["loss_d"] for row in history], "G": [row["loss_g"] for row in history]}
        drawings = {"Losses": curves(at, losses), "Clusters": curves(at, {"": [row["clusters"] for row in history]})}
        if any("sizes" in row for row in history):
            drawings["Sizes of clusters"] = sizes(at, [row.get("sizes", []) for row in history])
        if any("nmi" in row for row in history):
            known = [row for row in history if "nmi" in row]
            drawings["NMI with the classes"] = curves(
                [row["step"] for row in known], {"": [row["nmi"] for row in known]}
            )
        parts += [f"<h2>{told}</h2>{drawing}" for told, drawing in drawings.items()]
    alike = report.alike(spreads)
    remark = f"<p>{escape(alike[0].upper() + alike[1:])}.</p>" if alike else ""
    parts.append(f"<h2>Clusters</h2>{_clusters(run, spreads, truth)}{remark}")
    told = json.dumps(run.config, indent=1)
    parts.append(f"<h2>Configuration</h2><details><summary>config.json</summary><pre>{escape(told)}</pre></details>")
    body = "\n".join(part for part in parts if part)
    head = f'<meta charset="utf-8"><title>{escape(recipe)}</title><style>{STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def curves(steps: Sequence[int], values: Mapping[str, Sequence[float]]) -> str:
    """Numbers over steps, as SVG: a line for each name.

    Example:
        >>> curves([0, 10], {"loss": [1.0, 2.0]}).count("<polyline")
        1
    """
    flat = [value for sequence in values.values() for value in sequence]
    low, high = min(flat), max(flat)
    span = (high - low) or 1.0
    drawn = []
    for k, (name, sequence) in enumerate(values.items()):
        dots = " ".join(
            f"{x:.1f},{HEIGHT * (1 - (y - low) / span):.1f}" for x, y in zip(_across(steps), sequence, strict=True)
        )
        drawn.append(f'<polyline fill="none" stroke="{_colour(k)}" points="{dots}"/>')
        drawn.append(f'<text x="{WIDTH + 6}" y="{14 + 16 * k}" fill="{_colour(k)}">{escape(name)}</text>')
    ends = [f'<text x="{WIDTH + 30}" y="12">{high:.4g}</text>', f'<text x="{WIDTH + 30}" y="{HEIGHT}">{low:.4g}</text>']
    return _svg([*drawn, *ends], steps)


def sizes(steps: Sequence[int], counts: Sequence[Sequence[int]]) -> str:
    """Shares of clusters over steps, as SVG: a band for each slot, in its colour.

    Args:
        steps: of the rows.
        counts: of the slots at each; an empty row has no partition.
    """
    drawn = []
    for slot in range(max(map(len, counts), default=0)):
        below, above = [], []
        for x, row in zip(_across(steps), counts, strict=True):
            if sum(row):
                low, high = sum(row[:slot]) / sum(row), sum(row[: slot + 1]) / sum(row)
                below.append(f"{x:.1f},{HEIGHT * low:.1f}")
                above.append(f"{x:.1f},{HEIGHT * high:.1f}")
        if below != above:
            drawn.append(f'<polygon fill="{_colour(slot)}" points="{" ".join([*below, *reversed(above)])}"/>')
    return _svg(drawn, steps)


def _clusters(run: Run, spreads: Mapping[int, float], truth: Tensor | None) -> str:
    counts, names = run.partition.counts, run.config.get("names") or []
    rows = []
    for k in counts.argsort(descending=True, stable=True).tolist():
        if not counts[k]:
            continue
        row = [f"cluster {k}", f"{int(counts[k]):,}", f"{float(counts[k] / counts.sum()):.1%}"]
        row.append(f"{spreads[k]:.2f}" if k in spreads else "")
        if truth is not None:
            held = truth[(run.partition.labels == k).to(truth.device)].bincount()
            top = held.argsort(descending=True)[:3].tolist()
            told = [f"{names[j] if j < len(names) else j} {float(held[j] / held.sum()):.0%}" for j in top if held[j]]
            row.append(", ".join(told))
        rows.append(row)
    return _table(["", "images", "share", "spread", *([] if truth is None else ["its classes"])], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [("th", head), *(("td", row) for row in rows)]
    told = ("".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) for tag, cells in lines)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in told)}</table>"


def _across(steps: Sequence[int]) -> list[float]:
    span = (steps[-1] - steps[0]) or 1
    return [WIDTH * (step - steps[0]) / span for step in steps]


def _svg(drawn: Sequence[str], steps: Sequence[int]) -> str:
    under = f'<text x="0" y="{HEIGHT + 16}">{steps[0]:,}</text>'
    under += f'<text x="{WIDTH}" y="{HEIGHT + 16}" text-anchor="end">step {steps[-1]:,}</text>'
    size = f'width="{WIDTH + 110}" height="{HEIGHT + 22}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-size="12">{"".join(drawn)}{under}</svg>'


def _colour(k: int) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colours(k))
