"""Ctrl-C and SIGTERM, put off to a moment at which nothing is lost."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["postponed", "taken"]

Handler = Callable[[int, FrameType | None], Any]
STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def taken(handler: Handler) -> Iterator[dict[int, Any]]:
    """Inside, the handler is called for signals that ask the process to stop, but for those that it ignores.

    Yields what handled them before, by number; in a thread that is not the main one, which hears of none, nothing.
    """
    before: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, handler)
        yield before
    finally:
        for taken_over, usual in before.items():
            signal.signal(taken_over, usual)


@contextmanager
def postponed() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Inside, a signal that asks the process to stop is noted, and a second one takes its usual course at once.

    Yields a function to call where a stop does no harm: if there was a signal, it calls ``first`` and then lets the
    signal take its course, which may be to go on.
    """
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if noted:
            release(lambda: None)
        else:
            noted.append(number)

    def release(first: Callable[[], None]) -> None:
        if noted:
            first()
            number = noted.pop()
            signal.signal(number, before[number])
            signal.raise_signal(number)
            signal.signal(number, note)

    with taken(note) as before:
        yield release
