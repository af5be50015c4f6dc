"""A mixture GAN: its parts, its schedule, and the recipe that it is made from."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from inspect import signature
from itertools import chain
from re import findall
from typing import Any

import torch
from torch import nn

from bnpgan.auxiliary import Auxiliary, NoAuxiliary
from bnpgan.features import Features
from bnpgan.limits import check_memory
from bnpgan.losses import GANLoss, NonSaturating, Penalty
from bnpgan.models import ADA, BACKBONES, Backbone, Frames, NoFrames
from bnpgan.plain import to_plain
from bnpgan.samplers.base import Clusterer
from bnpgan.whole import check_whole, keep_whole

__all__ = ["MixtureGAN", "Recipe", "Schedule", "built", "check_sizes"]

COUNTS = {  # of a schedule, that have another least value than 1
    "batch": (2, "batch normalisation needs more than one image"),
    "warmup": (0, "pass 0 to cluster from the start"),
}


@dataclass(frozen=True)
class Schedule:
    """When images are clustered, when a run is saved, and how fast networks learn, all in absolute steps of training.

    So ``steps`` of a run only says where to stop.

    Args:
        batch: images a step.
        warmup: steps before the first partition; until then slots are uniform and the discriminator gets ``None``.
            ``None``: no partition in training, one when it ends.
        every: steps from one partition to the next; ``None``: the first partition is the only one.
        warm_start: whether the clusterer starts from the labels of the old partition.
        matching: whether clusters of a new partition take the slots of those of the old one that they overlap with.
        generator_rate, discriminator_rate: learning rates of Adam.
        latent_rate: learning rate of the latent's parameters; ``None``: that of the generator.
        decay: the step at which all three rates reach 0, falling linearly from step 0; ``None``: they do not fall.
        discriminator_steps: steps of the discriminator, each on a batch of its own, to one of the generator.
        betas: of Adam.
        penalty: on the discriminator; ``None`` for none.
        average: decay of the averaged weights a step, once there are many: see ``average_at``.
        bf16: whether generator and trunk compute in bfloat16, where torch's autocast does; logits, losses, penalties,
            encoders and clusters stay in single precision and above. Fast on GPUs, and on CPUs that have AMX.
        graphs: whether steps on a GPU are CUDA graphs, a launch each, see ``bnpgan.graphs``; on a CPU they are taken as
            ever. Not for data that are fetched at each step, clusterers that follow mini-batches, or several processes.
            Those of features that learn are too, where they can be.
        log: steps from one line of ``stats.jsonl`` to the next.
        save: steps from one checkpoint to the next.

    Raises:
        ValueError: if a number of steps or ``batch`` is out of range or no whole number, a rate is not positive, or
            ``average`` is outside [0, 1).

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
    bf16: bool = False
    graphs: bool = False
    log: int = 100
    save: int = 1000

    def __post_init__(self) -> None:
        for name in ("batch", "warmup", "every", "decay", "discriminator_steps", "log", "save"):
            n, (least, advice) = getattr(self, name), COUNTS.get(name, (1, "pass e.g. 100 steps"))
            if n is not None or name == "batch":
                keep_whole(self, name, least, advice)
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

    def average_at(self, step: int) -> float:
        r"""The decay of the averaged weights at this step, :math:`\min(a, (1 + t) / (10 + t))`.

        Under the decay alone, a short training ends with an average of which :math:`a^t` are the weights that nothing
        has trained: a third after 1,000 steps at .999.
        """
        return min(self.average, (1 + step) / (10 + step))


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe(ABC):
    """A GAN as data: ``build()`` makes the networks, ``dataclasses.replace`` a variant, and JSON goes both ways.

    ``bnpgan.recipes`` has one for each paper. ``capacity`` is set here and reaches clusterer, embedding and heads.

    Args:
        shape: of one datum, an image ``(C, H, W)`` or a point ``(D,)``.
        capacity: the number of slots.
        backbone: the networks: a :class:`~bnpgan.models.Backbone`, or the name of one of the usual width, ``mlp``,
            ``maxout`` (the papers' networks for points; the default for these) or ``dcgan`` (the default for images).
        z_dim: size of the noise.
        clusterer: finds the partition.
        loss: the adversarial loss.
        schedule: when images are clustered, and how fast networks learn.
        features: a class of features that takes no arguments, in place of the paper's; ``None``: the paper's.
        ada: how images are changed before the discriminator judges them in training; ``None``: not at all.
        frames: what the networks see of a cluster: ``NoFrames``, the data as they are, or ``ClusterFrames``, each
            point from the middle and in the units of its cluster, for points.

    Raises:
        ValueError: if ``shape`` is no shape, the backbone is unknown or cannot take it, or a number is out of range.
    """

    shape: tuple[int, ...]
    capacity: int
    backbone: Backbone | str = None  # type: ignore[assignment]  # what is None is set below
    z_dim: int = None  # type: ignore[assignment]
    clusterer: Clusterer = None  # type: ignore[assignment]
    loss: GANLoss = NonSaturating()
    schedule: Schedule = None  # type: ignore[assignment]
    features: type[Features] | None = None
    ada: ADA | None = None
    frames: type[Frames] = NoFrames

    def __post_init__(self) -> None:
        shape = tuple(self.shape)
        if len(shape) not in (1, 3) or min(shape) < 1:
            raise ValueError(f"shape must be (C, H, W) or (D,), sizes of at least 1, got {shape}: e.g. (1, 32, 32)")
        self.set_(shape=shape, backbone=_backbone(self.backbone, shape))
        for name in ("z_dim", "schedule", "clusterer"):
            if getattr(self, name) is None:
                self.set_(**{name: getattr(self, f"usual_{name}")()})
        for name in ("capacity", "z_dim"):
            keep_whole(self, name, 1, "pass a positive size")
        if self.ada is not None and self.points:
            raise ValueError(f"ada changes images, and data of shape {shape} are points: leave it out")
        if self.clusterer.capacity != self.capacity:
            self.set_(clusterer=replace(self.clusterer, capacity=self.capacity))  # type: ignore[type-var]

    @abstractmethod
    def build(self) -> "MixtureGAN":
        """The GAN, its weights drawn from torch's ambient generator; it ends with ``assembled``."""

    @abstractmethod
    def usual_clusterer(self) -> Clusterer:
        """The clusterer where none is given."""

    @abstractmethod
    def usual_schedule(self) -> Schedule:
        """The schedule where none is given."""

    def usual_z_dim(self) -> int:
        """The size of the noise where none is given."""
        return 32

    def assembled(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent: nn.Module,
        features: Features,
        auxiliary: Auxiliary | None = None,
    ) -> "MixtureGAN":
        """The GAN of these networks, marked as made by this recipe."""
        discriminator = discriminator if self.ada is None else self.ada.around(discriminator)
        parts = generator, discriminator, latent, self.clusterer, features, self.loss, self.schedule
        frames, terms = self.frames(self.shape, self.capacity), NoAuxiliary() if auxiliary is None else auxiliary
        return MixtureGAN(*parts, frames=frames, auxiliary=terms).noted(self)

    @property
    def points(self) -> bool:
        """Whether the data are points, and not images."""
        return len(self.shape) == 1

    @property
    def networks(self) -> Backbone:
        """The backbone, which may have been given by its name."""
        assert isinstance(self.backbone, Backbone)
        return self.backbone

    def own(self, features: Callable[[], Features]) -> Features:
        """The features of the paper, or those given in their place."""
        return features() if self.features is None else self.features()

    @property
    def makes(self) -> str:
        """All that the networks depend on, as text: equal for recipes that make the same networks."""
        others = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in SWAPPED}
        return repr((type(self), others))

    def set_(self, **values: Any) -> None:
        """Set fields in ``__post_init__``."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and to_plain(self) == to_plain(other)

    __hash__ = None  # type: ignore[assignment]


def built(recipe: Recipe) -> "MixtureGAN":
    """``recipe.build()``, once it is sure that memory holds its networks.

    Raises:
        ValueError: if it does not.
    """
    if max(map(int, findall(r"\d+", recipe.makes))) > LARGE:
        try:
            with torch.device("meta"):  # shapes, and no numbers
                gan = recipe.build()
            modules = (getattr(gan, name) for name in NETWORKS)
            size = sum(tensor.nbytes for m in modules for tensor in chain(m.parameters(), m.buffers()))
        except RuntimeError:  # more bytes than can be counted
            size = 2**63
        # Five times: weights, gradients, two moments and the average.
        check_memory(5.0 * size, "training these networks", "lower capacity, width or z_dim")
    return recipe.build()


def check_sizes(**sizes: int | None) -> None:
    """Raise a ``ValueError`` unless each size is a whole number of at least 1, or left to the recipe as ``None``."""
    for name, size in sizes.items():
        if size is not None:
            check_whole(name, size, 1, "pass a positive size")


def _backbone(backbone: Backbone | str | None, shape: tuple[int, ...]) -> Backbone:
    if isinstance(backbone, Backbone):
        return backbone
    name = backbone or ("maxout" if len(shape) == 1 else "dcgan")
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r} is unknown: choose one of {', '.join(BACKBONES)}, or pass a Backbone")
    return BACKBONES[name]


LARGE = 4096  # usual sizes are smaller; of others it is first found out what they take, which itself takes a second
NETWORKS = ("generator", "discriminator", "latent", "features", "frames", "auxiliary")
SWAPPED = ("clusterer", "loss", "schedule", "features")  # parts whose replacement in a built GAN its recipe notes


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
        schedule: when images are clustered, and how fast networks learn.
        frames: what the networks see of a cluster: the generator's images are ``frames.out(generator(z, c), c)``, and
            the discriminator is shown ``frames.into(x, c)``.
        recipe: what would make this GAN again. If a clusterer, a loss, a schedule, or features that need no arguments
            are replaced, so they are in the recipe. ``None`` where the parts were put together by hand.
        auxiliary: terms that are added to the losses, and what learns for them.

    Example:
        >>> from bnpgan import recipes, samplers
        >>> gan = replace(recipes.sc_gan(dim=2, capacity=8), clusterer=samplers.KMeans(8, restarts=3))
        >>> gan.recipe.clusterer.restarts, gan.by_hand
        (3, ())
    """

    generator: nn.Module
    discriminator: nn.Module
    latent: nn.Module
    clusterer: Clusterer
    features: Features
    loss: GANLoss
    schedule: Schedule
    frames: Frames = field(default_factory=NoFrames)
    recipe: Recipe | None = None
    auxiliary: Auxiliary = field(default_factory=NoAuxiliary)

    def __post_init__(self) -> None:
        recipe = self.recipe
        if recipe is None:
            return
        for name in ("clusterer", "loss", "schedule"):
            mine = getattr(self, name)
            fits = name != "clusterer" or mine.capacity == recipe.capacity  # another capacity would need other networks
            if fits and mine is not getattr(recipe, name):
                recipe = replace(recipe, **{name: mine})
        object.__setattr__(self, "recipe", replace(recipe, features=self._features_of(recipe)))

    def _features_of(self, recipe: Recipe) -> type[Features] | None:
        # The field ``features`` of the recipe: None for the paper's, a class where the class alone makes these again.
        kind, known = type(self.features), recipe.features
        if getattr(self.features, "made_by", None) == recipe.makes:
            return known if known is kind else None
        return kind if _needs_nothing(self.features) else known

    @property
    def follows(self) -> bool:
        """Whether the clusterer is told of every mini-batch."""
        return self.schedule.warmup is not None and hasattr(self.clusterer, "update")

    @property
    def by_hand(self) -> tuple[str, ...]:
        """The names of the parts that ``recipe`` would not make again; of all parts where there is no recipe."""
        if self.recipe is None:
            return (*NETWORKS, "clusterer", "loss", "schedule")
        made = self.recipe.makes
        hand = [name for name in NETWORKS if getattr(getattr(self, name), "made_by", None) != made]
        if "features" in hand and type(self.features) is self.recipe.features:
            hand.remove("features")
        return (*hand, *(["clusterer"] if self.clusterer is not self.recipe.clusterer else []))

    def noted(self, recipe: Recipe) -> "MixtureGAN":
        """The same parts, marked as made by this recipe."""
        for name in NETWORKS:
            getattr(self, name).made_by = recipe.makes
        return replace(self, recipe=recipe)

    def scheduled(self, **changes: Any) -> "MixtureGAN":
        """The same parts with other fields of the schedule.

        Example:
            >>> from bnpgan import recipes
            >>> recipes.sc_gan(dim=2).scheduled(betas=(0.0, 0.99)).recipe.schedule.betas
            (0.0, 0.99)
        """
        return replace(self, schedule=replace(self.schedule, **changes))


def _needs_nothing(features: Features) -> bool:
    # Whether the class makes such features again: without arguments, and with nothing learned.
    parameters = signature(type(features)).parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return not needed and not features.state_dict()
