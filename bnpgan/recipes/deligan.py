"""DeLiGAN (Gurumurthy et al. 2017)."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import nn

from bnpgan.auxiliary import SpreadPenalty
from bnpgan.mixture import MixtureGAN, Schedule, check_sizes
from bnpgan.models import Discriminator, GaussianMixture, MinibatchTrunk, ScalarHead, Unconditional
from bnpgan.recipes.options import At, Options
from bnpgan.recipes.parts import Encoder, Recognised


@dataclass(frozen=True, kw_only=True, eq=False)
class DeliGAN(Recognised):
    r"""DeLiGAN: a learned mixture of diagonal Gaussians in the latent, and minibatch discrimination.

    The paper makes no clusters of real images. As for GM-GAN, a classifier learns from generated images when training
    ends, and names those of the real ones. The Gaussian of an image is drawn, where the paper has one for each of the
    batch.

    Args:
        capacity: the number of Gaussians.
        spread: half the side of the cube that means are drawn from.
        std: standard deviation of the Gaussians at first.
        spread_weight: of the penalty that holds deviations off 0; the paper has a third for handwritten digits.
        kernels: of the minibatch discrimination.
        classifier: how the classifier learns, after the GAN, in ``first_steps`` of its steps.

    Example:
        >>> DeliGAN(shape=(1, 8, 8)).build().latent.factors.shape
        torch.Size([10, 30])

    References:
        "DeLiGAN: Generative Adversarial Networks for Diverse and Limited Data", 2017, section 3.
    """

    spread: float = 1.0
    std: float = 0.2
    spread_weight: float = None  # type: ignore[assignment]  # set below
    kernels: int = 50
    classifier: Encoder = Encoder(first_steps=2000)
    options: ClassVar[Options] = {
        "spread": At("spread"),
        "std": At("std"),
        "spread_weight": At("spread_weight", default=None),
        "kernels": At("kernels"),
        "classifier_steps": At("classifier.first_steps", told="training steps of the classifier, after the GAN's"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.spread_weight is None:
            self.set_(spread_weight=0.1 if self.points else 1 / 3)
        check_sizes(kernels=self.kernels)

    def usual_z_dim(self) -> int:
        """2 for points, 30 for images."""
        return 2 if self.points else 30

    def usual_schedule(self) -> Schedule:
        """A rate of 5e-4, betas (.5, .999)."""
        return Schedule(warmup=None, generator_rate=5e-4, discriminator_rate=5e-4, betas=(0.5, 0.999))

    def build(self) -> MixtureGAN:
        """The GAN, with the classifier that learns when training ends."""
        networks, shape = self.networks, self.shape
        trunk, encoder = MinibatchTrunk(networks.trunk(shape), self.kernels), networks.encoder(shape)
        head = nn.Linear(encoder.out_dim, self.capacity)
        return self.assembled(
            networks.generator(shape, Unconditional(self.z_dim)),
            Discriminator(trunk, ScalarHead(trunk.out_dim)),
            GaussianMixture(self.capacity, self.z_dim, self.spread, self.std, dynamic=True),
            self.own(lambda: self.classifier.features(encoder, head, self, F.cross_entropy)),
            SpreadPenalty(self.spread_weight),
        )
