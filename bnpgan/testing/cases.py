"""The samplers of this package as they are tested: each with the priors it takes, each family with some of them.

Base measures are about as wide as the points, so that the posterior spreads over many partitions and chains mix. Where
parameters are drawn the prior of the mean is vague: errors in such draws then show most.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bnpgan.components import (
    Coarsened,
    Component,
    DirichletCategorical,
    NormalInverseGamma,
    NormalInverseWishart,
    SphericalNormal,
)
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, Masses, MixtureOfFiniteMixtures, PitmanYor, Prior
from bnpgan.samplers import IGMM, Algorithm8, CRPGibbs, Sampler, SliceSampler, SplitMerge, StickBreaking
from bnpgan.testing.points import FEW

__all__ = ["cases", "coarsened", "combinations", "pairs"]

SLOTS, TRUNCATED = 6, 4
"""Capacities: one slot more than points, so that a wrong mass of new clusters shows; so few sticks that it matters."""

SCALES = Grid(torch.tensor([0.003, 0.03, 0.3, 3.0, 30.0]))
"""From far too narrow to far too wide, so that values drawn without regard to the points are mostly wrong."""

CATEGORIES = torch.tensor([[0, 1], [0, 2], [1, 0], [2, 2], [1, 1]], dtype=torch.float64)
DP, PY, FINITE, MFM = DirichletProcess(1.0), PitmanYor(0.5, 0.5), FiniteDirichlet(2.0), MixtureOfFiniteMixtures(1.0)
CONCENTRATIONS = Grid(torch.tensor([0.3, 1.0, 3.0]))
LEARNED_DP, LEARNED_PY = DirichletProcess(CONCENTRATIONS), PitmanYor(CONCENTRATIONS, Grid.beta(points=3))
PRIORS: dict[str, Prior] = {"DP": DP, "PY": PY, "Dirichlet": FINITE, "MFM": MFM, "PY*": LEARNED_PY}

Case = tuple[Sampler, Tensor]


def cases() -> dict[str, Case]:
    """Samplers by name, with the points on which each is tested; a star marks a part that is learned."""
    line, plane = FEW[:5, :1].contiguous(), FEW[:5]
    values, semi = DirichletCategorical(0.5, categories=3), SemiConjugateNormal(torch.zeros(1), 1.0, 0.3)
    return {
        "CRPGibbs, DP, NIW": (free(CRPGibbs, DP, niw(plane)), plane),
        "CRPGibbs, PY*, NIW*": (free(CRPGibbs, LEARNED_PY, niw(line, factor=SCALES)), line),
        "CRPGibbs, Dirichlet, categorical": (free(CRPGibbs, FINITE, values), CATEGORIES),
        "IGMM, PY, NIW": (free(IGMM, PY, niw(plane)), plane),
        "IGMM, DP*, spherical*": (free(IGMM, LEARNED_DP, normal(SphericalNormal, plane, factor=SCALES)), plane),
        "StickBreaking, DP, NIW": (sticks(DP, niw(plane, kappa=1.0)), plane),
        "StickBreaking, PY*, NIW*": (sticks(LEARNED_PY, niw(line, kappa=1.0, factor=SCALES)), line),
        "StickBreaking, Dirichlet, NIG": (sticks(FINITE, normal(NormalInverseGamma, plane)), plane),
        "StickBreaking, MFM, categorical": (sticks(MFM, values), CATEGORIES),
        "SliceSampler, DP, NIW": (free(SliceSampler, DP, niw(line)), line),
        "SliceSampler, PY, NIG": (free(SliceSampler, PY, normal(NormalInverseGamma, plane)), plane),
        "Algorithm8, DP, semi-conjugate": (free(Algorithm8, DP, semi), line),
        "Algorithm8, PY, NIW": (free(Algorithm8, PY, niw(plane)), plane),
        "SplitMerge(CRPGibbs), PY, NIW": (SplitMerge(free(CRPGibbs, PY, niw(plane)), pairs=4), plane),
        "SplitMerge(StickBreaking), DP, NIW": (SplitMerge(sticks(DP, niw(plane, kappa=1.0)), pairs=4), plane),
    }


def coarsened() -> dict[str, Case]:
    """Every sampler with families of which three points count as one, learned or not, in one dimension or two."""
    line, plane = FEW[:5, :1].contiguous(), FEW[:5]
    families = {
        "NIW*": (Coarsened(niw(line, kappa=1.0, factor=SCALES), replicas=3), line),
        "NIG": (Coarsened(normal(NormalInverseGamma, plane), replicas=3), plane),
        "categorical": (Coarsened(DirichletCategorical(0.5, categories=3), points=2.5), CATEGORIES),
    }
    found: dict[str, Case] = {}
    for name, (family, x) in families.items():
        for kind in (CRPGibbs, IGMM, Algorithm8, SliceSampler):
            found[f"{kind.__name__}, DP, coarsened {name}"] = (free(kind, DP, family), x)
        found[f"StickBreaking, DP, coarsened {name}"] = (sticks(DP, family), x)
        for base in (free(CRPGibbs, PY, family), sticks(DP, family)):
            found[f"SplitMerge({type(base).__name__}), coarsened {name}"] = (SplitMerge(base, pairs=4), x)
    return found


def combinations() -> dict[str, Case]:
    """Every sampler with every prior that it takes, in one and two dimensions by turns: for long runs."""
    found: dict[str, Case] = {}
    for name, prior in PRIORS.items():
        for kind in (CRPGibbs, IGMM, Algorithm8, SliceSampler, StickBreaking):
            if kind is SliceSampler and not isinstance(prior, Masses):
                continue  # it needs a prior of infinitely many clusters
            D = 1 + len(found) % 2
            x = FEW[:, :D].contiguous()
            sampler = free(kind, prior, niw(x)) if kind is not StickBreaking else sticks(prior, niw(x, kappa=1.0))
            room = TRUNCATED if kind is StickBreaking else len(x) + 1
            found[f"{kind.__name__}, {name}, {D}-D"] = (replace(sampler, capacity=room), x)
    return found


def pairs() -> dict[str, tuple[Sampler, Sampler]]:
    """Pairs of samplers of one law, for points in two dimensions; 20 sticks are as good as infinitely many."""
    parts = DP, NormalInverseWishart(torch.zeros(2), 0.5, 0.5, 4.0)
    gibbs, many = CRPGibbs(*parts, capacity=12), StickBreaking(*parts, capacity=20)
    return {
        "CRPGibbs and IGMM": (gibbs, IGMM(*parts, capacity=12)),
        "CRPGibbs and SliceSampler": (gibbs, SliceSampler(*parts, capacity=12)),
        "CRPGibbs and Algorithm8": (gibbs, Algorithm8(*parts, capacity=12)),
        "CRPGibbs and StickBreaking of 20": (gibbs, many),
        "CRPGibbs and SplitMerge(CRPGibbs)": (gibbs, SplitMerge(gibbs, pairs=4)),
        "CRPGibbs and SplitMerge(StickBreaking of 20)": (gibbs, SplitMerge(many, pairs=4)),
    }


def free(kind: type, prior: Prior, component: Any) -> Any:
    """A sampler with more slots than there can be clusters."""
    return kind(prior, component, capacity=SLOTS)


def sticks(prior: Any, component: Component) -> StickBreaking:
    """A sampler with so few sticks that the posterior depends on their number."""
    return StickBreaking(prior, component, capacity=TRUNCATED)


def niw(x: Tensor, kappa: float = 0.3, **more: Any) -> NormalInverseWishart:
    """A base measure about as wide as the points."""
    D = x.shape[1]
    return NormalInverseWishart(torch.zeros(D), 1.0 if more else 0.3, kappa, D + 1.1, **more)


def normal(kind: type, x: Tensor, **more: Any) -> Any:
    """A base measure about as wide as the points, of a family without correlations."""
    return kind(torch.zeros(x.shape[1]), 1.0 if more else 0.3, 1.0, 2.1, **more)
