"""Whole steps of training as CUDA graphs: the host launches one graph in place of thousands of kernels.

The eager step is the reference. A graph of it is what it launched once, on the same memory; the device's stream of
random numbers goes on as if the step had been taken eagerly, so a run is resumed as it would be without graphs.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["CaptureError", "Captured", "in_graphs", "minimise", "put_rate"]

Step = Callable[[bool], Tensor]
_IN_GRAPHS = ContextVar("in_graphs", default=False)


class CaptureError(ValueError):
    """A step that no CUDA graph holds; ``said``, why."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"graphs: a part of this GAN cannot be captured in a CUDA graph ({said}): train without graphs"
        )
        self.said = said


class Captured:
    """A step of training that is taken eagerly once, then captured, and replayed from there on.

    There is a graph for each value of the step's argument. What is taken eagerly is a step like any other: it lets
    optimisers make their memory, and libraries choose their kernels, outside of a graph.

    A graph stays valid while all tensors that it reads stay where they are: networks, optimisers and images do. Labels
    of a new partition are another tensor: ``forget`` then.

    Args:
        step: maps a flag to a tensor, all of it on one GPU, without a number that the host reads.
        optimizers: that the step uses; their rates become tensors, which a graph reads each time that it is replayed.
        device: the GPU.

    Raises:
        CaptureError: from a call, if the step cannot be captured.

    References:
        "PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph Compilation", 2024,
        section 2 (CUDA graphs record what is launched, and nothing that the host decides).
    """

    def __init__(self, step: Step, optimizers: Iterable[Optimizer], device: torch.device) -> None:
        self.step, self.device = step, device
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"], group["capturable"] = torch.full((), group["lr"], device=device), True
        self.seen: set[bool] = set()
        self.graphs: dict[bool, tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def __call__(self, flag: bool) -> Tensor:
        """What the step returns, for good: the next call does not write over it."""
        with torch.cuda.device(self.device):
            if flag not in self.seen:
                self.seen.add(flag)
                return self._eagerly(flag)
            if flag not in self.graphs:
                self.graphs[flag] = self._captured(flag)
            graph, result = self.graphs[flag]
            graph.replay()
            return result.clone()

    def forget(self) -> None:
        """Capture anew, after an eager step: something that the step reads is in another place."""
        self.seen.clear()
        self.graphs.clear()

    def _eagerly(self, flag: bool) -> Tensor:
        # On a stream of its own, as a capture is: what autograd remembers of a parameter belongs to a stream.
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(aside), warnings.catch_warnings():
            # Torch advises against ``capturable`` where nothing is captured; here the next step is.
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
            result = self.step(flag)
        here.wait_stream(aside)
        return result

    def _captured(self, flag: bool) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
        state, cause = generator.clone_state(), None
        try:
            with torch.cuda.graph(graph):
                try:
                    result = self.step(flag)
                except RuntimeError as error:
                    cause = error  # the end of a capture that has failed fails too
                    raise
        except RuntimeError as error:
            # A capture that fails leaves its stream the current one, and a generator that refuses to draw.
            torch.cuda.set_stream(stream)
            generator.graphsafe_set_state(state)
            raise CaptureError((str(cause or error) or "no reason is given").splitlines()[0]) from error
        return graph, result


def minimise(loss: Callable[[], Tensor], optimizer: Optimizer, steps: int, device: torch.device) -> None:
    """Take steps down a loss, which is drawn anew for each; inside ``in_graphs``, on a GPU, as a CUDA graph.

    Where a step cannot be captured, all are eager, with a warning; they are the same steps.
    """

    def step(_: bool = False) -> Tensor:
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value.detach()

    if not (_IN_GRAPHS.get() and device.type == "cuda"):
        for _ in range(steps):
            step()
        return
    kept, taken = [dict(group) for group in optimizer.param_groups], 0
    captured = Captured(step, [optimizer], device)
    try:
        while taken < steps:
            captured(False)
            taken += 1
    except CaptureError as error:
        warnings.warn(f"features learn by eager steps, for no CUDA graph holds one ({error.said})", stacklevel=3)
    optimizer.zero_grad()  # gradients lie in the memory of the graph
    torch.cuda.synchronize(device)  # which is given back
    for group, values in zip(optimizer.param_groups, kept, strict=True):
        group.update(values)  # it may be used on a CPU next
    for _ in range(steps - taken):
        step()


@contextmanager
def in_graphs(wanted: bool) -> Iterator[None]:
    """Inside, ``minimise`` takes its steps as CUDA graphs, if so wanted."""
    before = _IN_GRAPHS.set(wanted)
    try:
        yield
    finally:
        _IN_GRAPHS.reset(before)


def put_rate(group: dict[str, Any], rate: float) -> None:
    """Give a group of an optimiser's parameters this rate; in place where it is a tensor, which graphs read."""
    known = group["lr"]
    group["lr"] = known.fill_(rate) if isinstance(known, Tensor) else rate
