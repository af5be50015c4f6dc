"""The rows of the benchmark of samplers: stored one by one as JSON, shown as Markdown and a picture."""

import argparse
import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from methods import METHODS
from sets import RECIPES
from threadpoolctl import threadpool_info

from bnpgan.reproduce.runs import processor

Row = dict[str, Any]
PACKAGES = ("bnpgan", "torch", "numpy", "numba", "scikit-learn", "faiss-cpu", "bnpy", "pybasicbayes")
SAME = ("part", "set", "method", "settings", "quick", "machine")  # what makes two rows one


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine(options: argparse.Namespace) -> Row:
    """The hardware, as far as the system tells, and how much of it is used."""
    blas = {
        f"{pool['internal_api']} {pool['version'] or ''} {pool.get('architecture', '')}".strip()
        for pool in threadpool_info()
    }
    found = {"cpu": processor(), "cores": os.cpu_count(), "threads": options.threads, "system": platform.platform()}
    found |= {"torch": torch.backends.cpu.get_cpu_capability(), "pools": sorted(blas), "device": options.device}
    return found | ({"gpu": torch.cuda.get_device_name()} if options.device == "cuda" else {})


def commit() -> str:
    """The commit of this tree; a plus sign after it: with changes."""
    told = [["git", "rev-parse", "--short", "HEAD"], ["git", "status", "--porcelain", "-uno"]]
    done = [
        subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()
        for words in told
    ]
    return done[0] + ("+" if done[1] else "")


class Store:
    """The rows in OUT/samplers.json; each is there as soon as it is put."""

    def __init__(self, options: argparse.Namespace, where: Row, settings: Callable[[str, str], Row]) -> None:
        self.path = options.out / "samplers.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[Row] = json.loads(self.path.read_text()) if self.path.exists() else []
        self.settings, self.again, self.fresh = settings, options.again, set[tuple[str, str, str]]()
        self.about = {"quick": options.quick, "machine": where}
        self.history = {
            "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
            "commit": commit(),
            "python": platform.python_version(),
            "versions": {package: version(package) for package in PACKAGES if version(package)},
        }

    def _about(self, part: str, case: str, method: str) -> Row:
        named = self.settings(method, "growth" if part == "growth" else case)
        return {"part": part, "set": case, "method": method, "settings": named, **self.about}

    def row(self, part: str, case: str, method: str) -> Row | None:
        """The result that need not be measured again, or ``None``."""
        if self.again and (part, case, method) not in self.fresh:
            return None
        about = json.loads(json.dumps(self._about(part, case, method), default=str))
        found = [row for row in self.rows if all(row[key] == about[key] for key in SAME) and "reason" not in row]
        return found[0] if found else None

    def has(self, part: str, case: str, method: str) -> bool:
        return self.row(part, case, method) is not None

    def seeds(self, case: str, method: str) -> list[Row]:
        """The seeds that are measured already."""
        row = self.row("goal", case, method)
        return list(row["seeds"]) if row else []

    def put(self, part: str, case: str, method: str, result: Row) -> None:
        """Store a result, in the place of an older one of the same settings on the same machine."""
        now = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "load": os.getloadavg()[0]}
        row = json.loads(json.dumps(self._about(part, case, method) | result | self.history | now, default=str))
        self.rows = [old for old in self.rows if any(old[key] != row[key] for key in SAME)] + [row]
        self.fresh.add((part, case, method))
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(self.rows, indent=1) + "\n")
        partial.replace(self.path)

    def grown(self) -> list[Row]:
        """The rows of growth on this machine."""
        return [row for row in self.rows if row["part"] == "growth" and all(row[k] == v for k, v in self.about.items())]

    def write(self) -> Path:
        """The table of all rows."""
        path = self.path.with_suffix(".md")
        path.write_text(markdown(self.rows))
        return path


def markdown(rows: list[Row]) -> str:
    """A section for each machine, with a table for each set."""
    lines = ["# Samplers: seconds, memory and partitions, beside other packages", ""]
    machines: list[tuple[Row, bool]] = []
    for row in rows:
        if (row["machine"], row["quick"]) not in machines:
            machines.append((row["machine"], row["quick"]))
    for where, quick in machines:
        mine = [row for row in rows if row["machine"] == where and row["quick"] == quick]
        device = where.get("gpu", where["cpu"])
        lines += [f"## {device}, {where['threads']} of {where['cores']} cores{', quick' if quick else ''}", ""]
        last = max(mine, key=lambda row: row["time"])
        versions = ", ".join(f"{name} {number}" for name, number in last["versions"].items())
        commits = ", ".join(sorted({row["commit"] for row in mine}))
        lines += [f"`{last['command']}` was the last of the commands; commit {commits}; until {last['time']}."]
        lines += [f"Python {last['python']}, {versions}; {where['system']}; {', '.join(where['pools'])}.", ""]
        for name in (name for name in RECIPES if any(row["set"] == name for row in mine)):
            lines += table(name, [row for row in mine if row["set"] == name])
        grown = [row for row in mine if row["part"] == "growth"]
        if grown:
            lines += slopes(grown)
    return "\n".join(lines)


