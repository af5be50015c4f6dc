"""Pretended CUDA graphs: what is launched while a graph is captured is noted and not done; a replay does it all.

As on a GPU, a replay reads and writes the memory that the capture has seen: a tensor that was put in the place of
another since then is not looked at. Until the first replay, results hold nothing that makes sense. Random numbers go on
with the device's stream at each replay. While a graph is captured, whatever makes the host wait is an error.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

NONSENSE = 255  # in every byte: floating point numbers that are none


class Graph:
    """In place of ``torch.cuda.CUDAGraph``.

    Args:
        drawing: draws inside are of the device.
    """

    def __init__(self, drawing: Callable[[], AbstractContextManager[None]]) -> None:
        self.drawing, self.launches = drawing, list[tuple[Any, ...]]()
        self.made: dict[int, torch.UntypedStorage] = {}  # memory of the graph
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}  # that of others, as it was

    def note(self, func: Any, args: Any, kwargs: Any, drawn: bool) -> Any:
        """What a launch gives; it is done for its shape, and undone by ``end``."""
        for memory in map(Tensor.untyped_storage, _tensors((*args, *kwargs.values()))):
            if memory.data_ptr() not in self.made | self.before:
                self.before[memory.data_ptr()] = memory, memory.clone()
        found = func(*args, **kwargs)
        for memory in map(Tensor.untyped_storage, _tensors([found])):
            if memory.data_ptr() not in self.before:
                self.made[memory.data_ptr()] = memory
        self.launches.append((func, args, kwargs, drawn, found))
        return found

    def end(self) -> None:
        """Nothing has been done."""
        for memory, values in self.before.values():
            memory.copy_(values)
        self.before.clear()
        for memory in self.made.values():
            memory.fill_(NONSENSE)

    def replay(self) -> None:
        """All of it, where it was."""
        for func, args, kwargs, drawn, found in self.launches:
            with torch.no_grad(), self.drawing() if drawn else nullcontext():
                values = func(*args, **kwargs)
            for target, value in zip(_tensors([found]), _tensors([values]), strict=True):
                if target.data_ptr() != value.data_ptr():  # else it is a view, or was written in place
                    target.copy_(value)


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
