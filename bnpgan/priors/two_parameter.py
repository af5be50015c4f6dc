"""The Dirichlet and Pitman-Yor processes."""

import math
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from bnpgan.grids import Grid, check_positive
from bnpgan.priors.base import Masses, log_gamma_sample


class TwoParameter(Masses):
    r"""The two-parameter family :math:`PY(\alpha, d)`; the Dirichlet process is :math:`d = 0`.

    The next point, and a partition into blocks of sizes :math:`n_k` (with :math:`(a)_m = \Gamma(a + m) / \Gamma(a)`):

    .. math:: p(k) \propto n_k - d \;(n_k > 0), \qquad p(k) \propto (\alpha + d K) / (C - K) \;(n_k = 0)
    .. math::
        \log p(n) = \sum_{i=1}^{K-1} \log(\alpha + i d) + \sum_k \log (1 - d)_{n_k - 1} - \log (\alpha + 1)_{N - 1}

    Truncated sticks given the counts:

    .. math:: v_k \sim Beta(1 - d + n_k, \alpha + k d + \sum_{l > k} n_l), \quad v_C = 1, \quad
        w_k = v_k \prod_{l < k} (1 - v_l)
    .. math:: \log p(z) = \sum_{k < C} \log \frac{B(1 - d + n_k, \alpha + k d + n_{>k})}{B(1 - d, \alpha + k d)}

    The weights of all clusters given a partition, there being infinitely many, are independent *masses* over their sum:

    .. math:: G_k \sim Gamma(n_k - d, 1) \;(n_k > 0), \quad G_j \;(n_j = 0): \text{points of a Poisson process of
        intensity } \tau \, \tfrac{s^{-1 - d} e^{-s}}{\Gamma(1 - d)} \, ds, \quad
        \tau \sim d \cdot Gamma(\alpha / d + K, 1)

    (:math:`\tau = \alpha` for :math:`d = 0`), so that those above a threshold can be drawn without the others.

    References:
        Pitman, "Exchangeable and partially exchangeable random partitions", 1995, Eq. 16 (the partition);
        Ishwaran and James, "Gibbs sampling methods for stick-breaking priors", 2001, Eqs. 6 and 19 (the sticks);
        Pitman, "Some developments of the Blackwell-MacQueen urn scheme", 1996 (all weights given a partition);
        Pitman and Yor, "The two-parameter Poisson-Dirichlet distribution derived from a stable subordinator", 1997,
        Proposition 21 (the masses).
    """

    concentration: float | Grid
    discount: float | Grid

    def sample_masses(self, counts: Tensor) -> Tensor:
        """A draw ``(C,)`` of the log-masses of the clusters with points; -inf where a slot is empty.

        Hyper-parameters must be numbers, as after ``draw``; so must they for ``sample_new_masses``.
        """
        _, d = self.values(counts.device)
        return log_gamma_sample(counts.clamp(min=1) - d).masked_fill(counts == 0, -torch.inf)

    def sample_new_masses(self, counts: Tensor, log_least: Tensor, most: float = math.inf) -> Tensor | None:
        r"""A draw ``(J,)`` of those log-masses of clusters without points that exceed ``log_least`` ``()``.

        ``None`` where their number, given :math:`\tau`, has a mean above ``most``: they would take too much memory. The
        mean is bounded by that of the intensity without its factor :math:`e^{-s}` for masses up to 1.
        """
        alpha, d = self.values(counts.device)
        time = alpha + d * (counts > 0).sum()
        if float(self._members[0].discount) > 0:
            time = d * log_gamma_sample(time / d).exp()
        rate = time / torch.lgamma(1 - d).exp()
        # By thinning. Masses s up to 1: candidates uniform in log s are accepted with probability (s / least)^-d e^-s.
        # Beyond 1: candidates of intensity e^-s are accepted with probability s^(-1 - d).
        low, high = log_least.clamp(max=0), log_least.clamp(min=0).exp()
        small = (-d * low).expm1() / d if float(d) > 0 else -low
        if not float(rate * (small + (-high).exp())) <= most:
            return None
        numbers = torch.poisson(torch.cat([rate * -low * (-d * low).exp(), rate * (-high).exp()])).tolist()
        of_small, of_large = (torch.rand(int(n), dtype=d.dtype, device=d.device) for n in numbers)
        small, large = low * of_small, high - of_large.log()
        log_masses = torch.cat([small, large.log()])
        log_keep = torch.cat([d * (low - small) - small.exp(), -(1 + d) * large.log()])
        return log_masses[torch.rand_like(log_masses).log() < log_keep]

    def sample_order(self, counts: Tensor) -> Tensor:
        r"""Slots ``(C,)`` drawn stick after stick: stick ``k`` takes one of the ``r`` blocks that are left, or none.

        .. math:: p(b) \propto n_b - d, \qquad p(none) \propto \alpha + k d + (r - 1) d

        With no discount: a block by its size, and none by :math:`\alpha`. Sticks beyond the slots are not told apart:
        blocks that have none of the first ``C`` all have slot ``C``. Where the discount is near one the walk to the
        stick of the last block has no mean length.
        """
        alpha, d = (float(value) for value in self._members[0])
        C, blocks = len(counts), counts.nonzero().flatten()
        weights = counts[blocks] - d
        # Blocks by their weights, one after another: in the order in which clocks of these rates ring.
        order = (torch.empty_like(weights).exponential_() / weights).argsort()
        left = weights[order].flip(0).cumsum(0).flip(0)
        slots, k = [C] * len(blocks), 0
        for b, (weight, u) in enumerate(torch.stack([left, torch.rand_like(left)], 1).tolist()):
            # All sticks in a row that take none at once: as long as the chance of that exceeds a number in (0, 1).
            none, chance = alpha + d * (k + len(blocks) - b), 1.0
            while k < C and (chance := chance * none / (none + weight)) > u:
                none, k = none + d, k + 1
            if k == C:
                break
            slots[b], k = k, k + 1
        return torch.zeros_like(counts).index_put_((blocks[order],), torch.tensor(slots, device=counts.device))

    def log_order(self, counts: Tensor) -> Tensor:
        """Log-probability ``()`` of the slots of the blocks given the partition, were there infinitely many slots."""
        # While the last slot is empty the truncated law is that of infinitely many sticks.
        return self.log_marginal(torch.cat([counts, counts.new_zeros(1)])) - self.log_eppf(counts)

    def hyper(self) -> dict[str, float | Grid]:
        """Both hyper-parameters, also where the discount is fixed and no argument."""
        return {"concentration": self.concentration, "discount": self.discount}

    def log_urn_of(
        self, sizes: Tensor, totals: Tensor, used: Tensor, capacity: int, hyper: Any
    ) -> tuple[Tensor, Tensor]:
        r"""Log-weights :math:`\log(n_k - d)` of clusters and :math:`\log(\alpha + d K)` of a new one."""
        alpha, d = hyper
        return (sizes - d).log(), (alpha + d * used).log()[:, None]

    def log_eppf_of(self, n: Tensor, hyper: Any) -> Tensor:
        """Of a partition, by block sizes ``(..., 1, C)``."""
        alpha, d = hyper
        occupied, total = n > 0, n.sum(-1)
        i = torch.arange(1, n.shape[-1], dtype=n.dtype, device=n.device)
        tables = ((alpha + i * d).log() * (i < occupied.sum(-1, keepdim=True))).sum(-1)
        sizes = torch.where(occupied, torch.lgamma(n - d) - torch.lgamma(1 - d), 0.0).sum(-1)
        seats = torch.lgamma(alpha + 1)[:, 0] - torch.lgamma(alpha[:, 0] + total)
        return tables + sizes + seats

    def sample_log_weights_of(self, n: Tensor, hyper: Any) -> Tensor:
        """Weights of truncated sticks given counts ``(C,)``."""
        a, b = (log_gamma_sample(shape) for shape in _sticks(n, *hyper))
        total, end = torch.logaddexp(a, b), a.new_zeros(1)
        return torch.cat([a - total, end]) + torch.cat([end, (b - total).cumsum(0)])

    def log_marginal_of(self, n: Tensor, hyper: Any) -> Tensor:
        """Of a label vector under truncated sticks, by counts ``(..., 1, C)``."""
        return (_log_beta(*_sticks(n, *hyper)) - _log_beta(*_sticks(torch.zeros_like(n), *hyper))).sum(-1)


