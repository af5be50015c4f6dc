"""Gaussian clusters of full covariance and their conjugate prior."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bnpgan.components.base import FamilyStats, Members
from bnpgan.components.defaults import GaussianFamily, Hyperparameters, data_size
from bnpgan.components.distributions import Gaussians
from bnpgan.components.inverse_wishart import (
    factors,
    inverse_wishart_factor,
    log_dets,
    log_marginal,
    log_ratio,
    prior_matrix,
    too_far,
)
from bnpgan.components.shapes import ROUNDING, Shape, Span, telling_columns, within_covariances
from bnpgan.engine.decompositions import inverse, inverse_of_factor
from bnpgan.engine.quadratic import feature_sums, features, form_weights, gaussian_weights, positions

if TYPE_CHECKING:
    from bnpgan.engine.seating import Predictive


@dataclass(eq=False)
class NormalInverseWishartStats(FamilyStats):
    r"""Statistics of ``K`` slots under a Normal-Inverse-Wishart prior, around its mean :math:`m_0`.

    ``matrix`` is :math:`\tilde\Psi_k = diag(\kappa, \Psi) + \sum_i \tilde x_i \tilde x_i^T` with
    :math:`\tilde x = [1, x - m_0]`; its Schur complement is :math:`\Psi_n`, its corner :math:`\kappa_n`.
    What follows from it is computed when first asked for, and all but ``factor`` is kept by rank-one updates.
    ``constant`` is the part of the log predictive without x.
    """

    matrix: Tensor

    @cached_property
    def factor(self) -> Tensor:
        """Cholesky factors ``(K, D + 1, D + 1)`` of ``matrix`` when this is first asked for."""
        return factors(self.matrix, self.prior)

    @cached_property
    def inverse(self) -> Tensor:
        """Inverses ``(K, D + 1, D + 1)`` of ``matrix``."""
        return inverse(self.factor)

    @cached_property
    def inverse_factor(self) -> Tensor:
        """Inverses ``(K, D + 1, D + 1)`` of ``factor``."""
        return inverse_of_factor(self.factor)

    @cached_property
    def log_det(self) -> Tensor:
        """Log-determinants ``(K,)`` of ``matrix``."""
        return 2 * self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    @cached_property
    def constant(self) -> Tensor:
        """``(K,)``."""
        return log_ratio(self.prior, self.n) - 0.5 * self.log_det


@dataclass(frozen=True, eq=False)
class NormalInverseWishart(GaussianFamily):
    r"""Gaussian clusters of full covariance under their conjugate prior.

    .. math:: \Sigma \sim IW(\nu, \Psi), \quad \mu \mid \Sigma \sim N(m_0, \Sigma / \kappa), \quad
        x \mid \mu, \Sigma \sim N(\mu, \Sigma)

    Posterior: :math:`\kappa_n = \kappa + n`, :math:`\nu_n = \nu + n`, :math:`m_n = (\kappa m_0 + n \bar x) / \kappa_n`,
    :math:`\Psi_n = \Psi + S + (\kappa n / \kappa_n)(\bar x - m_0)(\bar x - m_0)^T`, S the scatter about :math:`\bar x`.

    Args:
        mean: :math:`m_0`, ``(D,)``; ``None``: a centre of the data that a few stray rows do not
            move.
        scale: :math:`\Psi`, ``(D, D)`` or a number for that multiple of the identity. ``None``: the prior mean of
            :math:`\Sigma` is a covariance within groups of the data times ``factor``:
            :math:`\Psi = f (\nu - D - 1) C_K`, with K = 4 or 16 groups (see
            :func:`~bnpgan.components.shapes.within_covariances`), which is learned. Columns that do not vary, or are
            linear functions of those before them, do not count then, for D neither.
        kappa: :math:`\kappa > 0`, the weight of ``mean`` in points.
        nu: :math:`\nu > D + 1`, the weight of ``scale`` in points; ``None``: :math:`D + 2`, and where ``scale`` is set
            from the data the share ``weight`` of the points more.
        factor: what ``scale`` is multiplied by, a number or a :class:`~bnpgan.grids.Grid` to learn it from: it decides
            how many clusters there are. ``None``: ``FACTORS`` where the scale is set from the data, else 1.
        weight: of a scale set from the data, as a share of the points; the more, the more alike the clusters are.
        scatter: in place of ``scale``, where the numbers of points and of columns and the unit of all columns are
            matters of choice, as those of features are: the share s of the scatter of all points about their mean,
            :math:`\Psi = (s / D) \sum_i \|x_i - \bar x\|^2 I`. It adds the share s of the variance of all points to a
            cluster of all N, and N / n times as much to one of n. The larger, the fewer clusters, as with ``scale``,
            and the more so those that are small. A row far away from all others makes it large.
        isotropic: whether a scale set from the data is the same in all directions, at their mean variance.

    Raises:
        ValueError: if ``kappa`` or ``weight`` is not positive, or, when data arrive, ``nu`` is not above D + 1, a shape
            is not that of the data, ``scale`` is not symmetric positive definite, or it is to be set from
            points that are all equal; or if ``scatter`` is not positive, or ``scale`` is there too.

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

    isotropic: bool = False

    def span(self, x: Tensor) -> Span | None:
        """The columns of the points ``(N, D)`` that vary and are no linear function of those before them."""
        return telling_columns(x)

    def spread(self, x: Tensor) -> tuple[list[Shape], float]:
        """The scales ``(D, D)`` to choose from, without ``factor``, and their weight, from points where ``None``."""
        D, eye = x.shape[1], torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        if self.from_data:
            nu = self.weighed(D + 1, self.weight * data_size(x))
            found = [covariance.map(lambda part: (nu - D - 1) * part) for covariance in within_covariances(x)]
            if self.isotropic:
                found = [Shape(scale.times(1.0).trace() / D * eye, torch.zeros_like(eye)) for scale in found]
            return found, nu
        scale = self.given(x, D)
        scale = scale * eye if scale.ndim == 0 else scale
        if scale.shape != (D, D) or not _symmetric(scale) or not _positive_definite(scale):
            raise ValueError(
                f"scale must be a symmetric positive definite ({D}, {D}) matrix or a positive number, "
                f"got shape {tuple(scale.shape)}: check its eigenvalues, or pass None to set it from the data"
            )
        return [Shape((scale + scale.T) / 2, torch.zeros_like(scale))], self.weighed(D + 1, 0)

    def add_(self, stats: NormalInverseWishartStats, k: int, x: Tensor, sign: float = 1) -> None:
        """Add ``sign`` times the point ``(D,)`` to slot ``k`` in place (``-1``: remove it), O(D^2)."""
        x = torch.cat([x.new_ones(1), stats.prior.seen(x) - stats.prior.mean])
        precision, log_det, constant = stats.inverse, stats.log_det, stats.constant  # as they were before
        stats.n[k] += sign
        stats.matrix[k].addr_(x, x, alpha=sign)
        if stats.n[k] == 0:  # exactly the prior again, whatever rounding the points have left behind
            stats.matrix[k] = prior_matrix(stats.prior)
        v = precision[k] @ x
        gain = 1 + sign * float(x @ v)
        if gain > 1e-3 and stats.n[k] > 0:
            precision[k].addr_(v, v, alpha=-sign / gain)
            log_det[k] += math.log(gain)
        else:  # or an outlier leaves: the difference has lost its digits, so start again from the sum
            factor = factors(stats.matrix[k], stats.prior)
            precision[k] = inverse(factor)
            log_det[k] = 2 * factor.diagonal().log().sum()
        constant[k] = log_ratio(stats.prior, stats.n[k]) - 0.5 * log_det[k]

    def seating(self, stats: NormalInverseWishartStats, x: Tensor, replicas: int = 1) -> "Predictive":
        r"""What the compiled loop of :class:`~bnpgan.samplers.CRPGibbs` takes of these slots and points ``(N, D)``.

        With ``replicas`` g the sums of the slots count each point as 1 / g of one, and the loop takes the predictive to
        the power g: a factor g moves from :math:`\nu` and :math:`a(n)` to the points, which are shortened instead.
        """
        from bnpgan.engine.seating import Predictive  # numba takes half a second to import

        prior, g = stats.prior, replicas
        y = torch.cat([x.new_ones(len(x), 1), prior.seen(x) - prior.mean], 1)
        constant = g * log_ratio(prior, torch.arange(len(x) + 1) / g, 1 / g)
        parts = (
            y / g**0.5,
            g * stats.n,
            stats.matrix,
            stats.inverse_factor,
            stats.log_det,
            prior_matrix(prior),
            constant,
        )
        return Predictive(0.5 * (g * prior.nu + 1), *(part.numpy() for part in parts))

    def too_far(self, stats: NormalInverseWishartStats) -> str:
        """What is wrong where the sums of a slot have lost their digits."""
        return too_far(stats.prior)

    def log_marginal(self, stats: NormalInverseWishartStats) -> Tensor:
        r"""Log marginal likelihoods ``(K,)``; 0 for an empty slot.

        .. math:: \log p(x_{1..n}) = -\tfrac{nD}{2} \log \pi + \log \frac{\Gamma_D(\nu_n / 2)}{\Gamma_D(\nu / 2)}
            + \tfrac{\nu}{2} \log |\Psi| - \tfrac{\nu_n}{2} \log |\Psi_n| + \tfrac{D}{2} \log \frac{\kappa}{\kappa_n}
        """
        return log_marginal(stats.alone, stats.n, stats.log_det[None])[0]

    def log_marginals(self, members: Members, sums: Tensor) -> Tensor:
        """Log marginal likelihoods ``(G, K)`` of sums ``(K, F)`` under each of the hyper-parameters."""
        return log_marginal(members, sums[:, 0], log_dets(_matrices(sums, len(members[0].mean)), members))

    def phi(self, x: Tensor, hyper: Hyperparameters) -> Tensor:
        r"""The features :math:`\tilde x_i \tilde x_j`, ``(N, F)``."""
        return features(hyper.seen(x) - hyper.mean, None).T

    def feature_sums(self, x: Tensor, labels: Tensor, capacity: int, hyper: Hyperparameters) -> Tensor:
        """Sums ``(K, F)`` of the features of the points ``(N, D)`` with each label ``(N,)``."""
        return feature_sums(hyper.seen(x), hyper.mean, labels, capacity)

    def statistics(
        self, sums: Tensor, prior: Hyperparameters, members: Members, log_posterior: Tensor
    ) -> NormalInverseWishartStats:
        """The statistics of slots with these sums ``(K, F)``."""
        matrix = _matrices(sums, len(prior.mean)) + prior_matrix(prior)
        return NormalInverseWishartStats(sums[:, 0].clone(), prior, members, log_posterior, sums, matrix)

    def log_predictive(self, stats: NormalInverseWishartStats, x: Tensor, share: float = 1.0) -> Tensor:
        r"""Log predictive densities ``(..., K)`` of ``x`` ``(..., D)``: a Student t, as the ratio of two marginals.

        .. math:: \log p(x \mid x_{1..n}) = a(n) - \tfrac{\zeta}{2} \log |\tilde\Psi_n|
            - \tfrac{\nu_n + \zeta}{2} \log (1 + \zeta \, \tilde x^T \tilde\Psi_n^{-1} \tilde x)

        where ``share`` :math:`\zeta` is 1, or else how much of a point x counts as.
        """
        form = self._form(stats, x.reshape(-1, x.shape[-1]))
        return _log_predictive(stats, form.view(*x.shape[:-1], len(stats.n)), share)

    def log_predictive_given_others(
        self, stats: NormalInverseWishartStats, x: Tensor, labels: Tensor, share: float = 1.0
    ) -> Tensor:
        """The same ``(N, K)`` of points ``(N, D)``, each given all others: without it in its slot."""
        form, own = self._form(stats, x), (torch.arange(len(x), device=x.device), labels)
        log_density = _log_predictive(stats, form, share)
        log_density[own] = -_log_predictive(stats, form, -share)[own]
        return log_density

    def _form(self, stats: NormalInverseWishartStats, x: Tensor) -> Tensor:
        weights = form_weights(stats.inverse)
        return torch.cat([phi @ weights.T for phi in self.features(stats, x)])

    def natural(self, stats: NormalInverseWishartStats) -> Tensor:
        r"""Weights ``(K, F)`` of :math:`\tilde x_i \tilde x_j` in the log-density at the posterior mean."""
        mean, psi, _, nu = _posterior(stats)
        return gaussian_weights(mean - stats.prior.mean, psi / (nu - psi.shape[-1] - 1)[:, None, None])

    def posterior_mean(self, stats: NormalInverseWishartStats) -> Gaussians:
        r"""Gaussians at :math:`m_n` and :math:`\Psi_n / (\nu_n - D - 1)`; the prior's where a slot is empty."""
        mean, psi, _, nu = _posterior(stats)
        return _gaussians(mean, psi / (nu - psi.shape[-1] - 1)[:, None, None], stats.prior.span)

    def posterior_sample(self, stats: NormalInverseWishartStats) -> Gaussians:
        r"""Gaussians at a draw :math:`\Sigma \sim IW(\nu_n, \Psi_n)`, :math:`\mu \sim N(m_n, \Sigma / \kappa_n)`."""
        mean, psi, kappa, nu = _posterior(stats)
        factor = inverse_wishart_factor(nu, psi)
        noise = torch.randn(*mean.shape, 1, dtype=psi.dtype, device=psi.device)
        mean = mean + (factor @ noise).squeeze(-1) / kappa.sqrt()[:, None]
        return _gaussians(mean, factor @ factor.mT, stats.prior.span)


