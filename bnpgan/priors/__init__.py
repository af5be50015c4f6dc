r"""Priors over partitions: how counts become probabilities of clusters.

A prior sees only the counts of ``C`` slots, never data. What it can do is its class: every prior is an *exchangeable*
law of partitions (:class:`Partitions`; the weights are integrated out and empty slots are alike), most also a law of
``C`` ordered *weights* (:class:`OrderedWeights`), which is what a truncated sampler instantiates, some of *masses* of
infinitely many clusters (:class:`Masses`). :class:`Prior` is any of them.

A hyper-parameter may be a :class:`~bnpgan.grids.Grid`. The prior is then the mixture over the grid, a prior like any
other, and ``draw`` picks the member of the mixture that given counts speak for.
"""

from bnpgan.priors.base import Masses, OrderedWeights, Partitions, Prior
from bnpgan.priors.finite import FiniteDirichlet, MixtureOfFiniteMixtures
from bnpgan.priors.two_parameter import DirichletProcess, PitmanYor

__all__ = [
    "DirichletProcess",
    "FiniteDirichlet",
    "Masses",
    "MixtureOfFiniteMixtures",
    "OrderedWeights",
    "Partitions",
    "PitmanYor",
    "Prior",
]
