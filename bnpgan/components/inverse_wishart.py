"""The Normal-Inverse-Wishart law: its normaliser, and draws of the covariance."""

import math

import torch
from torch import Tensor
from torch.distributions import Gamma
from torch.nn.functional import pad

from bnpgan.components.base import Members
from bnpgan.components.defaults import Hyperparameters
from bnpgan.engine.decompositions import cholesky, inverse_of_factor
from bnpgan.memory import remembered
from bnpgan.waits import check


def inverse_wishart_factor(nu: Tensor, psi: Tensor) -> Tensor:
    r"""Factors ``(K, D, D)`` of draws :math:`\Sigma = F F^T \sim IW(\nu, \Psi)`, given ``(K,)`` and ``(K, D, D)``.

    With :math:`\Psi = L L^T` and :math:`A` Bartlett's lower triangle, :math:`\Sigma^{-1} = L^{-T} A A^T L^{-1}`, hence
    :math:`F = L A^{-T}`.

    References:
        Smith and Hocking, "Algorithm AS 53: Wishart variate generator", 1972 (the Bartlett decomposition).
    """
    K, D = psi.shape[:2]
    bartlett = torch.randn(K, D, D, dtype=psi.dtype, device=psi.device).tril(-1)
    bartlett += torch.diag_embed(chi_squared(nu[:, None] - torch.arange(D, device=nu.device)).sqrt())
    return cholesky(psi) @ inverse_of_factor(bartlett).mT


def chi_squared(degrees: Tensor) -> Tensor:
    """A draw from each chi-squared law, without the validation of torch, for which the host would wait on a GPU."""
    return Gamma(0.5 * degrees, torch.full_like(degrees, 0.5), validate_args=False).sample()


def log_ratio(prior: Hyperparameters, n: Tensor, share: float = 1.0) -> Tensor:
    r"""The constant :math:`a(n)` ``(...)`` of the log predictive, see ``NormalInverseWishart.log_predictive``."""
    D, kappa, nu = len(prior.mean), prior.kappa + n, prior.nu + n
    if share == 1:
        gammas = torch.lgamma((nu + 1) / 2) - torch.lgamma((nu + 1 - D) / 2)
    else:
        gammas = torch.mvlgamma((nu + share) / 2, D) - torch.mvlgamma(nu / 2, D)
    kappas = 0.5 * (nu + share - D) * (kappa + share).log() - 0.5 * (nu - D) * kappa.log()
    return gammas + kappas - 0.5 * share * D * math.log(math.pi)


def log_marginal(members: Members, n: Tensor, log_det: Tensor) -> Tensor:
    """Log marginal likelihoods ``(G, K)`` of slots with n points ``(K,)`` and log-determinants ``(G, K)``.

    The members differ only in their scale.
    """
    prior, zero = members[0], n.new_zeros(1)
    _, start = _of_empty_slots(members, prior.scale)
    ratio = normaliser(prior, n, log_det) - normaliser(prior, zero, start[:, None])
    return ratio - 0.5 * len(prior.scale) * math.log(math.pi) * n


def prior_matrix(prior: Hyperparameters) -> Tensor:
    r""":math:`\tilde\Psi` ``(D + 1, D + 1)`` of an empty slot."""
    matrix = pad(prior.scale, (1, 0, 1, 0))
    matrix[0, 0].fill_(prior.kappa)
    return matrix


@remembered
def _log_det(scale: Tensor) -> Tensor:
    return scale[None].logdet()


@remembered
def _of_empty_slots(members: Members, scale: Tensor) -> tuple[Tensor, Tensor]:
    # For each member the matrix of an empty slot and its log-determinant, log kappa + log |scale|.
    log_dets = torch.cat([_log_det(member.scale) for member in members])
    return torch.stack([prior_matrix(member) for member in members]), math.log(members[0].kappa) + log_dets


def log_dets(sums: Tensor, members: Members) -> Tensor:
    """Log-determinants ``(G, K)`` of the sums ``(K, D + 1, D + 1)`` of slots plus the matrix of each of the members.

    Where the sums of a slot have too few digits for the narrowest scales, as of a point far from all others, these are
    out of the question: infinity. A ``ValueError`` says so where no scale is left.
    """
    empty, _ = _of_empty_slots(members, members[0].scale)
    if sums.device.type == "cpu":
        from bnpgan.engine import kernels  # numba takes half a second to import

        found = sums.new_empty(len(members), len(sums))
        kernels.log_dets(sums.numpy(), empty.numpy(), found.numpy())
    else:
        factor, failed = torch.linalg.cholesky_ex(sums + empty[:, None])
        found = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        found = torch.where(failed > 0, torch.inf, found)
    check((found == torch.inf).any(1).all(), lambda: too_far(members[0]))
    return found


def factors(matrix: Tensor, prior: Hyperparameters) -> Tensor:
    """Cholesky factors ``(..., D + 1, D + 1)``; where rounding has ruined a matrix, a ``ValueError`` says why."""
    return cholesky(matrix, lambda: too_far(prior))


def too_far(prior: Hyperparameters) -> str:
    """What is wrong where rounding has ruined the sums of a slot."""
    scale = float(prior.scale[0, 0])
    return f"x holds points too far from the others for a scale like {scale:g}: drop the outliers or pass a larger one"


def normaliser(prior: Hyperparameters, n: Tensor, log_det: Tensor) -> Tensor:
    r"""The log normaliser ``(...)`` after n points, without what cancels in ratios.

    It uses :math:`\log |\Psi_n| = \log |\tilde\Psi_n| - \log \kappa_n`.
    """
    D, nu, log_kappa = len(prior.scale), prior.nu + n, (prior.kappa + n).log()
    return torch.mvlgamma(nu / 2, D) - 0.5 * nu * (log_det - log_kappa) - 0.5 * D * log_kappa
