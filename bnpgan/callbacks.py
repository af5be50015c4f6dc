"""What a user is told while a run is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnpgan.partition import Partition

__all__ = ["Callbacks"]


def _nothing(*_: Any) -> None:
    return None


@dataclass(frozen=True)
class Callbacks:
    """Functions that ``train`` calls between steps; they may draw, and training goes on as if they had not.

    What they are called with is a copy of their own, to do with as they like.

    Args:
        on_log: with each row of ``stats.jsonl``, a dictionary of numbers and lists.
        on_partition: with the step before which a new partition was made, and the one that training goes on with.
        on_checkpoint: with the step and the directory, when a checkpoint has been written there.

    Example:
        >>> from bnpgan import data, recipes
        >>> from bnpgan.training import train
        >>> rows = []
        >>> gan = recipes.sc_gan(dim=2, capacity=4, backbone="mlp").scheduled(log=1)
        >>> run = train(gan, data.ring(50)[0], steps=2, progress=False, callbacks=[Callbacks(on_log=rows.append)])
        >>> [row["step"] for row in rows]
        [1, 2]
    """

    on_log: Callable[[dict[str, Any]], None] = _nothing
    on_partition: Callable[[int, Partition], None] = _nothing
    on_checkpoint: Callable[[int, Path], None] = _nothing
