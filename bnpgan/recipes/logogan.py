"""Logo-GAN (Sage et al. 2018)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from bnpgan.features import FromAutoencoder, FromRotations
from bnpgan.mixture import MixtureGAN, check_sizes
from bnpgan.models import Unconditional
from bnpgan.recipes.options import At, Options
from bnpgan.recipes.parts import Conditional
from bnpgan.samplers import Clusterer, KMeans


@dataclass(frozen=True, kw_only=True, eq=False)
class PrecomputedLabelGAN(Conditional):
    r"""Logo-GAN: labels once, by k-means on the codes of an auto-encoder, before the GAN is trained.

    Or on the features of a network that learned to name by how much images are turned, as SC-GAN's paper has RotNet
    beside it. For any other encoder, replace the features of the built GAN:
    ``replace(gan, features=FixedEncoder(encoder))``. With one of ``bnpgan.classifiers`` that is the paper's RC, and no
    more without supervision than the classifier is.

    Args:
        capacity: the number of clusters.
        rotations: whether a network of turns takes the place of the auto-encoder.
        code_dim: size of the auto-encoder's codes.
        encoder_steps: of its training.
        encoder_rate: its learning rate.

    Example:
        >>> PrecomputedLabelGAN(shape=(1, 8, 8), capacity=10).schedule.every is None
        True

    References:
        "Logo Synthesis and Manipulation with Clustered Generative Adversarial Networks", 2018;
        "Unsupervised Representation Learning by Predicting Image Rotations", 2018.
    """

    rotations: bool = False
    code_dim: int = 32
    encoder_steps: int = 2000
    encoder_rate: float = 1e-3
    options: ClassVar[Options] = {
        **Conditional.options,
        "rotations": At("rotations"),
        "code_dim": At("code_dim"),
        "encoder_steps": At("encoder_steps"),
        "encoder_rate": At("encoder_rate"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(code_dim=self.code_dim)
        if self.rotations and self.points:
            raise ValueError(f"rotations are of images, and the data have shape {self.shape}: leave it out")

    def usual_clusterer(self) -> Clusterer:
        """k-means."""
        return KMeans(self.capacity)

    def build(self) -> MixtureGAN:
        """The GAN."""
        return self.conditional(self._rotations if self.rotations else self._autoencoder)

    def _rotations(self) -> FromRotations:
        encoder = self.networks.encoder(self.shape)
        return FromRotations(encoder, steps=self.encoder_steps, learning_rate=self.encoder_rate)

    def _autoencoder(self) -> FromAutoencoder:
        encoder = self.networks.encoder(self.shape)
        return FromAutoencoder(
            nn.Sequential(encoder, nn.Linear(encoder.out_dim, self.code_dim)),
            Decoder(self.networks.generator(self.shape, Unconditional(self.code_dim))),
            steps=self.encoder_steps,
            learning_rate=self.encoder_rate,
        )


class Decoder(nn.Module):
    """A generator as a decoder: it takes codes in place of noise, and no cluster.

    Args:
        generator: unconditional.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, codes: Tensor) -> Tensor:
        """Maps codes ``(B, D)`` to images."""
        return self.generator(codes, codes)
