"""Train every method with several seeds, score each run once, and save its scores as a row of JSON."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from bnpgan import __version__
from bnpgan.files import read_json, write_json
from bnpgan.reproduce.study import Study
from bnpgan.training import train

__all__ = ["Row", "finished", "run_study"]

Row = dict[str, Any]


def run_study(
    study: Study,
    out: Path,
    methods: Sequence[str],
    seeds: Sequence[int],
    steps: int,
    jobs: int = 1,
    device: str | None = None,
    progress: bool = True,
) -> list[Row]:
    """Run a study, or what is left of it: finished runs are skipped, and a run that was stopped goes on.

    Each run leaves its directory ``out/method/seed`` with its scores in ``row.json``; ``out/method.png`` is the picture
    of a method's first seed.

    Args:
        study: what to run.
        out: the directory of the study.
        methods: names of its methods.
        seeds: each method is run once with each.
        steps: of training.
        jobs: runs at a time, each in a process of its own with one thread.
        device: as for ``train``.
        progress: show a bar.

    Raises:
        ValueError: if a run was made with other settings, or cannot be made.
    """
    tasks = [(study.name, method, seed, steps, str(out), device) for seed in seeds for method in methods]
    rows = []
    with tqdm(total=len(tasks), disable=not progress, unit="run", smoothing=0) as bar:
        for row in _results(tasks, jobs):
            rows.append(row)
            bar.set_postfix_str(f"{row['method']}, seed {row['seed']}")
            bar.update()
    for method in methods:
        picture = out / method / str(seeds[0]) / "samples.png"
        if picture.exists():
            shutil.copy(picture, out / f"{method}.png")
    return sorted(rows, key=lambda row: (methods.index(row["method"]), row["seed"]))


def finished(out: Path) -> list[Row]:
    """The rows of all runs in the directory of a study."""
    return [read_json(path) for path in sorted(out.glob("*/*/row.json"))]


def _results(tasks: list[tuple], jobs: int) -> Iterator[Row]:
    if jobs == 1:
        yield from (_one(*task) for task in tasks)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for future in as_completed([pool.submit(_one, *task) for task in tasks]):
            yield future.result()


def _one(name: str, method: str, seed: int, steps: int, out: str, device: str | None) -> Row:
    from bnpgan.reproduce import STUDIES  # a study holds functions, which another process cannot be sent

    study = STUDIES[name]
    directory = Path(out) / method / str(seed)
    path = directory / "row.json"
    row: Row = {"study": name, "method": method, "seed": seed, "steps": steps}
    begun = directory / "config.json"  # a run that was stopped, or ended before its row was written
    for stored in (read_json(file) for file in (path, begun) if file.exists()):
        if stored["steps"] != steps:
            raise ValueError(f"{directory} has a run of {stored['steps']} steps, not {steps}: name another --out")
    if path.exists():
        return read_json(path)
    x, truth = study.load()
    way = study.methods[method]
    start = time.perf_counter()
    if way.make is None:
        assert way.cluster is not None
        scores = study.score_labels(way.cluster(x, seed), truth)
        seconds = time.perf_counter() - start
        directory.mkdir(parents=True, exist_ok=True)
    else:
        torch.manual_seed(seed)
        gan = way.make(steps)
        x = x / study.unit
        resume = begun.exists()
        run = train(gan, x, steps=steps, out=directory, seed=seed, device=device, resume=resume, progress=False)
        seconds = run.history[-1]["seconds"]
        torch.manual_seed(seed)
        scores = study.score(run, truth)
    row |= {"scores": scores, "seconds": seconds, **circumstances()}
    write_json(path, row)
    return row


def circumstances() -> Row:
    """What a figure depends on besides its command: versions, hardware, date."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "commit": _commit(),
        "version": __version__,
        "torch": torch.__version__,
        "hardware": gpu or f"{_processor()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "date": date.today().isoformat(),
    }


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True) if shutil.which("git") else None
    return done.stdout.strip() if done is not None and done.returncode == 0 else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
