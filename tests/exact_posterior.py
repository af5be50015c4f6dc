"""Exact laws from a log-prior and a Normal-Inverse-Wishart family, by formula: for chains to be held against."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess, PitmanYor
from bnpgan.testing import oracle
from bnpgan.testing.law import Law as StatedLaw
from bnpgan.testing.law import hotelling, run_chains
from bnpgan.testing.oracle import label_vectors, set_partitions
from bnpgan.testing.points import FEW

__all__ = [
    "DP",
    "LEVEL",
    "NAMES",
    "PY",
    "Law",
    "label_vectors",
    "log_restaurant",
    "points",
    "run_chains",
    "set_partitions",
]

LEVEL = 1e-6
DP, PY = DirichletProcess(1.0), PitmanYor(0.5, 0.5)
NAMES = {DP: "DP", PY: "PY"}


def points(D: int, N: int = 5) -> Tensor:
    """The first of the points on which samplers are tested."""
    return FEW[:N, :D].clone()


def log_restaurant(z: Sequence[int], concentration: float, discount: float = 0.0) -> float:
    """The two-parameter Chinese restaurant."""
    return oracle.log_partition(PitmanYor(concentration, discount), z, len(z))


class Law(StatedLaw):
    """A law that is not read off a sampler."""

    def __init__(self, states: Tensor, log_joint: Tensor, slots: bool) -> None:
        super().__init__(states, log_joint, int(states.max()) + 1, slots)

    @classmethod
    def enumerate(
        cls,
        x: Tensor,
        states: Sequence[tuple[int, ...]],
        log_prior: Callable[[tuple[int, ...]], float],
        slots: bool,
        **family: object,
    ) -> "Law":
        """All ``states`` with ``log_prior`` plus the log marginals of their blocks under the NIW ``family``."""
        component = NormalInverseWishart(**family)
        blocks: dict[tuple[int, ...], float] = {}
        values = []
        for z in states:
            value = log_prior(z)
            for k in set(z):
                block = tuple(i for i, label in enumerate(z) if label == k)
                if block not in blocks:
                    blocks[block] = oracle.log_evidence(component, x.numpy()[list(block)], np.zeros(len(block)))
                value += blocks[block]
            values.append(value)
        return cls(torch.tensor(states), torch.tensor(values, dtype=torch.float64), slots)

    def p_value(self, draws: Tensor) -> float:
        """Of chains ``(R, M, N)``: Hotelling's test that the means of the ``R`` chains' scores are 0 but for noise."""
        return hotelling(self.scores(draws).mean(1))[1]
