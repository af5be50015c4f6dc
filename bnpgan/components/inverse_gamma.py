"""What the Gaussian families without correlations share: the conjugate prior of their variances is Inverse-Gamma."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from bnpgan.components.base import ExponentialFamily, FamilyStats, Members
from bnpgan.components.defaults import SHARES, WEIGHT, data_covariance, data_size, set_mean, set_nu
from bnpgan.components.distributions import DiagonalGaussians
from bnpgan.components.inverse_wishart import chi_squared
from bnpgan.engine.chunks import rows_at_once
from bnpgan.grids import Grid, as_grid, check_positive
from bnpgan.memory import remembered
from bnpgan.waits import check


class Hyperparameters(NamedTuple):
    """Every value set: ``mean`` ``(D,)``, ``scale`` ``(V,)`` times ``factor``, ``kappa``, ``nu``, ``factor``."""

    mean: Tensor
    scale: Tensor
    kappa: float
    nu: float
    factor: float


@dataclass(eq=False)
class InverseGammaStats(FamilyStats):
    r"""Statistics of ``K`` slots with ``V`` variances each, around the prior mean :math:`m_0`.

    ``first`` ``(K, D)`` and ``second`` ``(K, V)`` are sums of :math:`x - m_0` and of its squares; ``scale`` ``(K, V)``
    is :math:`b_n`, ``constant`` ``(K,)`` the part of the log predictive without x: both follow from the sums.
    """

    first: Tensor
    second: Tensor
    scale: Tensor
    constant: Tensor


@dataclass(frozen=True, eq=False)
class InverseGammaFamily(ExponentialFamily):
    r"""Gaussian clusters with ``V`` variances, each shared by the ``W = D / V`` dimensions that ``_pool`` adds up.

    .. math:: \sigma_v^2 \sim InvGamma(\nu / 2, b_v / 2), \quad \mu_d \mid \sigma^2 \sim N(m_{0d}, \sigma_v^2 / \kappa),
        \quad x_d \mid \mu, \sigma^2 \sim N(\mu_d, \sigma_v^2)

    Posterior: :math:`\kappa_n = \kappa + n`, :math:`\nu_n = \nu + n W`, :math:`m_n = m_0 + \sum_i y_i / \kappa_n` and
    :math:`b_n = b + \sum_i y_i^2 - (\sum_i y_i)^2 / \kappa_n`, with :math:`y = x - m_0` and squares pooled over the
    dimensions of a variance. A leaf says how dimensions are pooled.
    """

    mean: Tensor | None = None
    scale: Tensor | float | None = None
    kappa: float = 0.01
    nu: float | None = None
    factor: float | Grid = None  # type: ignore[assignment]  # set below
    weight: float = WEIGHT

    def __post_init__(self) -> None:
        check_positive("kappa", self.kappa)
        check_positive("weight", self.weight)
        if self.factor is None:
            object.__setattr__(self, "factor", SHARES if self.scale is None else 1.0)
        check_positive("factor", self.factor)

    @staticmethod
    @abstractmethod
    def _pool(squares: Tensor) -> Tensor:
        """Sums ``(..., V)`` of ``(..., D)`` over the dimensions that share a variance."""

    @remembered
    def resolve(self, x: Tensor) -> tuple[Members, Tensor]:
        """The hyper-parameters, set from the points ``(N, D)`` where ``None``, for each ``factor``; log-weights."""
        N, D = data_size(x), x.shape[1]
        W = self._pool(x.new_ones(D))
        more = self.weight * N * D / len(W) if self.scale is None else 0.0
        mean, nu = set_mean(self.mean, x), set_nu(self.nu, 2, more)
        if self.scale is None:
            scale = self._pool(data_covariance(x).diagonal()) / W * (nu - 2)
        else:
            scale = torch.as_tensor(self.scale, dtype=x.dtype, device=x.device)
            scale = scale.expand(W.shape) if scale.ndim == 0 else scale
        if scale.shape != W.shape or not ((scale > 0) & scale.isfinite()).all():
            raise ValueError(
                f"scale must be a positive number or {len(W)} of them, got {scale.tolist()}: "
                "pass None to set it from the data"
            )
        grid = as_grid(self.factor)
        members = [Hyperparameters(mean, factor * scale, self.kappa, nu, factor) for factor in grid.values.tolist()]
        return Members(members, x.device), grid.log_weights.to(x.device)

    def fixed(self, stats: InverseGammaStats) -> Self:
        """This family with every hyper-parameter a number, those that the statistics were made with."""
        mean, scale, kappa, nu, factor = stats.prior
        return type(self)(mean, scale / factor, kappa, nu, float(factor))

    def add_(self, stats: InverseGammaStats, k: int, x: Tensor, sign: int = 1) -> None:
        """Add the point ``(D,)`` to slot ``k`` in place (``sign=-1``: remove it), O(D)."""
        prior, y, first, second = stats.prior, x - stats.prior.mean, stats.first[k], stats.second[k]
        stats.n[k] += sign
        n = float(stats.n[k])
        if n:
            first.add_(y, alpha=sign)
            second.add_(self._pool(y * y), alpha=sign)
        else:  # exactly the prior again, whatever rounding the points have left behind
            first.zero_()
            second.zero_()
        D, V, kappa = len(y), len(second), prior.kappa + n
        W = D // V
        half = 0.5 * (prior.nu + n * W)
        scale = stats.scale[k] = self._scale(prior, kappa, first, second)
        gammas = V * (math.lgamma(half + 0.5 * W) - math.lgamma(half)) - 0.5 * W * float(scale.log().sum())
        stats.constant[k] = gammas - 0.5 * D * (math.log1p(1 / kappa) + math.log(math.pi))

    def log_marginal(self, stats: InverseGammaStats) -> Tensor:
        r"""Log marginal likelihoods ``(K,)``; 0 for an empty slot.

        .. math:: \log p(x_{1..n}) = -\tfrac{nD}{2} \log \pi + \tfrac{D}{2} \log \frac{\kappa}{\kappa_n} + \sum_v \left(
            \log \frac{\Gamma(\nu_n / 2)}{\Gamma(\nu / 2)} + \tfrac{\nu}{2} \log b_v - \tfrac{\nu_n}{2} \log b_{nv}
            \right)
        """
        return _log_marginal(stats.prior, stats.n, stats.scale)

    def _log_marginals(self, members: Members, sums: Tensor) -> Tensor:
        n, first, second = _split(sums, len(members[0].mean))
        return torch.stack(
            [
                _log_marginal(prior, n, self._scale(prior, (prior.kappa + n)[:, None], first, second))
                for prior in members
            ]
        )

    def _features(self, x: Tensor, prior: Hyperparameters) -> Iterator[Tensor]:
        for chunk in x.split(rows_at_once(2 * x.shape[1] + 1, x)):
            y = chunk - prior.mean
            yield torch.cat([torch.ones_like(y[:, :1]), y, self._pool(y * y)], 1)

    def _choose(self, members: Members, log_posterior: Tensor, sums: Tensor, g: Tensor | None) -> InverseGammaStats:
        prior = members.at(g)
        n, first, second = _split(sums, len(prior.mean))
        scale = self._scale(prior, (prior.kappa + n)[:, None], first, second)
        return InverseGammaStats(
            n, prior, members, log_posterior, sums, first, second, scale, constant=_constant(prior, n, scale)
        )

    def log_predictive(self, stats: InverseGammaStats, x: Tensor) -> Tensor:
        r"""Log predictive densities ``(..., K)`` of ``x`` ``(..., D)``: Student t, as the ratio of two marginals.

        .. math:: \log p(x \mid x_{1..n}) = a(n) - \sum_v \left( \tfrac{W}{2} \log b_{nv} + \tfrac{\nu_n + W}{2}
            \log \left( 1 + \tfrac{\kappa_n}{\kappa_n + 1} \tfrac{(x - m_n)_v^2}{b_{nv}} \right) \right)
        """
        kappa = (stats.prior.kappa + stats.n)[:, None]
        deviation = (x - stats.prior.mean)[..., None, :] - stats.first / kappa
        form = self._pool(deviation * deviation) * (kappa / ((kappa + 1) * stats.scale))
        return stats.constant - 0.5 * _degrees(stats.prior, stats.n + 1) * form.log1p().sum(-1)

    def natural(self, stats: InverseGammaStats) -> Tensor:
        r"""Weights ``(K, F)`` of :math:`1, y, y^2` (pooled) in the log-density at the posterior mean."""
        mean = _mean(stats) - stats.prior.mean
        variance = stats.scale / (_degrees(stats.prior, stats.n) - 2)[:, None]
        W = mean.shape[1] // variance.shape[1]
        pull = mean / variance
        constant = (pull * mean).sum(1) + W * (2 * math.pi * variance).log().sum(1)
        return torch.cat([-0.5 * constant[:, None], pull, -0.5 / variance], 1)

    def posterior_mean(self, stats: InverseGammaStats) -> DiagonalGaussians:
        r"""Gaussians at :math:`m_n` and :math:`b_n / (\nu_n - 2)`; the prior's where a slot is empty."""
        variance = stats.scale / (_degrees(stats.prior, stats.n) - 2)[:, None]
        return DiagonalGaussians(_mean(stats), variance.expand_as(stats.first))

    def posterior_sample(self, stats: InverseGammaStats) -> DiagonalGaussians:
        r"""Gaussians at a draw :math:`\sigma_v^2 = b_{nv} / \chi^2_{\nu_n}`, then of :math:`\mu` given it."""
        chi2 = chi_squared(_degrees(stats.prior, stats.n)[:, None].expand_as(stats.scale))
        variance = (stats.scale / chi2).expand_as(stats.first)
        deviation = (variance / (stats.prior.kappa + stats.n)[:, None]).sqrt()
        return DiagonalGaussians(_mean(stats) + deviation * torch.randn_like(deviation), variance)

    def _scale(self, prior: Hyperparameters, kappa: float | Tensor, first: Tensor, second: Tensor) -> Tensor:
        scale = prior.scale + (second - self._pool(first * first) / kappa)

        def too_far() -> str:  # a difference of squares that has lost its digits
            return (
                f"x holds points too far from the others for a scale like {float(prior.scale[0]):g}: "
                "drop the outliers or pass a larger scale"
            )

        check(~(scale > 0).all(), too_far)
        return scale