def _gaussians(mean: Tensor, covariance: Tensor, span: Span | None) -> Gaussians:
    if span is None:
        return Gaussians(mean, covariance)
    covariance = span.back.T @ covariance @ span.back + span.rest.diag()
    return Gaussians(mean @ span.back + span.base, (covariance + covariance.mT) / 2)


def _log_predictive(stats: NormalInverseWishartStats, form: Tensor, share: float) -> Tensor:
    # By the forms (..., K) of the points.
    constant = stats.constant if share == 1 else log_ratio(stats.prior, stats.n, share) - 0.5 * share * stats.log_det
    return constant - 0.5 * (stats.n + (stats.prior.nu + share)) * (share * form).log1p()


def _symmetric(matrix: Tensor) -> bool:
    # But for rounding, as of an inverse.
    rounding = ROUNDING * torch.finfo(matrix.dtype).eps * matrix.abs().max()
    return bool((matrix - matrix.T).abs().max() <= rounding)


def _positive_definite(matrix: Tensor) -> bool:
    return not int(torch.linalg.cholesky_ex(matrix).info)


def _matrices(sums: Tensor, D: int) -> Tensor:
    return sums.index_select(1, positions(D + 1, sums.device)).view(len(sums), D + 1, D + 1)


def _posterior(stats: NormalInverseWishartStats) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    _ = stats.factor  # raises where the sums of a slot have lost their digits
    kappa, nu = stats.prior.kappa + stats.n, stats.prior.nu + stats.n
    shift = stats.matrix[:, 0, 1:]
    psi = stats.matrix[:, 1:, 1:] - shift[:, :, None] * shift[:, None, :] / kappa[:, None, None]
    return stats.prior.mean + shift / kappa[:, None], psi, kappa, nu
