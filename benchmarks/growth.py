"""How the seconds of a sweep grow with the points, the clusters and the dimensions: rows, and a picture."""

import argparse
import statistics
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.lines import Line2D
from methods import lloyd, sampler, sweeps_from
from results import Store
from sets import gaussians
from tqdm import tqdm

BASE = {"N": 20_000, "K": 20, "D": 8}
AXES = {
    "N": [1_000, 10_000, 100_000, 1_000_000],
    "K": [5, 10, 20, 50, 100, 200],
    "D": [2, 4, 8, 16, 32, 64],
}
QUICK = {"N": [250, 1000], "K": [5, 20], "D": [2, 8]}
SLOPES = {"N": 1, "K": 1, "D": 2}
TITLES = {"N": "points N", "K": "clusters K", "D": "dimensions D"}
METHODS = {"StickBreaking": 1_000_000, "CRPGibbs": 100_000, "KMeans": 1_000_000}  # the most points
LIMIT = 30.0  # seconds: the next point of an axis is left out when it would take longer


def measure(options: argparse.Namespace, store: Store) -> None:
    """The median of three sweeps from the true partition at each point of each axis, stored one by one."""
    base = BASE | ({"N": 1000} if options.quick else {})
    places = [(axis, value) for axis, values in (QUICK if options.quick else AXES).items() for value in values]
    last: dict[tuple[str, str], float] = {}
    for axis, value in tqdm(places, desc="growth"):
        at = base | {axis: value}
        x = truth = None
        for name, most in METHODS.items():
            key = f"{axis}={value}"
            before = store.row("growth", key, name)
            if before is not None:
                last[name, axis] = before["seconds"]
                continue
            if name not in (options.methods or METHODS) or at["N"] > most or last.get((name, axis), 0) > LIMIT / 10:
                continue
            if x is None or truth is None:
                points, labels, _ = gaussians(at["N"], at["D"], at["K"], 1.0, 0)
                x, truth = torch.from_numpy(points).to(options.device), torch.from_numpy(labels).to(options.device)
            method = None if name == "KMeans" else sampler(name, "growth", at["K"], x)
            work = lloyd(x, at["K"]) if method is None else sweeps_from(method, x, truth)
            seconds = [work()]
            seconds += [work() for _ in range(2 if seconds[0] < LIMIT / 10 else 0)]
            last[name, axis] = statistics.median(seconds)
            store.put("growth", key, name, at | {"axis": axis, "seconds": last[name, axis], "all": seconds})


def picture(rows: list[dict[str, Any]], path: Path) -> None:
    """Three panels on double logarithmic axes, with a line of the slope that is asked for through each last point."""
    figure, panels = plt.subplots(1, 3, figsize=(13, 5), layout="constrained")
    for panel, (axis, slope) in zip(panels, SLOPES.items(), strict=True):
        mine = [row for row in rows if row["axis"] == axis]
        for name, colour in zip(METHODS, ("C0", "C1", "C2"), strict=True):
            line = sorted((row[axis], row["seconds"]) for row in mine if row["method"] == name)
            if line:
                values, seconds = zip(*line, strict=True)
                panel.plot(values, seconds, "o-", color=colour)
                panel.plot(
                    values, [seconds[-1] * (value / values[-1]) ** slope for value in values], "--", color=colour
                )
        panel.set(xscale="log", yscale="log")
        panel.set_xlabel(f"{TITLES[axis]} (dashed: slope {slope})", fontsize=12)
        ticks = sorted({row[axis] for row in mine})
        panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        panel.minorticks_off()
        if mine:
            fixed = (f"{other} = {mine[0][other]:,}" for other in SLOPES if other != axis)
            panel.set_title(", ".join(fixed), fontsize=12)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("seconds of a sweep, or of an iteration of k-means", fontsize=12)
    handles = [Line2D([], [], color=f"C{i}", marker="o", label=name) for i, name in enumerate(METHODS)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=12)
    figure.savefig(path, dpi=120)
    plt.close(figure)