def _split(sums: Tensor, D: int) -> tuple[Tensor, Tensor, Tensor]:
    return sums[:, 0].clone(), sums[:, 1 : D + 1].clone(), sums[:, D + 1 :].clone()


def _mean(stats: InverseGammaStats) -> Tensor:
    return stats.prior.mean + stats.first / (stats.prior.kappa + stats.n)[:, None]


def _degrees(prior: Hyperparameters, n: Tensor) -> Tensor:
    return prior.nu + n * (len(prior.mean) // len(prior.scale))


def _normaliser(prior: Hyperparameters, n: Tensor, scale: Tensor) -> Tensor:
    # The log normaliser of a Normal-Inverse-Gamma law after n points, less what cancels in ratios.
    D, V, nu = len(prior.mean), len(prior.scale), _degrees(prior, n)
    return V * torch.lgamma(nu / 2) - 0.5 * nu * scale.log().sum(-1) - 0.5 * D * (prior.kappa + n).log()


def _constant(prior: Hyperparameters, n: Tensor, scale: Tensor) -> Tensor:
    ratio = _normaliser(prior, n + 1, scale) - _normaliser(prior, n, scale)
    return ratio - 0.5 * len(prior.mean) * math.log(math.pi)


def _log_marginal(prior: Hyperparameters, n: Tensor, scale: Tensor) -> Tensor:
    ratio = _normaliser(prior, n, scale) - _normaliser(prior, 0 * n, prior.scale)
    return ratio - 0.5 * len(prior.mean) * math.log(math.pi) * n
