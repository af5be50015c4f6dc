"""The tables of docs/results.md, made from the rows in benchmarks/results/reproduce-*.json.

cp runs/reproduce/ring/study.json benchmarks/results/reproduce-ring.json
python benchmarks/tables.py
"""

import json
from pathlib import Path

from bnpgan.reproduce import STUDIES, markdown, told

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "results.md"


def rewritten(document: str) -> str:
    """The document with the tables of all studies that have rows, each between its two marks."""
    for path in sorted((ROOT / "benchmarks" / "results").glob("reproduce-*.json")):
        name = path.stem.removeprefix("reproduce-")
        stored = json.loads(path.read_text())
        table = markdown(STUDIES[name], stored["rows"], stored["reference"])
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = document.split(begin)
        document = f"{before}{begin}\n{table}\n\n{told(stored['rows'], stored['command'])}\n\n{end}{rest.split(end)[1]}"
    return document


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text()))