def table(name: str, rows: list[Row]) -> list[str]:
    """What is known of a set, a line for each method."""
    recipe, found = (
        RECIPES[name],
        {(row["part"], row["method"]): row for row in sorted(rows, key=lambda row: row["time"])},
    )
    data = found["data", "oracle"]
    goal = (
        f"ARI at least {recipe.goal.ari}, {recipe.goal.clusters} clusters above {recipe.goal.share:.1%} of the points"
    )
    pace = next((row for row in rows if row["part"] == "pace" and "seconds" in row), None)
    lines = [f"### {name}: N = {data['N']:,}, D = {recipe.D}, K = {recipe.K}, T = {recipe.T}", ""]
    lines += [f"Data seed {data['seed']}: the oracle's MAP partition has ARI {data['oracle']:.4f}"]
    lines[-1] += f" (published: {recipe.oracle}). Good: {goal}." if recipe.oracle else f". Good: {goal}."
    if pace:
        lines[-1] += f" The product of N x T: {unit(pace['product32'])} in single, {unit(pace['product64'])} in double"
        lines[-1] += " precision; each ratio is to the products of its own run."
    head = [
        "method",
        "iteration",
        "us a point",
        "x single",
        "x double",
        "good",
        "seconds, median (range)",
        "ARI (of a draw)",
    ]
    head += ["NMI", "clusters (big)", "MiB beyond data"]
    lines += ["", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for method, about in METHODS.items():
        parts = {part: found[part, method] for part in ("pace", "goal", "memory") if (part, method) in found}
        if parts:
            lines.append(f"| {method} | {' | '.join(cells(parts, about.blocked))} |")
    return [*lines, ""]


def cells(parts: dict[str, Row], blocked: bool) -> list[str]:
    """The cells of a method; where it could not be run they say why."""
    reasons = {row["reason"].replace("|", "/").replace("\n", " ")[:100] for row in parts.values() if "reason" in row}
    pace, goal, memory = (parts.get(part, {}) for part in ("pace", "goal", "memory"))
    row = [""] * 10
    if "seconds" in pace:
        row[:2] = unit(pace["seconds"]), f"{pace['microseconds']:.3g}"
        row[2:4] = [f"{pace['seconds'] / pace[f'product{bits}']:.1f}" if blocked else "" for bits in (32, 64)]
    seeds = goal.get("seeds", [])
    if seeds:
        reached = [seed["seconds"] for seed in seeds if seed["seconds"] is not None]
        row[4] = f"{len(reached)} of {len(seeds)}"
        spent = reached or [seed["all_seconds"] for seed in seeds]
        row[5] = f"{statistics.median(spent):.3g} ({min(spent):.3g}-{max(spent):.3g})" + (
            "" if reached else ", not good"
        )
        row[6:8] = [f"{statistics.median(seed[score] for seed in seeds):.4f}" for score in ("ari", "nmi")]
        if "drawn" in seeds[0]:
            row[6] += f" ({statistics.median(seed['drawn']['ari'] for seed in seeds):.4f})"
        middle = [f"{statistics.median(seed[score] for seed in seeds):.0f}" for score in ("clusters", "big")]
        row[8] = f"{middle[0]} ({middle[1]})"
    if "mebibytes" in memory:
        row[9] = f"{memory['mebibytes']:.0f}"
    if reasons:
        row[9] += f" {'; '.join(sorted(reasons))}"
    return row


def unit(seconds: float) -> str:
    """Seconds for people."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def slopes(rows: list[Row]) -> list[str]:
    """The exponent of the growth on each axis, over the upper half of its points."""
    lines = ["### Growth of the seconds of a sweep", "", "![growth](samplers.png)", ""]
    lines += ["| method | axis | from | to | seconds | exponent of the upper half |", "|---|---|---|---|---|---|"]
    for method, axis in dict.fromkeys((row["method"], row["axis"]) for row in rows):
        mine = [(row[axis], row["seconds"]) for row in rows if row["method"] == method and row["axis"] == axis]
        line = sorted(mine)
        (a, s), (b, t) = line[(len(line) - 1) // 2], line[-1]
        exponent = f"{math.log(t / s) / math.log(b / a):.2f}" if b > a else ""
        ends = f"{line[0][0]:,} | {b:,} | {unit(line[0][1])} to {unit(t)}"
        lines.append(f"| {method} | {axis} | {ends} | {exponent} |")
    return [*lines, ""]
