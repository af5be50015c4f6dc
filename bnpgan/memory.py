"""What is remembered of tensors while they live, so that a chain does not find it out anew in each sweep."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary, WeakTensorKeyDictionary

from bnpgan import ranks

Value = TypeVar("Value")
_SEEN = WeakTensorKeyDictionary()


def remembered(function: Callable[..., Value]) -> Callable[..., Value]:
    """The same function of points ``(N, D)``, or of a family and points, computed once while they are the same objects.

    In a chain the points are one tensor, and what a family takes from them stays. Points that were changed in place
    are others, and so are those of several ranks: what was found under one is not used under the other.
    """
    found = WeakTensorKeyDictionary()

    def of_points(*arguments: Any) -> Value:
        *family, x = arguments
        if x.is_inference():  # no one counts its versions
            return function(*arguments)
        known: WeakIdKeyDictionary = found.setdefault(x, WeakIdKeyDictionary())
        state, owner = (x._version, ranks.scope()), family[0] if family else function
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
        _SEEN[t] = t._version, what
    return t


def known(t: Tensor, what: object) -> bool:
    """Whether ``what`` was noted of the tensor as it is."""
    return t.device.type != "cpu" and not t.is_inference() and _SEEN.get(t) == (t._version, what)
