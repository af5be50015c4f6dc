"""What the benchmark of samplers measures: time to a good partition, the floor of a blocked sweep, memory."""

import math
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from methods import Method, likeliest, synchronize
from numpy.typing import NDArray
from sets import Case, scores
from sklearn.metrics import adjusted_rand_score

ROWS = 2**16  # features of so many points at a time: the product is the same work, and fits anywhere


class Floor:
    """The product ``(N, F) x (F, T)``, F = (D + 1)(D + 2) / 2, of features that are given: seconds of one."""

    def __init__(self, case: Case, dtype: torch.dtype) -> None:
        (N, D), device = case.x.shape, case.x.device
        F, rows = (D + 1) * (D + 2) // 2, min(N, ROWS)
        self.features = torch.randn(rows, F, dtype=dtype, device=device)
        self.weights = torch.randn(F, case.recipe.T, dtype=dtype, device=device)
        self.products = torch.empty(rows, case.recipe.T, dtype=dtype, device=device)
        self.times, self.rest = divmod(N, rows)

    def __call__(self) -> float:
        taken: list[float] = []
        while sum(taken) < 0.05:  # a product of a millisecond is at the mercy of the clock and of other work
            taken.append(self._once())
        return statistics.median(taken)

    def _once(self) -> float:
        synchronize(self.features)
        began = time.perf_counter()
        for _ in range(self.times):
            torch.mm(self.features, self.weights, out=self.products)
        if self.rest:
            torch.mm(self.features[: self.rest], self.weights, out=self.products[: self.rest])
        synchronize(self.features)
        return time.perf_counter() - began


def small(case: Case) -> Case:
    """Few of its points, for what is imported or compiled at the first call."""
    return replace(case, x=case.x[:500].clone(), truth=case.truth[:500].clone())


def warm_up(method: Method, case: Case) -> None:
    run = method.run(small(case), 0)
    for _ in range(3):
        if next(run, None) is None:
            break


def until_good(method: Method, case: Case, seed: int, limit: float, settle: int) -> dict[str, Any]:
    """Seconds of a run's own work until its partition is good, and what it ends with.

    A chain stops ``settle`` sweeps after that, or at the limit, for which it may be late by one sweep; a fit runs to
    its end. Where labels are drawn, the likeliest ones are computed for the score, and the time of doing so once is
    counted. What is imported or compiled once is not.
    """
    warm_up(method, case)
    truth, wanted = case.truth.cpu().numpy(), case.recipe.goal
    run, seconds, reached, at, more = method.run(case, seed), 0.0, None, 0, math.inf
    labels: NDArray = np.zeros(len(truth), dtype=np.int64)
    iterations = 0
    while seconds < limit and more > 0:
        began = time.perf_counter()
        ahead = next(run, None)
        seconds += time.perf_counter() - began
        if ahead is None:
            break
        labels, iterations = ahead
        big = int((np.bincount(labels) > wanted.share * len(labels)).sum())
        if reached is None and big == wanted.clusters:  # the cheap half first
            began = time.perf_counter()
            best = likeliest(case, labels) if method.draws else labels
            last = time.perf_counter() - began
            if adjusted_rand_score(truth, best) >= wanted.ari:
                reached, at, more = seconds + last, iterations, settle + 1
        more -= 1
    found = {"seconds": reached, "iterations": at, "all_seconds": seconds, "all_iterations": iterations}
    drawn = scores(wanted, truth, labels)
    if not method.draws:
        return found | drawn
    best = likeliest(case, labels)
    return found | {"drawn": drawn} | drawn | {key: scores(wanted, truth, best)[key] for key in ("ari", "nmi")}


def memory_of(method: Method, case: Case) -> dict[str, float]:
    """MiB beyond the data at the peak of the first pieces of work of a run, two sweeps after the start for a chain."""
    warm_up(method, case)
    run = method.run(case, 0)
    if case.x.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        before = resident(peak=False)
        forget_peak()
    for _ in range(3):
        if next(run, None) is None:
            break
    after = torch.cuda.max_memory_allocated() if case.x.is_cuda else resident(peak=True)
    return {"mebibytes": (after - before) / 2**20, "data": case.x.nbytes / 2**20}


def forget_peak() -> None:
    """Let the peak of the resident memory start from now, where Linux allows it."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def resident(peak: bool) -> int:
    """Bytes of memory that the process holds, or has held at most."""
    status = Path("/proc/self/status")
    if status.exists():
        name = "VmHWM:" if peak else "VmRSS:"
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name)) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
