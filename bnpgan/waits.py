"""When the host waits for a device: numbers are read together, and checks wait until something is read anyway.

A GPU works behind the host. Each number that the host reads stops it until all that was asked for is done, so a sweep
reads as seldom as it can. On a CPU there is nothing to wait for: checks are made at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_PENDING: ContextVar[list[tuple[Tensor, Callable[[], str]]] | None] = ContextVar("pending", default=None)


def check(failed: Tensor, message: Callable[[], str]) -> None:
    """Raise a ``ValueError`` if ``failed`` ``()`` is true: now, or inside ``put_off`` when a number is read next."""
    pending = _PENDING.get()
    if pending is not None and failed.device.type != "cpu":
        pending.append((failed, message))
    elif failed:
        raise ValueError(message())


def read(*numbers: Tensor) -> list[float]:
    """The values of tensors ``(...)``, one after another, and all checks that were put off, in one copy to the host."""
    pending = _PENDING.get() or []
    flags, messages = [failed for failed, _ in pending], [message for _, message in pending]
    pending.clear()
    told = torch.cat([part.reshape(-1).to(torch.float64) for part in (*flags, *numbers)]).tolist()
    for failed, message in zip(told[: len(flags)], messages, strict=True):
        if failed:
            raise ValueError(message())
    return told[len(flags) :]


@contextmanager
def put_off() -> Iterator[None]:
    """Inside, checks of what is on a GPU wait for the next ``read``, or for the end."""
    token = _PENDING.set([])
    try:
        yield
        if _PENDING.get():
            read()
    finally:
        _PENDING.reset(token)
