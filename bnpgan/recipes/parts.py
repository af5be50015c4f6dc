"""What several recipes share: SC-GAN's networks and schedule, and an encoder that learns from the generator."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.features import Features, FromEncoder
from bnpgan.mixture import MixtureGAN, Recipe, Schedule, check_sizes
from bnpgan.models import (
    Concat,
    Discriminator,
    Gaussian,
    MaskedHead,
    PackedDiscriminator,
    ProjectionHead,
    ScalarHead,
    Trunk,
    Unconditional,
)
from bnpgan.recipes.options import At, Change, Options
from bnpgan.samplers import Clusterer, FixedLabels, RandomLabels

__all__ = ["PROJECTION", "Conditional", "Encoder", "Head", "Plain", "Recognised"]

Head = type[MaskedHead] | type[ProjectionHead]
"""A class of heads that judge an image under its slot, or without one; made of a number of features and of slots."""

PROJECTION = Change(
    lambda recipe, wanted: replace(recipe, head=ProjectionHead if wanted else MaskedHead),
    bool,
    False,
    "a discriminator that projects features on an embedding of the slot, in place of a logit for each slot",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Plain(Recipe):
    """A recipe with the batches and rates of SC-GAN's released code, and no clusters: one slot, no partition."""

    capacity: int = 1
    options: ClassVar[Options] = {}

    def usual_z_dim(self) -> int:
        """2 for points, 128 for images."""
        return 2 if self.points else 128

    def usual_clusterer(self) -> Clusterer:
        """One slot for all."""
        return RandomLabels(1)

    def usual_schedule(self) -> Schedule:
        """No partition in training; the images are clustered once, when it ends."""
        return self.scgan_schedule(warmup=None)

    def scgan_schedule(self, **changes: int | None) -> Schedule:
        """Batches of 100 points or 64 images, one rate, and betas for each."""
        betas = (0.8, 0.999) if self.points else (0.0, 0.99)
        return Schedule(**({"batch": 100 if self.points else 64, "every": None, "betas": betas} | changes))  # type: ignore[arg-type]

    def unconditional(self, features: Features, pack: int = 1) -> MixtureGAN:
        """The GAN of one Gaussian, with a discriminator that judges ``pack`` images together."""
        channels, *sides = self.shape
        trunk = self.networks.trunk((pack * channels, *sides))
        head = ScalarHead(trunk.out_dim)
        generator = self.networks.generator(self.shape, Unconditional(self.z_dim))
        discriminator = Discriminator(trunk, head) if pack == 1 else PackedDiscriminator(trunk, head, pack)
        return self.assembled(generator, discriminator, Gaussian(self.z_dim), features)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditional(Plain):
    """A recipe with clusters from the first step on: a normalised embedding beside the noise, a logit for each slot.

    Args:
        embedding_dim: size of the embedding; 32 for points, 256 for images.
        head: the class of the discriminator's head.
    """

    capacity: int = 50
    embedding_dim: int = None  # type: ignore[assignment]  # set below
    head: Head = MaskedHead
    options: ClassVar[Options] = {"embedding_dim": At("embedding_dim", default=None), "projection": PROJECTION}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embedding_dim is None:
            self.set_(embedding_dim=32 if self.points else 256)
        check_sizes(embedding_dim=self.embedding_dim)

    def usual_schedule(self) -> Schedule:
        """The first partition is the only one."""
        return self.scgan_schedule()

    def conditional(self, features: Callable[[], Features]) -> MixtureGAN:
        """The GAN with these features, unless the recipe names others."""
        seen, trunk = self.own(features), self.networks.trunk(self.shape)
        embedding = Concat(self.capacity, self.z_dim, self.embedding_dim)
        generator = self.networks.generator(self.shape, embedding)
        discriminator = Discriminator(trunk, self.head(trunk.out_dim, self.capacity))
        return self.assembled(generator, discriminator, Gaussian(self.z_dim), seen)


@dataclass(frozen=True, kw_only=True, eq=False)
class Recognised(Recipe):
    """A recipe without a partition in training: when it ends, real images go to the slots that they seem made from."""

    capacity: int = 10

    def usual_clusterer(self) -> Clusterer:
        """The labels that the features suggest."""
        return FixedLabels(capacity=self.capacity)


@dataclass(frozen=True)
class Encoder:
    """How an encoder learns from the generator, see :class:`~bnpgan.features.FromEncoder`.

    Args:
        first_steps: training steps before the first partition.
        steps: training steps before each later one.
        learning_rate: of the encoder.
        real_weight: weight of the likelihood of real images, Eq. 13 of MIC-GAN, in its training.
        shift: pixels by which images are shifted at random before it sees them in training; not for points.
        warp: by how much they are turned, sheared and stretched as well; .15 blurs slants into each other.
        hidden: whether clusters are found in the last hidden layer of the encoder, and not in its output. A fixed
            ``scale`` does not carry over: the hidden layer has other units.
    """

    first_steps: int = 600
    steps: int = 250
    learning_rate: float = 1e-3
    real_weight: float = 0.0
    shift: int = 1
    warp: float = 0.0
    hidden: bool = False

    def features(
        self, trunk: Trunk, head: nn.Module, recipe: Recipe, loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss
    ) -> FromEncoder:
        """The features: codes of the trunk, or what a head makes of them."""
        return FromEncoder(
            trunk if self.hidden else nn.Sequential(trunk, head),
            recipe.capacity,
            first_steps=self.first_steps,
            steps=self.steps,
            learning_rate=self.learning_rate,
            real_weight=self.real_weight,
            shift=0 if recipe.points else self.shift,
            warp=0 if recipe.points else self.warp,
            loss=loss,
            head=head if self.hidden else None,
        )
