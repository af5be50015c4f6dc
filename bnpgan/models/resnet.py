"""The residual backbone of Mescheder et al., without normalisation, for square images from 8 to 128 pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import Backbone, Shape, grid
from .conditioning import Conditioning, Unmodulated
from .drawn import GAIN, LEAK, drawn
from .heads import Trunk


def _channels(width: int, n: int) -> list[int]:
    # From full resolution to the coarsest grid: doubled at each halving, at most 16 times the width.
    return [width << min(i, 4) for i in range(n + 1)]


def _leaky(h: Tensor) -> Tensor:
    return F.leaky_relu(h, LEAK)


class ResNetBlock(nn.Module):
    r"""A residual block, :math:`h' = (W_s h + W_1 a(W_0 a(h))) / \sqrt{2}` with :math:`a` a LeakyReLU of slope 0.2.

    The convolutions are 3/1/1 and the middle has the fewer channels of the two ends. :math:`W_s` is the identity, or a
    convolution 1/1/0 without bias where the number of channels changes. Weights are drawn so that both terms, and their
    sum, start with the variance of the input. In the paper the second has a tenth of its size, which suits hundreds of
    thousands of steps of a deep network: in thousands, such a network learns little but its shortcuts.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        modulation: makes the module ``(h, c) -> h`` before an activation of so many channels.

    Example:
        >>> import torch
        >>> from bnpgan.models import Add
        >>> block = ResNetBlock(8, 16, Add(capacity=20, dim=4).modulation)
        >>> block(torch.randn(3, 8, 4, 4), torch.tensor([0, 19, 7])).shape
        torch.Size([3, 16, 4, 4])

    References:
        "Which Training Methods for GANs do actually Converge?", 2018, appendix D.
    """

    def __init__(self, in_channels: int, out_channels: int, modulation: Callable[[int], nn.Module]) -> None:
        super().__init__()
        middle = min(in_channels, out_channels)
        self.modulations = nn.ModuleList(modulation(channels) for channels in (in_channels, middle))
        self.inner = drawn(nn.Conv2d(in_channels, middle, 3, 1, 1), GAIN)
        self.outer = drawn(nn.Conv2d(middle, out_channels, 3, 1, 1), GAIN)
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else drawn(nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, h: Tensor, c: Tensor | None) -> Tensor:
        """Maps activations ``(B, in_channels, H, W)`` and ``c`` to ``(B, out_channels, H, W)``."""
        first, second = self.modulations
        change = self.outer(_leaky(second(self.inner(_leaky(first(h, c))), c)))
        return (self.shortcut(h) + change) * 0.5**0.5


class ResNetGenerator(nn.Module):
    r"""Maps :math:`(z, c)` to an image in [-1, 1] through a linear layer and residual blocks with doublings between.

    With side :math:`s 2^n`, s in 4..7: Linear to the coarsest grid; a block there; n times [nearest neighbours twice as
    large, block]; LeakyReLU; convolution 3/1/1; tanh. Channels are w at full resolution and double at each halving, up
    to 16 w.

    Args:
        shape: ``(C, H, W)`` of an image, H = W = s 2^n in 8..128.
        conditioning: maps ``(z, c)`` to the first layer's input, and may modulate the layers.
        width: w, the channels at full resolution.

    Raises:
        ValueError: if ``shape`` is not such a square image.

    Example:
        >>> import torch
        >>> from bnpgan.models import Add
        >>> generator = ResNetGenerator((1, 28, 28), Add(capacity=20, dim=8), width=4)
        >>> generator(torch.randn(3, 8), torch.tensor([0, 19, 7])).shape
        torch.Size([3, 1, 28, 28])

    References:
        "Which Training Methods for GANs do actually Converge?", 2018, appendix D.
    """

    def __init__(self, shape: Shape, conditioning: Conditioning, width: int = 64) -> None:
        super().__init__()
        s, n = grid(shape)
        channels = _channels(width, n)[::-1]
        coarsest = channels[0]
        self.conditioning = conditioning
        self.first = nn.Sequential(
            drawn(nn.Linear(conditioning.out_dim, coarsest * s * s)), nn.Unflatten(1, (coarsest, s, s))
        )
        self.blocks = nn.ModuleList(
            ResNetBlock(*pair, conditioning.modulation) for pair in pairwise([coarsest, *channels])
        )
        self.last = drawn(nn.Conv2d(width, shape[0], 3, 1, 1), GAIN)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, D)`` and ``c``, ``(B,)`` slots or ``(B, capacity)`` rows, to images ``(B, C, H, W)``."""
        h = self.first(self.conditioning(z, c))
        for i, block in enumerate(self.blocks):
            h = block(F.interpolate(h, scale_factor=2) if i else h, c)
        return self.last(_leaky(h)).tanh()


class ResNetTrunk(Trunk):
    r"""Maps images to features: the generator backwards, with average pooling 3/2/1 between the blocks.

    ``out_dim`` is the number of channels on the coarsest grid times its cells, 16384 at 64 pixels and w = 64.

    Args:
        shape: ``(C, H, W)`` of an image, H = W = s 2^n in 8..128.
        width: w, the channels at full resolution.

    Raises:
        ValueError: if ``shape`` is not such a square image.

    Example:
        >>> import torch
        >>> trunk = ResNetTrunk((3, 32, 32), width=8)
        >>> trunk.out_dim, trunk(torch.randn(2, 3, 32, 32)).shape
        (1024, torch.Size([2, 1024]))

    References:
        "Which Training Methods for GANs do actually Converge?", 2018, appendix D.
    """

    def __init__(self, shape: Shape, width: int = 64) -> None:
        super().__init__()
        s, n = grid(shape)
        channels = _channels(width, n)
        self.first = drawn(nn.Conv2d(shape[0], width, 3, 1, 1))
        self.blocks = nn.ModuleList(
            ResNetBlock(*pair, lambda channels: Unmodulated()) for pair in pairwise([width, *channels])
        )
        self.out_dim = channels[-1] * s * s

    def forward(self, x: Tensor) -> Tensor:
        """Maps images ``(B, C, H, W)`` to features ``(B, out_dim)``."""
        h = self.first(x)
        for i, block in enumerate(self.blocks):
            h = block(F.avg_pool2d(h, 3, 2, 1) if i else h, None)
        return _leaky(h).flatten(1)


@dataclass(frozen=True)
class ResNet(Backbone):
    """Residual blocks for square images of 8 to 128 pixels, with ``width`` channels at full resolution.

    Example:
        >>> ResNet(width=8).trunk((1, 28, 28)).out_dim
        1568

    References:
        "Which Training Methods for GANs do actually Converge?", 2018.
    """

    width: int = 64

    def generator(self, shape: Shape, conditioning: Conditioning) -> nn.Module:
        """Residual blocks with doublings between."""
        return ResNetGenerator(shape, conditioning, self.width)

    def trunk(self, shape: Shape) -> Trunk:
        """Residual blocks with average pooling between."""
        return ResNetTrunk(shape, self.width)
