"""What the Gaussian families without correlations share: the conjugate prior of their variances is Inverse-Gamma."""

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from bnpgan.components.base import Members, SummedStats
from bnpgan.components.defaults import GaussianFamily, Hyperparameters, data_size
from bnpgan.components.distributions import DiagonalGaussians
from bnpgan.components.inverse_wishart import chi_squared
from bnpgan.components.shapes import Shape, Span, varying_columns, within_covariances
from bnpgan.waits import check


@dataclass(eq=False)
class InverseGammaStats(SummedStats):
    r"""Statistics of ``K`` slots with ``V`` variances each, around the prior mean :math:`m_0`.

    ``first`` ``(K, D)`` and ``second`` ``(K, V)`` are the totals of :math:`x - m_0` and of its squares; ``scale``
    ``(K, V)`` is :math:`b_n`, ``constant`` ``(K,)`` the part of the log predictive without x: both follow from these.
    """

    first: Tensor
    second: Tensor
    scale: Tensor
    constant: Tensor


@dataclass(frozen=True, eq=False)
class InverseGammaFamily(GaussianFamily):
    r"""Gaussian clusters with ``V`` variances, each shared by the ``W = D / V`` dimensions that ``pool`` adds up.

    .. math:: \sigma_v^2 \sim InvGamma(\nu / 2, b_v / 2), \quad \mu_d \mid \sigma^2 \sim N(m_{0d}, \sigma_v^2 / \kappa),
        \quad x_d \mid \mu, \sigma^2 \sim N(\mu_d, \sigma_v^2)

    Posterior: :math:`\kappa_n = \kappa + n`, :math:`\nu_n = \nu + n W`, :math:`m_n = m_0 + \sum_i y_i / \kappa_n` and
    :math:`b_n = b + \sum_i y_i^2 - (\sum_i y_i)^2 / \kappa_n`, with :math:`y = x - m_0` and squares pooled over the
    dimensions of a variance. A leaf says how dimensions are pooled.
    """

    @staticmethod
    @abstractmethod
    def pool(squares: Tensor) -> Tensor:
        """Sums ``(..., V)`` of ``(..., D)`` over the dimensions that share a variance."""

    def span(self, x: Tensor) -> Span | None:
        """The columns of the points ``(N, D)`` that vary."""
        return varying_columns(x)

    def spread(self, x: Tensor) -> tuple[list[Shape], float]:
        """The scales ``(V,)`` to choose from, without ``factor``, and their weight, from the points where ``None``."""
        W = self.pool(x.new_ones(x.shape[1]))
        if self.from_data:
            nu = self.weighed(2, self.weight * data_size(x) * x.shape[1] / len(W))
            found = within_covariances(x, diagonal=True)
            return [shape.map(lambda part: self.pool(part.diagonal()) / W * (nu - 2)) for shape in found], nu
        scale = self.given(x, len(W))
        scale = scale.expand(W.shape) if scale.ndim == 0 else scale
        if scale.shape != W.shape or not ((scale > 0) & scale.isfinite()).all():
            raise ValueError(
                f"scale must be a positive number or {len(W)} of them, got {scale.tolist()}: "
                "pass None to set it from the data"
            )
        return [Shape(scale, torch.zeros_like(scale))], self.weighed(2, 0.0)

    def add_(self, stats: InverseGammaStats, k: int, x: Tensor, sign: float = 1) -> None:
        """Add the point ``(D,)`` to slot ``k`` in place (``sign=-1``: remove it), O(D)."""
        prior, first, second = stats.prior, stats.first[k], stats.second[k]
        y = prior.seen(x) - prior.mean
        stats.n[k] += sign
        n = float(stats.n[k])
        if n:
            first.add_(y, alpha=sign)
            second.add_(self.pool(y * y), alpha=sign)
        else:  # exactly the prior again, whatever rounding the points have left behind
            first.zero_()
            second.zero_()
        D, V, kappa = len(y), len(second), prior.kappa + n
        W = D // V
        half = 0.5 * (prior.nu + n * W)
        scale = stats.scale[k] = self._scale(prior, kappa, first, second)
        gammas = V * (math.lgamma(half + 0.5 * W) - math.lgamma(half)) - 0.5 * W * float(scale.log().sum())
        stats.constant[k] = gammas - 0.5 * D * (math.log1p(1 / kappa) + math.log(math.pi))

    def log_marginals(self, members: Members, sums: Tensor) -> Tensor:
        r"""Log marginal likelihoods ``(G, K)`` of sums ``(K, F)`` under each of the hyper-parameters.

        .. math:: \log p(x_{1..n}) = -\tfrac{nD}{2} \log \pi + \tfrac{D}{2} \log \frac{\kappa}{\kappa_n} + \sum_v \left(
            \log \frac{\Gamma(\nu_n / 2)}{\Gamma(\nu / 2)} + \tfrac{\nu}{2} \log b_v - \tfrac{\nu_n}{2} \log b_{nv}
            \right)
        """
        D, priors = len(members[0].mean), torch.stack([hyper.scale for hyper in members])[:, None]
        n, first, second = sums[:, 0], sums[:, 1 : D + 1], sums[:, D + 1 :]
        hyper = members[0]._replace(scale=priors)  # they differ in their scale alone
        scale = priors + (second - self.pool(first * first) / (hyper.kappa + n)[:, None])
        # A difference of squares that has lost its digits puts the narrowest scales out of the question.
        lost = ~(scale > 0).all(-1)
        check(lost.any(1).all(), lambda: _too_far(members[0]))
        ratio = _normaliser(hyper, n, scale) - _normaliser(hyper, torch.zeros_like(n[:1]), priors)
        return (ratio - 0.5 * D * math.log(math.pi) * n).masked_fill(lost, -torch.inf)

    def phi(self, x: Tensor, hyper: Hyperparameters) -> Tensor:
        """The features 1, :math:`y`, and :math:`y^2` pooled, ``(N, F)``."""
        y = hyper.seen(x) - hyper.mean
        return torch.cat([torch.ones_like(y[:, :1]), y, self.pool(y * y)], 1)

    def statistics(
        self, sums: Tensor, prior: Hyperparameters, members: Members, log_posterior: Tensor
    ) -> InverseGammaStats:
        """The statistics of slots with these sums ``(K, F)``."""
        totals, D = sums.clone(), len(prior.mean)
        n, first, second = totals[:, 0], totals[:, 1 : D + 1], totals[:, D + 1 :]
        scale = self._scale(prior, (prior.kappa + n)[:, None], first, second)
        state = first, second, scale, _constant(prior, n, scale)
        return InverseGammaStats(n, prior, members, log_posterior, sums, totals, *state)

    def log_predictive(self, stats: InverseGammaStats, x: Tensor, share: float = 1.0) -> Tensor:
        r"""Log predictive densities ``(..., K)`` of ``x`` ``(..., D)``: Student t, as the ratio of two marginals.

        .. math:: \log p(x \mid x_{1..n}) = a(n) - \sum_v \left( \tfrac{\zeta W}{2} \log b_{nv}
            + \tfrac{\nu_n + \zeta W}{2} \log \left( 1 + \tfrac{\zeta \kappa_n}{\kappa_n + \zeta}
            \tfrac{(x - m_n)_v^2}{b_{nv}} \right) \right)

        where ``share`` :math:`\zeta` is 1, or else how much of a point x counts as.
        """
        kappa = (stats.prior.kappa + stats.n)[:, None]
        deviation = (stats.prior.seen(x) - stats.prior.mean)[..., None, :] - stats.first / kappa
        form = self.pool(deviation * deviation) * (share * kappa / ((kappa + share) * stats.scale))
        constant = stats.constant if share == 1 else _constant(stats.prior, stats.n, stats.scale, share)
        return constant - 0.5 * _degrees(stats.prior, stats.n + share) * form.log1p().sum(-1)

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
        return _gaussians(_mean(stats), variance.expand_as(stats.first), stats.prior.span)

    def posterior_sample(self, stats: InverseGammaStats) -> DiagonalGaussians:
        r"""Gaussians at a draw :math:`\sigma_v^2 = b_{nv} / \chi^2_{\nu_n}`, then of :math:`\mu` given it."""
        chi2 = chi_squared(_degrees(stats.prior, stats.n)[:, None].expand_as(stats.scale))
        variance = (stats.scale / chi2).expand_as(stats.first)
        deviation = (variance / (stats.prior.kappa + stats.n)[:, None]).sqrt()
        return _gaussians(_mean(stats) + deviation * torch.randn_like(deviation), variance, stats.prior.span)

    def too_far(self, stats: InverseGammaStats) -> str:
        """What is wrong where the sums of a slot have lost their digits."""
        return _too_far(stats.prior)

    def _scale(self, prior: Hyperparameters, kappa: float | Tensor, first: Tensor, second: Tensor) -> Tensor:
        scale = prior.scale + (second - self.pool(first * first) / kappa)
        check(~(scale > 0).all(), lambda: _too_far(prior))  # a difference of squares that has lost its digits
        return scale


