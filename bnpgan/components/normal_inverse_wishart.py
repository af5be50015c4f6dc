"""Gaussian clusters of full covariance and their conjugate prior."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Chi2

from bnpgan.components.distributions import Gaussians, quadratic

EXPECTED_CLUSTERS = 20  # the default scale of a cluster is the covariance of the data shared among so many


class Hyperparameters(NamedTuple):
    """A Normal-Inverse-Wishart with every value set: ``mean`` ``(D,)``, ``scale`` ``(D, D)``, ``kappa``, ``nu``."""

    mean: Tensor
    scale: Tensor
    kappa: float
    nu: float


@dataclass(eq=False)
class NormalInverseWishartStats:
    r"""Statistics of ``K`` slots under a Normal-Inverse-Wishart prior, around its mean :math:`m_0`.

    ``matrix`` is :math:`\tilde\Psi_k = diag(\kappa, \Psi) + \sum_i \tilde x_i \tilde x_i^T` with
    :math:`\tilde x = [1, x - m_0]`; its Schur complement is :math:`\Psi_n`, its corner :math:`\kappa_n`.
    ``inverse`` and ``log_det`` follow it by rank-one updates; ``constant`` is the part of the log predictive without x.
    """

    prior: Hyperparameters
    n: Tensor
    matrix: Tensor
    inverse: Tensor
    log_det: Tensor
    constant: Tensor


@dataclass(frozen=True, eq=False)
class NormalInverseWishart:
    r"""Gaussian clusters of full covariance under their conjugate prior.

    .. math:: \Sigma \sim IW(\nu, \Psi), \quad \mu \mid \Sigma \sim N(m_0, \Sigma / \kappa), \quad
        x \mid \mu, \Sigma \sim N(\mu, \Sigma)

    Posterior: :math:`\kappa_n = \kappa + n`, :math:`\nu_n = \nu + n`, :math:`m_n = (\kappa m_0 + n \bar x) / \kappa_n`,
    :math:`\Psi_n = \Psi + S + (\kappa n / \kappa_n)(\bar x - m_0)(\bar x - m_0)^T`, with :math:`S` the scatter about
    :math:`\bar x`.

    Args:
        mean: :math:`m_0`, ``(D,)``; ``None``: the mean of the data.
        scale: :math:`\Psi`, ``(D, D)`` or a number for that multiple of the identity. ``None``: the prior mean of
            :math:`\Sigma` is the covariance of the data shared among 20 clusters,
            :math:`\Psi = (\nu - D - 1) C / 20`, where :math:`C` is the covariance drawn towards its mean eigenvalue
            with weight :math:`D / (N + D)`, so that it is positive definite unless all points are equal. The scale
            decides how many clusters there are: data in known units deserve a value of their own.
        kappa: :math:`\kappa > 0`, the weight of ``mean`` in points.
        nu: :math:`\nu > D + 1`, the weight of ``scale`` in points; ``None``: :math:`D + 2`.

    Raises:
        ValueError: if ``kappa`` is not positive, or, when data arrive, ``nu`` is not above D + 1, ``mean`` or ``scale``
            has another shape than the data, ``scale`` is not symmetric positive definite, or it is to be set from
            points that are all equal.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [0.1, 0.0], [3.0, 3.0]], dtype=torch.float64)
        >>> family = NormalInverseWishart(mean=torch.zeros(2), scale=0.1)
        >>> stats = family.stats(x, torch.tensor([0, 0, 1]), capacity=3)
        >>> family.log_predictive(stats, x[0]).argmax()
        tensor(0)

    References:
        Gelman et al., "Bayesian Data Analysis", 3rd ed., 2013, section 3.6;
        Murphy, "Conjugate Bayesian analysis of the Gaussian distribution", 2007, Eqs. 250-267.
    """

    mean: Tensor | None = None
    scale: Tensor | float | None = None
    kappa: float = 0.01
    nu: float | None = None

    def __post_init__(self) -> None:
        if not (0 < self.kappa < math.inf):
            raise ValueError(f"kappa must be positive and finite, got {self.kappa}: pass a number such as 0.01")

    def resolve(self, x: Tensor) -> Hyperparameters:
        """Every hyper-parameter, checked; those left ``None`` are set from the points ``(N, D)``."""
        N, D = x.shape
        nu = float(D + 2 if self.nu is None else self.nu)
        if not D + 1 < nu < math.inf:
            raise ValueError(f"nu must exceed D + 1 = {D + 1} for data of dimension {D}, got {nu}: pass None for D + 2")
        mean = x.mean(0) if self.mean is None else torch.as_tensor(self.mean, dtype=x.dtype, device=x.device)
        if mean.shape != (D,) or not mean.isfinite().all():
            raise ValueError(f"mean must be ({D},) finite numbers, got {mean.tolist()}: pass None for that of the data")
        eye = torch.eye(D, dtype=x.dtype, device=x.device)
        if self.scale is None:
            centred = x - x.mean(0)
            covariance = centred.T @ centred / N
            share = D / (N + D)
            scale = ((1 - share) * covariance + share * covariance.trace() / D * eye) * (nu - D - 1) / EXPECTED_CLUSTERS
            if not scale.trace() > 0:
                raise ValueError("scale cannot be set from points that are all equal: pass scale, e.g. scale=1.0")
        else:
            scale = torch.as_tensor(self.scale, dtype=x.dtype, device=x.device)
            scale = scale * eye if scale.ndim == 0 else scale
        if scale.shape != (D, D) or not torch.equal(scale, scale.T) or torch.linalg.cholesky_ex(scale).info:
            raise ValueError(
                f"scale must be a symmetric positive definite ({D}, {D}) matrix or a positive number, "
                f"got shape {tuple(scale.shape)}: check its eigenvalues, or pass None to set it from the data"
            )
        return Hyperparameters(mean, scale, self.kappa, nu)

    def stats(self, x: Tensor, labels: Tensor, capacity: int) -> NormalInverseWishartStats:
        """Statistics of the points ``(N, D)`` under labels ``(N,)`` in ``[0, capacity)``."""
        prior = self.resolve(x)
        D = x.shape[1]
        sums = x.new_zeros(capacity, (D + 1) * (D + 2) // 2)
        start = 0
        for phi in quadratic(x - prior.mean):
            sums.index_add_(0, labels[start : start + len(phi)], phi)
            start += len(phi)
        return _stats(prior, sums)

    def soft_stats(self, x: Tensor, responsibilities: Tensor) -> NormalInverseWishartStats:
        """Statistics of the points ``(N, D)``, each in slot ``k`` with weight ``responsibilities[:, k]``."""
        prior = self.resolve(x)
        D = x.shape[1]
        sums = x.new_zeros(responsibilities.shape[1], (D + 1) * (D + 2) // 2)
        start = 0
        for phi in quadratic(x - prior.mean):
            sums += responsibilities[start : start + len(phi)].T @ phi
            start += len(phi)
        return _stats(prior, sums)

    def add_(self, stats: NormalInverseWishartStats, k: int, x: Tensor, sign: int = 1) -> None:
        """Add the point ``(D,)`` to slot ``k`` in place (``sign=-1``: remove it): rank-one updates, O(D^2)."""
        x = torch.cat([x.new_ones(1), x - stats.prior.mean])
        stats.n[k] += sign
        stats.matrix[k].addr_(x, x, alpha=sign)
        if stats.n[k] == 0:  # exactly the prior again, whatever rounding the points have left behind
            stats.matrix[k] = _prior_matrix(stats.prior)
        v = stats.inverse[k] @ x
        gain = 1 + sign * float(x @ v)
        if gain > 1e-3 and stats.n[k] > 0:
            stats.inverse[k].addr_(v, v, alpha=-sign / gain)
            stats.log_det[k] += math.log(gain)
        else:  # or an outlier leaves: the difference has lost its digits, so start again from the sum
            stats.inverse[k], stats.log_det[k] = _invert(stats.matrix[k], stats.prior)
        D, kappa, nu = len(x) - 1, stats.prior.kappa + float(stats.n[k]), stats.prior.nu + float(stats.n[k])
        gammas = math.lgamma((nu + 1) / 2) - math.lgamma((nu + 1 - D) / 2)
        kappas = 0.5 * (nu + 1 - D) * math.log(kappa + 1) - 0.5 * (nu - D) * math.log(kappa)
        stats.constant[k] = gammas + kappas - 0.5 * D * math.log(math.pi) - 0.5 * stats.log_det[k]

    def log_marginal(self, stats: NormalInverseWishartStats) -> Tensor:
        r"""Log marginal likelihoods ``(K,)``; 0 for an empty slot.

        .. math:: \log p(x_{1..n}) = -\tfrac{nD}{2} \log \pi + \log \frac{\Gamma_D(\nu_n / 2)}{\Gamma_D(\nu / 2)}
            + \tfrac{\nu}{2} \log |\Psi| - \tfrac{\nu_n}{2} \log |\Psi_n| + \tfrac{D}{2} \log \frac{\kappa}{\kappa_n}
        """
        D = stats.matrix.shape[-1] - 1
        prior, empty = stats.prior, torch.zeros_like(stats.n)
        log_det = math.log(prior.kappa) + torch.logdet(prior.scale)
        difference = _normaliser(prior, stats.n, stats.log_det) - _normaliser(prior, empty, log_det)
        return difference - 0.5 * D * math.log(math.pi) * stats.n

    def log_predictive(self, stats: NormalInverseWishartStats, x: Tensor) -> Tensor:
        r"""Log predictive densities ``(..., K)`` of ``x`` ``(..., D)``: a Student t, as the ratio of two marginals.

        .. math:: \log p(x \mid x_{1..n}) = a(n) - \tfrac12 \log |\tilde\Psi_n|
            - \tfrac{\nu_n + 1}{2} \log (1 + \tilde x^T \tilde\Psi_n^{-1} \tilde x)
        """
        x = torch.cat([x.new_ones(*x.shape[:-1], 1), x - stats.prior.mean], -1)[..., None, :]
        form = ((stats.inverse @ x[..., None]).squeeze(-1) * x).sum(-1)
        return stats.constant - 0.5 * (stats.n + (stats.prior.nu + 1)) * form.log1p()

    def posterior_mean(self, stats: NormalInverseWishartStats) -> Gaussians:
        r"""Gaussians at :math:`m_n` and :math:`\Psi_n / (\nu_n - D - 1)`; the prior's where a slot is empty."""
        mean, psi, _, nu = _posterior(stats)
        return Gaussians(mean, psi / (nu - psi.shape[-1] - 1)[:, None, None])

    def posterior_sample(self, stats: NormalInverseWishartStats) -> Gaussians:
        r"""Gaussians at a draw :math:`\Sigma \sim IW(\nu_n, \Psi_n)`, :math:`\mu \sim N(m_n, \Sigma / \kappa_n)`.

        References:
            Smith and Hocking, "Algorithm AS 53: Wishart variate generator", 1972 (the Bartlett decomposition).
        """
        mean, psi, kappa, nu = _posterior(stats)
        K, D = mean.shape
        # Sigma^-1 = L^-T A A^T L^-1 with Psi_n = L L^T and A Bartlett's triangle, hence Sigma = F F^T, F = L A^-T.
        bartlett = torch.randn(K, D, D, dtype=psi.dtype, device=psi.device).tril(-1)
        degrees = nu[:, None] - torch.arange(D, device=nu.device)
        bartlett += torch.diag_embed(Chi2(degrees).sample().sqrt())
        inverse = torch.linalg.solve_triangular(bartlett, torch.eye(D).to(psi).expand(K, D, D), upper=False)
        factor = torch.linalg.cholesky(psi) @ inverse.mT
        noise = torch.randn(K, D, 1, dtype=psi.dtype, device=psi.device)
        return Gaussians(mean + (factor @ noise).squeeze(-1) / kappa.sqrt()[:, None], factor @ factor.mT)


