"""Whole numbers: counts and sizes, as Python or NumPy has them."""

from numbers import Integral
from typing import Any

__all__ = ["check_whole", "keep_whole"]


def check_whole(name: str, n: Any, least: int, advice: str) -> int:
    """The number as an ``int``; a ``ValueError`` unless it is whole, NumPy's kinds too, and at least ``least``.

    Example:
        >>> import numpy as np
        >>> check_whole("sweeps", np.int64(50), 0, "pass e.g. 50")
        50
    """
    if not isinstance(n, Integral) or isinstance(n, bool) or n < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {n!r}: {advice}")
    return int(n)


def keep_whole(part: Any, name: str, least: int, advice: str) -> None:
    """Check a field of a frozen dataclass, in ``__post_init__``, and keep it as an ``int``."""
    object.__setattr__(part, name, check_whole(name, getattr(part, name), least, advice))
