"""SC-GAN's networks, batches and rates, which the recipes that it is compared with share."""

from dataclasses import dataclass, replace

from bnpgan.features import Features, Identity
from bnpgan.losses import R1, NonSaturating
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import Concat, Discriminator, Gaussian, MaskedHead, PackedDiscriminator, ScalarHead, Unconditional
from bnpgan.recipes.backbones import Backbone, Shape, check_sizes, networks
from bnpgan.samplers import Clusterer, RandomLabels


@dataclass(frozen=True)
class Setting:
    """Networks for data of a shape, the size of the noise and the schedule, by the released code of SC-GAN."""

    shape: Shape
    build: Backbone
    z_dim: int
    schedule: Schedule

    @classmethod
    def of(
        cls,
        image_shape: Shape | None,
        dim: int | None,
        backbone: str | None,
        z_dim: int | None,
        batch: int | None,
        learning_rate: float,
        penalty: float,
        average: float,
        decay: int | None,
    ) -> "Setting":
        """What is ``None`` is set for points or for images."""
        check_sizes(z_dim=z_dim, batch=batch)
        shape, build = networks(image_shape, dim, backbone)
        points = image_shape is None
        schedule = Schedule(
            batch=batch or (100 if points else 64),
            every=None,
            generator_rate=learning_rate,
            discriminator_rate=learning_rate,
            betas=(0.8, 0.999) if points else (0.0, 0.99),
            penalty=R1(penalty) if penalty else None,
            average=average,
            decay=decay,
        )
        return cls(shape, build, z_dim or (2 if points else 128), schedule)

    def conditional(
        self, clusterer: Clusterer, features: Features, embedding_dim: int | None, every: int | None = None
    ) -> MixtureGAN:
        """A normalised embedding beside the noise, a logit for each slot, a partition from the first step on."""
        check_sizes(embedding_dim=embedding_dim)
        capacity, trunk = clusterer.capacity, self.build.trunk(self.shape)
        embedding_dim = embedding_dim or (32 if len(self.shape) == 1 else 256)
        return MixtureGAN(
            generator=self.build.generator(self.shape, Concat(capacity, self.z_dim, embedding_dim)),
            discriminator=Discriminator(trunk, MaskedHead(trunk.out_dim, capacity)),
            latent=Gaussian(self.z_dim),
            clusterer=clusterer,
            features=features,
            loss=NonSaturating(),
            schedule=replace(self.schedule, every=every),
        )

    def unconditional(self, pack: int = 1) -> MixtureGAN:
        """No clusters at all: one slot, and no partition in training."""
        channels, *sides = self.shape
        trunk = self.build.trunk((pack * channels, *sides))
        head = ScalarHead(trunk.out_dim)
        return MixtureGAN(
            generator=self.build.generator(self.shape, Unconditional(self.z_dim)),
            discriminator=Discriminator(trunk, head) if pack == 1 else PackedDiscriminator(trunk, head, pack),
            latent=Gaussian(self.z_dim),
            clusterer=RandomLabels(1),
            features=Identity(),
            loss=NonSaturating(),
            schedule=replace(self.schedule, warmup=None),
        )
