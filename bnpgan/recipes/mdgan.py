"""MD-GAN (Eghbal-zadeh et al. 2019)."""

from dataclasses import dataclass
from typing import ClassVar

from bnpgan.features import FromOutputs
from bnpgan.losses import GANLoss, MixtureDensity
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import Discriminator, Gaussian, SimplexHead, Unconditional
from bnpgan.recipes.options import Options
from bnpgan.recipes.parts import Recognised


@dataclass(frozen=True, kw_only=True, eq=False)
class MDGAN(Recognised):
    r"""MD-GAN: a discriminator that embeds real images near the corners of a simplex, and generated ones elsewhere.

    The clusters are the corners that real images are nearest to. The generator is a plain one and knows none: images of
    a cluster are images of all.

    Args:
        capacity: the number of corners; the embedding has one dimension less.

    Example:
        >>> MDGAN(shape=(2,), capacity=10).build().discriminator.head.corners.shape
        torch.Size([10, 9])

    References:
        "Mixture Density Generative Adversarial Networks", 2019, section 3.
    """

    loss: GANLoss = MixtureDensity()
    options: ClassVar[Options] = {}

    def usual_z_dim(self) -> int:
        """2 for points, 100 for images."""
        return 2 if self.points else 100

    def usual_schedule(self) -> Schedule:
        """A rate of 2e-4, betas (.5, .999)."""
        return Schedule(warmup=None, generator_rate=2e-4, discriminator_rate=2e-4, betas=(0.5, 0.999))

    def build(self) -> MixtureGAN:
        """The GAN, with a discriminator that embeds."""
        trunk = self.networks.trunk(self.shape)
        return self.assembled(
            self.networks.generator(self.shape, Unconditional(self.z_dim)),
            Discriminator(trunk, SimplexHead(trunk.out_dim, self.capacity)),
            Gaussian(self.z_dim),
            self.own(FromOutputs),
        )
