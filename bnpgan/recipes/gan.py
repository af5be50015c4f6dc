"""GANs that find no clusters: without labels, with given labels, with random labels."""

from dataclasses import dataclass

from bnpgan.features import Identity
from bnpgan.mixture import MixtureGAN
from bnpgan.recipes.parts import Conditional, Plain
from bnpgan.samplers import Clusterer, FixedLabels, RandomLabels


@dataclass(frozen=True, kw_only=True, eq=False)
class GAN(Plain):
    r"""A plain GAN: one Gaussian, no clusters, a discriminator that judges image by image.

    Example:
        >>> made = GAN(shape=(2,))
        >>> made.clusterer.capacity, made.schedule.warmup
        (1, None)

    References:
        "Generative Adversarial Nets", 2014.
    """

    def build(self) -> MixtureGAN:
        """The GAN."""
        return self.unconditional(self.own(Identity))


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassConditionalGAN(Conditional):
    r"""A class-conditional GAN: the labels are given, ``train(gan, x, labels=classes, ...)``.

    SC-GAN's networks, conditioned on known classes in place of clusters.

    Args:
        capacity: the number of classes.

    Example:
        >>> ClassConditionalGAN(shape=(1, 8, 8), capacity=10).clusterer.capacity
        10

    References:
        "Which Training Methods for GANs do actually Converge?", 2018.
    """

    capacity: int = 10

    def usual_clusterer(self) -> Clusterer:
        """The given labels."""
        return FixedLabels(capacity=self.capacity)

    def build(self) -> MixtureGAN:
        """The GAN."""
        return self.conditional(Identity)


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomLabelGAN(Conditional):
    r"""SC-GAN on labels that are drawn anew at every step: what conditioning alone is worth.

    Args:
        capacity: the number of labels.

    Example:
        >>> RandomLabelGAN(shape=(2,)).clusterer.capacity
        50

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020, Table 1 ("Random Labels").
    """

    def usual_clusterer(self) -> Clusterer:
        """A fresh random label for each image."""
        return RandomLabels(self.capacity)

    def build(self) -> MixtureGAN:
        """The GAN."""
        return self.conditional(Identity)
