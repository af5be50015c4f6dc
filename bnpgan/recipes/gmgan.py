"""GM-GAN (Ben-Yosef and Weinshall 2018)."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch.nn.functional as F
from torch import nn

from bnpgan.auxiliary import MixingWeights
from bnpgan.features import FromEncoder, Identity
from bnpgan.losses import OneAgainstAll, RealClasses
from bnpgan.mixture import MixtureGAN, Recipe, Schedule, check_sizes
from bnpgan.models import ClassHead, Discriminator, GaussianMixture, ScalarHead, Trunk, Unconditional, Weighted
from bnpgan.recipes.options import At, Change, Options
from bnpgan.recipes.parts import Encoder
from bnpgan.samplers import Clusterer, FixedLabels

LATENT = {name: At(name) for name in ("spread", "std", "dynamic", "full")}


@dataclass(frozen=True, kw_only=True, eq=False)
class _GaussianMixtureGAN(Recipe):
    """A GAN whose clusters are Gaussians of the latent.

    Args:
        capacity: the number of Gaussians, or of classes.
        spread: half the side of the cube that means are drawn from.
        std: the Gaussians' standard deviation at first.
        dynamic: whether means and factors of the covariances learn.
        full: whether learned factors are full matrices; else they are diagonal.
    """

    capacity: int = 10
    spread: float = 1.0
    std: float = 1.0
    dynamic: bool = True
    full: bool = False

    def usual_clusterer(self) -> Clusterer:
        """The labels that are given, or that the classifier suggests."""
        return FixedLabels(capacity=self.capacity)

    def usual_schedule(self) -> Schedule:
        """Rates of 2e-4, betas (.5, .999)."""
        return Schedule(generator_rate=2e-4, discriminator_rate=2e-4, betas=(0.5, 0.999))

    def latent(self, each: int = 1) -> GaussianMixture:
        """The mixture, with so many Gaussians to a slot."""
        return GaussianMixture(self.capacity, self.z_dim, self.spread, self.std, each, self.dynamic, self.full)


@dataclass(frozen=True, kw_only=True, eq=False)
class GMGAN(_GaussianMixtureGAN):
    r"""GM-GAN, unsupervised: the clusters are Gaussians of the latent, and neither network is told which.

    Training knows no partition: slots are drawn evenly, or by weights that learn. When it ends a classifier learns from
    generated images to name the Gaussian that they were made from, and the clusters are what it says of the real ones.

    The paper's setting for handwritten digits is known as ``z_dim=100``, ``spread=0.1``, ``std=0.15``. With so small a
    deviation the classifier does not transfer to real images as well as with 1, the default here.

    Args:
        weighted: whether the weights of the Gaussians learn too, as in SLOGAN; equal weights hold each Gaussian of a
            mode that has one too many where it is, and leave others across two modes.
        classifier: how the classifier learns, after the GAN, in ``first_steps`` of its steps.

    Example:
        >>> made = GMGAN(shape=(1, 8, 8), capacity=10).build()
        >>> made.latent.capacity, made.schedule.warmup
        (10, None)

    References:
        "Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images", 2018; "Stein Latent Optimization for Generative Adversarial Networks", 2022 (``weighted``).
    """

    weighted: bool = False
    classifier: Encoder = Encoder(first_steps=2000, steps=150)
    options: ClassVar[Options] = {
        **LATENT,
        "weighted": At("weighted"),
        "latent_rate": At("schedule.latent_rate", told="of means and factors; by default that of the generator"),
        "classifier_steps": At("classifier.first_steps", told="training steps of the classifier, after the GAN's"),
        "classifier_rate": At("classifier.learning_rate", told="its learning rate"),
        "classifier_shift": At("classifier.shift"),
    }

    def usual_schedule(self) -> Schedule:
        """No partition in training: the images are clustered when it ends."""
        return replace(super().usual_schedule(), warmup=None)

    def build(self) -> MixtureGAN:
        """The GAN, with the classifier that learns when training ends."""
        trunk, encoder = self.networks.trunk(self.shape), self.networks.encoder(self.shape)
        return self.assembled(
            self.networks.generator(self.shape, Unconditional(self.z_dim)),
            Discriminator(trunk, ScalarHead(trunk.out_dim)),
            Weighted(self.latent(), self.capacity) if self.weighted else self.latent(),
            self.own(lambda: self._classifier(encoder)),
            MixingWeights() if self.weighted else None,
        )

    def _classifier(self, encoder: Trunk) -> FromEncoder:
        head = nn.Linear(encoder.out_dim, self.capacity)
        return self.classifier.features(encoder, head, self, F.cross_entropy)


@dataclass(frozen=True, kw_only=True, eq=False)
class SupervisedGMGAN(_GaussianMixtureGAN):
    r"""GM-GAN, supervised: each class has Gaussians of its own and the discriminator tells "real, of class i".

    The labels are given: ``train(gan, x, labels=classes, ...)``. Accounts of the paper differ on the discriminator's
    outputs, both are here: a sigmoid for each class (``OneAgainstAll``), or a softmax over the classes and "generated"
    (``RealClasses``).

    The Gaussians stay as they are unless they are told to learn: on MNIST learned factors of their covariances shrank
    until each class was a single image.

    Args:
        each: Gaussians to a class.

    Example:
        >>> SupervisedGMGAN(shape=(1, 8, 8), capacity=10, each=3).build().latent.means.shape
        torch.Size([30, 32])

    References:
        "Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images", 2018.
    """

    dynamic: bool = False
    each: int = 1
    loss: OneAgainstAll | RealClasses = OneAgainstAll()
    options: ClassVar[Options] = {
        "each": At("each"),
        **LATENT,
        "softmax": Change(
            lambda recipe, wanted: replace(recipe, loss=RealClasses() if wanted else OneAgainstAll()),
            bool,
            False,
            "N + 1 outputs with a softmax, in place of N sigmoids",
        ),
        "latent_rate": At("schedule.latent_rate", told="of means and factors; by default that of the generator"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(each=self.each)
        if self.ada is not None and isinstance(self.loss, RealClasses):
            raise ValueError(
                "ada goes by the sign of outputs, which under a softmax says nothing: leave out one of them"
            )

    def usual_schedule(self) -> Schedule:
        """The labels are the only partition."""
        return replace(super().usual_schedule(), every=None)

    def build(self) -> MixtureGAN:
        """The GAN, with as many outputs of the discriminator as the loss asks for."""
        trunk = self.networks.trunk(self.shape)
        outputs = self.capacity + isinstance(self.loss, RealClasses)
        return self.assembled(
            self.networks.generator(self.shape, Unconditional(self.z_dim)),
            Discriminator(trunk, ClassHead(trunk.out_dim, outputs)),
            self.latent(self.each),
            self.own(Identity),
        )
