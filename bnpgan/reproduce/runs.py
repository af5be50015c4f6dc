"""Train every method with several seeds, score each run once, and save its scores as a row of JSON."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from bnpgan import __version__
from bnpgan.classifiers import Classifier
from bnpgan.features import FixedEncoder
from bnpgan.fidelity import fidelity
from bnpgan.files import read_json, write_json
from bnpgan.images import Images, images_of
from bnpgan.reproduce.study import Budget, Scores, Study
from bnpgan.run import Run
from bnpgan.training import train

__all__ = ["Row", "finished", "run_study"]

Row = dict[str, Any]
SAMPLES = 10_000  # generated images, and real ones, that a classifier judges
JUDGED = "frechet_distance", "precision", "recall", "modes", "reverse_kl"


def run_study(
    study: Study,
    out: Path,
    methods: Sequence[str],
    seeds: Sequence[int],
    budget: Budget,
    jobs: int = 1,
    device: str | None = None,
    data_root: Path | None = None,
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
        budget: what each run is given.
        jobs: runs at a time, each in a process of its own with one thread.
        device: as for ``train``.
        data_root: the folder of the data, for sets that are read from files.
        progress: show a bar.

    Raises:
        ValueError: if a run was made with other settings or for another study, or cannot be made, or if ``out`` holds
            what no study has left.
    """
    _check_out(study, out)
    if study.judge is not None and any(study.methods[method].make for method in methods):
        study.judge(out, data_root)  # once, before there are several processes
    tasks = [_Task(study.name, method, seed, budget, out, device, data_root) for seed in seeds for method in methods]
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


def _check_out(study: Study, out: Path) -> None:
    others = {row["study"] for row in finished(out)} - {study.name}
    if others:
        raise ValueError(f"{out} has runs of the study {min(others)}, not of {study.name}: name another --out")
    pictures = [f"{method}.png" for method in study.methods if not (out / method).is_dir()]
    strange = [
        name for name in (*([] if _is_study(out) else ["study.json", "table.md"]), *pictures) if (out / name).exists()
    ]
    if strange:
        raise ValueError(f"out: {out} holds {strange[0]}, which no study has left there: name another --out")


def _is_study(out: Path) -> bool:
    stored = read_json(out / "study.json") if (out / "study.json").exists() else None
    return isinstance(stored, dict) and {"command", "rows"} <= stored.keys()


def finished(out: Path) -> list[Row]:
    """The rows of all runs in the directory of a study."""
    return [read_json(path) for path in sorted(out.glob("*/*/row.json"))]


@dataclass(frozen=True)
class _Task:
    # One run: a process can be sent it, and a study, which holds functions, it cannot.
    study: str
    method: str
    seed: int
    budget: Budget
    out: Path
    device: str | None
    data_root: Path | None


def _results(tasks: list[_Task], jobs: int) -> Iterator[Row]:
    if jobs == 1:
        yield from map(_one, tasks)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for future in as_completed([pool.submit(_one, task) for task in tasks]):
            yield future.result()


def _one(task: _Task) -> Row:
    from bnpgan.reproduce import STUDIES  # which imports this file

    study, budget = STUDIES[task.study], task.budget
    directory = task.out / task.method / str(task.seed)
    path, begun = directory / "row.json", directory / "config.json"
    row: Row = {"study": study.name, "method": task.method, "seed": task.seed, **asdict(budget)}
    if path.exists():
        stored = read_json(path)
        for name, wanted in asdict(budget).items():
            made = stored.get(name, getattr(Budget, name, None))  # rows of before there was such a field
            if made != wanted:
                raise ValueError(f"{directory} has a run of {name}={made}, not {wanted}: name another --out")
        return stored
    # A run that was stopped, or that ended before its row was written.
    if (resume := begun.exists()) and (steps := read_json(begun)["steps"]) != budget.steps:
        raise ValueError(f"{directory} has a run of steps={steps}, not {budget.steps}: name another --out")
    way = study.methods[task.method]
    study = way.on or study
    x, truth = study.load(task.data_root)
    start = time.perf_counter(), time.process_time()
    if way.make is None:
        assert way.cluster is not None
        scores = study.score_labels(way.cluster(x, task.seed), truth)
        seconds = time.perf_counter() - start[0]
        directory.mkdir(parents=True, exist_ok=True)
    else:
        torch.manual_seed(task.seed)
        gan = budget.given(way.make(budget.steps))
        if way.classified:
            assert study.judge is not None
            gan = replace(gan, features=FixedEncoder(study.judge(task.out, task.data_root)))
        run = train(
            gan,
            x if study.unit == 1 else x / study.unit,
            steps=budget.steps,
            minutes=budget.minutes,
            out=directory,
            seed=task.seed,
            device=task.device,
            resume=resume,
            progress=False,
            labels=truth if way.supervised else None,
        )
        seconds = run.history[-1]["seconds"]
        row["taken"] = run.history[-1]["step"]
        torch.manual_seed(task.seed)
        scores = study.score(run, truth)
        if study.judge is not None:
            images = images_of(x, "x")[0].to(run.partition.labels.device)
            scores |= judged(run, images, truth, study.judge(task.out, task.data_root))
    row |= {"scores": scores, "seconds": seconds, "cpu_seconds": time.process_time() - start[1], **circumstances()}
    write_json(path, row)
    return row


def judged(run: Run, x: Images, truth: Tensor, judge: Classifier) -> Scores:
    """How near the images of a run are to real ones in the features of a classifier, and how its classes are met."""
    judge, frequencies = judge.to(x.device), truth.bincount(minlength=judge.classes) / len(truth)
    found = fidelity(run, x, judge, SAMPLES, named=judge.named, frequencies=frequencies, by_cluster=False)
    return {name: found["all"][name] for name in JUDGED}


def circumstances() -> Row:
    """What a figure depends on besides its command: versions, hardware, date."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "commit": _commit(),
        "version": __version__,
        "torch": torch.__version__,
        "hardware": gpu or f"{processor()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "date": date.today().isoformat(),
    }


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True) if shutil.which("git") else None
    return done.stdout.strip() if done is not None and done.returncode == 0 else None


def processor() -> str:
    """Its name, with family and model, for processors of very unequal speed are called "AMD EPYC"."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "model name" not in told:
        return platform.machine()
    kind = f" (family {told['cpu family']}, model {told['model']})" if {"cpu family", "model"} <= told.keys() else ""
    return told["model name"] + kind
