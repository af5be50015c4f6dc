"""The device of these tests: a pretended GPU, and a real one where there is one.

Without a GPU: .venv/bin/pytest tests/devices; on a GPU: .venv/bin/pytest -m cuda
"""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import small
import torch
from pretended_gpu import PretendedGPU, pretended

from bnpgan import data
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM, CRPGibbs, StickBreaking
from bnpgan.training import train


class RealGPU:
    """The first CUDA device, with what tests ask of it and of a pretended one."""

    device = torch.device("cuda", 0)

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """The places inside at which the host waits for the device, once all is done."""
        waits = Counter[str]()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                yield waits
            finally:
                torch.cuda.set_sync_debug_mode("default")
        told = [w for w in caught if "called a synchronizing" in str(w.message)]
        waits.update(f"{Path(w.filename).name}:{w.lineno}" for w in told)


CUDA = pytest.param(
    "cuda",
    marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
)


@pytest.fixture(scope="session")
def warm() -> None:
    """What takes seconds at its first use, and not of a test: loops are compiled, libraries of the device loaded."""
    x, images = data.ring(5000)[0], small.images()[0]
    for place in ("cpu", RealGPU.device):
        for kind in (StickBreaking, IGMM, CRPGibbs):
            kind(DirichletProcess(1.0), NormalInverseWishart(), capacity=30, sweeps=1).fit(x.to(place))
        train(small.gan("mic_gan", images), images, steps=5, progress=False, device=place)
    torch.linalg.eigvals(torch.eye(3, device=RealGPU.device))


@pytest.fixture(params=["pretended", CUDA])
def gpu(request: pytest.FixtureRequest) -> Iterator[PretendedGPU | RealGPU]:
    if request.param == "cuda":
        request.getfixturevalue("warm")
        yield RealGPU()
        return
    if torch.cuda.is_available():
        pytest.skip("there is a real GPU")  # what is remembered by device would be of the pretended one
    with pretended() as gpu:
        yield gpu
