"""The backbone of R3GAN, a residual network of today without normalisation, for square images from 8 to 128 pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import Backbone, Shape, grid
from .conditioning import Conditioning, Unmodulated
from .dcgan import DCGANTrunk
from .drawn import GAIN, LEAK, drawn
from .heads import Trunk
from .resampling import doubled, halved

BLOCKS = 2
"""Residual blocks to each resolution, as in the paper."""
EXPANSION = 2
"""Channels in the middle of a block, of those at its ends, as in the paper."""
GROUP = 16
"""Channels to a group of the grouped convolution, as in the paper's networks."""


def _channels(width: int, n: int) -> list[int]:
    # From full resolution to the coarsest grid: doubled at each halving, at most 8 times the width.
    return [width << min(i, 3) for i in range(n + 1)]


class R3Block(nn.Module):
    r"""An inverted bottleneck, :math:`h' = h + W_2\, a(W_1\, a(W_0 h))` with :math:`a` a LeakyReLU of slope 0.2.

    :math:`W_0` and :math:`W_2` are convolutions 1/1/0 to twice the channels and back, :math:`W_1` is a convolution
    3/1/1 in groups of 16 channels, or one group where their number is no divisor. Fix-up initialisation takes the place
    of normalisation: :math:`W_2` starts at 0, the other two are scaled by :math:`L^{-1/4}` in a network of L blocks.

    Args:
        channels: of input and output.
        depth: L, the blocks of the network.
        modulation: makes the module ``(h, c) -> h`` before an activation of so many channels.

    Example:
        >>> from bnpgan.models import Add
        >>> block = R3Block(8, depth=4, modulation=Add(capacity=20, dim=4).modulation)
        >>> h = torch.randn(3, 8, 4, 4)
        >>> bool((block(h, torch.tensor([0, 19, 7])) == h).all())
        True

    References:
        "The GAN is dead; long live the GAN! A Modern Baseline GAN", 2024, section 3.
    """

    def __init__(self, channels: int, depth: int, modulation: Callable[[int], nn.Module]) -> None:
        super().__init__()
        middle, gain = EXPANSION * channels, GAIN * depth**-0.25
        groups = gcd(middle, max(1, middle // GROUP))
        self.first = drawn(nn.Conv2d(channels, middle, 1), gain)
        self.second = drawn(nn.Conv2d(middle, middle, 3, 1, 1, groups=groups), gain)
        self.third = drawn(nn.Conv2d(middle, channels, 1, bias=False), 0.0)
        self.modulations = nn.ModuleList(modulation(middle) for _ in range(2))

    def forward(self, h: Tensor, c: Tensor | None) -> Tensor:
        """Maps activations ``(B, channels, H, W)`` and ``c`` to the same shape."""
        first, second = self.modulations
        change = F.leaky_relu(first(self.first(h), c), LEAK)
        change = F.leaky_relu(second(self.second(change), c), LEAK)
        return h + self.third(change)


class R3GANGenerator(nn.Module):
    r"""Maps :math:`(z, c)` to an image in [-1, 1] through a learned basis and residual blocks with doublings between.

    With side :math:`s 2^n`, s in 4..7: a learned image of the coarsest grid, each channel of which is scaled by a
    linear function of the input; two blocks; n times [convolution 1/1/0 where the number of channels changes, bilinear
    doubling, two blocks]; convolution 1/1/0; tanh, which the paper does not have. Channels are w at full resolution and
    double at each halving, up to 8 w.

    Args:
        shape: ``(C, H, W)`` of an image, H = W = s 2^n in 8..128.
        conditioning: maps ``(z, c)`` to the first layer's input, and may modulate the layers.
        width: w, the channels at full resolution.

    Raises:
        ValueError: if ``shape`` is not such a square image.

    Example:
        >>> from bnpgan.models import Add
        >>> generator = R3GANGenerator((1, 28, 28), Add(capacity=20, dim=8), width=4)
        >>> generator(torch.randn(3, 8), torch.tensor([0, 19, 7])).shape
        torch.Size([3, 1, 28, 28])

    References:
        "The GAN is dead; long live the GAN! A Modern Baseline GAN", 2024, section 3.
    """

    def __init__(self, shape: Shape, conditioning: Conditioning, width: int = 64) -> None:
        super().__init__()
        s, n = grid(shape)
        channels = _channels(width, n)[::-1]
        self.conditioning = conditioning
        self.scales = drawn(nn.Linear(conditioning.out_dim, channels[0], bias=False))
        self.basis = nn.Parameter(torch.randn(channels[0], s, s))
        self.stages = _stages(channels, conditioning.modulation)
        self.steps = _steps(channels)
        self.last = drawn(nn.Conv2d(width, shape[0], 1, bias=False))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, D)`` and ``c``, ``(B,)`` slots or ``(B, capacity)`` rows, to images ``(B, C, H, W)``."""
        h = self.scales(self.conditioning(z, c))[:, :, None, None] * self.basis
        for step, blocks in zip([None, *self.steps], self.stages, strict=True):
            h = h if step is None else doubled(step(h))
            for block in blocks:  # type: ignore[attr-defined]  # a list of blocks
                h = block(h, c)
        return self.last(h).tanh()


class R3GANTrunk(Trunk):
    r"""Maps images to features: the generator backwards, with a learned weighting of the coarsest grid at the end.

    ``out_dim`` is the number of channels on the coarsest grid, 512 at 64 pixels and w = 64.

    Args:
        shape: ``(C, H, W)`` of an image, H = W = s 2^n in 8..128.
        width: w, the channels at full resolution.

    Raises:
        ValueError: if ``shape`` is not such a square image.

    Example:
        >>> trunk = R3GANTrunk((3, 32, 32), width=8)
        >>> trunk.out_dim, trunk(torch.randn(2, 3, 32, 32)).shape
        (64, torch.Size([2, 64]))

    References:
        "The GAN is dead; long live the GAN! A Modern Baseline GAN", 2024, section 3.
    """

    def __init__(self, shape: Shape, width: int = 64) -> None:
        super().__init__()
        s, n = grid(shape)
        channels = _channels(width, n)
        self.out_dim = channels[-1]
        self.first = drawn(nn.Conv2d(shape[0], width, 1, bias=False))
        self.stages = _stages(channels, lambda channels: Unmodulated())
        self.steps = _steps(channels)
        self.basis = drawn(nn.Conv2d(self.out_dim, self.out_dim, s, groups=self.out_dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Maps images ``(B, C, H, W)`` to features ``(B, out_dim)``."""
        h = self.first(x)
        for step, blocks in zip([None, *self.steps], self.stages, strict=True):
            h = h if step is None else step(halved(h))
            for block in blocks:  # type: ignore[attr-defined]  # a list of blocks
                h = block(h, None)
        return self.basis(h).flatten(1)


def _stages(channels: Sequence[int], modulation: Callable[[int], nn.Module]) -> nn.ModuleList:
    depth = BLOCKS * len(channels)
    return nn.ModuleList(nn.ModuleList(R3Block(count, depth, modulation) for _ in range(BLOCKS)) for count in channels)


def _steps(channels: Sequence[int]) -> nn.ModuleList:
    # From the channels of one resolution to those of the next.
    return nn.ModuleList(
        nn.Identity() if a == b else drawn(nn.Conv2d(a, b, 1, bias=False)) for a, b in pairwise(channels)
    )


@dataclass(frozen=True)
class R3GAN(Backbone):
    """Inverted bottlenecks for square images of 8 to 128 pixels, with ``width`` channels at full resolution.

    The paper trains them with :class:`~bnpgan.losses.Relativistic` and both R1 and R2.

    Example:
        >>> R3GAN(width=16).trunk((1, 28, 28)).out_dim
        64

    References:
        "The GAN is dead; long live the GAN! A Modern Baseline GAN", 2024.
    """

    width: int = 64

    def generator(self, shape: Shape, conditioning: Conditioning) -> nn.Module:
        """Inverted bottlenecks with bilinear doublings between."""
        return R3GANGenerator(shape, conditioning, self.width)

    def trunk(self, shape: Shape) -> Trunk:
        """Inverted bottlenecks with bilinear halvings between."""
        return R3GANTrunk(shape, self.width)

    def encoder(self, shape: Shape) -> Trunk:
        """MIC-GAN's own, as ``DCGAN`` has it, at a fraction of the cost."""
        return DCGANTrunk(shape, self.width, norm=False)
