r"""Priors over partitions: how counts become probabilities of clusters.

A prior sees only the counts of ``C`` slots, never data. Each one speaks twice: as an *exchangeable* law of partitions
(``log_predictive``, ``log_eppf``; the weights are integrated out and empty slots are alike), and as a law of ``C``
ordered *weights* (``sample_log_weights``, ``log_marginal``), which is what a truncated sampler instantiates.
"""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Gamma

__all__ = ["DirichletProcess", "FiniteDirichlet", "PitmanYor", "Prior"]


class Prior(Protocol):
    """How counts become probabilities of clusters; ``counts`` is ``(C,)``, zero where a slot is empty."""

    def log_predictive(self, counts: Tensor) -> Tensor:
        """Log-probability ``(C,)`` that the next point takes each slot; empty slots share the new-cluster mass."""
        ...

    def log_eppf(self, counts: Tensor) -> Tensor:
        """Log exchangeable partition probability ``()`` of a partition with these block sizes."""
        ...

    def sample_log_weights(self, counts: Tensor) -> Tensor:
        """A draw ``(C,)`` of the log-weights of the slots given the counts."""
        ...

    def log_marginal(self, counts: Tensor) -> Tensor:
        r"""Log-probability ``()`` of one label vector with these counts, :math:`\log E[\prod_k w_k^{n_k}]`."""
        ...


def _positive(name: str, value: float) -> None:
    if not (0 < value < float("inf")):
        raise ValueError(f"{name} must be positive and finite, got {value}: pass a number such as 1.0")


def _log_gamma_sample(shape: Tensor) -> Tensor:
    # G(a) = G(a + 1) U^(1/a): a plain draw underflows to 0 for the small shapes of empty slots.
    return Gamma(shape + 1, torch.ones_like(shape)).sample().log() + torch.rand_like(shape).log() / shape


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


