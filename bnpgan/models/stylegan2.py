"""The backbone of StyleGAN2, in small and in plain PyTorch, for square images from 8 to 128 pixels."""

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import Backbone, Shape, grid
from .conditioning import Conditioning
from .dcgan import DCGANTrunk
from .heads import Trunk
from .resampling import doubled, halved

MAPPING = 2
"""Layers of the mapping network; StyleGAN2 has 8, its CIFAR-10 setting with adaptive augmentation 2."""
MAPPING_RATE = 0.01
"""Learning rate of the mapping network, of that of the others, as in the paper."""
EPSILON = 1e-8
"""Added where a root is taken, as in the paper: far below squares of activations, which are about 1."""


def _channels(width: int, n: int) -> list[int]:
    # From full resolution to the coarsest grid: doubled at each halving, at most 8 times the width.
    return [width << min(i, 3) for i in range(n + 1)]


def _activation(h: Tensor) -> Tensor:
    # LeakyReLU, scaled so that the mean square of normal inputs is nearly kept.
    return sqrt(2) * F.leaky_relu(h, 0.2)


class EqualLinear(nn.Module):
    r"""A linear layer with an equalised learning rate, :math:`h' = r (W h / \sqrt{n} + b)`, n the number of inputs.

    :math:`W_{ij} \sim N(0, 1 / r^2)` at first: Adam moves all weights of the network by like shares.

    Args:
        in_dim: number of inputs, n.
        out_dim: number of units.
        bias: r b at first.
        rate: r, the learning rate of the layer, of that of the others.

    Example:
        >>> EqualLinear(2, 200)(torch.randn(5, 2)).shape
        torch.Size([5, 200])

    References:
        "Progressive Growing of GANs for Improved Quality, Stability, and Variation", 2018, section 4.1.
    """

    def __init__(self, in_dim: int, out_dim: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim) / rate)
        self.bias = nn.Parameter(torch.full((out_dim,), bias / rate))

    def forward(self, h: Tensor) -> Tensor:
        """Maps ``(B, in_dim)`` to ``(B, out_dim)``."""
        return F.linear(h, self.weight * (self.rate / sqrt(self.weight.shape[1])), self.rate * self.bias)


