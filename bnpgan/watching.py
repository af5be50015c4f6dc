"""Callbacks that many want: TensorBoard, the best checkpoint, and the same noise again and again."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure

from bnpgan import plotting, report
from bnpgan.callbacks import Callbacks
from bnpgan.files import read_json, write_json
from bnpgan.mixture import MixtureGAN
from bnpgan.partition import Partition
from bnpgan.run import Run
from bnpgan.training import load

__all__ = ["grids", "keep_best", "tensorboard"]

COPIED = ("config.json", "checkpoint.safetensors", "partition.safetensors")
COLUMNS = 10  # images of each cluster in a grid


def tensorboard(directory: str | Path) -> Callbacks:
    """Losses, clusters and their sizes as TensorBoard shows them, the extra ``tensorboard``.

    Args:
        directory: where its files go.

    Raises:
        ValueError: if TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise ValueError(f"tensorboard is not installed ({error}): pip install 'bnpgan[tensorboard]'") from None
    writer = SummaryWriter(str(directory))

    def log(row: dict) -> None:
        for name, value in row.items():
            if isinstance(value, int | float) and name != "step":
                writer.add_scalar(name, value, row["step"])
        writer.flush()

    def partition(step: int, found: Partition) -> None:
        writer.add_histogram("sizes of clusters", found.counts[found.active], step)

    return Callbacks(on_log=log, on_partition=partition)


def keep_best(score: Callable[[Run], float], name: str = "score", gan: MixtureGAN | None = None) -> Callbacks:
    """Keep, beside the last checkpoint, the one of the lowest score so far: a run of its own, in ``best``.

    ``load(out / "best")`` and all commands take it; its ``metrics.json`` has the score, its step, and those of all
    checkpoints, ``null`` where a score was not finite, which is never the best. There is none before the first
    partition.

    Args:
        score: of a run, the lower the better, such as a Frechet distance; what it draws follows from the run's seed.
        name: of the score.
        gan: the parts, where some were made by hand, as for ``load``.
    """

    def keep(step: int, directory: Path) -> None:
        if not (directory / "partition.safetensors").exists():
            return
        run, best = load(directory, gan), directory / "best"
        torch.manual_seed(run.config["seed"])
        value, told = float(score(run)), best / "metrics.json"
        before = read_json(told) if told.exists() else {}
        scores = [row for row in before.get("checkpoints", []) if row["step"] < step and name in row]
        lower = all(row[name] is None or value < row[name] for row in scores) and math.isfinite(value)
        scores.append({"step": step, name: value if math.isfinite(value) else None})  # JSON has no NaN
        if lower:
            best.mkdir(exist_ok=True)
            for file in COPIED:
                shutil.copyfile(directory / file, best / file)
            write_json(told, {**scores[-1], "checkpoints": scores})
        elif best.exists():
            write_json(told, {**before, "checkpoints": scores})

    return Callbacks(on_checkpoint=keep)


def grids(seed: int = 0, gan: MixtureGAN | None = None) -> Callbacks:
    """At each checkpoint, ``grids/STEP.png``: a row for each cluster of 1 % or more, of the same noise each time.

    Args:
        seed: of the noise.
        gan: the parts, where some were made by hand, as for ``load``.
    """

    def draw(step: int, directory: Path) -> None:
        if not (directory / "partition.safetensors").exists():
            return
        run = load(directory, gan)
        if len(run.config["shape"]) != 3:
            return
        counts = run.partition.counts
        rows = []
        for k in (counts >= 0.01 * counts.sum()).nonzero().flatten().tolist():
            torch.manual_seed(seed)
            rows.append(run.sample(COLUMNS, cluster=k))
        (directory / "grids").mkdir(exist_ok=True)
        x = report.drawable(torch.cat(rows))
        ax = plotting.images(x, COLUMNS, ax=plotting.sheet(Figure(), x, COLUMNS))
        plotting.save(ax, directory / "grids" / f"{step:07d}.png")

    return Callbacks(on_checkpoint=draw)
