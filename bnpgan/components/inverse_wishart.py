"""Draws from inverse Wishart laws."""

import torch
from torch import Tensor
from torch.distributions import Chi2


def inverse_wishart_factor(nu: Tensor, psi: Tensor) -> Tensor:
    r"""Factors ``(K, D, D)`` of draws :math:`\Sigma = F F^T \sim IW(\nu, \Psi)`, given ``(K,)`` and ``(K, D, D)``.

    With :math:`\Psi = L L^T` and :math:`A` Bartlett's lower triangle, :math:`\Sigma^{-1} = L^{-T} A A^T L^{-1}`, hence
    :math:`F = L A^{-T}`.

    References:
        Smith and Hocking, "Algorithm AS 53: Wishart variate generator", 1972 (the Bartlett decomposition).
    """
    K, D = psi.shape[:2]
    bartlett = torch.randn(K, D, D, dtype=psi.dtype, device=psi.device).tril(-1)
    bartlett += torch.diag_embed(Chi2(nu[:, None] - torch.arange(D, device=nu.device)).sample().sqrt())
    inverse = torch.linalg.solve_triangular(bartlett, torch.eye(D).to(psi).expand(K, D, D), upper=False)
    return torch.linalg.cholesky(psi) @ inverse.mT
