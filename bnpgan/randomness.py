"""Torch's random generators: which of them a draw uses, how they are seeded, saved and restored.

A draw on the CPU uses the CPU's generator. A draw on a CUDA device uses that device's, and may use the CPU's as well.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


def generators(device: torch.device) -> list[torch.device]:
    """The devices whose generators a draw on ``device`` takes numbers from, its own last."""
    return [torch.device("cpu"), device] if device.type == "cuda" else [torch.device("cpu")]


def states(device: torch.device) -> list[Tensor]:
    """The states of these generators."""
    return [
        torch.cuda.get_rng_state(part) if part.type == "cuda" else torch.get_rng_state() for part in generators(device)
    ]


def restore(device: torch.device, saved: Sequence[Tensor]) -> None:
    """Give these generators the states that ``states`` returned."""
    for part, state in zip(generators(device), saved, strict=True):
        if part.type == "cuda":
            torch.cuda.set_rng_state(state, part)
        else:
            torch.set_rng_state(state)


def seed(device: torch.device, number: int) -> None:
    """Seed these generators as ``torch.manual_seed`` does, and no others."""
    restore(device, [torch.Generator(part).manual_seed(number).get_state() for part in generators(device)])


def upcoming(device: torch.device) -> Tensor:
    """The whole number ``(1,)`` in [0, 2^62) that the next draw on a device would give; the stream stays as it is."""
    ahead = torch.Generator(generators(device)[-1])
    ahead.set_state(states(device)[-1])
    return torch.randint(2**62, (1,), generator=ahead, device=device)


@contextmanager
def forked(device: torch.device, number: int | None = None) -> Iterator[None]:
    """Restore the generators at the end; with a ``number``, draws inside start from that seed."""
    before = states(device)
    try:
        if number is not None:
            seed(device, number)
        yield
    finally:
        restore(device, before)


class Placed(Protocol):
    """What is on a device: a tensor, or what gives some."""

    @property
    def device(self) -> torch.device:
        """Where."""


@contextmanager
def own_randomness(like: Placed, *key: int) -> Iterator[None]:
    """Draws inside, on the device of ``like``, follow from the key alone; the stream outside stays as it was."""
    with forked(like.device, int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1):
        yield
