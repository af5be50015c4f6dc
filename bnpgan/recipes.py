"""Recipes: the GAN of each paper, assembled from the same parts.

A recipe takes numbers and names only, so that a run directory can hold what it was made from; for anything else, swap a
part of what it returns with ``dataclasses.replace``.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from torch import nn

from bnpgan.components import NormalInverseWishart
from bnpgan.features import FromDiscriminator, FromEncoder
from bnpgan.losses import R1, NonSaturating
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import (
    Add,
    Concat,
    Conditioning,
    DCGANGenerator,
    DCGANTrunk,
    Discriminator,
    Gaussian,
    LeakyLinear,
    MaskedHead,
    MLPGenerator,
    MLPTrunk,
    Trunk,
)
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM, KMeans

__all__ = ["BACKBONES", "Backbone", "build", "mic_gan", "sc_gan"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Backbone:
    """How to build the networks of one kind for data of a shape."""

    generator: Callable[[Shape, Conditioning], nn.Module]
    trunk: Callable[[Shape], Trunk]
    encoder: Callable[[Shape], Trunk]  # a trunk for MIC-GAN's Q, without batch normalisation


BACKBONES = {
    "mlp": Backbone(
        lambda shape, conditioning: MLPGenerator(shape, conditioning, (256, 256), bounded=len(shape) == 3),
        lambda shape: MLPTrunk(shape, (256, 256), LeakyLinear),
        lambda shape: MLPTrunk(shape, (256, 256), LeakyLinear),
    ),
    "maxout": Backbone(  # the papers' networks for 2-D points
        lambda shape, conditioning: MLPGenerator(shape, conditioning, (400, 400, 400, 400), bounded=len(shape) == 3),
        lambda shape: MLPTrunk(shape, (200, 200, 200)),
        lambda shape: MLPTrunk(shape, (256, 256), LeakyLinear),
    ),
    "dcgan": Backbone(
        lambda shape, conditioning: DCGANGenerator(shape, conditioning),
        lambda shape: DCGANTrunk(shape),
        lambda shape: DCGANTrunk(shape, norm=False),
    ),
}


def recipe(make: Callable[..., MixtureGAN]) -> Callable[..., MixtureGAN]:
    """Let what a recipe makes know the recipe's name and arguments, so that a saved run can be built again."""
    signature = inspect.signature(make)

    @wraps(make)
    def noted(*args: Any, **kwargs: Any) -> MixtureGAN:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        gan = make(**bound.arguments)
        arguments = {name: list(v) if isinstance(v, tuple) else v for name, v in bound.arguments.items()}
        object.__setattr__(gan, "recipe", {"name": make.__name__, "arguments": arguments})
        return gan

    return noted


def build(saved: dict[str, Any]) -> MixtureGAN:
    """The GAN of a name and arguments, as ``config.json`` holds them."""
    known = {"mic_gan": mic_gan, "sc_gan": sc_gan}
    if saved.get("name") not in known:
        raise ValueError(f"recipe {saved.get('name')!r} is unknown: choose one of {', '.join(known)}")
    try:
        return known[saved["name"]](**saved["arguments"])
    except TypeError as error:
        raise ValueError(f"recipe {saved['name']!r} cannot be built from its arguments: {error}") from None


@recipe
def mic_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    capacity: int = 20,
    backbone: str | None = None,
    z_dim: int = 32,
    concentration: float = 1.0,
    scale: float = 0.2,
    sweeps: int = 15,
    warmup: int = 2000,
    every: int = 200,
    batch: int = 64,
    learning_rate: float = 5e-4,
    penalty: float = 1.0,
    average: float = 0.995,
    encoder_first_steps: int = 300,
    encoder_steps: int = 150,
    encoder_rate: float = 1e-3,
    encoder_real_weight: float = 0.0,
    encoder_shift: int = 0,
) -> MixtureGAN:
    r"""MIC-GAN: an infinite Gaussian mixture over the codes of an encoder that learns from the generator.

    After a warm-up with uniform slots, in which the generator learns on its own to use them, each round trains the
    encoder Q on generated images, samples the partition of the real ones by the CRP over Q's codes, and goes on with
    the conditional GAN. The embedding of a slot is learned and added to ``z``, as in the released code.

    The defaults are sized for small images and thousands of steps. The released code trains 28x28 digits with
    ``z_dim=256``, ``warmup=18_750``, ``every=9_375``, ``learning_rate=1e-4``, ``penalty=10``,
    ``encoder_first_steps=encoder_steps=1000``.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of slots; at least twice the number of clusters that you expect.
        backbone: ``mlp``, ``maxout`` (the papers' networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise.
        concentration: of the Dirichlet process.
        scale: of the Normal-Inverse-Wishart prior on a cluster's codes, in which slots lie at distance sqrt(2). The
            setting that decides most how many clusters there are: larger means fewer.
        sweeps: of the sampler in each round.
        warmup: steps before the first partition.
        every: steps from one partition to the next.
        batch: images a step.
        learning_rate: of generator and discriminator.
        penalty: weight of the R1 penalty; 0 for none.
        average: decay of the averaged weights a step.
        encoder_first_steps: training steps of Q before the first partition.
        encoder_steps: training steps of Q before each later one.
        encoder_rate: learning rate of Q.
        encoder_real_weight: weight of Eq. 13, the likelihood of real images, in the training of Q.
        encoder_shift: pixels that images are shifted by at random before Q sees them in training.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> gan = mic_gan(image_shape=(1, 32, 32), capacity=20)
        >>> gan.clusterer.capacity, gan.schedule.warmup
        (20, 2000)

    References:
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021, Algorithm 1.
    """
    shape, networks = _networks(image_shape, dim, backbone)
    trunk, encoder = networks.trunk(shape), networks.encoder(shape)
    return MixtureGAN(
        generator=networks.generator(shape, Add(capacity, z_dim)),
        discriminator=Discriminator(trunk, MaskedHead(trunk.out_dim, capacity)),
        latent=Gaussian(z_dim),
        clusterer=IGMM(
            DirichletProcess(concentration), NormalInverseWishart(scale=scale), capacity=capacity, sweeps=sweeps
        ),
        features=FromEncoder(
            nn.Sequential(encoder, nn.Linear(encoder.out_dim, capacity)),
            capacity,
            first_steps=encoder_first_steps,
            steps=encoder_steps,
            learning_rate=encoder_rate,
            real_weight=encoder_real_weight,
            shift=encoder_shift,
        ),
        loss=NonSaturating(),
        schedule=Schedule(
            batch=batch,
            warmup=warmup,
            every=every,
            generator_rate=learning_rate,
            discriminator_rate=learning_rate,
            penalty=R1(penalty) if penalty else None,
            average=average,
        ),
    )


