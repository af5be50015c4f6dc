"""MGAN (Hoang et al. 2018)."""

from dataclasses import dataclass
from typing import ClassVar

from bnpgan.auxiliary import SlotRecogniser
from bnpgan.features import FromRecogniser
from bnpgan.mixture import MixtureGAN, Schedule, check_sizes
from bnpgan.models import Discriminator, OwnLayer, ScalarHead, Uniform
from bnpgan.recipes.options import At, Options
from bnpgan.recipes.parts import Recognised


@dataclass(frozen=True, kw_only=True, eq=False)
class MGAN(Recognised):
    r"""MGAN: generators that share all layers but the first, and a classifier that tells them apart.

    The classifier shares the trunk of the discriminator, which learns for both. The clusters are the generators that it
    names for real images.

    Args:
        capacity: the number of generators.
        weight: of the classifier's cross-entropy in the generators' loss, the paper's beta; in that of the
            discriminator it is 1.
        first_dim: size of the first layer.

    Example:
        >>> MGAN(shape=(2,), capacity=8).build().generator.conditioning.out_dim
        128

    References:
        "MGAN: Training Generative Adversarial Nets with Multiple Generators", 2018, Eqs. 5 to 7.
    """

    weight: float = 0.01
    first_dim: int = 128
    options: ClassVar[Options] = {"weight": At("weight"), "first_dim": At("first_dim")}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(first_dim=self.first_dim)

    def usual_z_dim(self) -> int:
        """2 for points, 100 for images."""
        return 2 if self.points else 100

    def usual_schedule(self) -> Schedule:
        """A rate of 2e-4, betas (.5, .999)."""
        return Schedule(warmup=None, generator_rate=2e-4, discriminator_rate=2e-4, betas=(0.5, 0.999))

    def build(self) -> MixtureGAN:
        """The GAN, with the classifier on the trunk of its discriminator."""
        trunk, first = self.networks.trunk(self.shape), OwnLayer(self.capacity, self.z_dim, self.first_dim)
        return self.assembled(
            self.networks.generator(self.shape, first),
            Discriminator(trunk, ScalarHead(trunk.out_dim)),
            Uniform(self.z_dim),
            self.own(lambda: FromRecogniser(self.capacity)),
            SlotRecogniser(trunk.out_dim, self.capacity, weight=self.weight, trunk_weight=1.0),
        )
