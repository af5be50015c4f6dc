"""A mixture GAN: the parts, and when each of them has its turn."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from bnpgan.features import Features
from bnpgan.losses import R1, GANLoss
from bnpgan.samplers.base import Clusterer

__all__ = ["MixtureGAN", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """When and how fast: everything in absolute steps, so that ``steps`` of a run only says where to stop.

    Args:
        batch: images a step.
        warmup: steps before the first partition; until then slots are uniform and the discriminator gets ``None``.
        every: steps from one partition to the next.
        generator_rate, discriminator_rate: learning rates of Adam.
        betas: of Adam.
        penalty: on the discriminator; ``None`` for none.
        average: decay of the averaged weights a step.
        log: steps from one line of ``stats.jsonl`` to the next.
        save: steps from one checkpoint to the next.

    Raises:
        ValueError: if a number of steps or ``batch`` is out of range, a rate is not positive, or ``average`` is outside
            [0, 1).
    """

    batch: int = 64
    warmup: int = 0
    every: int = 1000
    generator_rate: float = 1e-4
    discriminator_rate: float = 1e-4
    betas: tuple[float, float] = (0.0, 0.99)
    penalty: R1 | None = None
    average: float = 0.999
    log: int = 100
    save: int = 1000

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ValueError(
                f"batch must be at least 2, got {self.batch}: batch normalisation needs more than one image"
            )
        for name in ("every", "log", "save"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1 step, got {getattr(self, name)}: pass e.g. 100")
        if self.warmup < 0:
            raise ValueError(f"warmup must be at least 0 steps, got {self.warmup}: pass 0 to cluster from the start")
        for name in ("generator_rate", "discriminator_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}: pass e.g. 1e-4")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must lie in [0, 1), got {self.average}: pass e.g. 0.999")

    def clusters_at(self, step: int) -> bool:
        """Whether a new partition is made before this step."""
        return step >= self.warmup and (step - self.warmup) % self.every == 0


@dataclass(frozen=True, eq=False)
class MixtureGAN:
    """The parts of a mixture GAN; swap one with ``dataclasses.replace``.

    Args:
        generator: ``generator(z, c) -> images``.
        discriminator: ``discriminator(x, c or None) -> logits``, and ``discriminator.features(x) -> (B, D)``.
        latent: ``latent(c) -> z``.
        clusterer: finds the partition.
        features: what the clusterer sees of an image.
        loss: the adversarial loss.
        schedule: when and how fast.

    Attributes:
        recipe: name and arguments of the recipe that made it, from which ``load`` builds it again; ``None`` once a part
            was swapped, for ``replace`` does not keep it.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent: nn.Module
    clusterer: Clusterer
    features: Features
    loss: GANLoss
    schedule: Schedule
    recipe: dict[str, Any] | None = field(default=None, init=False)
