"""Gaussian clusters whose mean and variances are independent a priori: a family that is not conjugate."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import Drawable
from bnpgan.components.distributions import DiagonalGaussians
from bnpgan.components.inverse_wishart import chi_squared
from bnpgan.components.shapes import data_center, data_spread, within_covariances
from bnpgan.memory import remembered

WIDE = 3.0
"""By default the means of clusters spread by so many times the spread of the data, which their bulk decides."""


class Hyperparameters(NamedTuple):
    """Every value set: ``mean``, ``spread`` and ``scale`` ``(D,)``, ``nu``."""

    mean: Tensor
    spread: Tensor
    scale: Tensor
    nu: float


@dataclass(eq=False)
class SemiConjugateNormalStats:
    """Statistics of ``K`` slots: ``n`` ``(K,)``; means and squared deviations from them, ``(K, D)``."""

    n: Tensor
    prior: Hyperparameters
    mean: Tensor
    scatter: Tensor


@dataclass(frozen=True, eq=False)
class SemiConjugateNormal(Drawable):
    r"""Gaussian clusters of diagonal covariance; where a cluster is does not depend on how wide it is.

    .. math:: \mu_d \sim N(m_d, \tau_d^2), \quad \sigma_d^2 \sim InvGamma(\nu / 2, \psi_d / 2), \quad
        x_d \mid \mu_d, \sigma_d^2 \sim N(\mu_d, \sigma_d^2)

    In a conjugate family :math:`\mu` has the variance :math:`\sigma^2 / \kappa`: narrow clusters are drawn to the
    middle. The price for doing without is a marginal likelihood with no closed form. With :math:`S` the scatter about
    :math:`\bar x`, and :math:`\mu` integrated out, each dimension of a cluster has

    .. math:: p(\sigma^2 \mid x) \propto InvGamma\left(\sigma^2; \tfrac{\nu + n - 1}{2}, \tfrac{\psi + S}{2}\right) \,
        N\left(\bar x; m, \tau^2 + \sigma^2 / n\right)

    It is drawn exactly, by rejection, and integrated numerically, to about 1e-10. For samplers that draw parameters:
    there are no predictives, so that ``CRPGibbs`` cannot use it.

    Args:
        mean: :math:`m`, ``(D,)``; ``None``: a centre of the data that a few stray rows do not move.
        spread: :math:`\tau`, ``(D,)`` or a number for all dimensions; ``None``: ``WIDE`` = 3 times the spread of the
            bulk of the data.
        scale: :math:`\psi`, ``(D,)`` or a number; ``None``: the prior mean of :math:`\sigma_d^2` is the variance within
            16 groups of the data, as for :class:`~bnpgan.components.NormalInverseGamma`.
        nu: :math:`\nu > 2`, the weight of ``scale`` in points.

    Raises:
        ValueError: if ``nu`` is not above 2, or, when data arrive, ``mean``, ``spread`` or ``scale`` has another shape
            than the data, one of the latter two is not positive or is to be set from points that are all equal.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [0.1, 0.0], [3.0, 3.0]], dtype=torch.float64)
        >>> family = SemiConjugateNormal(mean=torch.zeros(2), spread=2.0, scale=0.1)
        >>> stats = family.stats(x, torch.tensor([0, 0, 1]), capacity=3)
        >>> family.posterior_mean(stats).mean.round(decimals=2)
        tensor([[0.0500, 0.0000], [2.9400, 2.9400], [0.0000, 0.0000]], dtype=torch.float64)

    References:
        Gelman et al., "Bayesian Data Analysis", 1995, section 3.4 (first edition: the semi-conjugate prior).
    """

    mean: Tensor | None = None
    spread: Tensor | float | None = None
    scale: Tensor | float | None = None
    nu: float = 3.0

    def __post_init__(self) -> None:
        if not 2 < self.nu < math.inf:
            raise ValueError(f"nu must exceed 2 and be finite, got {self.nu}: pass e.g. 3")

    @property
    def unbounded(self) -> bool:
        """Yes: a density."""
        return True

    @remembered
    def resolve(self, x: Tensor) -> Hyperparameters:
        """The hyper-parameters, set from the points ``(N, D)`` where ``None``."""
        D = x.shape[1]
        mean = data_center(x) if self.mean is None else torch.as_tensor(self.mean, dtype=x.dtype, device=x.device)
        if mean.shape != (D,) or not mean.isfinite().all():
            raise ValueError(f"mean must be ({D},) finite numbers, got {mean.tolist()}: pass None for that of the data")
        spread, scale = self.spread, self.scale
        if spread is None:
            spread = WIDE * data_spread(x)
        if scale is None:
            scale = (self.nu - 2) * within_covariances(x, diagonal=True)[-1].times(1.0).diagonal()
        spread, scale = _positive("spread", spread, mean), _positive("scale", scale, mean)
        return Hyperparameters(mean, spread, scale, self.nu)

    def stats(self, x: Tensor, labels: Tensor, capacity: int) -> SemiConjugateNormalStats:
        """Statistics of the points ``(N, D)`` under labels ``(N,)`` in ``[0, capacity)``."""
        prior, n = self.resolve(x), ranks.counts(labels, capacity).to(x.dtype)
        zeros = x.new_zeros(capacity, x.shape[1])
        mean = prior.mean + ranks.all_sum(zeros.index_add(0, labels, x - prior.mean)) / n.clamp(min=1)[:, None]
        scatter = ranks.all_sum(zeros.index_add(0, labels, (x - mean[labels]) ** 2))
        return SemiConjugateNormalStats(n, prior, mean, scatter)

    def empty(self, stats: SemiConjugateNormalStats, slots: int) -> SemiConjugateNormalStats:
        """Statistics of so many slots without points, under the same hyper-parameters."""
        mean = stats.prior.mean.expand(slots, -1)
        return SemiConjugateNormalStats(stats.n.new_zeros(slots), stats.prior, mean, torch.zeros_like(mean))

    def log_marginal(self, stats: SemiConjugateNormalStats) -> Tensor:
        r"""Log marginal likelihoods ``(K,)``, by quadrature over :math:`\log \sigma^2`; 0 for an empty slot."""
        used, n = stats.n > 0, stats.n[stats.n > 0, None]
        half = stats.prior.nu / 2
        constant = half * (stats.prior.scale / 2).log() - math.lgamma(half) - 0.5 * (n - 1) * math.log(2 * math.pi)
        value = torch.zeros_like(stats.n)
        value[used] = (constant + _Conditional(stats).log_integral()).sum(1)
        return value

    def posterior_mean(self, stats: SemiConjugateNormalStats) -> DiagonalGaussians:
        r"""Gaussians at the posterior means of :math:`\mu` and :math:`\sigma^2`; the prior's where a slot is empty."""
        used, prior = stats.n > 0, stats.prior
        mean = prior.mean.expand_as(stats.mean).clone()
        variance = (prior.scale / (prior.nu - 2)).expand_as(mean).clone()
        pull, variance[used] = _Conditional(stats).means()
        mean[used] += pull * (stats.mean[used] - prior.mean)
        return DiagonalGaussians(mean, variance)

    def posterior_sample(self, stats: SemiConjugateNormalStats) -> DiagonalGaussians:
        r"""Gaussians at a draw of :math:`\sigma^2`, then :math:`\mu \mid \sigma^2, x`; from the prior where empty.

        .. math:: \mu \mid \sigma^2, x \sim N(m + w (\bar x - m), (1 - w) \tau^2), \quad
            w = \tau^2 / (\tau^2 + \sigma^2 / n)
        """
        used, prior = stats.n > 0, stats.prior
        variance = prior.scale / chi_squared(torch.full_like(stats.mean, prior.nu))
        if used.any():
            variance[used] = _Conditional(stats).sample()
        odds = stats.n[:, None] * prior.spread**2 / variance  # w / (1 - w)
        mean = prior.mean + odds / (1 + odds) * (stats.mean - prior.mean)
        return DiagonalGaussians(mean + prior.spread / (1 + odds).sqrt() * torch.randn_like(mean), variance)


