"""The fully connected backbone: points in the plane, feature vectors, small images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from .backbone import Backbone, Shape
from .conditioning import Block, Conditioning
from .heads import Trunk


class Maxout(nn.Module):
    r"""A hidden layer that takes the largest of several affine maps, :math:`h_i = \max_p w_{pi}^\top x + b_{pi}`.

    Args:
        in_dim: number of inputs.
        out_dim: number of units.
        pieces: affine maps per unit.

    Example:
        >>> import torch
        >>> Maxout(2, 200)(torch.randn(5, 2)).shape
        torch.Size([5, 200])

    References:
        "Maxout Networks", 2013.
    """

    def __init__(self, in_dim: int, out_dim: int, pieces: int = 5) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, pieces * out_dim)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(B, in_dim)`` to ``(B, out_dim)``."""
        return self.linear(x).unflatten(1, (self.pieces, -1)).amax(1)


class LeakyLinear(nn.Sequential):
    r"""A hidden layer with a leaky rectifier, :math:`h = \max(u, 0.2 u)` with :math:`u = W x + b`.

    Args:
        in_dim: number of inputs.
        out_dim: number of units.

    Example:
        >>> import torch
        >>> LeakyLinear(2, 200)(torch.randn(5, 2)).shape
        torch.Size([5, 200])
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(nn.Linear(in_dim, out_dim), nn.LeakyReLU(0.2))


class MLPGenerator(nn.Module):
    r"""Maps :math:`(z, c)` to data through hidden layers :math:`h \leftarrow ReLU(BN(W h + b))` and a linear one.

    Args:
        shape: of one datum, ``(D,)`` for vectors or ``(C, H, W)`` for images.
        conditioning: maps ``(z, c)`` to the first layer's input, and may modulate the hidden ones.
        widths: of the hidden layers.
        bounded: whether a tanh keeps the output in [-1, 1], as images need and points do not.
        normalised: whether the hidden layers have their batch normalisation.

    Example:
        >>> import torch
        >>> from bnpgan.models import Concat
        >>> generator = MLPGenerator((2,), Concat(capacity=50, z_dim=2, embedding_dim=32))
        >>> generator(torch.randn(3, 2), torch.tensor([0, 49, 7])).shape
        torch.Size([3, 2])

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020 (the defaults: its 2-D experiments).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        conditioning: Conditioning,
        widths: Sequence[int] = (400, 400, 400, 400),
        bounded: bool = False,
        normalised: bool = True,
    ) -> None:
        super().__init__()
        dims = [conditioning.out_dim, *widths]
        self.conditioning = conditioning
        self.blocks = nn.ModuleList(
            Block(
                nn.Linear(in_dim, out_dim),
                nn.BatchNorm1d(out_dim) if normalised else nn.Identity(),
                conditioning.modulation(out_dim),
            )
            for in_dim, out_dim in pairwise(dims)
        )
        bound = [nn.Tanh()] if bounded else []
        self.last = nn.Sequential(nn.Linear(dims[-1], prod(shape)), *bound, nn.Unflatten(1, shape))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, D)`` and ``c``, ``(B,)`` slots or ``(B, capacity)`` rows, to data ``(B, *shape)``."""
        h = self.conditioning(z, c)
        for block in self.blocks:
            h = block(h, c)
        return self.last(h)


class MLPTrunk(Trunk):
    """Maps data to features through hidden blocks, without normalisation.

    Args:
        shape: of one datum, ``(D,)`` for vectors or ``(C, H, W)`` for images.
        widths: of the hidden blocks; the last is the attribute ``out_dim``.
        block: builds a block from its input and output sizes: ``Maxout``, ``LeakyLinear`` or your own.

    Example:
        >>> import torch
        >>> trunk = MLPTrunk((1, 8, 8), widths=(256, 256), block=LeakyLinear)
        >>> trunk.out_dim, trunk(torch.randn(3, 1, 8, 8)).shape
        (256, torch.Size([3, 256]))

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020 (the defaults: its 2-D experiments).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: Sequence[int] = (200, 200, 200),
        block: Callable[[int, int], nn.Module] = Maxout,
    ) -> None:
        super().__init__()
        dims = [prod(shape), *widths]
        self.out_dim = dims[-1]
        self.layers = nn.Sequential(nn.Flatten(), *(block(in_dim, out_dim) for in_dim, out_dim in pairwise(dims)))

    def forward(self, x: Tensor) -> Tensor:
        """Maps data ``(B, *shape)`` to features ``(B, out_dim)``."""
        return self.layers(x)


@dataclass(frozen=True)
class MLP(Backbone):
    """Two hidden layers of ``width`` units, leaky in discriminator and encoder.

    Args:
        width: units of a layer.
        normalised: whether the generator's layers have batch normalisation. With it generators find modes that are far
            apart; in frames, where nothing is far, they draw a mode more truly without.

    Example:
        >>> MLP(width=64).trunk((1, 8, 8)).out_dim
        64
    """

    width: int = 256
    normalised: bool = True

    def generator(self, shape: Shape, conditioning: Conditioning) -> nn.Module:
        """Rectified hidden layers."""
        widths = (self.width, self.width)
        return MLPGenerator(shape, conditioning, widths, bounded=len(shape) == 3, normalised=self.normalised)

    def trunk(self, shape: Shape) -> Trunk:
        """Leaky hidden layers, without normalisation."""
        return MLPTrunk(shape, (self.width, self.width), LeakyLinear)


@dataclass(frozen=True)
class MaxoutMLP(Backbone):
    """The papers' networks for points in the plane: four hidden layers of ``width`` units against three of half that.

    Example:
        >>> MaxoutMLP().trunk((2,)).out_dim
        200

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020 (its 2-D experiments).
    """

    width: int = 400

    def generator(self, shape: Shape, conditioning: Conditioning) -> nn.Module:
        """Rectified hidden layers with batch normalisation."""
        return MLPGenerator(shape, conditioning, 4 * (self.width,), bounded=len(shape) == 3)

    def trunk(self, shape: Shape) -> Trunk:
        """Maxout layers, five affine maps per unit."""
        return MLPTrunk(shape, 3 * (max(1, self.width // 2),))

    def encoder(self, shape: Shape) -> Trunk:
        """Two leaky layers of 256 units: the papers have no encoder for points."""
        return MLPTrunk(shape, (256, 256), LeakyLinear)
