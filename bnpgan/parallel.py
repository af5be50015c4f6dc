"""One training run in several processes of ``torch.distributed``: each has its share of every batch.

All processes hold all images and draw the same numbers. Gradients are averaged as one flat tensor, so the networks are
plain modules, without hooks. With one process every function here leaves things as they are.
"""

import os
from collections.abc import Iterable

import torch
from torch import Tensor, distributed

from bnpgan import ranks

__all__ = ["agree_", "agreed", "average_", "is_first", "join", "share"]


def join(device: str | None) -> str | None:
    """Where ``torchrun`` has started several processes, join the others; returns the device of this one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return device
    gpu = torch.cuda.is_available() and device != "cpu"
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if gpu else "gloo")
    return device or (f"cuda:{os.environ['LOCAL_RANK']}" if gpu else "cpu")


def is_first() -> bool:
    """Whether this process is the one that writes files and talks to people."""
    return ranks.size() == 1 or distributed.get_rank() == 0


def share() -> slice:
    """What this process takes of a batch: every ``size``-th row, from its own number on."""
    return slice(None) if ranks.size() == 1 else slice(distributed.get_rank(), None, ranks.size())


def average_(tensors: Iterable[Tensor | None]) -> None:
    """Put into each tensor its mean over the processes, in place; what is None is None in all of them."""
    there = [tensor for tensor in tensors if tensor is not None]
    if ranks.size() == 1 or not there:
        return
    flat = torch.cat([tensor.flatten() for tensor in there])
    distributed.all_reduce(flat)
    _put(there, flat / ranks.size())


def agree_(tensors: Iterable[Tensor]) -> None:
    """Put into each tensor what it is in the first process, in place: what arithmetic drew apart is one again."""
    if ranks.size() == 1:
        return
    kinds: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault(tensor.dtype, []).append(tensor)
    for alike in kinds.values():
        flat = torch.cat([tensor.detach().flatten() for tensor in alike])
        distributed.broadcast(flat, 0)
        _put(alike, flat)


def agreed(number: float, device: torch.device) -> float:
    """What the first process has for this number."""
    if ranks.size() == 1:
        return number
    told = torch.full((1,), number, dtype=torch.float64, device=device)
    agree_([told])
    return float(told)


def _put(tensors: list[Tensor], flat: Tensor) -> None:
    parts = flat.split([tensor.numel() for tensor in tensors])
    with torch.no_grad():
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))