def _gaussians(mean: Tensor, variance: Tensor, span: Span | None) -> DiagonalGaussians:
    if span is None:
        return DiagonalGaussians(mean, variance)
    return DiagonalGaussians(mean @ span.back + span.base, variance @ span.back.square() + span.rest)


def _too_far(prior: Hyperparameters) -> str:
    scale = float(prior.scale[0])
    return (
        f"x holds points too far from the others for a scale like {scale:g}: drop the outliers or pass a larger scale"
    )


def _mean(stats: InverseGammaStats) -> Tensor:
    return stats.prior.mean + stats.first / (stats.prior.kappa + stats.n)[:, None]


def _degrees(prior: Hyperparameters, n: Tensor) -> Tensor:
    return prior.nu + n * (len(prior.mean) // prior.scale.shape[-1])


def _normaliser(prior: Hyperparameters, n: Tensor, scale: Tensor) -> Tensor:
    # The log normaliser of a Normal-Inverse-Gamma law after n points, less what cancels in ratios.
    D, V, nu = len(prior.mean), scale.shape[-1], _degrees(prior, n)
    return V * torch.lgamma(nu / 2) - 0.5 * nu * scale.log().sum(-1) - 0.5 * D * (prior.kappa + n).log()


def _constant(prior: Hyperparameters, n: Tensor, scale: Tensor, share: float = 1.0) -> Tensor:
    ratio = _normaliser(prior, n + share, scale) - _normaliser(prior, n, scale)
    return ratio - 0.5 * share * len(prior.mean) * math.log(math.pi)
