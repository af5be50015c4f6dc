"""The law of the latent vector given the cluster, ``p(z given c)``."""

import torch
from torch import Tensor, nn


class Gaussian(nn.Module):
    r"""Draws :math:`z \sim N(0, I)` whatever the cluster, from torch's ambient generator.

    Args:
        dim: size of ``z``.

    Example:
        >>> Gaussian(dim=8)(torch.tensor([0, 0, 3])).shape
        torch.Size([3, 8])
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, c: Tensor) -> Tensor:
        """Draws ``(B, dim)`` in torch's default dtype, on the device of ``c``, whose first axis alone is read."""
        return torch.randn(c.shape[0], self.dim, device=c.device)
