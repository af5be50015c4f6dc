"""The convolutional backbone of MIC-GAN and of SC-GAN's stacked digits, for square images from 8 to 128 pixels."""

from dataclasses import dataclass

from torch import Tensor, nn

from .backbone import Backbone, Shape, grid
from .conditioning import Block, Conditioning
from .heads import Trunk


class DCGANGenerator(nn.Module):
    r"""Maps :math:`(z, c)` to an image in [-1, 1] through a linear layer, n doublings and a convolution.

    With side :math:`s 2^n`, s in 4..7: Linear to :math:`(2^n w, s, s)`; n times [transposed convolution 4/2/1 that
    halves the channels, BN, ReLU], down to w channels; convolution 3/1/1; tanh. At 32 pixels and w = 64 this is
    MIC-GAN's network: 512 x 4 x 4, then 256, 128, 64.

    Args:
        shape: ``(C, H, W)`` of an image, H = W = s 2^n in 8..128.
        conditioning: maps ``(z, c)`` to the first layer's input, and may modulate the doublings.
        width: w, the channels at full resolution.

    Raises:
        ValueError: if ``shape`` is not such a square image.

    Example:
        >>> import torch
        >>> from bnpgan.models import Add
        >>> generator = DCGANGenerator((1, 28, 28), Add(capacity=20, dim=8), width=4)
        >>> generator(torch.randn(3, 8), torch.tensor([0, 19, 7])).shape
        torch.Size([3, 1, 28, 28])

    References:
        "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks", 2015;
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021.
    """

    def __init__(self, shape: tuple[int, ...], conditioning: Conditioning, width: int = 64) -> None:
        super().__init__()
        s, n = grid(shape)
        channels = width << n
        self.conditioning = conditioning
        self.first = nn.Sequential(nn.Linear(conditioning.out_dim, channels * s * s), nn.Unflatten(1, (channels, s, s)))
        self.blocks = nn.ModuleList()
        for _ in range(n):
            half = channels // 2
            up = nn.ConvTranspose2d(channels, half, 4, 2, 1)
            self.blocks.append(Block(up, nn.BatchNorm2d(half), conditioning.modulation(half)))
            channels = half
        self.last = nn.Sequential(nn.Conv2d(channels, shape[0], 3, 1, 1), nn.Tanh())

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Maps ``z`` ``(B, D)`` and ``c``, ``(B,)`` slots or ``(B, capacity)`` rows, to images ``(B, C, H, W)``."""
        h = self.first(self.conditioning(z, c))
        for block in self.blocks:
            h = block(h, c)
        return self.last(h)


class DCGANTrunk(Trunk):
    r"""Maps images to features through n + 1 halvings, [convolution 4/2/1, BN on all but the first, LeakyReLU 0.2].

    With side :math:`s 2^n`, s in 4..7, the channels are w, 2 w, ..., :math:`2^n w` and the last grid has
    :math:`\lfloor s / 2 \rfloor` cells a side; ``out_dim`` is their product, 2048 at 32 pixels and w = 64.

    Args:
        shape: ``(C, H, W)`` of an image, H = W = s 2^n in 8..128.
        width: w, the channels after the first halving.
        norm: whether there is batch normalisation; without it this is MIC-GAN's encoder Q.

    Raises:
        ValueError: if ``shape`` is not such a square image.

    Example:
        >>> import torch
        >>> trunk = DCGANTrunk((3, 32, 32), width=8)
        >>> trunk.out_dim, trunk(torch.randn(2, 3, 32, 32)).shape
        (256, torch.Size([2, 256]))

    References:
        "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks", 2015;
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 64, norm: bool = True) -> None:
        super().__init__()
        s, n = grid(shape)
        layers: list[nn.Module] = []
        channels = shape[0]
        for i in range(n + 1):
            layers.append(nn.Conv2d(channels, width << i, 4, 2, 1))
            channels = width << i
            if norm and i > 0:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.out_dim = channels * (s // 2) ** 2

    def forward(self, x: Tensor) -> Tensor:
        """Maps images ``(B, C, H, W)`` to features ``(B, out_dim)``."""
        return self.layers(x)


@dataclass(frozen=True)
class DCGAN(Backbone):
    """Convolutions for square images of 8 to 128 pixels, with ``width`` channels at full resolution.

    Example:
        >>> DCGAN(width=16).trunk((1, 28, 28)).out_dim
        576

    References:
        "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks", 2015.
    """

    width: int = 64

    def generator(self, shape: Shape, conditioning: Conditioning) -> nn.Module:
        """Doublings by transposed convolutions with batch normalisation."""
        return DCGANGenerator(shape, conditioning, self.width)

    def trunk(self, shape: Shape) -> Trunk:
        """Halvings by convolutions, with batch normalisation on all but the first."""
        return DCGANTrunk(shape, self.width)

    def encoder(self, shape: Shape) -> Trunk:
        """The same without normalisation, as MIC-GAN has it."""
        return DCGANTrunk(shape, self.width, norm=False)
