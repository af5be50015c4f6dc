"""Everything that a GPU has to show, by one command in eight minutes: rows for each stage, and a table at the end.

    python benchmarks/gpu.py --out DIR                       # on a GPU; make gpu
    python benchmarks/gpu.py --out DIR --device cpu          # the rehearsal: every stage in small
    python benchmarks/gpu.py --out DIR --stages samplers,training --minutes 4

It needs Python 3.11 and the package's dependencies on ``PYTHONPATH``, no installation of the package and no network.
Each stage runs in a process of its own with a share of the time; what it finds is in ``DIR/STAGE.json`` as soon as it
is found, what it says in ``DIR/STAGE.log``. A stage that fails, or runs out of time, does not stop the next.

1. ``tests``: the tests of ``tests/devices`` on the device, each at most five seconds.
2. ``exactness``: chains on the device against every partition of a handful of points, in double and single precision.
3. ``ceilings``: what the device can do: copies, matrix products, launches, waits.
4. ``samplers``: a sweep of large sets, over the product that bounds it and the bytes that it must move; memory; waits.
5. ``training``: images a second of MIC-GAN and SC-GAN beside a bare loop, and the share of clustering.
6. ``graphs``: steps of training as CUDA graphs, in half precision and both, beside eager ones: images a second, whether
   the losses are the same, memory, and how often the host waits in ten steps.
7. ``rows``: ``bnpgan reproduce mnist`` with networks of width 64, five methods side by side, steps as CUDA graphs,
   until they are done or the time is over; rows and pictures are in ``DIR/mnist``. The set is in ``BNPGAN_DATA`` or
   ``--data-root``; without it, digits.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402  (the package is beside this folder)
from torch import Tensor  # noqa: E402

Row = dict[str, Any]
SECONDS = {"tests": 120, "exactness": 90, "ceilings": 20, "samplers": 80, "training": 60, "graphs": 100, "rows": 1000}
"""The most that a stage may take; the last takes what is left."""
AROUND = 60.0  # seconds of a stage of rows that are not training: a classifier is trained, images are judged
LIMIT = 9_000  # bytes of the table: what a terminal, or the end of an output that is cut, still shows


class Stage:
    """What one stage has found so far, and how long it may go on."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.out, self.device = name, options.out, torch.device(options.device)
        self.small, self.root = options.device == "cpu", options.data_root
        self.began, self.seconds, self.rows = time.perf_counter(), options.seconds, list[Row]()
        self.about = {"stage": name, "seconds": 0.0, **circumstances(options)}
        self.write()

    def put(self, **row: Any) -> None:
        """Store a row, and say it."""
        self.rows.append(row)
        print(
            " ".join(
                f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
        )
        sys.stdout.flush()
        self.write()

    def write(self) -> None:
        self.about["seconds"] = time.perf_counter() - self.began
        path = self.out / f"{self.name}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps({**self.about, "rows": self.rows}, indent=1, default=str) + "\n")
        part.replace(path)

    def left(self) -> float:
        """Seconds that it may go on."""
        return self.seconds - (time.perf_counter() - self.began)

    def wait(self) -> None:
        """Until the device has done what it was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def median(self, work: Callable[[], object], rounds: int = 7, most: float = 5.0) -> float:
        """Seconds of one call: the median of some, after one that is not counted."""
        work()
        taken: list[float] = []
        while len(taken) < rounds and (len(taken) < 3 or sum(taken) < most):
            self.wait()
            began = time.perf_counter()
            work()
            self.wait()
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)

    def memory(self, work: Callable[[], object]) -> float | None:
        """MiB at the peak of a call, beyond what is held before it."""
        if self.device.type != "cuda":
            return None
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 2**20

    def waits(self, work: Callable[[], object]) -> int | None:
        """How often the host waits for the device in a call."""
        if self.device.type != "cuda":
            return None
        import warnings

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                work()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        return sum("called a synchronizing" in str(warning.message) for warning in caught)


def circumstances(options: argparse.Namespace) -> Row:
    """What a row of results is worth nothing without."""
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    gpu = torch.cuda.get_device_name() if options.device == "cuda" else None
    versions = {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    command = "python benchmarks/gpu.py " + ("--device cpu " if options.device == "cpu" else "") + "--out DIR"
    return {
        "command": command,
        "commit": os.environ.get("COMMIT") or told.stdout.strip() or None,
        "gpu": gpu,
        "cores": os.cpu_count(),
        **versions,
    } | {"time": now}


# 1. Tests.


def tests(stage: Stage) -> None:
    """``pytest -m cuda``; in a rehearsal, some of the tests under a pretended GPU."""
    report = stage.out / "tests.xml"
    words = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={report}"]
    if stage.small:
        words += ["tests/devices/test_device_priors.py", "-k", "pretended"]
    else:
        compile_kernels(stage)
        words += ["-m", "cuda", "tests/devices"]
        if _importable("xdist"):
            words += ["-n", str(min(8, (os.cpu_count() or 2) // 2))]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    try:
        subprocess.run(words, cwd=ROOT, timeout=max(10.0, stage.left()), env=environment)
    except subprocess.TimeoutExpired:
        stage.put(outcome="the tests were stopped, out of time")
    if not report.exists():
        stage.put(outcome="pytest wrote no report: see the log")
        return
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    passed = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
    stage.put(outcome="tests", passed=passed, **counts, seconds=float(suite.get("time", 0)))
    for case in suite.iter("testcase"):
        for failure in [*case.findall("failure"), *case.findall("error")]:
            lines = (failure.text or failure.get("message") or "").strip().splitlines()
            raised = [line for line in lines if line.startswith("E ")]
            said = " ".join((raised or lines[-1:] or [""])[0].split())[:160]
            stage.put(outcome="failed", test=f"{case.get('classname')}::{case.get('name')}", said=said)


def compile_kernels(stage: Stage) -> None:
    """Loops that numba compiles at their first call, once and side by side, before the tests begin."""
    began = time.perf_counter()
    script = "import sys; sys.path.insert(0, '{}/benchmarks'); import gpu; gpu.{}()"
    names = ("_compile_blocked", "_compile_seating", "_compile_grid")
    work = [subprocess.Popen([sys.executable, "-c", script.format(ROOT, name)], cwd=ROOT) for name in names]
    for process in work:
        process.wait()
    stage.put(outcome="compiled", seconds=time.perf_counter() - began)


def _compile_blocked() -> None:
    from bnpgan import components, priors, samplers

    sampler = samplers.StickBreaking(priors.DirichletProcess(1.0), components.NormalInverseWishart(), capacity=9)
    x = torch.randn(5000, 2)
    sampler.step(x, torch.zeros(5000, dtype=torch.int64))


def _compile_seating() -> None:
    from bnpgan import components, priors, samplers

    for kind in (samplers.CRPGibbs, samplers.IGMM):
        sampler = kind(priors.DirichletProcess(1.0), components.NormalInverseWishart(scale=1.0), capacity=9)
        sampler.step(torch.randn(50, 2), torch.zeros(50, dtype=torch.int64))


def _compile_grid() -> None:
    from bnpgan import components

    components.NormalInverseWishart().stats(torch.randn(50, 2).double(), torch.zeros(50, dtype=torch.int64), 3)


# 2. Exactness.


def exactness(stage: Stage) -> None:
    """Chains against the enumerated posterior, several processes side by side, for their sweeps are all launches."""
    names = list(_cases())
    jobs = [(name, precision) for name in names for precision in ("double", "single")]
    workers = 2 if stage.small else min(len(jobs), max(2, (os.cpu_count() or 2) // 2), 6)
    length = 1
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    futures = {pool.submit(_enumerated, str(stage.device), *job, length, stage.small): job for job in jobs}
    try:
        for future in as_completed(futures, timeout=stage.left() - 5):
            name, precision = futures[future]
            try:
                stage.put(sampler=name, precision=precision, **future.result())
            except Exception as error:
                stage.put(sampler=name, precision=precision, failed=f"{type(error).__name__}: {error}"[:200])
    except TimeoutError:
        missing = [job for future, job in futures.items() if not future.done()]
        stage.put(failed=f"out of time before {missing}")
    for process in list(pool._processes.values()):
        process.terminate()
    pool.shutdown(cancel_futures=True, wait=False)


def _cases() -> dict[str, Any]:
    from bnpgan.testing.cases import cases

    found = cases()
    wanted = ("StickBreaking, DP, NIW", "StickBreaking, PY*, NIW*", "SliceSampler, DP, NIW", "SliceSampler, PY, NIG")
    split = [name for name in found if name.startswith("SplitMerge")]
    return {name: found[name] for name in (*wanted, "IGMM, PY, NIW", *split)}


def _enumerated(device: str, name: str, precision: str, length: int, small: bool) -> Row:
    from bnpgan.components import distributions
    from bnpgan.testing.battery import LEVEL, run_twice
    from bnpgan.testing.checks import against
    from bnpgan.testing.law import Law

    torch.set_num_threads(1)
    sampler, x = _cases()[name]
    x = x.to(device)
    if precision == "single":  # points as they often come, and products in single precision for any number of them
        x, distributions.SINGLE = x.float(), 0
    law = Law.of_labels(sampler, len(x)).given(sampler, x)
    split = name.startswith("SplitMerge")
    size = (24, 2, 2) if small and split else (24, 4, 4) if small else (24, 8, 10) if split else (40, 12, 16)
    row = run_twice(lambda n: against(law, sampler, x, LEVEL, n, size), length)
    return {"p": row.p, "z": row.statistic, "variation": row.distance, "noise": row.noise, "seconds": row.seconds} | {
        "passed": bool(row.passed)
    }


# 3. Ceilings.


def ceilings(stage: Stage) -> None:
    """What the device can do at best, measured."""
    n, side = (2**22, 512) if stage.small else (2**29, 8192)
    source = torch.rand(n, device=stage.device)
    target = torch.empty_like(source)
    seconds = stage.median(lambda: target.copy_(source), 9)
    stage.put(what="copy", value=2 * source.nbytes / seconds / 1e9, unit="GB/s, read and written")
    for name, dtype, tf32 in (
        ("fp32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("bf16", torch.bfloat16, False),
        ("fp64", torch.float64, False),
    ):
        a, b = (torch.randn(side, side, device=stage.device).to(dtype) for _ in range(2))
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        seconds = stage.median(partial(torch.mm, a, b), 9, most=2.0)
        stage.put(what=f"product, {name}", value=2 * side**3 / seconds / 1e12, unit="TFLOP/s")
    torch.set_float32_matmul_precision("highest")
    one = torch.zeros(1, device=stage.device)

    def launches() -> None:
        for _ in range(1000):
            one.add_(1)

    stage.put(what="launch", value=1e3 * stage.median(launches), unit="microseconds")
    stage.put(what="wait", value=1e6 * stage.median(lambda: one.add_(1).item(), 99), unit="microseconds")


# 4. Samplers.


def samplers(stage: Stage) -> None:
    """Sweeps of mixtures that were drawn on the device, and what bounds them."""
    from bnpgan.components import NormalInverseWishart
    from bnpgan.priors import DirichletProcess
    from bnpgan.samplers import KMeans, SplitMerge, StickBreaking

    bandwidth = _copy(stage)
    sets = [
        ("1.3M x 64", 1_300_000, 64, 100, 128),
        ("100k x 128", 100_000, 128, 79, 100),
        ("50k x 32", 50_000, 32, 50, 100),
    ]
    if stage.small:
        sets = [(name, N // 50, D // 4, K // 5, T // 5) for name, N, D, K, T in sets]
    for name, N, D, K, T in sets:
        if stage.left() < 5:
            stage.put(set=name, failed="out of time")
            continue
        torch.manual_seed(0)
        x, truth = mixture(N, D, K, stage.device)
        sampler = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=T)
        about: Row = {"set": name, "N": N, "D": D, "T": T}
        floors = {bits: _product(stage, N, D, T, dtype) for bits, dtype in ((32, torch.float32), (64, torch.float64))}
        for method, step in (("StickBreaking", sampler), ("SplitMerge", SplitMerge(sampler))):
            work = chain(step, x, truth)
            row = about | {"method": method, "seconds": stage.median(work, 5, 3.0)}
            row |= {f"product{bits}": row["seconds"] / floor for bits, floor in floors.items()}
            row["bytes"] = row["seconds"] / (2 * x.nbytes / bandwidth)  # read for the sums, and for the labels
            stage.put(**row, memory=stage.memory(work), waits=stage.waits(work))
        y, labels = x.float(), torch.randint(K, (N,), device=stage.device)
        more, fewer = (partial(KMeans(K, iterations=n).fit, y, labels) for n in (12, 2))
        seconds = (stage.median(more, 3) - stage.median(fewer, 3)) / 10
        counts = [stage.waits(work) for work in (more, fewer)]
        waits = None if counts[0] is None or counts[1] is None else (counts[0] - counts[1]) / 10
        row = about | {"method": "k-means, a round", "seconds": seconds, "bytes": seconds / (y.nbytes / bandwidth)}
        stage.put(**row, memory=stage.memory(more), waits=waits)
        if stage.device.type == "cuda":
            for method, step in (("StickBreaking", sampler), ("SplitMerge", SplitMerge(sampler))):
                stage.put(set=name, method=method, kernels=kernels(chain(step, x, truth)))
    for name, N, D, K, T in reversed(sets):
        if stage.left() < 5:
            stage.put(set=name, method="start of StickBreaking", failed="out of time")
            continue
        torch.manual_seed(0)
        x, truth = mixture(N, D, K, stage.device)
        sampler = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=T)
        began = time.perf_counter()
        labels = sampler.init(x)
        stage.wait()
        row = {"set": name, "N": N, "D": D, "T": T, "method": "start of StickBreaking"}
        stage.put(**row, seconds=time.perf_counter() - began, ari=_ari(truth, labels))


def mixture(N: int, D: int, K: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Points ``(N, D)`` of K Gaussians, and labels: means .6 N(0, I), covariances IW(D + 6, 5 I), weights Dir(5)."""
    from bnpgan.components.inverse_wishart import inverse_wishart_factor

    psi = 5 * torch.eye(D, dtype=torch.float64, device=device).expand(K, D, D)
    factors = inverse_wishart_factor(torch.full((K,), D + 6.0, dtype=torch.float64, device=device), psi)
    means = 0.6 * torch.randn(K, D, dtype=torch.float64, device=device)
    weights = torch.distributions.Dirichlet(torch.full((K,), 5.0, device=device)).sample()
    labels = torch.multinomial(weights, N, replacement=True)
    x = torch.randn(N, D, dtype=torch.float64, device=device)
    for k in range(K):
        mine = labels == k
        x[mine] = x[mine] @ factors[k].T + means[k]
    return x, labels


def chain(sampler: Any, x: Tensor, labels: Tensor) -> Callable[[], None]:
    """A function that takes one sweep after the one before."""
    state = [labels]

    def sweep() -> None:
        state[0] = sampler.step(x, state[0])

    return sweep


def kernels(work: Callable[[], object], most: int = 8) -> dict[str, float]:
    """Milliseconds on the device of one call, by kernel: the longest."""
    work()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        work()
        torch.cuda.synchronize()
    events = sorted(profile.key_averages(), key=lambda event: -event.self_device_time_total)
    found = {
        "all": sum(event.self_device_time_total for event in events) / 1e3,
        "launches": sum(e.count for e in events),
    }
    return found | {event.key[:60]: round(event.self_device_time_total / 1e3, 3) for event in events[:most]}


def _copy(stage: Stage) -> float:
    n = 2**22 if stage.small else 2**28
    source = torch.rand(n, device=stage.device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / stage.median(lambda: target.copy_(source))


def _product(stage: Stage, N: int, D: int, T: int, dtype: torch.dtype) -> float:
    F, rows = (D + 1) * (D + 2) // 2, min(N, 2**17)
    features, weights = (torch.randn(*s, dtype=dtype, device=stage.device) for s in ((rows, F), (F, T)))
    return stage.median(lambda: torch.mm(features, weights), 5, 1.0) * N / rows


def _ari(truth: Tensor, labels: Tensor) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(truth.cpu().numpy(), labels.cpu().numpy()))


# 5. Training.


def training(stage: Stage) -> None:
    """The loop of ``train`` beside a bare one of the same networks, in turns; a round of clustering behind it."""
    from training import Bare, Ours

    sides, batches, N = ((8,), (16,), 200) if stage.small else ((28, 32), (64, 512), 60_000)
    for side in sides:
        images = 2 * torch.rand(N, 1 if side < 32 else 3, side, side, device=stage.device) - 1
        for batch in batches:
            for name, every in (("MIC-GAN", 500), ("SC-GAN", 10_000)):
                about: Row = {"gan": name, "side": side, "batch": batch}
                if stage.left() < 8:
                    stage.put(**about, failed="out of time")
                    continue
                ours = Ours(_gan(name, images, batch, stage.small), images)
                bare = Bare(ours.training.gan, images, ours.labels)
                step, plain = in_turns(stage, [ours.advance, bare.advance])
                began = time.perf_counter()
                ours.training.recluster()
                stage.wait()
                seconds = time.perf_counter() - began
                about |= {"images": batch / step, "bare": batch / plain, "ratio": plain / step, "round": seconds}
                stage.put(**about, every=every, clustering=seconds / (seconds + every * step))


def _gan(name: str, images: Tensor, batch: int, small: bool) -> Any:
    from bnpgan import recipes

    shape = {"image_shape": tuple(images.shape[1:]), "capacity": 20, "backbone": "dcgan", "batch": batch}
    torch.manual_seed(0)
    if name == "SC-GAN":
        gan = recipes.sc_gan(**shape)
    else:  # what its encoder learns first is not in a round
        rounds = {"sweeps": 2, "encoder_steps": 2} if small else {"encoder_steps": 500}
        gan = recipes.mic_gan(**shape, encoder_first_steps=2, **rounds)
    return replace(gan, clusterer=replace(gan.clusterer, max_points=5000))


def in_turns(stage: Stage, loops: list[Callable[[int], None]]) -> list[float]:
    """Seconds of a step of each loop: medians over turns, the first of which does not count."""
    n, turns, taken = (2, 2, []) if stage.small else (40, 4, [])
    for _ in range(turns):
        row = []
        for advance in loops:
            stage.wait()
            began = time.perf_counter()
            advance(n)
            stage.wait()
            row.append((time.perf_counter() - began) / n)
        taken.append(row)
    return [statistics.median(column) for column in zip(*taken[1:], strict=True)]


# 6. Graphs.


def graphs(stage: Stage) -> None:
    """What makes a step fast, one by one and together, in turns; the reference is the eager step in single precision.

    A second run of it says how far apart losses come by the order of sums alone.
    """
    ways: dict[str, Row] = {"eager": {}, "eager, again": {}, "graphs": {"graphs": True}, "bf16": {"bf16": True}}
    ways |= {"bf16, graphs": {"bf16": True, "graphs": True}}
    sides, batches, N = ((8,), (16,), 200) if stage.small else ((28, 32), (64, 512), 60_000)
    for side in sides:
        x = torch.randint(256, (N, 1 if side < 32 else 3, side, side), dtype=torch.uint8, device=stage.device)
        for batch in batches:
            for name in ("MIC-GAN", "SC-GAN"):
                about: Row = {"gan": name, "side": side, "batch": batch}
                if stage.left() < 10:
                    stage.put(**about, failed="out of time")
                    continue
                try:
                    for row in _ways(stage, name, x, batch, ways):
                        stage.put(**about, **row)
                except (RuntimeError, ValueError) as error:
                    stage.put(**about, failed=f"{type(error).__name__}: {error}"[:150])


def _ways(stage: Stage, name: str, x: Tensor, batch: int, ways: dict[str, Row]) -> Iterator[Row]:
    from training import Ours

    from bnpgan.images import images_of
    from bnpgan.loop import TRAIN, own_randomness
    from bnpgan.losses import R1

    images = images_of(x, "x")[0]  # bytes on the device, as train has them
    loops, losses, memory = {}, {}, {}
    for way, fields in ways.items():
        gan = _gan(name, 2 * x[:1].float() / 255 - 1, batch, stage.small)
        gan = gan.scheduled(penalty=R1(1.0, every=4), **fields)

        def begin(way: str = way, gan: Any = gan) -> None:
            with own_randomness(images, 0, TRAIN):
                loops[way] = Ours(gan, images)
                for _ in range(8 if stage.small else 20):
                    loops[way].training.advance()

        memory[way] = stage.memory(begin)
        if way not in loops:  # on a CPU, where memory is not looked at
            begin()
        losses[way] = torch.stack(loops[way].training.losses).cpu()
    seconds = in_turns(stage, [loop.advance for loop in loops.values()])
    for (way, loop), taken in zip(loops.items(), seconds, strict=True):
        apart = (losses[way] - losses["eager"]).abs().amax(1)
        yield {
            "way": way,
            "images": batch / taken,
            "ratio": seconds[0] / taken,
            "first": float(apart[:8].max()),  # steps, in which rounding has not yet grown
            "last": float(apart.max()),
            "memory": memory[way],
            "waits": stage.waits(lambda loop=loop: [loop.training.advance() for _ in range(10)]),  # type: ignore[misc]
        }


# 7. Rows.


def rows(stage: Stage) -> None:
    """A study's first table at full size, its methods side by side: the command that anyone has."""
    root = stage.root or os.environ.get("BNPGAN_DATA")
    if stage.small or root is None or not (Path(root) / "mnist").is_dir():
        study, methods, more = "digits", ["mic-gan", "sc-gan-10"], ["--budget", "40" if stage.small else "5000"]
    else:
        study, methods = "mnist", ["mic-gan", "sc-gan", "gm-gan", "gan", "class-conditional"]
        more = ["--width", "64", "--graphs", "--data-root", root]
    out = stage.out / study
    words = ["reproduce", study, "--methods", ",".join(methods), "--seeds", "1", "--jobs", str(len(methods)), *more]
    words += ["--minutes", format(max(0.1, (stage.left() - AROUND) / 60), ".2f")]
    words += ["--out", str(out), "--device", str(stage.device), "--quiet"]
    command = [sys.executable, "-c", "import sys; from bnpgan.cli import main; sys.exit(main())", *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        ended = f"the command ended with {process.wait(max(10.0, stage.left() - 2))}"
    except subprocess.TimeoutExpired:
        ended = "out of time"
        os.killpg(process.pid, signal.SIGKILL)  # with the processes of its own
    for method in methods:
        path = out / method / "0" / "row.json"
        if path.exists():
            row = json.loads(path.read_text())
            about = {name: row[name] for name in ("study", "method", "taken", "seconds", "hardware")}
            stage.put(**about, **row["scores"])
        else:
            stage.put(study=study, method=method, failed=f"no row: {ended}")


# The table.


def table(out: Path) -> str:
    """What all stages in a folder have found, wide enough to read and short enough to be shown whole."""
    lines: list[str] = []
    for name in SECONDS:
        path = out / f"{name}.json"
        if not path.exists():
            lines.append(f"{name}: not run")
            continue
        found = json.loads(path.read_text())
        lines += [
            "",
            f"{name}: {found['seconds']:.0f} s, {found['gpu'] or 'CPU'}, torch {found['torch']}, {found['commit']}",
        ]
        if found.get("ended"):
            lines.append(f"  {found['ended']}")
        lines += [f"  {line}" for line in SHOWN[name](found["rows"])]
    text = "\n".join(lines).strip() + "\n"
    return (
        text
        if len(text.encode()) <= LIMIT
        else text.encode()[: LIMIT - 40].decode(errors="ignore") + "\n... cut; see DIR\n"
    )


def _columns(rows: list[Row], columns: dict[str, str]) -> Iterator[str]:
    good = [row for row in rows if "failed" not in row]
    shown = [name for name in columns if any(row.get(name) is not None for row in good)]
    cells = [[_cell(row.get(name), columns[name]) for name in shown] for row in good]
    widths = [max([len(name), *(len(cell[i]) for cell in cells)]) for i, name in enumerate(shown)]
    for cell in [shown, *cells] if good else []:
        yield "  ".join(text.rjust(width) for text, width in zip(cell, widths, strict=True))
    for row in rows:
        if "failed" in row:
            yield f"FAILED {', '.join(str(value) for value in row.values())}"[:200]


def _cell(value: Any, form: str) -> str:
    return "" if value is None else format(value, form) if isinstance(value, int | float) else str(value)


def _show_tests(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        if row["outcome"] == "failed":
            yield f"FAILED {row['test'][:110]}: {row['said'][:110]}"
        else:
            yield ", ".join(f"{key} {value}" for key, value in row.items())


def _show_samplers(rows: list[Row]) -> Iterator[str]:
    columns = {"set": "", "method": "", "seconds": ".5f", "product32": ".2f", "product64": ".2f", "bytes": ".1f"}
    columns |= {"memory": ".0f", "waits": "g", "ari": ".4f"}
    yield from _columns([row for row in rows if "kernels" not in row], columns)
    for row in rows:
        if "kernels" in row:
            told = (f"{name[:40]} {value:.4g}" for name, value in list(row["kernels"].items())[:6])
            yield f"{row['set']}, {row['method']}, ms: " + "; ".join(told)


SHOWN: dict[str, Callable[[list[Row]], Iterator[str]]] = {
    "tests": _show_tests,
    "exactness": lambda rows: _columns(
        rows,
        {
            "sampler": "",
            "precision": "",
            "p": ".2g",
            "variation": ".3f",
            "noise": ".3f",
            "seconds": ".1f",
            "passed": "",
        },
    ),
    "ceilings": lambda rows: _columns(rows, {"what": "", "value": ".4g", "unit": ""}),
    "samplers": _show_samplers,
    "training": lambda rows: _columns(
        rows,
        {"gan": "", "side": "d", "batch": "d", "images": ",.0f", "bare": ",.0f", "ratio": ".2f", "round": ".2f"}
        | {"every": "d", "clustering": ".1%"},
    ),
    "graphs": lambda rows: _columns(
        rows,
        {
            "gan": "",
            "side": "d",
            "batch": "d",
            "way": "",
            "images": ",.0f",
            "ratio": ".2f",
            "first": ".1e",
            "last": ".1e",
        }
        | {"memory": ".0f", "waits": "d"},
    ),
    "rows": lambda rows: _columns(
        rows,
        {"study": "", "method": "", "taken": "d", "seconds": ".0f", "clusters": "d", "nmi": ".3f", "ari": ".3f"}
        | {"purity": ".3f", "frechet_distance": ".2f", "precision": ".3f", "recall": ".3f"},
    ),
}
STAGES: dict[str, Callable[[Stage], None]] = {
    "tests": tests,
    "exactness": exactness,
    "ceilings": ceilings,
    "samplers": samplers,
    "training": training,
    "graphs": graphs,
    "rows": rows,
}


def _importable(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "gpu", help="default: runs/gpu")
    parser.add_argument("--stages", default=",".join(STAGES), help="some of them, with commas between")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all stages together")
    parser.add_argument("--most", nargs="*", default=[], metavar="STAGE=SECONDS", help="that a stage may take")
    parser.add_argument("--data-root", help="the folder that holds mnist; default: BNPGAN_DATA")
    parser.add_argument("--stage", choices=list(STAGES), help=argparse.SUPPRESS)  # one, in this process
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [name for name in options.stages.split(",") if name not in STAGES]
    if unknown:
        parser.error(f"stages: there is no {unknown[0]}: name some of {', '.join(STAGES)}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("device: torch sees no GPU here: --device cpu is the rehearsal")
    return options


def main() -> None:
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.stage:
        STAGES[options.stage](Stage(options.stage, options))
        return
    began, chosen = time.perf_counter(), options.stages.split(",")
    most = SECONDS | {name: float(seconds) for name, seconds in (word.split("=") for word in options.most)}
    for name in chosen:
        left = 60 * options.minutes - (time.perf_counter() - began) - 5  # for the table
        if left < 5:
            print(f"{name}: out of time")
            continue
        run_stage(name, min(most[name], left), options)
    told = table(options.out)
    (options.out / "table.txt").write_text(told)
    print(told, end="")


def run_stage(name: str, seconds: float, options: argparse.Namespace) -> None:
    """A stage in a process of its own; how it ended is noted beside its rows."""
    words = [sys.executable, __file__, "--stage", name, "--out", str(options.out), "--device", options.device]
    words += ["--seconds", str(seconds)] + (["--data-root", options.data_root] if options.data_root else [])
    path, began = options.out / f"{name}.json", time.perf_counter()
    path.unlink(missing_ok=True)
    with (options.out / f"{name}.log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            code = process.wait(seconds + 3)
            ended = None if code == 0 else f"ended with {code}: {(options.out / f'{name}.log').read_text()[-300:]}"
        except subprocess.TimeoutExpired:
            process.kill()
            ended = f"stopped after {seconds:.0f} s"
    found = json.loads(path.read_text()) if path.exists() else {"stage": name, "rows": [], **circumstances(options)}
    found |= {"seconds": time.perf_counter() - began, "ended": ended}
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{name}: {found['seconds']:.0f} s{', ' + ended[:80] if ended else ''}", flush=True)


if __name__ == "__main__":
    main()
