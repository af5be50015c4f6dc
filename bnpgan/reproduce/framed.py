"""Mixture GANs whose networks see each cluster in its own frame, for points of any dimension."""

from dataclasses import replace

from bnpgan.components import NormalInverseWishart
from bnpgan.features import Identity
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import MLP, ClusterFrames
from bnpgan.priors import DirichletProcess
from bnpgan.recipes import MICGAN, SCGAN, ClassConditionalGAN, Encoder, Recipe
from bnpgan.samplers import IGMM, OnlineKMeans

__all__ = ["class_conditional_gan", "dp_gan", "mic_gan", "recipe", "sc_gan", "sc_gan_online"]


def recipe(kind: type[Recipe], steps: int, dim: int = 2, **parts: object) -> Recipe:
    """A recipe for points in frames, trained for so many steps."""
    # Networks without batch normalisation, and a generator four times as slow as the discriminator, so that the two do
    # not circle about what they should learn: see docs/frames.md.
    schedule = Schedule(
        batch=200,
        every=max(1, steps // 2),
        generator_rate=5e-4,
        discriminator_rate=2e-3,
        decay=steps,
        betas=(0.0, 0.99),
    )
    usual: dict = {"backbone": MLP(128, normalised=False), "z_dim": dim, "frames": ClusterFrames, "schedule": schedule}
    return kind(shape=(dim,), **(usual | parts))


def sc_gan(steps: int, dim: int = 2, capacity: int = 50) -> MixtureGAN:
    """SC-GAN in frames; the partition is renewed once."""
    return recipe(SCGAN, steps, dim, capacity=capacity).build()


def sc_gan_online(steps: int, dim: int = 2, capacity: int = 50) -> MixtureGAN:
    """SC-GAN online in frames, its clusters followed in the data themselves and not in features that move away."""
    clusterer = OnlineKMeans(capacity, max_points=10_000)
    made = recipe(SCGAN, steps, dim, capacity=capacity, clusterer=clusterer, features=Identity)
    return replace(made, schedule=replace(made.schedule, every=None)).build()


def mic_gan(steps: int, dim: int = 2, capacity: int = 50, hidden: bool = False) -> MixtureGAN:
    """MIC-GAN in frames, with a warm-up of a tenth of the steps and rounds of a fifth.

    In a longer warm-up the generator learns to draw each slot as a point, and forgets that too slowly. The embedding is
    four times as large as the noise: else a slot makes several modes, whose codes the encoder cannot tell apart. Where
    some slots do so nevertheless, what the codes drop is there in the encoder's hidden layer.
    """
    component = NormalInverseWishart(scale=None if hidden else 0.03)
    clusterer = IGMM(DirichletProcess(1.0), component, capacity=capacity, sweeps=15, max_points=10_000)
    made = recipe(
        MICGAN,
        steps,
        dim,
        capacity=capacity,
        embedding_dim=4 * dim,
        clusterer=clusterer,
        encoder=Encoder(first_steps=1500, steps=500, hidden=hidden),
    )
    warmup, every = max(1, steps // 10), max(1, steps // 5)
    return replace(made, schedule=replace(made.schedule, warmup=warmup, every=every)).build()


def dp_gan(steps: int, dim: int = 2, capacity: int = 50) -> MixtureGAN:
    """A GAN in the frames of a Dirichlet-process mixture of the data: MIC-GAN without encoder and warm-up."""
    component = NormalInverseWishart()  # scaled by the data
    clusterer = IGMM(DirichletProcess(1.0), component, capacity=capacity, sweeps=15, max_points=10_000)
    parts: dict = {"capacity": capacity, "embedding_dim": 8, "clusterer": clusterer, "features": Identity}
    made = recipe(MICGAN, steps, dim, **parts)
    return replace(made, schedule=replace(made.schedule, every=None)).build()


def class_conditional_gan(steps: int, dim: int = 2, capacity: int = 25) -> MixtureGAN:
    """A GAN in the frames of given classes."""
    made = recipe(ClassConditionalGAN, steps, dim, capacity=capacity)
    return replace(made, schedule=replace(made.schedule, every=None)).build()
