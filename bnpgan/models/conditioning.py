"""How the cluster ``c`` enters a generator: from a latent vector and a slot to the network's input.

``c`` is either ``(B,)`` int64 slots, as in training, or ``(B, capacity)`` float rows, convex combinations of slots,
with which one walks between clusters.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def lookup(table: Tensor, c: Tensor) -> Tensor:
    r"""Reads one embedding per image, :math:`e_b = T_{c_b}` for slots and :math:`e_b = \sum_k c_{bk} T_k` for rows.

    Args:
        table: ``(capacity, D)``, the embedding of each slot.
        c: ``(B,)`` int64 slots in ``[0, capacity)``, or ``(B, capacity)`` float rows of weights.

    Returns:
        ``(B, D)``.

    Raises:
        ValueError: if ``c`` has neither of the two forms, or its rows have the wrong width.
        IndexError: if a slot is outside ``[0, capacity)``, on a CPU; a GPU reports a device-side assertion instead,
            because looking at the values would make every step wait for the device.

    Example:
        >>> table = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
        >>> lookup(table, torch.tensor([1, 0])).tolist()
        [[0.0, 4.0], [1.0, 0.0]]
        >>> lookup(table, torch.tensor([[0.5, 0.5]])).tolist()
        [[0.5, 2.0]]
    """
    capacity = table.shape[0]
    if c.ndim == 1 and c.dtype == torch.int64:
        # Not `table[c]`: that would take slot -1 for the last one, and hide a label that was never assigned.
        return F.embedding(c, table)
    if c.ndim == 2 and c.is_floating_point() and c.shape[1] == capacity:
        return c.to(table.dtype) @ table
    raise ValueError(
        f"c: got shape {tuple(c.shape)} and {c.dtype}; "
        f"give (B,) int64 slots, or (B, {capacity}) float rows with one weight per slot"
    )


class Conditioning(nn.Module, ABC):
    """What every conditioning is: a map from ``(z, c)`` to a generator's input of ``out_dim`` features."""

    out_dim: int

    @abstractmethod
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, D)`` and ``c``, ``(B,)`` slots or ``(B, capacity)`` rows, to ``(B, out_dim)``."""


class Add(Conditioning):
    r"""Shifts the latent vector by a learned embedding, :math:`h = z + T_c`; at first :math:`T_{kd} \sim N(0, 1)`.

    With Gaussian ``z`` the input is a mixture of unit Gaussians with learned means. The paper keeps p(C) fixed and
    feeds C to several layers; its released code, which we follow, trains C and conditions the input alone.

    Args:
        capacity: number of slots.
        dim: size of ``z``, and of the result.

    Example:
        >>> add = Add(capacity=20, dim=8)
        >>> add(torch.randn(5, 8), torch.tensor([3, 3, 0, 19, 7])).shape
        torch.Size([5, 8])

    References:
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021.
    """

    def __init__(self, capacity: int, dim: int) -> None:
        super().__init__()
        self.out_dim = dim
        self.table = nn.Parameter(torch.randn(capacity, dim))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, dim)`` and ``c`` to ``(B, dim)``; see ``lookup`` for the forms of ``c`` and the errors."""
        return z + lookup(self.table, c)


class Concat(Conditioning):
    r"""Appends a learned embedding, :math:`h = [z, e]` with :math:`e = T_c / \|T_c\|`, or :math:`e = T_c`.

    Rows of weights are combined first and normalised after, so the path between two clusters stays on the sphere.

    Args:
        capacity: number of slots.
        z_dim: size of ``z``.
        embedding_dim: size of the embedding.
        normalize: whether the embedding has unit length.

    Example:
        >>> concat = Concat(capacity=50, z_dim=2, embedding_dim=32)
        >>> h = concat(torch.randn(5, 2), torch.tensor([3, 3, 0, 49, 7]))
        >>> h.shape, bool((h[:, 2:].norm(dim=1) - 1).abs().max() < 1e-6)
        (torch.Size([5, 34]), True)

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020.
    """

    def __init__(self, capacity: int, z_dim: int, embedding_dim: int, normalize: bool = True) -> None:
        super().__init__()
        self.out_dim = z_dim + embedding_dim
        self.normalize = normalize
        self.table = nn.Parameter(torch.randn(capacity, embedding_dim))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, z_dim)`` and ``c`` to ``(B, out_dim)``; see ``lookup`` for the forms of ``c``."""
        e = lookup(self.table, c)
        return torch.cat([z, F.normalize(e, dim=1) if self.normalize else e], dim=1)


class Unconditional(Conditioning):
    """Ignores the cluster, :math:`h = z`: a plain GAN, or a mixture that lives in ``p(z given c)`` alone.

    Args:
        z_dim: size of ``z``, and of the result.

    Example:
        >>> z = torch.randn(2, 8)
        >>> Unconditional(z_dim=8)(z, torch.tensor([0, 1])) is z
        True
    """

    def __init__(self, z_dim: int) -> None:
        super().__init__()
        self.out_dim = z_dim

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Returns ``z`` ``(B, z_dim)``."""
        return z
