"""A mixture GAN: the parts, and when each of them has its turn."""

from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from bnpgan.features import Features
from bnpgan.losses import GANLoss, Penalty
from bnpgan.samplers.base import Clusterer

__all__ = ["MixtureGAN", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """When and how fast: everything in absolute steps, so that ``steps`` of a run only says where to stop.

    Args:
        batch: images a step.
        warmup: steps before the first partition; until then slots are uniform and the discriminator gets ``None``.
            ``None``: no partition in training, one when it ends.
        every: steps from one partition to the next; ``None``: the first is the only one.
        warm_start: whether the clusterer starts from the labels of the old partition.
        matching: whether a new partition keeps the slots of the old one, by the overlap of their clusters.
        generator_rate, discriminator_rate: learning rates of Adam.
        latent_rate: of what the latent learns; ``None``: that of the generator.
        decay: the step at which all three rates, falling on a line from the first, reach 0; ``None``: they stay.
        discriminator_steps: steps of the discriminator, each on a batch of its own, to one of the generator.
        betas: of Adam.
        penalty: on the discriminator; ``None`` for none.
        average: decay of the averaged weights a step.
        log: steps from one line of ``stats.jsonl`` to the next.
        save: steps from one checkpoint to the next.

    Raises:
        ValueError: if a number of steps or ``batch`` is out of range, a rate is not positive, or ``average`` is outside
            [0, 1).

    Example:
        >>> schedule = Schedule(warmup=100, every=50)
        >>> [step for step in range(250) if schedule.clusters_at(step)]
        [100, 150, 200]
    """

    batch: int = 64
    warmup: int | None = 0
    every: int | None = 1000
    warm_start: bool = True
    matching: bool = True
    generator_rate: float = 1e-4
    discriminator_rate: float = 1e-4
    latent_rate: float | None = None
    decay: int | None = None
    discriminator_steps: int = 1
    betas: tuple[float, float] = (0.0, 0.99)
    penalty: Penalty | None = None
    average: float = 0.999
    log: int = 100
    save: int = 1000

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ValueError(
                f"batch must be at least 2, got {self.batch}: batch normalisation needs more than one image"
            )
        for name in ("every", "decay", "discriminator_steps", "log", "save"):
            steps = getattr(self, name)
            if steps is not None and steps < 1:
                raise ValueError(f"{name} must be at least 1 step, got {steps}: pass e.g. 100")
        if self.warmup is not None and self.warmup < 0:
            raise ValueError(f"warmup must be at least 0 steps, got {self.warmup}: pass 0 to cluster from the start")
        for name in ("generator_rate", "discriminator_rate", "latent_rate"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate < float("inf"):
                raise ValueError(f"{name} must be positive, got {rate}: pass e.g. 1e-4")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must lie in [0, 1), got {self.average}: pass e.g. 0.999")

    def clusters_at(self, step: int) -> bool:
        """Whether a new partition is made before this step."""
        if self.warmup is None or step < self.warmup:
            return False
        return step == self.warmup if self.every is None else (step - self.warmup) % self.every == 0

    def rate_at(self, step: int) -> float:
        """The factor in [0, 1] on the learning rates at this step."""
        return 1.0 if self.decay is None else max(0.0, 1 - step / self.decay)


@dataclass(frozen=True, eq=False)
class MixtureGAN:
    """The parts of a mixture GAN; swap one with ``dataclasses.replace``.

    Args:
        generator: ``generator(z, c) -> images``.
        discriminator: ``discriminator(x, c or None) -> outputs``, and ``discriminator.features(x) -> (B, D)``.
        latent: ``latent(c) -> z``, and ``latent(c, noise) -> z`` from given noise ``(B, latent.dim)``.
        clusterer: finds the partition.
        features: what the clusterer sees of an image.
        loss: the adversarial loss.
        schedule: when and how fast.

    Attributes:
        recipe: name and arguments of the recipe that made it, from which ``load`` builds it again; ``None`` once a part
            was swapped, for ``replace`` does not keep it, as ``scheduled`` does.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent: nn.Module
    clusterer: Clusterer
    features: Features
    loss: GANLoss
    schedule: Schedule
    recipe: dict[str, Any] | None = field(default=None, init=False)

    def scheduled(self, **changes: Any) -> "MixtureGAN":
        """The same parts with other fields of the schedule.

        Its recipe is kept, with the changes beside its arguments, unless they have a penalty, which is no number.

        Example:
            >>> from bnpgan import recipes
            >>> recipes.sc_gan(dim=2).scheduled(betas=(0.0, 0.99)).recipe["schedule"]
            {'betas': [0.0, 0.99]}
        """
        gan = replace(self, schedule=replace(self.schedule, **changes))
        if self.recipe is not None and "penalty" not in changes:
            noted = {name: list(v) if isinstance(v, tuple) else v for name, v in changes.items()}
            recipe = {**self.recipe, "schedule": self.recipe.get("schedule", {}) | noted}
            object.__setattr__(gan, "recipe", recipe)
        return gan
