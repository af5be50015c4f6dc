"""Every test runs on one thread, draws no window and starts from the same seed; one on a GPU has five seconds."""

import os
import signal
import threading
from collections.abc import Iterator

os.environ["MPLBACKEND"] = "Agg"

import pytest
import torch
from matplotlib.backend_bases import FigureCanvasBase

torch.set_num_threads(1)
if threading.current_thread() is threading.main_thread():  # a background job ignores the Ctrl-C that tests send
    signal.signal(signal.SIGINT, signal.default_int_handler)
SECONDS = 5.0  # GPU time comes in pieces of a few minutes


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def plain_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of a run up to where all is NumPy: rendering them takes longer than the run."""
    monkeypatch.setattr(FigureCanvasBase, "print_figure", lambda self, file, **_: file.write(b"drawn"))


@pytest.fixture
def brief_trainings(plain_pictures: None, brief_starts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a few steps, which draw no picture and see few batches for the statistics of averaged weights."""
    monkeypatch.setattr("bnpgan.standing.BATCHES", 2)


@pytest.fixture
def brief_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samplers start from one cell, four and many, with one crossing and no regions: else they take too long."""
    monkeypatch.setattr("bnpgan.samplers.starts.CELLS", (4,))
    monkeypatch.setattr("bnpgan.samplers.starts.CROSSINGS", (1, 1))
    monkeypatch.setattr("bnpgan.samplers.starts.with_regions_anew", lambda x, labels, sampler: labels)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Stop a test on a real GPU that takes too long; what it has to warm up, its fixtures do."""
    limited = item.get_closest_marker("cuda") and threading.current_thread() is threading.main_thread()
    if not limited:
        return (yield)

    def too_long(*_: object) -> None:
        raise TimeoutError(f"a test on a GPU may take {SECONDS:g} seconds")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
