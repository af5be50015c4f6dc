"""Clusters of categorical values and their conjugate prior."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Gamma

from bnpgan import ranks
from bnpgan.components.base import ExponentialFamily, SummedStats
from bnpgan.components.categoricals import Categoricals, one_hot, positions
from bnpgan.grids import Grid, check_positive
from bnpgan.whole import keep_whole

MOST_CATEGORIES = 10**5  # of which nobody was told: more are numbers of another kind, and take memory for each slot


@dataclass(eq=False)
class DirichletCategoricalStats(SummedStats):
    """Statistics of ``K`` slots: how often each of the ``V`` values stands in each column, ``counts`` ``(K, D V)``."""

    @property
    def counts(self) -> Tensor:
        """A view of the totals."""
        return self.totals[:, 1:]


@dataclass(frozen=True, eq=False)
class DirichletCategorical(ExponentialFamily):
    r"""Clusters of rows of ``D`` independent categorical values, 0 to V - 1, under their conjugate prior.

    .. math:: \theta_d \sim Dir(\alpha, ..., \alpha), \qquad p(x \mid \theta) = \prod_d \theta_{d, x_d}

    Posterior: :math:`\theta_d \sim Dir(\alpha + c_{d0}, ..., \alpha + c_{d, V - 1})`, with :math:`c_{dv}` the number of
    rows that hold ``v`` in column ``d``. Values are whole numbers in a tensor of any type.

    Args:
        concentration: :math:`\alpha > 0` of each value, or a :class:`~bnpgan.grids.Grid` to learn it from.
        categories: the number ``V`` of values that a column can hold; ``None``: one more than the largest in the data.

    Raises:
        ValueError: if ``concentration`` is not positive or ``categories`` not a whole number of at least 1, or, when
            data arrive, a value is not a whole number in [0, V).

    Example:
        >>> x = torch.tensor([[0, 1], [0, 1], [2, 0]])
        >>> family = DirichletCategorical()
        >>> stats = family.stats(x, torch.tensor([0, 0, 1]), capacity=2)
        >>> family.posterior_mean(stats).probabilities[0, 0]
        tensor([0.6000, 0.2000, 0.2000], dtype=torch.float64)

    References:
        Gelman et al., "Bayesian Data Analysis", 3rd ed., 2013, section 3.4.
    """

    concentration: float | Grid = 1.0
    categories: int | None = None

    def __post_init__(self) -> None:
        check_positive("concentration", self.concentration)
        if self.categories is not None:
            keep_whole(self, "categories", 1, "pass None to count them")

    def hyper(self, x: Tensor) -> dict[str, Any]:
        """The hyper-parameters by name, ``categories`` set from the points ``(N, D)`` where ``None``."""
        V = self.categories
        if V is None:
            V = max(int(ranks.all_max(x.max())), 0) + 1  # of values below 0 ``positions`` says what is wrong
            if V > MOST_CATEGORIES:
                raise ValueError(f"x holds values up to {V - 1:,}: renumber them from 0, or pass categories")
        return {"concentration": self.concentration, "categories": V}

    def phi(self, x: Tensor, hyper: Any) -> Tensor:
        """The features ``(N, 1 + D V)``: 1, and 1 or 0 by whether column d holds v."""
        chosen = one_hot(x, hyper.categories)
        return torch.cat([chosen.new_ones(len(x), 1), chosen], 1)

    def log_normaliser(self, sums: Tensor, hyper: Any) -> Tensor:
        r"""The log-integral ``(...)`` given sums ``(..., 1 + D V)``, up to a constant.

        .. math:: \sum_d \Big( \sum_v \log \Gamma(\alpha + c_{dv}) - \log \Gamma(V \alpha + n) \Big)
        """
        (alpha, V), n, counts = hyper, sums[..., 0], sums[..., 1:]
        return torch.lgamma(alpha + counts).sum(-1) - counts.shape[-1] // V * torch.lgamma(V * alpha + n)

    def statistics(self, *sums_and_prior: Any) -> DirichletCategoricalStats:
        """The statistics of slots with given sums ``(K, F)``."""
        return DirichletCategoricalStats(**vars(super().statistics(*sums_and_prior)))

    def add_(self, stats: DirichletCategoricalStats, k: int, x: Tensor, sign: float = 1) -> None:
        """Add the point ``(D,)`` to slot ``k`` in place (``sign=-1``: remove it), O(D)."""
        stats.n[k] += sign
        stats.counts[k, positions(x, stats.prior.categories)] += sign

    def log_predictive(self, stats: DirichletCategoricalStats, x: Tensor, share: float = 1.0) -> Tensor:
        r"""Log predictive probabilities ``(..., K)`` of ``x`` ``(..., D)``.

        .. math:: p(x \mid x_{1..n}) = \prod_d \frac{\alpha + c_{d, x_d}}{V \alpha + n}
        """
        if share != 1:
            return super().log_predictive(stats, x, share)
        alpha, V = stats.prior
        seen = stats.counts.T[positions(x, V)]  # (..., D, K)
        return ((alpha + seen) / (V * alpha + stats.n)).log().sum(-2)

    def natural(self, stats: DirichletCategoricalStats) -> Tensor:
        """Weights ``(K, F)`` of the one-hot features in the log-probability at the posterior mean."""
        log_p = self.posterior_mean(stats).log_probabilities.flatten(1)
        return torch.cat([torch.zeros_like(log_p[:, :1]), log_p], 1)

    def posterior_mean(self, stats: DirichletCategoricalStats) -> Categoricals:
        r"""Categoricals at :math:`(\alpha + c_{dv}) / (V \alpha + n)`; uniform where a slot is empty."""
        alpha = _posterior(stats)
        return Categoricals((alpha / alpha.sum(-1, keepdim=True)).log())

    def posterior_sample(self, stats: DirichletCategoricalStats) -> Categoricals:
        r"""Categoricals at a draw :math:`\theta_d \sim Dir(\alpha + c_d)`."""
        alpha = _posterior(stats)
        # Normalised Gammas, by G(a) = G(a + 1) U^(1/a): a plain draw underflows to 0 for a small concentration.
        gamma = Gamma(alpha + 1, torch.ones_like(alpha), validate_args=False).sample()
        return Categoricals((gamma.log() - torch.empty_like(alpha).exponential_() / alpha).log_softmax(-1))


def _posterior(stats: DirichletCategoricalStats) -> Tensor:
    alpha, V = stats.prior
    return alpha + stats.counts.unflatten(1, (-1, V))