class _TwoParameter:
    r"""The two-parameter family :math:`PY(\alpha, d)`; the Dirichlet process is :math:`d = 0`."""

    concentration: float
    discount: float

    def log_predictive(self, counts: Tensor) -> Tensor:
        r"""Log-probability ``(C,)`` of each slot for the next point.

        .. math:: p(k) \propto n_k - d \;(n_k > 0), \qquad p(k) \propto (\alpha + d K) / (C - K) \;(n_k = 0)
        """
        n = counts.to(torch.float64)
        occupied = n > 0
        used = occupied.sum()
        new = (self.concentration + self.discount * used) / (len(n) - used)
        return torch.where(occupied, n - self.discount, new).log() - (n.sum() + self.concentration).log()

    def log_eppf(self, counts: Tensor) -> Tensor:
        r"""Log exchangeable partition probability ``()`` of the block sizes that are not zero.

        .. math::
            \log p = \sum_{i=1}^{K-1} \log(\alpha + i d) + \sum_k \log (1 - d)_{n_k - 1} - \log (\alpha + 1)_{N - 1},

        where :math:`(a)_m = \Gamma(a + m) / \Gamma(a)`.

        References:
            Pitman and Yor, "The two-parameter Poisson-Dirichlet distribution derived from a stable subordinator", 1997;
            Pitman, "Exchangeable and partially exchangeable random partitions", 1995, Eq. 16.
        """
        n = counts[counts > 0].to(torch.float64)
        if not len(n):
            return torch.zeros((), dtype=torch.float64, device=counts.device)
        alpha = n.new_tensor(self.concentration)
        tables = (alpha + self.discount * torch.arange(1, len(n), dtype=n.dtype, device=n.device)).log().sum()
        sizes = (torch.lgamma(n - self.discount) - torch.lgamma(n.new_tensor(1 - self.discount))).sum()
        return tables + sizes + torch.lgamma(alpha + 1) - torch.lgamma(alpha + n.sum())

    def sample_log_weights(self, counts: Tensor) -> Tensor:
        r"""Sticks given the counts, truncated at ``C`` slots: ``(C,)`` log-weights.

        .. math:: v_k \sim Beta(1 - d + n_k, \alpha + k d + \sum_{l > k} n_l), \quad v_C = 1, \quad
            w_k = v_k \prod_{l < k} (1 - v_l)

        References:
            Ishwaran and James, "Gibbs sampling methods for stick-breaking priors", 2001, Eqs. 6 and 19.
        """
        a, b = (_log_gamma_sample(shape) for shape in self._sticks(counts))
        total, end = torch.logaddexp(a, b), a.new_zeros(1)
        return torch.cat([a - total, end]) + torch.cat([end, (b - total).cumsum(0)])

    def log_marginal(self, counts: Tensor) -> Tensor:
        r"""Log-probability ``()`` of one label vector under the truncated sticks.

        .. math:: \log p(z) = \sum_{k < C} \log \frac{B(1 - d + n_k, \alpha + k d + n_{>k})}{B(1 - d, \alpha + k d)}
        """
        prior = self._sticks(torch.zeros_like(counts))
        return (_log_beta(*self._sticks(counts)) - _log_beta(*prior)).sum()

    def _sticks(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        n = counts.to(torch.float64)
        k = torch.arange(1, len(n), dtype=n.dtype, device=n.device)
        after = n.sum() - n.cumsum(0)[:-1]
        return 1 - self.discount + n[:-1], self.concentration + self.discount * k + after


@dataclass(frozen=True)
class DirichletProcess(_TwoParameter):
    r"""Dirichlet process: a new cluster is opened with probability :math:`\alpha / (n + \alpha)`.

    Args:
        concentration: :math:`\alpha > 0`; about :math:`\alpha \log(1 + N / \alpha)` clusters are expected a priori.

    Raises:
        ValueError: if ``concentration`` is not positive.

    Example:
        >>> DirichletProcess(1.0).log_predictive(torch.tensor([2, 1, 0, 0])).exp()
        tensor([0.5000, 0.2500, 0.1250, 0.1250], dtype=torch.float64)

    References:
        Ferguson, "A Bayesian analysis of some nonparametric problems", 1973;
        Antoniak, "Mixtures of Dirichlet processes with applications to Bayesian nonparametric problems", 1974.
    """

    concentration: float = 1.0
    discount: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        _positive("concentration", self.concentration)


@dataclass(frozen=True)
class PitmanYor(_TwoParameter):
    r"""Pitman-Yor process: cluster sizes with a power-law tail, :math:`K \sim N^d`.

    Args:
        concentration: :math:`\alpha > 0` (the range :math:`-d < \alpha \le 0`, also valid, is left out).
        discount: :math:`d \in [0, 1)`; 0 is the Dirichlet process.

    Raises:
        ValueError: if ``concentration`` is not positive or ``discount`` is outside [0, 1).

    Example:
        >>> PitmanYor(1.0, 0.5).log_predictive(torch.tensor([2, 1, 0, 0])).exp()
        tensor([0.3750, 0.1250, 0.2500, 0.2500], dtype=torch.float64)

    References:
        Pitman and Yor, "The two-parameter Poisson-Dirichlet distribution derived from a stable subordinator", 1997.
    """

    concentration: float = 1.0
    discount: float = 0.5

    def __post_init__(self) -> None:
        _positive("concentration", self.concentration)
        if not 0 <= self.discount < 1:
            raise ValueError(f"discount must lie in [0, 1), got {self.discount}: pass 0 for a Dirichlet process")


@dataclass(frozen=True)
class FiniteDirichlet:
    r"""Symmetric Dirichlet over the ``C`` slots, :math:`w \sim Dir(\alpha / C, ..., \alpha / C)`.

    It tends to the Dirichlet process as ``C`` grows ("weak limit"); the number of slots is read off the counts.

    Args:
        concentration: the total :math:`\alpha > 0`.

    Raises:
        ValueError: if ``concentration`` is not positive.

    Example:
        >>> FiniteDirichlet(1.0).log_predictive(torch.tensor([2, 1, 0, 0])).exp()
        tensor([0.5625, 0.3125, 0.0625, 0.0625], dtype=torch.float64)

    References:
        Ishwaran and Zarepour, "Exact and approximate sum representations for the Dirichlet process", 2002.
    """

    concentration: float = 1.0

    def __post_init__(self) -> None:
        _positive("concentration", self.concentration)

    def log_predictive(self, counts: Tensor) -> Tensor:
        r"""Log-probability ``(C,)`` of each slot, :math:`(n_k + \alpha / C) / (n + \alpha)`."""
        n = counts.to(torch.float64)
        return (n + self.concentration / len(n)).log() - (n.sum() + self.concentration).log()

    def log_eppf(self, counts: Tensor) -> Tensor:
        r"""Log partition probability ``()``: ``log_marginal`` times the :math:`C! / (C - K)!` namings."""
        total = counts.new_tensor(float(len(counts)), dtype=torch.float64)
        used = (counts > 0).sum()
        return self.log_marginal(counts) + torch.lgamma(total + 1) - torch.lgamma(total - used + 1)

    def sample_log_weights(self, counts: Tensor) -> Tensor:
        r"""A draw ``(C,)`` of log-weights, :math:`Dir(\alpha / C + n)`."""
        return _log_gamma_sample(counts.to(torch.float64) + self.concentration / len(counts)).log_softmax(0)

    def log_marginal(self, counts: Tensor) -> Tensor:
        r"""Log-probability ``()`` of one label vector with these counts.

        .. math:: \log p(z) = \log \frac{\Gamma(\alpha)}{\Gamma(\alpha + N)}
            + \sum_k \log \frac{\Gamma(\alpha / C + n_k)}{\Gamma(\alpha / C)}
        """
        n = counts.to(torch.float64)
        alpha, share = n.new_tensor(self.concentration), n.new_tensor(self.concentration / len(n))
        return (
            torch.lgamma(alpha) - torch.lgamma(alpha + n.sum()) + (torch.lgamma(n + share) - torch.lgamma(share)).sum()
        )
