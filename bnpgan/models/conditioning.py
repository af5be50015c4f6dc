"""How the cluster ``c`` enters a generator: with the latent vector at its input, and in its layers.

``c`` is either ``(B,)`` int64 slots, as in training, or ``(B, capacity)`` float rows of weights, convex combinations of
slots, which lie between clusters.
"""

import math
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
        # Not `table[c]`, which would read slot -1 as the last one and hide a label that was never assigned.
        return F.embedding(c, table)
    if c.ndim == 2 and c.is_floating_point() and c.shape[1] == capacity:
        return c.to(table.dtype) @ table
    raise ValueError(
        f"c: got shape {tuple(c.shape)} and {c.dtype}; "
        f"give (B,) int64 slots, or (B, {capacity}) float rows with one weight per slot"
    )


class Conditioning(nn.Module, ABC):
    """A map from ``(z, c)`` to a generator's input of ``out_dim`` features."""

    out_dim: int

    @abstractmethod
    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, D)`` and ``c``, ``(B,)`` slots or ``(B, capacity)`` rows, to ``(B, out_dim)``."""

    def modulation(self, channels: int) -> nn.Module:
        """A module ``(h, c) -> h`` that conditions a layer of so many channels; mostly it leaves the layer as it is."""
        return Unmodulated()


class Add(Conditioning):
    r"""Shifts the latent vector by a learned embedding, :math:`h = z + T_c`; at first :math:`T_{kd} \sim N(0, s^2)`.

    With Gaussian ``z`` the input is a mixture of unit Gaussians with learned means, at first about
    :math:`s \sqrt{2 D}` apart. The paper keeps p(C) fixed, its released code trains C.

    Args:
        capacity: number of slots.
        dim: size of ``z``, and of the result.
        learned: whether the embedding learns with the generator, or stays as it was drawn.
        scale: :math:`s`, the less the more of an image is left to ``z``, and the less to its slot.

    Raises:
        ValueError: if ``scale`` is not positive.

    Example:
        >>> add = Add(capacity=20, dim=8)
        >>> add(torch.randn(5, 8), torch.tensor([3, 3, 0, 19, 7])).shape
        torch.Size([5, 8])

    References:
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021.
    """

    def __init__(self, capacity: int, dim: int, learned: bool = True, scale: float = 1.0) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise ValueError(f"scale must be positive, got {scale}: pass 1, or less for slots that are more alike")
        self.out_dim = dim
        self.table = nn.Parameter(scale * torch.randn(capacity, dim), requires_grad=learned)

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


class OwnLayer(Conditioning):
    r"""A first layer for each slot, :math:`h = ReLU(W_c z + b_c)`: generators that share all layers but the first.

    Args:
        capacity: number of slots.
        z_dim: size of ``z``.
        dim: size of the result.

    Example:
        >>> own = OwnLayer(capacity=10, z_dim=2, dim=16)
        >>> own(torch.randn(3, 2), torch.tensor([0, 9, 9])).shape
        torch.Size([3, 16])

    References:
        "MGAN: Training Generative Adversarial Nets with Multiple Generators", 2018, section 3.
    """

    def __init__(self, capacity: int, z_dim: int, dim: int) -> None:
        super().__init__()
        self.out_dim = dim
        bound = z_dim**-0.5  # torch's own, of a linear layer
        self.table = nn.Parameter(torch.empty(capacity, (z_dim + 1) * dim).uniform_(-bound, bound))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, z_dim)`` and ``c`` to ``(B, dim)``; rows of weights combine the layers."""
        own = lookup(self.table, c).unflatten(1, (-1, self.out_dim))
        return F.relu(own[:, -1] + torch.einsum("bi,bij->bj", z, own[:, :-1]))


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


class EveryLayer(Conditioning):
    """Any conditioning at the input, and a modulation of every layer by the cluster, as in the paper of MIC-GAN.

    Args:
        conditioning: at the input.
        capacity: number of slots.

    Example:
        >>> everywhere = EveryLayer(Add(capacity=20, dim=8), capacity=20)
        >>> everywhere.modulation(64)(torch.randn(3, 64, 4, 4), torch.tensor([3, 0, 19])).shape
        torch.Size([3, 64, 4, 4])

    References:
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021.
    """

    def __init__(self, conditioning: Conditioning, capacity: int) -> None:
        super().__init__()
        self.conditioning, self.capacity, self.out_dim = conditioning, capacity, conditioning.out_dim

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """What the conditioning at the input makes of ``z`` and ``c``."""
        return self.conditioning(z, c)

    def modulation(self, channels: int) -> nn.Module:
        """A learned ``Modulation`` for a layer."""
        return Modulation(channels, self.capacity)


class Modulation(nn.Module):
    r"""Scales and shifts the channels of a layer for the cluster, :math:`h' = (1 + g_c) h + s_c`; at first not at all.

    Args:
        channels: of the layer.
        capacity: number of slots.

    Example:
        >>> Modulation(4, capacity=2)(torch.ones(1, 4), torch.tensor([1])).tolist()
        [[1.0, 1.0, 1.0, 1.0]]

    References:
        "A Learned Representation For Artistic Style", 2017, Eq. 5.
    """

    def __init__(self, channels: int, capacity: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(capacity, 2 * channels))

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Maps normalised activations ``(B, channels, ...)`` and ``c``, slots or rows of weights, to the same shape."""
        gain, shift = lookup(self.table, c).unflatten(1, (2, -1, *([1] * (h.ndim - 2)))).unbind(1)
        return (1 + gain) * h + shift


class Unmodulated(nn.Module):
    """Leaves a layer as it is.

    Example:
        >>> Unmodulated()(torch.ones(1, 4), torch.tensor([1])).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Returns ``h``."""
        return h


class Block(nn.Module):
    r"""A layer of a generator, :math:`ReLU(modulation(norm(linear(h)), c))`.

    Args:
        linear: a linear layer or a convolution.
        norm: its batch normalisation.
        modulation: of the normalised activations, by the cluster.

    Example:
        >>> block = Block(nn.Linear(2, 8), nn.BatchNorm1d(8), Modulation(8, capacity=3))
        >>> block(torch.randn(5, 2), torch.tensor([0, 1, 2, 0, 0])).shape
        torch.Size([5, 8])
    """

    def __init__(self, linear: nn.Module, norm: nn.Module, modulation: nn.Module) -> None:
        super().__init__()
        self.linear, self.norm, self.modulation = linear, norm, modulation

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        """Maps activations ``(B, ...)`` and ``c`` to the next layer's."""
        return F.relu(self.modulation(self.norm(self.linear(h)), c))