class EqualConv2d(nn.Module):
    r"""A convolution of odd size, stride 1 and equalised learning rate, :math:`h' = W * h / \sqrt{n} + b`.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        size: of the kernel; n is its square times ``in_channels``.
        bias: whether there is b, 0 at first.

    Example:
        >>> EqualConv2d(3, 8, 3)(torch.randn(5, 3, 4, 4)).shape
        torch.Size([5, 8, 4, 4])

    References:
        "Progressive Growing of GANs for Improved Quality, Stability, and Variation", 2018, section 4.1.
    """

    def __init__(self, in_channels: int, out_channels: int, size: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, size, size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def scaled(self) -> Tensor:
        """The kernel, of variance 1 / n at first."""
        return self.weight / sqrt(self.weight[0].numel())

    def forward(self, h: Tensor) -> Tensor:
        """Maps ``(B, in_channels, H, W)`` to ``(B, out_channels, H, W)``."""
        return F.conv2d(h, self.scaled(), self.bias, padding=self.weight.shape[2] // 2)


class StyledConv2d(nn.Module):
    r"""A convolution whose input channels are scaled by a style, and whose output channels to unit variance.

    .. math:: h'_o = d_o \sum_i W_{oi} * (s_i h_i), \quad s = A w + b, \quad
        d_o = \big(\textstyle\sum_{i, k} (W_{oik} s_i)^2 + \epsilon\big)^{-1/2}

    This is the paper's convolution with one kernel for each image, without making the kernels.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        size: of the kernel.
        w_dim: size of the style vector w.
        demodulate: whether outputs are scaled by d; else d = 1.

    Example:
        >>> StyledConv2d(3, 8, 3, w_dim=4)(torch.randn(5, 3, 4, 4), torch.randn(5, 4)).shape
        torch.Size([5, 8, 4, 4])

    References:
        "Analyzing and Improving the Image Quality of StyleGAN", 2020, Eqs. 1 to 3.
    """

    def __init__(self, in_channels: int, out_channels: int, size: int, w_dim: int, demodulate: bool = True) -> None:
        super().__init__()
        self.style = EqualLinear(w_dim, in_channels, bias=1.0)
        self.convolution = EqualConv2d(in_channels, out_channels, size, bias=False)
        self.demodulate = demodulate

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        """Maps ``(B, in_channels, H, W)`` and styles ``(B, w_dim)`` to ``(B, out_channels, H, W)``."""
        s = self.style(w)
        h = self.convolution(s[:, :, None, None] * h)
        if not self.demodulate:
            return h
        squares = s.square() @ self.convolution.scaled().square().sum((2, 3)).T
        return h * (squares + EPSILON).rsqrt()[:, :, None, None]


class StyledLayer(nn.Module):
    r"""A layer of the generator, :math:`a(modulation(conv(h, w) + \sigma \nu + b, c))` with noise :math:`\nu`.

    The noise is one standard normal number for each pixel, from torch's ambient generator in training and the same
    each time in evaluation; its strength :math:`\sigma` is learned and starts at 0.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        w_dim: size of the style vector.
        side: of the output, in pixels.
        modulation: of the layer, ``(h, c) -> h``.

    Example:
        >>> from bnpgan.models import Unmodulated
        >>> layer = StyledLayer(3, 8, w_dim=4, side=16, modulation=Unmodulated())
        >>> layer(torch.randn(5, 3, 16, 16), torch.randn(5, 4), torch.zeros(5, dtype=torch.int64)).shape
        torch.Size([5, 8, 16, 16])

    References:
        "Analyzing and Improving the Image Quality of StyleGAN", 2020, Figure 2.
    """

    noise: Tensor

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, side: int, modulation: nn.Module) -> None:
        super().__init__()
        self.convolution = StyledConv2d(in_channels, out_channels, 3, w_dim)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(out_channels, 1, 1))
        self.modulation = modulation
        self.register_buffer("noise", torch.randn(side, side))

    def forward(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        """Maps activations ``(B, in_channels, H, W)``, styles ``(B, w_dim)`` and ``c`` to the next layer's."""
        h = self.convolution(h, w)
        noise = torch.randn_like(h[:, :1]) if self.training else self.noise
        return _activation(self.modulation(h + self.strength * noise + self.bias, c))


class StyleGAN2Generator(nn.Module):
    r"""Maps :math:`(z, c)` to an image in [-1, 1]: to a style, which scales the channels of convolutions.

    A mapping network of two layers makes the style w of the input, which is brought to unit mean square before. With
    side :math:`s 2^n`, s in 4..7: a learned image of the coarsest grid, a layer; n times [bilinear doubling, two
    layers]. At each resolution a convolution 1/1/0 makes an image; these are added up from coarse to fine; tanh, which
    the paper does not have. Channels are w at full resolution and double at each halving, up to 8 w, which is also the
    size of the style.

    Args:
        shape: ``(C, H, W)`` of an image, H = W = s 2^n in 8..128.
        conditioning: maps ``(z, c)`` to the mapping network's input, and may modulate the layers beside the style.
        width: w, the channels at full resolution.

    Raises:
        ValueError: if ``shape`` is not such a square image.

    Example:
        >>> from bnpgan.models import Add
        >>> generator = StyleGAN2Generator((1, 28, 28), Add(capacity=20, dim=8), width=4)
        >>> generator(torch.randn(3, 8), torch.tensor([0, 19, 7])).shape
        torch.Size([3, 1, 28, 28])

    References:
        "Analyzing and Improving the Image Quality of StyleGAN", 2020, sections 2 and 4.
    """

    def __init__(self, shape: Shape, conditioning: Conditioning, width: int = 64) -> None:
        super().__init__()
        s, n = grid(shape)
        channels, w_dim = _channels(width, n)[::-1], 8 * width
        self.conditioning = conditioning
        dims = [conditioning.out_dim, *MAPPING * [w_dim]]
        self.mapping = nn.ModuleList(EqualLinear(*pair, rate=MAPPING_RATE) for pair in pairwise(dims))
        self.constant = nn.Parameter(torch.randn(channels[0], s, s))
        self.layers, self.painters = nn.ModuleList(), nn.ModuleList()
        for i, (before, count) in enumerate(pairwise([channels[0], *channels])):
            ends = [(before, count), (count, count)] if i else [(before, count)]
            self.layers.append(
                nn.ModuleList(StyledLayer(*pair, w_dim, s << i, conditioning.modulation(count)) for pair in ends)
            )
            self.painters.append(StyledConv2d(count, shape[0], 1, w_dim, demodulate=False))
        self.bias = nn.Parameter(torch.zeros(shape[0], 1, 1))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, D)`` and ``c``, ``(B,)`` slots or ``(B, capacity)`` rows, to images ``(B, C, H, W)``."""
        w = self.conditioning(z, c)
        w = w * (w.square().mean(1, keepdim=True) + EPSILON).rsqrt()
        for layer in self.mapping:
            w = _activation(layer(w))
        h, image = self.constant.expand(w.shape[0], -1, -1, -1), w.new_zeros(())
        for i, (layers, painter) in enumerate(zip(self.layers, self.painters, strict=True)):
            if i:
                h, image = doubled(h), doubled(image)
            for layer in layers:  # type: ignore[attr-defined]  # a list of layers
                h = layer(h, w, c)
            image = image + painter(h, w)
        return (image + self.bias).tanh()


class MinibatchDeviation(nn.Module):
    """Appends a channel: how much activations vary over the batch, one number, the mean of their standard deviations.

    A discriminator sees by it whether the generator's images are too much alike. In evaluation, where features of an
    image must not depend on the others, the number is its running mean over calls in training.

    Example:
        >>> MinibatchDeviation()(torch.randn(5, 3, 4, 4)).shape
        torch.Size([5, 4, 4, 4])

    References:
        "Progressive Growing of GANs for Improved Quality, Stability, and Variation", 2018, section 3.
    """

    typical: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("typical", torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        """Maps activations ``(B, C, H, W)`` to ``(B, C + 1, H, W)``."""
        deviation = self.typical
        if self.training:
            deviation = (h.var(0, unbiased=False) + EPSILON).sqrt().mean().to(self.typical.dtype)
            self.typical.lerp_(deviation.detach(), 0.1)
        return torch.cat([h, deviation.expand_as(h[:, :1])], 1)


class StyleGAN2Block(nn.Module):
    r"""A residual block of the discriminator that halves, :math:`h' = (f(h) + W_s h_{\downarrow}) / \sqrt{2}`.

    f is [convolution 3/1/1, activation, bilinear halving, convolution 3/1/1, activation].

    Args:
        in_channels: of the input.
        out_channels: of the output.

    Example:
        >>> StyleGAN2Block(4, 8)(torch.randn(5, 4, 16, 16)).shape
        torch.Size([5, 8, 8, 8])

    References:
        "Analyzing and Improving the Image Quality of StyleGAN", 2020, Figure 7.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = EqualConv2d(in_channels, in_channels, 3)
        self.second = EqualConv2d(in_channels, out_channels, 3)
        self.shortcut = EqualConv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """Maps ``(B, in_channels, H, W)`` to ``(B, out_channels, H / 2, W / 2)``."""
        change = _activation(self.second(halved(_activation(self.first(h)))))
        return (change + self.shortcut(halved(h))) / sqrt(2)


