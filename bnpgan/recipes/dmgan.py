"""DMGAN (Khayatkhoei et al. 2018)."""

from dataclasses import dataclass
from typing import ClassVar

from bnpgan.auxiliary import PriorRecogniser, SlotRecogniser
from bnpgan.features import FromRecogniser
from bnpgan.losses import GANLoss, GradientPenalty, Wasserstein
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import Bodies, Discriminator, ScalarHead, Unconditional, Uniform, Weighted
from bnpgan.recipes.options import At, Options
from bnpgan.recipes.parts import Recognised


@dataclass(frozen=True, kw_only=True, eq=False)
class DMGAN(Recognised):
    r"""DMGAN (its DMWGAN-PL): a generator for each slot, told apart by Q, and learned weights of the slots.

    Slots that the data do not need lose their weight once the entropy of the weights costs less, after some thousands
    of steps. Q is on the last hidden layer of the discriminator and the clusters are the slots that it names.

    Args:
        capacity: the number of generators; better too many than too few.
        weight: of Q's cross-entropy in the generators' loss.
        entropy: weight of the entropy of the slots' weights at first.
        entropy_decay: factor on it at each step.

    Example:
        >>> gan = DMGAN(shape=(2,), capacity=4).build()
        >>> len(gan.generator.generators), gan.latent.log_weights().exp().tolist()
        (4, [0.25, 0.25, 0.25, 0.25])

    References:
        "Disconnected Manifold Learning for Generative Adversarial Networks", 2018, Algorithm 1.
    """

    weight: float = 1.0
    entropy: float = 1000.0
    entropy_decay: float = 0.999
    loss: GANLoss = Wasserstein()
    options: ClassVar[Options] = {
        "weight": At("weight"),
        "entropy": At("entropy"),
        "entropy_decay": At("entropy_decay"),
        "latent_rate": At("schedule.latent_rate", told="of the weights of slots"),
    }

    def usual_z_dim(self) -> int:
        """2 for points, 100 for images."""
        return 2 if self.points else 100

    def usual_schedule(self) -> Schedule:
        """A rate of 2e-4, 1e-3 for the weights, betas (.5, .5), and a one-sided gradient penalty of weight 10."""
        penalty = GradientPenalty(10.0, one_sided=True)
        rates = {"generator_rate": 2e-4, "discriminator_rate": 2e-4, "latent_rate": 1e-3}
        return Schedule(warmup=None, penalty=penalty, betas=(0.5, 0.5), **rates)  # type: ignore[arg-type]

    def build(self) -> MixtureGAN:
        """The GAN, with a generator for each slot."""
        trunk, networks = self.networks.encoder(self.shape), self.networks
        recogniser = SlotRecogniser(trunk.out_dim, self.capacity, weight=self.weight)
        return self.assembled(
            Bodies(networks.generator(self.shape, Unconditional(self.z_dim)) for _ in range(self.capacity)),
            Discriminator(trunk, ScalarHead(trunk.out_dim)),
            Weighted(Uniform(self.z_dim), self.capacity),
            self.own(lambda: FromRecogniser(self.capacity)),
            PriorRecogniser(recogniser, self.entropy, self.entropy_decay),
        )
