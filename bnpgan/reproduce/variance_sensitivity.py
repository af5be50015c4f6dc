"""How much hangs on how wide modes are: the grid with standard deviations from .0125 to .4 at a spacing of 2."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from bnpgan import data
from bnpgan.reproduce.plane import GRID, exact, plane
from bnpgan.reproduce.study import Method, Study

__all__ = ["VARIANCE_SENSITIVITY"]

DEVIATIONS = (0.0125, 0.05, 0.2, 0.4)  # the paper's grid has .05; at .4 modes touch
POINTS = 100_000
UNIT = 8**0.5


def grid(std: float) -> Study:
    """The grid with modes of this width."""

    def sample(n: int) -> tuple[Tensor, Tensor]:
        return data.grid(n, std=std)

    def load(root: Path | None) -> tuple[Tensor, Tensor]:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return sample(POINTS)

    means = data.grid_means()
    return replace(GRID, load=load, score=plane(means, std, UNIT), reference=exact(sample, means, std))


VARIANCE_SENSITIVITY = replace(
    GRID,
    name="variance-sensitivity",
    methods={
        f"{name}-{std:g}": Method(GRID.methods[name].make, on=grid(std))
        for name in ("sc-gan", "sc-gan-framed", "mic-gan-framed", "m-gan", "gan")
        for std in DEVIATIONS
    },
)
