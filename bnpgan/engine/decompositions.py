"""Cholesky factors and inverses, without those checks of torch for which the host would wait on a GPU."""

from collections.abc import Callable

import torch
from torch import Tensor

from bnpgan.waits import check


def cholesky(matrix: Tensor, message: Callable[[], str] | None = None) -> Tensor:
    """Lower factors ``(..., D, D)`` of positive definite matrices.

    Args:
        matrix: ``(..., D, D)``.
        message: makes the text of the error, where it can say more than that a matrix is not positive definite.

    Raises:
        ValueError: where one is not positive definite; see ``waits.check`` for when.
    """
    factor, failed = torch.linalg.cholesky_ex(matrix)
    check(failed.any(), message or (lambda: _ruined(matrix.shape[-1])))
    return factor


def _ruined(D: int) -> str:
    return (
        f"a covariance of {D:,} columns is not positive definite in double precision: drop outliers or rescale the "
        "data; where points are few for so many columns, reduce these (bnpgan.partition.reduced), or use a component "
        "without correlations (NormalInverseGamma, SphericalNormal)"
    )


def inverse_of_factor(factor: Tensor) -> Tensor:
    """Inverses ``(..., D, D)`` of lower triangular factors, contiguous."""
    eye = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, eye, upper=False).contiguous()


def inverse(factor: Tensor) -> Tensor:
    """Inverses ``(..., D, D)`` of the matrices with these lower factors."""
    if factor.device.type == "cpu":
        return torch.cholesky_inverse(factor)
    half = inverse_of_factor(factor)
    return half.mT @ half