@dataclass(frozen=True)
class DirichletProcess(TwoParameter):
    r"""Dirichlet process: a new cluster is opened with probability :math:`\alpha / (n + \alpha)`.

    Args:
        concentration: :math:`\alpha > 0`; about :math:`\alpha \log(1 + N / \alpha)` clusters are expected a priori.
            A :class:`~bnpgan.grids.Grid` is learned, e.g. ``Grid.gamma(1.0, 1.0)``.

    Raises:
        ValueError: if ``concentration`` is not positive.

    Example:
        >>> DirichletProcess(1.0).log_predictive(torch.tensor([2, 1, 0, 0])).exp()
        tensor([0.5000, 0.2500, 0.1250, 0.1250], dtype=torch.float64)

    References:
        Ferguson, "A Bayesian analysis of some nonparametric problems", 1973;
        Antoniak, "Mixtures of Dirichlet processes with applications to Bayesian nonparametric problems", 1974.
    """

    concentration: float | Grid = 1.0
    discount: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        check_positive("concentration", self.concentration)


@dataclass(frozen=True)
class PitmanYor(TwoParameter):
    r"""Pitman-Yor process: cluster sizes with a power-law tail, :math:`K \sim N^d`.

    Args:
        concentration: :math:`\alpha > 0` (the range :math:`-d < \alpha \le 0`, also valid, is left out).
        discount: :math:`d \in [0, 1)`; 0 is the Dirichlet process. Either may be a :class:`~bnpgan.grids.Grid`, e.g.
            ``Grid.gamma(1.0, 1.0)`` and ``Grid.beta()``; two grids are learned jointly.

    Raises:
        ValueError: if ``concentration`` is not positive or ``discount`` is outside [0, 1).

    Example:
        >>> PitmanYor(1.0, 0.5).log_predictive(torch.tensor([2, 1, 0, 0])).exp()
        tensor([0.3750, 0.1250, 0.2500, 0.2500], dtype=torch.float64)

    References:
        Pitman and Yor, "The two-parameter Poisson-Dirichlet distribution derived from a stable subordinator", 1997.
    """

    concentration: float | Grid = 1.0
    discount: float | Grid = 0.5

    def __post_init__(self) -> None:
        check_positive("concentration", self.concentration)
        if isinstance(self.discount, Grid):
            good = bool(((self.discount.values >= 0) & (self.discount.values < 1)).all())
        else:
            good = isinstance(self.discount, Real) and 0 <= self.discount < 1
        if not good:
            raise ValueError(f"discount must lie in [0, 1), got {self.discount}: pass 0 for a Dirichlet process")


def _sticks(n: Tensor, alpha: Tensor | float, d: Tensor | float) -> tuple[Tensor, Tensor]:
    k = torch.arange(1, n.shape[-1], dtype=n.dtype, device=n.device)
    after = n.sum(-1, keepdim=True) - n.cumsum(-1)[..., :-1]
    return 1 - d + n[..., :-1], alpha + d * k + after


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
