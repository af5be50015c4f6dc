"""The last layer of a discriminator, and the discriminator made of a trunk and a head."""

import math
from abc import ABC

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conditioning import lookup


class Trunk(nn.Module, ABC):
    """A map from data ``(B, ...)`` to features ``(B, out_dim)``, on which a head or an encoder is put."""

    out_dim: int


class MinibatchTrunk(Trunk):
    r"""Any trunk, and how near each image of the batch is to the others: minibatch discrimination.

    .. math:: h'_i = [h_i, o_i], \qquad o_{ib} = \sum_{j \ne i} \exp(-\| M_{ib} - M_{jb} \|_1), \qquad M_i = T h_i

    Args:
        trunk: maps images to features h ``(B, D)``.
        kernels: number of :math:`o_{ib}` for an image.
        dim: size of each :math:`M_{ib}`.

    Example:
        >>> from bnpgan.models import MLPTrunk
        >>> MinibatchTrunk(MLPTrunk((2,), (16,)), kernels=5)(torch.zeros(4, 2))[:, 16:].unique().tolist()
        [3.0]

    References:
        "Improved Techniques for Training GANs", 2016, section 3.2.
    """

    def __init__(self, trunk: Trunk, kernels: int = 50, dim: int = 5) -> None:
        super().__init__()
        self.trunk, self.out_dim = trunk, trunk.out_dim + kernels
        self.linear = nn.Linear(trunk.out_dim, kernels * dim, bias=False)
        self.kernels = kernels

    def forward(self, x: Tensor) -> Tensor:
        """Maps images ``(B, ...)`` to ``(B, D + kernels)``."""
        h = self.trunk(x)
        m = self.linear(h).unflatten(1, (self.kernels, -1))
        apart = (m[:, None] - m[None]).abs().sum(3)  # (B, B, kernels)
        return torch.cat([h, torch.exp(-apart).sum(1) - 1], 1)  # without itself


class ScalarHead(nn.Module):
    r"""One logit for every image, :math:`D(x) = w^\top h + b`, whatever its cluster.

    Args:
        in_dim: number of features.

    Example:
        >>> ScalarHead(in_dim=16)(torch.randn(5, 16), None).shape
        torch.Size([5])
    """

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, 1)

    def forward(self, h: Tensor, c: Tensor | None) -> Tensor:
        """Maps features ``(B, in_dim)`` to logits ``(B,)``; ``c`` is not read."""
        return self.linear(h).squeeze(1)


class MaskedHead(nn.Module):
    r"""One logit per slot, of which that of the image's slot is taken: :math:`D(x, c) = w_c^\top h + b_c`.

    One more logit, the last, judges images while there is no partition yet.

    Args:
        in_dim: number of features.
        capacity: number of slots.

    Example:
        >>> head = MaskedHead(in_dim=16, capacity=20)
        >>> h = torch.randn(3, 16)
        >>> head(h, torch.tensor([0, 19, 7])).shape, head(h, None).shape
        (torch.Size([3]), torch.Size([3]))

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020;
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021.
    """

    def __init__(self, in_dim: int, capacity: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, capacity + 1)

    def forward(self, h: Tensor, c: Tensor | None) -> Tensor:
        """Maps features ``(B, in_dim)`` and slots ``(B,)`` int64, or None, to logits ``(B,)``.

        Raises:
            ValueError: if ``c`` is not one int64 slot per image.
        """
        logits = self.linear(h)
        if c is None:
            return logits[:, -1]
        # Without the last column, so that slot `capacity` is out of bounds instead of the unconditional logit.
        return logits[:, :-1].gather(1, _slots(h, c)[:, None]).squeeze(1)


class ProjectionHead(nn.Module):
    r"""One logit whatever the slot, and a product with the embedding of the slot, :math:`w^\top h + b + e_c^\top h`.

    While there is no partition yet, the first term judges alone. What it learns is shared by all slots, whereas each
    logit of the masked head learns from the images of its slot only. Embeddings start at 0.

    Args:
        in_dim: number of features.
        capacity: number of slots.

    Example:
        >>> head = ProjectionHead(in_dim=16, capacity=20)
        >>> h = torch.randn(3, 16)
        >>> head(h, torch.tensor([0, 19, 7])).shape, head(h, None).shape
        (torch.Size([3]), torch.Size([3]))

    References:
        "cGANs with Projection Discriminator", 2018, Eq. 7.
    """

    def __init__(self, in_dim: int, capacity: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, 1)
        self.table = nn.Parameter(torch.zeros(capacity, in_dim))

    def forward(self, h: Tensor, c: Tensor | None) -> Tensor:
        """Maps features ``(B, in_dim)`` and slots ``(B,)`` int64, or None, to logits ``(B,)``.

        Raises:
            ValueError: if ``c`` is not one int64 slot per image.
        """
        shared = self.linear(h).squeeze(1)
        return shared if c is None else shared + (lookup(self.table, _slots(h, c)) * h).sum(1)


class ClassHead(nn.Module):
    r"""All logits at once, :math:`D(x) = W h + b`, for losses that weigh every class.

    Args:
        in_dim: number of features.
        outputs: number of logits: the classes, and one more where "fake" is a class.

    Example:
        >>> ClassHead(in_dim=16, outputs=10)(torch.randn(5, 16), None).shape
        torch.Size([5, 10])
    """

    def __init__(self, in_dim: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, outputs)

    def forward(self, h: Tensor, c: Tensor | None) -> Tensor:
        """Maps features ``(B, in_dim)`` to logits ``(B, outputs)``; ``c`` is not read."""
        return self.linear(h)