class StyleGAN2Trunk(Trunk):
    r"""Maps images to features: a convolution 1/1/0, n residual blocks that halve, and the coarsest grid as a whole.

    There, the deviation over the batch is appended, and a convolution 3/1/1 and a linear layer follow. ``out_dim`` is
    the number of channels on the coarsest grid, 512 at 32 pixels and w = 64.

    Args:
        shape: ``(C, H, W)`` of an image, H = W = s 2^n in 8..128.
        width: w, the channels at full resolution.

    Raises:
        ValueError: if ``shape`` is not such a square image.

    Example:
        >>> trunk = StyleGAN2Trunk((3, 32, 32), width=8)
        >>> trunk.out_dim, trunk(torch.randn(2, 3, 32, 32)).shape
        (64, torch.Size([2, 64]))

    References:
        "Analyzing and Improving the Image Quality of StyleGAN", 2020, section 4.
    """

    def __init__(self, shape: Shape, width: int = 64) -> None:
        super().__init__()
        s, n = grid(shape)
        channels = _channels(width, n)
        self.out_dim = last = channels[-1]
        self.first = EqualConv2d(shape[0], width, 1)
        self.blocks = nn.Sequential(*(StyleGAN2Block(*pair) for pair in pairwise(channels)))
        self.deviation = MinibatchDeviation()
        self.convolution = EqualConv2d(last + 1, last, 3)
        self.linear = EqualLinear(last * s * s, last)

    def forward(self, x: Tensor) -> Tensor:
        """Maps images ``(B, C, H, W)`` to features ``(B, out_dim)``."""
        h = self.blocks(_activation(self.first(x)))
        h = _activation(self.convolution(self.deviation(h)))
        return _activation(self.linear(h.flatten(1)))


@dataclass(frozen=True)
class StyleGAN2(Backbone):
    """StyleGAN2 for square images of 8 to 128 pixels, with ``width`` channels at full resolution.

    Learning rates are equalised, so they are larger than elsewhere: the paper's is 2e-3.

    Example:
        >>> StyleGAN2(width=8).trunk((1, 28, 28)).out_dim
        32

    References:
        "Analyzing and Improving the Image Quality of StyleGAN", 2020.
    """

    width: int = 64

    def generator(self, shape: Shape, conditioning: Conditioning) -> nn.Module:
        """A mapping network, and convolutions that a style modulates."""
        return StyleGAN2Generator(shape, conditioning, self.width)

    def trunk(self, shape: Shape) -> Trunk:
        """Residual blocks, and the deviation over the batch."""
        return StyleGAN2Trunk(shape, self.width)

    def encoder(self, shape: Shape) -> Trunk:
        """MIC-GAN's own, as ``DCGAN`` has it: the rates of encoders are not those of equalised layers."""
        return DCGANTrunk(shape, self.width, norm=False)
