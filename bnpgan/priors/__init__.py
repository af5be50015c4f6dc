r"""Priors over partitions: how counts become probabilities of clusters.

A prior sees only the counts of ``C`` slots, never data. Each one speaks twice: as an *exchangeable* law of partitions
(``log_predictive``, ``log_eppf``; the weights are integrated out and empty slots are alike), and as a law of ``C``
ordered *weights* (``sample_log_weights``, ``log_marginal``), which is what a truncated sampler instantiates.

A hyper-parameter may be a :class:`~bnpgan.grids.Grid`. The prior is then the mixture over the grid, a prior like any
other, and ``draw`` picks the member of the mixture that given counts speak for.
"""

from bnpgan.priors.base import Prior
from bnpgan.priors.finite import FiniteDirichlet, MixtureOfFiniteMixtures
from bnpgan.priors.two_parameter import DirichletProcess, PitmanYor

__all__ = ["DirichletProcess", "FiniteDirichlet", "MixtureOfFiniteMixtures", "PitmanYor", "Prior"]