def _slots(h: Tensor, c: Tensor) -> Tensor:
    if c.shape != h.shape[:1] or c.dtype != torch.int64:
        raise ValueError(
            f"c: got shape {tuple(c.shape)} and {c.dtype}; "
            f"give one int64 slot for each of the {h.shape[0]} images, or None before there is a partition"
        )
    return c


class SimplexHead(nn.Module):
    r"""Log-densities of an embedding under Gaussians in the corners of a simplex, :math:`\log N(e; \mu_k, \sigma^2 I)`.

    The embedding is linear, :math:`e = W h + b`, of one dimension less than there are corners; the corners have unit
    length, are equally far from each other and do not learn.

    Args:
        in_dim: number of features.
        capacity: number of corners, at least 2.
        variance: :math:`\sigma^2`.

    Raises:
        ValueError: if there are fewer corners, or the variance is not positive.

    Example:
        >>> head = SimplexHead(in_dim=16, capacity=4)
        >>> head(torch.randn(3, 16), None).shape, torch.pdist(head.corners).std().item() < 1e-6
        (torch.Size([3, 4]), True)

    References:
        "Mixture Density Generative Adversarial Networks", 2019, section 3.
    """

    def __init__(self, in_dim: int, capacity: int, variance: float = 0.25) -> None:
        super().__init__()
        if capacity < 2 or not variance > 0:
            raise ValueError(f"capacity must be at least 2, variance positive, got {capacity}, {variance}: e.g. 9, .25")
        self.linear = nn.Linear(in_dim, capacity - 1)
        self.variance = variance
        self.corners: Tensor
        self.register_buffer("corners", simplex(capacity))

    def forward(self, h: Tensor, c: Tensor | None) -> Tensor:
        """Maps features ``(B, in_dim)`` to log-densities ``(B, capacity)``; ``c`` is not read."""
        e = self.linear(h)
        # |e - mu|^2 with unit mu.
        squares = e.square().sum(1, keepdim=True) - 2 * e @ self.corners.T + 1
        return -0.5 * (squares / self.variance + e.shape[1] * math.log(2 * math.pi * self.variance))


def simplex(corners: int) -> Tensor:
    """So many points ``(corners, corners - 1)`` of unit length, each as far from every other.

    Example:
        >>> simplex(2).abs().tolist()
        [[1.0], [1.0]]
    """
    centred = torch.eye(corners, dtype=torch.float64) - 1 / corners
    # An orthonormal basis of the plane that they lie in: all of Q but its last column, for they sum to 0.
    basis = torch.linalg.qr(centred[:, :-1]).Q
    return F.normalize(centred @ basis, dim=1).float()


class Discriminator(nn.Module):
    r"""Judges an image, :math:`D(x, c) = \mathrm{head}(\mathrm{trunk}(x), c)`, and shows the features it judges by.

    Args:
        trunk: maps images to features ``(B, out_dim)``.
        head: maps features and slots, or None, to outputs.

    Example:
        >>> discriminator = Discriminator(nn.Linear(2, 16), MaskedHead(16, capacity=20))
        >>> x = torch.randn(3, 2)
        >>> discriminator(x).shape, discriminator.features(x).shape
        (torch.Size([3]), torch.Size([3, 16]))
    """

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        """Maps images ``(B, ...)`` to the trunk's features ``(B, out_dim)``: what a clusterer may see."""
        return self.trunk(x)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Maps images ``(B, ...)`` and slots ``(B,)``, or None before there is a partition, to the head's outputs."""
        return _judged(self.head, self.features(x), c)


class PackedDiscriminator(nn.Module):
    r"""Judges several images at once, :math:`D(x_1, \dots, x_m)`: all from the data, or all from the generator.

    Packs of a generator that has lost modes are too much alike, which such a discriminator can see. Images are packed
    in the order in which they come, side by side as channels; a batch must be a multiple of the pack.

    Args:
        trunk: maps packs ``(B, m C, H, W)``, or ``(B, m D)`` for points, to features ``(B, out_dim)``.
        head: maps features and None to outputs.
        pack: m, the images to a pack.

    Raises:
        ValueError: from calls, if a batch is not a multiple of ``pack``.

    Example:
        >>> discriminator = PackedDiscriminator(nn.Linear(4, 16), ScalarHead(16), pack=2)
        >>> discriminator(torch.randn(6, 2)).shape
        torch.Size([3])

    References:
        "PacGAN: The power of two samples in generative adversarial networks", 2018, section 2.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module, pack: int) -> None:
        super().__init__()
        self.trunk, self.head, self.pack = trunk, head, pack

    def features(self, x: Tensor) -> Tensor:
        """Maps images ``(B, ...)`` to the features ``(B, out_dim)`` of packs of one image and itself."""
        return self.trunk(x.repeat_interleave(self.pack, 0).unflatten(0, (-1, self.pack)).flatten(1, 2))

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Maps images ``(B, ...)`` to the head's outputs for ``(B / pack)`` packs; slots are not read."""
        if len(x) % self.pack:
            raise ValueError(f"x holds {len(x)} images, not a multiple of {self.pack}: change the batch to a multiple")
        return _judged(self.head, self.trunk(x.unflatten(0, (-1, self.pack)).flatten(1, 2)), None)


def _judged(head: nn.Module, h: Tensor, c: Tensor | None) -> Tensor:
    # In single precision at least, where the trunk computes in half of it: a logit of 20 has steps of 1/8 there.
    with torch.autocast(h.device.type, enabled=False):
        return head(h.to(torch.promote_types(h.dtype, torch.float32)), c)
