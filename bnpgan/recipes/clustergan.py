"""ClusterGAN (Mukherjee et al. 2019)."""

from dataclasses import dataclass
from typing import ClassVar

from bnpgan.auxiliary import CodeRecogniser
from bnpgan.features import FromRecogniser
from bnpgan.losses import GANLoss, GradientPenalty, Wasserstein
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import Codes, Discriminator, ScalarHead, Unconditional
from bnpgan.recipes.options import At, Options
from bnpgan.recipes.parts import Recognised
from bnpgan.samplers import Clusterer, KMeans


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterGAN(Recognised):
    r"""ClusterGAN: the latent is a slot beside little noise, and an encoder learns to find both from the image.

    The clusters are those of k-means on the codes of real images, started from the slots that the encoder names, so
    that a cluster is sampled by its number. All networks for images are without batch normalisation but the generator.

    Args:
        capacity: the number of slots.
        std: standard deviation of the noise.
        noise_weight: of the encoder's squared error of the noise.
        slot_weight: of its cross-entropy of the slot.

    Example:
        >>> ClusterGAN(shape=(1, 8, 8)).build().latent.out_dim
        40

    References:
        "ClusterGAN: Latent Space Clustering in Generative Adversarial Networks", 2019, Algorithm 1.
    """

    std: float = 0.1
    noise_weight: float = 10.0
    slot_weight: float = 10.0
    loss: GANLoss = Wasserstein()
    options: ClassVar[Options] = {
        "std": At("std"),
        "noise_weight": At("noise_weight"),
        "slot_weight": At("slot_weight"),
    }

    def usual_z_dim(self) -> int:
        """30."""
        return 30

    def usual_clusterer(self) -> Clusterer:
        """k-means."""
        return KMeans(self.capacity)

    def usual_schedule(self) -> Schedule:
        """A rate of 1e-4, betas (.5, .9), WGAN-GP of weight 10, and five steps of the discriminator to one."""
        penalty, rate = GradientPenalty(10.0), 1e-4
        rates = {"generator_rate": rate, "discriminator_rate": rate, "betas": (0.5, 0.9)}
        return Schedule(warmup=None, discriminator_steps=5, penalty=penalty, **rates)  # type: ignore[arg-type]

    def build(self) -> MixtureGAN:
        """The GAN, with an encoder of its own."""
        trunk, encoder = self.networks.encoder(self.shape), self.networks.encoder(self.shape)
        latent = Codes(self.capacity, self.z_dim, std=self.std)
        weights = self.noise_weight, self.slot_weight
        return self.assembled(
            self.networks.generator(self.shape, Unconditional(latent.out_dim)),
            Discriminator(trunk, ScalarHead(trunk.out_dim)),
            latent,
            self.own(lambda: FromRecogniser(self.capacity)),
            CodeRecogniser(encoder, encoder.out_dim, self.z_dim, self.capacity, *weights),
        )
