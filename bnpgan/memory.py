"""What is remembered of tensors while they live, so that a chain does not find it out anew in each sweep."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from zlib import crc32

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary, WeakTensorKeyDictionary

from bnpgan import ranks

Value = TypeVar("Value")


class _Memory(threading.local):
    # Each thread has its own: what one remembers is not replaced by another while it is read.
    def __init__(self) -> None:
        self.found = WeakTensorKeyDictionary()
        self.seen = WeakTensorKeyDictionary()
        self.contents: dict[int, tuple[Tensor, int, int]] | None = None  # of tensors, while one call goes on


_MEMORY = _Memory()


@contextmanager
def unchanged() -> Iterator[None]:
    """Inside, nobody writes to the memory of points: it is looked at once."""
    outermost = _MEMORY.contents is None
    if outermost:
        _MEMORY.contents = {}
    try:
        yield
    finally:
        if outermost:
            _MEMORY.contents = None


def remembered(function: Callable[..., Value]) -> Callable[..., Value]:
    """The same function of points ``(N, D)``, or of a family and points, computed once while they are the same numbers.

    In a chain the points are one tensor, and what a family takes from them stays. Points that were changed in place
    are others, and so are those of several ranks: what was found under one is not used under the other.
    """

    def of_points(*arguments: Any) -> Value:
        *family, x = arguments
        if x.is_inference():  # no one counts its versions
            return function(*arguments)
        with unchanged():
            known: WeakIdKeyDictionary = _MEMORY.found.setdefault(x, WeakIdKeyDictionary())
            state, owner = (_state(x), ranks.scope()), family[0] if family else function
            before = known.get(owner)
            if before is not None and before[0] == state:
                return before[1]
            value = function(*arguments)
            known[owner] = state, value
            return value

    return of_points


def note(t: Tensor, what: object) -> Tensor:
    """The same tensor; that a check found ``what`` is known of it until somebody writes to it.

    Of tensors on a GPU only, whose host would wait for the check: a chain hands over the same points, and labels that a
    sweep has made. Memory of the CPU, to which NumPy may write unseen, is checked each time.
    """
    if t.device.type != "cpu" and not t.is_inference():  # no one counts the versions of those
        _MEMORY.seen[t] = t._version, what
    return t


def known(t: Tensor, what: object) -> bool:
    """Whether ``what`` was noted of the tensor as it is."""
    return t.device.type != "cpu" and not t.is_inference() and _MEMORY.seen.get(t) == (t._version, what)


def _state(x: Tensor) -> tuple[int, int]:
    # What is another when the numbers are. NumPy, and torch by way of ``.data``, write to memory of the CPU without
    # counting: there the numbers themselves are looked at, once for each call from outside.
    if x.device.type != "cpu":
        return x._version, 0
    assert _MEMORY.contents is not None
    _, version, content = _MEMORY.contents.get(id(x), (x, -1, 0))
    if version != x._version:
        version, content = x._version, crc32(x.detach().contiguous().numpy().data)
        _MEMORY.contents[id(x)] = x, version, content
    return version, content
