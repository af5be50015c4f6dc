"""Sums over points that are spread over the ranks of ``torch.distributed``.

Each rank holds some of the points. Inside ``together`` the functions here combine the tensors of all ranks; outside,
where one process holds all points, they return their argument. All ranks must call them in the same order.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

import torch
from torch import Tensor, distributed

from bnpgan import randomness

_SCOPE: ContextVar[object | None] = ContextVar("ranks", default=None)


def size() -> int:
    """The number of processes in ``torch.distributed``; 1 where it is not in use."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """The number of this process inside ``together``; outside 0."""
    return distributed.get_rank() if _SCOPE.get() else 0


def scope() -> object | None:
    """An object that is new each time ``together`` is entered, ``None`` outside."""
    return _SCOPE.get()


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Inside, sums are over the points of all ranks, and each rank draws from a stream of its own.

    The first rank draws from torch's ambient generator, and all other streams follow from it: each is seeded with the
    number that this generator would draw next, plus the rank. The other ranks' own generators are restored at the end.
    """
    token = _SCOPE.set(object())
    try:
        start = int(from_first(randomness.upcoming(device)))
        with _others_forked(device):
            if rank():
                randomness.seed(device, start + rank())
            yield
    finally:
        _SCOPE.reset(token)


@contextmanager
def alike(device: torch.device) -> Iterator[None]:
    """Inside, all ranks draw the same numbers: those of the first rank's generators."""
    if not _SCOPE.get():
        yield
        return
    first = [from_first(state.to(device)).cpu() for state in randomness.states(device)]
    with _others_forked(device):
        if rank():
            randomness.restore(device, first)
        yield


def all_sum(t: Tensor) -> Tensor:
    """The sum of the tensors of all ranks."""
    return _reduced(t, distributed.ReduceOp.SUM) if _SCOPE.get() else t


def all_max(t: Tensor) -> Tensor:
    """The largest of each entry on any rank."""
    return _reduced(t, distributed.ReduceOp.MAX) if _SCOPE.get() else t


def from_first(t: Tensor) -> Tensor:
    """The tensor of the first rank."""
    if not _SCOPE.get():
        return t
    t = t.detach().contiguous().clone()
    distributed.broadcast(t, 0)
    return t


def all_gather(t: Tensor) -> Tensor:
    """The tensors ``(R, ...)`` of all ranks."""
    if not _SCOPE.get():
        return t[None]
    parts = [torch.empty_like(t, memory_format=torch.contiguous_format) for _ in range(size())]
    distributed.all_gather(parts, t.detach().contiguous())
    return torch.stack(parts)


def number(x: Tensor) -> Tensor:
    """The number of rows of ``x`` on all ranks together, ``()``."""
    return all_sum(torch.full((), len(x), device=x.device))  # torch.tensor would copy from the host


def lengths(x: Tensor) -> list[int]:
    """The number of rows of ``x`` on each rank."""
    return all_gather(torch.full((), len(x), device=x.device)).tolist() if _SCOPE.get() else [len(x)]


def mean(x: Tensor) -> Tensor:
    """The mean of all rows."""
    return all_sum(x.sum(0)) / number(x) if _SCOPE.get() else x.mean(0)


def counts(labels: Tensor, capacity: int) -> Tensor:
    """The number of points with each label ``(K,)``, on all ranks."""
    if labels.device.type == "cpu":
        return all_sum(torch.bincount(labels, minlength=capacity))
    # torch.bincount would wait for the device, to learn how long the result is.
    return all_sum(labels.new_zeros(capacity).scatter_add_(0, labels, torch.ones_like(labels)))


def add_up_(sums: Tensor, labels: Tensor, rows: Tensor) -> None:
    """Add the rows ``(n, F)`` of this rank to the sums ``(K, F)`` of their labels, in place."""
    if rows.device.type == "cpu":
        sums.index_add_(0, labels, rows)
    else:  # index_add_ is slow where many rows have one label, and adds in any order; a product has one order
        sums.addmm_((labels == torch.arange(len(sums), device=rows.device)[:, None]).to(rows.dtype), rows)


def _reduced(t: Tensor, operation: "distributed.ReduceOp.RedOpType") -> Tensor:
    t = t.detach().contiguous().clone()
    distributed.all_reduce(t, operation)
    return t


def _others_forked(device: torch.device) -> AbstractContextManager[None]:
    # The generators of the first rank go on; those of the others are restored.
    return randomness.forked(device) if rank() else nullcontext()
