"""Several generators in one."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .conditioning import lookup


class Bodies(nn.Module):
    r"""A generator of its own for each slot, :math:`G(z, c) = G_c(z)`; rows of weights combine their images.

    Each sees the whole batch, so that its batch normalisation does, and the image of the slot is taken. A batch costs
    what all generators cost, and which slots it has need not be known: a GPU is never waited for.

    Args:
        generators: one for each slot.

    Example:
        >>> from bnpgan.models import MLPGenerator, Unconditional
        >>> bodies = Bodies(MLPGenerator((2,), Unconditional(8), (16,)) for _ in range(3))
        >>> bodies(torch.randn(5, 8), torch.tensor([0, 2, 2, 1, 0])).shape
        torch.Size([5, 2])

    References:
        "Disconnected Manifold Learning for Generative Adversarial Networks", 2018, section 3.
    """

    def __init__(self, generators: Iterable[nn.Module]) -> None:
        super().__init__()
        self.generators = nn.ModuleList(generators)
        self.one_hot: Tensor
        self.register_buffer("one_hot", torch.eye(len(self.generators)))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, D)`` and ``c``, ``(B,)`` slots or ``(B, capacity)`` rows, to data ``(B, ...)``."""
        images = torch.stack([generator(z, c) for generator in self.generators], 1)
        return torch.einsum("bk,bk...->b...", lookup(self.one_hot, c), images)
