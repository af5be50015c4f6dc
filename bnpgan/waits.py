"""How often the host waits for a GPU: numbers are read together, and checks are put off until something is read.

The host launches work on a GPU and goes on. Each number that it reads makes it wait until all work launched so far is
done, so a sweep reads as seldom as it can. On a CPU there is nothing to wait for, and checks are made at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_PENDING: ContextVar[list[tuple[Tensor, Callable[[], str]]] | None] = ContextVar("pending", default=None)


def check(failed: Tensor, message: Callable[[], str]) -> None:
    """Raise a ``ValueError`` if ``failed`` ``()`` is true: at once, or in ``put_off`` at the next ``read``."""
    pending = _PENDING.get()
    if pending is not None and failed.device.type != "cpu":
        pending.append((failed, message))
    elif failed:
        raise ValueError(message())


def read(*numbers: Tensor) -> list[float]:
    """The values of tensors ``(...)`` in one list, by one copy to the host; checks that were put off are made too."""
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
    """Inside, checks of tensors on a GPU are put off until the next ``read``, or the end."""
    token = _PENDING.set([])
    try:
        yield
        if _PENDING.get():
            read()
    finally:
        _PENDING.reset(token)
