"""InfoGAN (Chen et al. 2016)."""

from dataclasses import dataclass
from typing import ClassVar

from bnpgan.auxiliary import SlotRecogniser
from bnpgan.features import FromRecogniser
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import Codes, Discriminator, ScalarHead, Unconditional
from bnpgan.recipes.options import At, Options
from bnpgan.recipes.parts import Recognised


@dataclass(frozen=True, kw_only=True, eq=False)
class InfoGAN(Recognised):
    r"""InfoGAN: the generator is given codes, and learns to make images from which they can be read.

    One code is a slot, the others are uniform. Q reads them from the last hidden layer of the discriminator, whose
    trunk learns for it too, as in the paper. The clusters are the slots that Q is surest of.

    Args:
        capacity: the number of slots.
        uniform: the number of uniform codes.
        weight: of Q's loss, in that of the generator and of the discriminator.
        uniform_weight: of the uniform codes in it.

    Example:
        >>> InfoGAN(shape=(1, 8, 8)).build().latent.out_dim
        74

    References:
        "InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets", 2016,
        Eq. 6 and section 7.
    """

    uniform: int = 2
    weight: float = 1.0
    uniform_weight: float = 0.1
    options: ClassVar[Options] = {
        "uniform": At("uniform"),
        "weight": At("weight"),
        "uniform_weight": At("uniform_weight"),
    }

    def usual_z_dim(self) -> int:
        """62."""
        return 62

    def usual_schedule(self) -> Schedule:
        """Rates of 1e-3 and 2e-4, betas (.5, .999)."""
        return Schedule(warmup=None, generator_rate=1e-3, discriminator_rate=2e-4, betas=(0.5, 0.999))

    def build(self) -> MixtureGAN:
        """The GAN, with Q on the trunk of its discriminator."""
        trunk, latent = self.networks.trunk(self.shape), Codes(self.capacity, self.z_dim, self.uniform)
        weights = self.weight, self.uniform_weight, self.weight
        return self.assembled(
            self.networks.generator(self.shape, Unconditional(latent.out_dim)),
            Discriminator(trunk, ScalarHead(trunk.out_dim)),
            latent,
            self.own(lambda: FromRecogniser(self.capacity)),
            SlotRecogniser(trunk.out_dim, self.capacity, self.uniform, *weights),
        )
