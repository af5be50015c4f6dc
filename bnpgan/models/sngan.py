"""SC-GAN's networks for CIFAR-10: the generator of DCGAN against the discriminator of SN-GAN, 8 to 128 pixels."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .backbone import Backbone, Shape, grid
from .conditioning import Conditioning
from .dcgan import DCGANGenerator
from .heads import Trunk


class SNGANTrunk(Trunk):
    r"""Maps images to features through n pairs of convolutions and a last one, each with a LeakyReLU of slope 0.1.

    With side :math:`s 2^n`, s in 4..7: n times [convolution 3/1/1, convolution 4/2/1] with w, 2 w, ... channels, and a
    convolution 3/1/1 to :math:`2^n w`. At 32 pixels and w = 64 these are the seven layers of the paper, 64, 64, 128,
    128, 256, 256, 512, and ``out_dim`` is 8192.

    Args:
        shape: ``(C, H, W)`` of an image, H = W = s 2^n in 8..128.
        width: w, the channels at full resolution.
        spectral: whether each weight is divided by its largest singular value, which one step of the power iteration
            follows at each call in training.

    Raises:
        ValueError: if ``shape`` is not such a square image.

    Example:
        >>> import torch
        >>> trunk = SNGANTrunk((3, 32, 32), width=8)
        >>> trunk.out_dim, trunk(torch.randn(2, 3, 32, 32)).shape
        (1024, torch.Size([2, 1024]))

    References:
        "Spectral Normalization for Generative Adversarial Networks", 2018, Algorithm 1 and Table 3;
        "Diverse Image Generation via Self-Conditioned GANs", 2020 (its CIFAR-10 experiments).
    """

    def __init__(self, shape: Shape, width: int = 64, spectral: bool = False) -> None:
        super().__init__()
        s, n = grid(shape)
        layers: list[nn.Module] = []
        channels = shape[0]
        for i in range(n + 1):
            out = width << i
            steps = [nn.Conv2d(channels, out, 3, 1, 1), *([nn.Conv2d(out, out, 4, 2, 1)] if i < n else [])]
            for convolution in steps:
                layers += [spectral_norm(convolution) if spectral else convolution, nn.LeakyReLU(0.1)]
            channels = out
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.out_dim = channels * s * s

    def forward(self, x: Tensor) -> Tensor:
        """Maps images ``(B, C, H, W)`` to features ``(B, out_dim)``."""
        return self.layers(x)


@dataclass(frozen=True)
class SNGAN(Backbone):
    """SC-GAN's networks for CIFAR-10, with ``width`` channels at full resolution.

    The released code of SC-GAN has this layout without spectral normalisation, SN-GAN itself with it. The head of the
    discriminator is not normalised in either case.

    Attributes:
        spectral: whether the convolutions of the discriminator are spectrally normalised.

    Example:
        >>> SNGAN(width=16, spectral=True).trunk((1, 28, 28)).out_dim
        3136

    References:
        "Spectral Normalization for Generative Adversarial Networks", 2018;
        "Diverse Image Generation via Self-Conditioned GANs", 2020.
    """

    width: int = 64
    spectral: bool = False

    def generator(self, shape: Shape, conditioning: Conditioning) -> nn.Module:
        """The generator of DCGAN."""
        return DCGANGenerator(shape, conditioning, self.width)

    def trunk(self, shape: Shape) -> Trunk:
        """Pairs of convolutions, the second of which halves."""
        return SNGANTrunk(shape, self.width, self.spectral)

    def encoder(self, shape: Shape) -> Trunk:
        """The same without spectral normalisation, which is for discriminators."""
        return SNGANTrunk(shape, self.width)