def _stats(prior: Hyperparameters, sums: Tensor) -> NormalInverseWishartStats:
    D = len(prior.scale)
    rows, columns = torch.triu_indices(D + 1, D + 1, device=sums.device)
    matrix = sums.new_empty(len(sums), D + 1, D + 1)
    matrix[:, rows, columns] = sums
    matrix[:, columns, rows] = sums
    n = matrix[:, 0, 0].clone()
    matrix += _prior_matrix(prior)
    inverse, log_det = _invert(matrix, prior)
    constant = _normaliser(prior, n + 1, log_det) - _normaliser(prior, n, log_det) - 0.5 * D * math.log(math.pi)
    return NormalInverseWishartStats(prior, n, matrix, inverse, log_det, constant)


def _prior_matrix(prior: Hyperparameters) -> Tensor:
    return torch.block_diag(prior.scale.new_full((1, 1), prior.kappa), prior.scale)


def _invert(matrix: Tensor, prior: Hyperparameters) -> tuple[Tensor, Tensor]:
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed.any():
        raise ValueError(
            f"x holds points too far from the others for a scale like {float(prior.scale[0, 0]):g}: "
            "drop the outliers or pass a larger scale"
        )
    return torch.cholesky_inverse(factor), 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _normaliser(prior: Hyperparameters, n: Tensor, log_det: Tensor) -> Tensor:
    # The log normaliser of a Normal-Inverse-Wishart after n points, less what cancels in ratios;
    # log |Psi_n| = log |matrix| - log kappa_n.
    D, nu, log_kappa = len(prior.scale), prior.nu + n, (prior.kappa + n).log()
    return torch.mvlgamma(nu / 2, D) - 0.5 * nu * (log_det - log_kappa) - 0.5 * D * log_kappa


def _posterior(stats: NormalInverseWishartStats) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    kappa, nu = stats.prior.kappa + stats.n, stats.prior.nu + stats.n
    shift = stats.matrix[:, 0, 1:]
    psi = stats.matrix[:, 1:, 1:] - shift[:, :, None] * shift[:, None, :] / kappa[:, None, None]
    return stats.prior.mean + shift / kappa[:, None], psi, kappa, nu