NODES, WEIGHTS = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(8))
OFFSETS = torch.linspace(-12, 12, 97, dtype=torch.float64).sinh()
NATS = 40.0  # a factor e^-40 is less than rounding


class _Conditional:
    r"""The law of :math:`t = \log(\sigma^2 a / b)` in the slots that hold points; shapes ``(K', D, ...)``.

    .. math:: h(t) = \log p(t \mid x) = -a (t + e^{-t}) - \tfrac12 \log (T + e^t) - \tfrac{Q}{2 (T + e^t)} + const

    with :math:`a = (\nu + n - 1) / 2`, :math:`b = (\psi + S) / 2`, :math:`T = \tau^2 a n / b` and
    :math:`Q = (\bar x - m)^2 a n / b`. In :math:`u = e^t` the zeros of :math:`h'` are those of a cubic: there are one
    or two modes. Bins end at these, so that in each of them :math:`h` lies below its greater value at an end.
    """

    def __init__(self, stats: SemiConjugateNormalStats) -> None:
        used, prior = stats.n > 0, stats.prior
        n = stats.n[used, None, None]
        self.a = a = (prior.nu + n - 1) / 2
        self.unit = (prior.scale + stats.scatter[used])[..., None] / (2 * a)
        self.T = T = (prior.spread**2)[:, None] * n / self.unit
        self.Q = Q = ((stats.mean[used] - prior.mean) ** 2)[..., None] * n / self.unit
        # a (e^-t - 1) - 1/2 < h' < (a + Q / 2) e^-t - a: beyond low and high h has fallen by NATS from its value at a
        # zero of one of these, and the bins end.
        x = NATS / (a + 0.5)
        low = -(0.5 / a).log1p() - (x + (2 * x).sqrt()).log1p()
        high = (Q / (2 * a)).log1p() + 1 + NATS / a
        # h' = 0 is (1 - u) (T + u)^2 - u^2 (T + u) / 2a + Q u^2 / 2a = 0, whose coefficients are c and -1. The modes
        # are its least and its greatest zero; as an eigenvalue the least is accurate as the greatest 1 / u.
        c = torch.cat([T**2, 2 * T - T**2, 1 - 2 * T + (Q - T) / (2 * a)], -1) / (1 + 0.5 / a)
        greatest, least = (
            _greatest_zero(c),
            1 / _greatest_zero(torch.cat([1 / c[..., :1], -c[..., [2, 1]] / c[..., :1]], -1)),
        )
        modes = torch.stack([least, greatest], -1).log()
        # A mode is about 1 / sqrt(a) wide. Bins of a quarter of that next to it grow with the distance from it.
        around = modes[..., None] + OFFSETS.to(a.device) / a.sqrt()[..., None]
        ends = torch.cat([low.expand_as(high), high], -1)
        self.edges = torch.cat([ends, around.flatten(-2).clamp(low, high)], -1).sort(-1).values

    def sample(self) -> Tensor:
        """A draw of each variance, ``(K', D)``: from the bound, kept with the ratio of the density to it."""
        ends = self._log_density(self.edges)
        bound = torch.maximum(ends[..., 1:], ends[..., :-1])
        p = (bound + self.edges.diff().log()).softmax(-1).flatten(0, 1)
        t = torch.empty_like(self.Q)
        todo = torch.ones_like(t, dtype=torch.bool)
        while todo.any():
            chosen = torch.multinomial(p, 1).view_as(todo)
            left, right = self.edges.gather(-1, chosen), self.edges.gather(-1, chosen + 1)
            new = left + (right - left) * torch.rand_like(t)
            log_keep = self._log_density(new) - bound.gather(-1, chosen)
            t = torch.where(todo, new, t)
            todo &= torch.rand_like(t).log() > log_keep
        return (self.unit * t.exp()).squeeze(-1)

    def log_integral(self) -> Tensor:
        r"""Log of :math:`n^{-1/2} \int (\sigma^2)^{-a} e^{-b / \sigma^2} N(\bar x; m, \tau^2 + \sigma^2 / n) \, dt`."""
        log_unit = self.unit.log()
        constant = self.a * (1 + log_unit) + 0.5 * (log_unit + math.log(2 * math.pi))
        return self._quadrature()[1].logsumexp(-1) - constant.squeeze(-1)

    def means(self) -> tuple[Tensor, Tensor]:
        r"""Posterior means ``(K', D)`` of :math:`\tau^2 / (\tau^2 + \sigma^2 / n)` and of :math:`\sigma^2`."""
        t, log_mass = self._quadrature()
        p = log_mass.softmax(-1)
        return (p * self.T / (self.T + t.exp())).sum(-1), (p * self.unit * t.exp()).sum(-1)

    def _quadrature(self) -> tuple[Tensor, Tensor]:
        # Gauss-Legendre in each bin: nodes and log-masses.
        nodes, weights = NODES.to(self.edges.device), WEIGHTS.to(self.edges.device)
        half = self.edges.diff()[..., None] / 2
        t = (self.edges[..., :-1, None] + half * (1 + nodes)).flatten(-2)
        return t, self._log_density(t) + (half * weights).flatten(-2).log()

    def _log_density(self, t: Tensor) -> Tensor:
        v = self.T + t.exp()
        return -self.a * (t + (-t).expm1()) - 0.5 * v.log() - 0.5 * self.Q / v


def _greatest_zero(c: Tensor) -> Tensor:
    # The greatest real part (...) of the zeros of u^3 = c_0 + c_1 u + c_2 u^2, c (..., 3), from the companion matrix.
    companion = torch.diag_embed(torch.ones_like(c[..., :2]), -1)
    companion[..., 2] = c
    # One zero is positive; where it is too small beside the others for that to show, the least zero of 1 / u has it.
    return torch.linalg.eigvals(companion).real.amax(-1).clamp(min=torch.finfo(c.dtype).tiny)


def _positive(name: str, given: Tensor | float, like: Tensor) -> Tensor:
    value = torch.as_tensor(given, dtype=like.dtype, device=like.device)
    value = value.expand_as(like) if value.ndim == 0 else value
    if value.shape != like.shape or not ((value > 0) & value.isfinite()).all():
        raise ValueError(
            f"{name} must be a positive number or {len(like)} of them, got {value.tolist()}: pass such, or None to "
            "set it from data that are not all equal"
        )
    return value