@recipe
def sc_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    capacity: int = 50,
    backbone: str | None = None,
    z_dim: int | None = None,
    embedding_dim: int | None = None,
    max_points: int | None = None,
    every: int = 5000,
    batch: int | None = None,
    learning_rate: float = 1e-4,
    penalty: float = 0.0,
    average: float = 0.999,
) -> MixtureGAN:
    r"""SC-GAN: k-means in the discriminator's own features, renewed now and then.

    The first partition is made in the features of the untrained discriminator; later ones start from the means of the
    old clusters (Eq. 3) and keep their slots (Eq. 4). The embedding of a slot is normalised and appended to ``z``.

    The defaults are those of the released code. For images it renews the partition every 25,000 steps (``every``); the
    averaged weights are ours, it samples the last ones.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of clusters; better too many than too few.
        backbone: ``mlp``, ``maxout`` (the paper's networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise; 2 for points, 128 for images.
        embedding_dim: size of the embedding; 32 for points, 256 for images.
        max_points: images that are clustered, the rest is predicted; 10,000 points, 25,000 images.
        every: steps from one partition to the next.
        batch: images a step; 100 for points, 64 for images.
        learning_rate: of generator and discriminator; Adam's betas are (.8, .999) for points, (0, .99) for images.
        penalty: weight of the R1 penalty; 0 for none. The paper has .1 for its largest images.
        average: decay of the averaged weights a step.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> gan = sc_gan(dim=2, capacity=50)
        >>> gan.clusterer.capacity, gan.schedule.batch
        (50, 100)

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020, Algorithm 1.
    """
    shape, networks = _networks(image_shape, dim, backbone)
    points = image_shape is None
    z_dim = z_dim or (2 if points else 128)
    trunk = networks.trunk(shape)
    return MixtureGAN(
        generator=networks.generator(shape, Concat(capacity, z_dim, embedding_dim or (32 if points else 256))),
        discriminator=Discriminator(trunk, MaskedHead(trunk.out_dim, capacity)),
        latent=Gaussian(z_dim),
        clusterer=KMeans(capacity, max_points=max_points or (10_000 if points else 25_000)),
        features=FromDiscriminator(),
        loss=NonSaturating(),
        schedule=Schedule(
            batch=batch or (100 if points else 64),
            every=every,
            generator_rate=learning_rate,
            discriminator_rate=learning_rate,
            betas=(0.8, 0.999) if points else (0.0, 0.99),
            penalty=R1(penalty) if penalty else None,
            average=average,
        ),
    )


def _networks(image_shape: Shape | None, dim: int | None, backbone: str | None) -> tuple[Shape, Backbone]:
    if image_shape is not None and dim is None:
        shape = tuple(image_shape)
        if len(shape) != 3:
            raise ValueError(f"image_shape must be (C, H, W), got {shape}: e.g. (1, 32, 32)")
    elif dim is not None and image_shape is None:
        shape = (dim,)
    else:
        raise ValueError(
            "image_shape and dim: pass image_shape=(C, H, W) for images or dim=D for points, one of the two"
        )
    if min(shape) < 1:
        raise ValueError(f"sizes must be at least 1, got {shape}: pass the shape of the data")
    name = backbone or ("maxout" if len(shape) == 1 else "dcgan")
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r} is unknown: choose one of {', '.join(BACKBONES)}")
    return shape, BACKBONES[name]
