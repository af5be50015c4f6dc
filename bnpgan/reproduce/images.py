"""Images of 28 x 28 pixels and more: MIC-GAN's tables, with the methods of SC-GAN's beside it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from sklearn.cluster import KMeans as ReferenceKMeans
from torch import Tensor

from bnpgan import data, metrics
from bnpgan.losses import R1
from bnpgan.mixture import MixtureGAN, Recipe, Schedule
from bnpgan.models import DCGAN
from bnpgan.recipes import (
    GAN,
    GMGAN,
    MICGAN,
    SCGAN,
    ClassConditionalGAN,
    Encoder,
    PacGAN,
    PrecomputedLabelGAN,
    RandomLabelGAN,
    SupervisedGMGAN,
)
from bnpgan.reproduce.study import Method, Scores, Study
from bnpgan.samplers import OnlineKMeans

__all__ = ["ABLATION_K", "FASHION_MNIST", "MNIST"]

COLUMNS = {
    "clusters": ("clusters", ".1f"),
    "nmi": ("NMI", ".3f"),
    "ari": ("ARI", ".3f"),
    "purity": ("purity", ".3f"),
    "top_purity": ("top-n purity", ".3f"),
    "top_mass": ("its mass", ".3f"),
}
SHAPE, SLOTS = (1, 28, 28), 20


def mic_gan(steps: int, shape: tuple[int, ...] = SHAPE, slots: int = SLOTS) -> MixtureGAN:
    """MIC-GAN with networks and rounds of which a CPU makes 12,000 steps in a quarter of an hour.

    The warm-up is five twelfths of the steps, and fourteen rounds follow. K is not given: half of the slots, or more,
    are there to be left empty.
    """
    recipe = MICGAN(
        shape=shape,
        capacity=slots,
        backbone=DCGAN(width=16),
        z_dim=64,
        encoder=Encoder(first_steps=1000, steps=500, shift=2),
        schedule=common(warmup=max(1, steps * 5 // 12), every=max(1, steps // 24)),
    )
    return replace(recipe, clusterer=replace(recipe.clusterer, max_points=5000)).build()  # type: ignore[type-var]


def common(**changes: int | None) -> Schedule:
    """The schedule that all methods share: one rate, lazy R1, averaged weights."""
    return Schedule(
        generator_rate=5e-4,
        discriminator_rate=5e-4,
        penalty=R1(1.0, every=16),
        average=0.999,
        **changes,  # type: ignore[arg-type]
    )


def other(kind: type[Recipe], schedule: Schedule | None = None, **fields: object) -> Callable[[int], MixtureGAN]:
    """Another method with the same networks, noise and rates."""
    arguments = {"shape": SHAPE, "backbone": DCGAN(width=16), "z_dim": 64, **fields}
    return lambda steps: kind(schedule=schedule or common(warmup=None), **arguments).build()  # type: ignore[arg-type]


def sc_gan(**changes: object) -> Callable[[int], MixtureGAN]:
    """SC-GAN, with six partitions, or a variant of its ablations."""

    def make(steps: int) -> MixtureGAN:
        schedule = replace(common(every=max(1, steps // 6)), **changes)  # type: ignore[arg-type]
        return other(SCGAN, schedule, capacity=SLOTS)(steps)

    return make


def sc_gan_online(steps: int) -> MixtureGAN:
    """SC-GAN with centroids that every mini-batch moves."""
    return other(SCGAN, common(every=None), capacity=SLOTS, clusterer=OnlineKMeans(SLOTS, max_points=25_000))(steps)


def kmeans(K: int) -> Callable[[Tensor, int], Tensor]:
    """k-means on pixels."""
    return lambda x, seed: torch.as_tensor(
        ReferenceKMeans(K, n_init=3, random_state=seed).fit_predict(x.flatten(1).numpy())
    )


def methods_of(paper: Scores) -> dict[str, Method]:
    """All methods, and what MIC-GAN's paper reports of its own."""
    once = common(every=None)
    return {
        "mic-gan": Method(mic_gan, paper=paper),
        "sc-gan": Method(sc_gan()),
        "sc-gan-online": Method(sc_gan_online),
        "sc-gan-supervised-start": Method(sc_gan(), supervised=True),
        "sc-gan-without-start": Method(sc_gan(warm_start=False)),
        "sc-gan-without-matching": Method(sc_gan(matching=False)),
        "gm-gan-static": Method(other(GMGAN, capacity=SLOTS, dynamic=False)),
        "gm-gan": Method(other(GMGAN, capacity=SLOTS)),
        "gm-gan-supervised": Method(other(SupervisedGMGAN, once, capacity=10), supervised=True),
        "gan": Method(other(GAN)),
        "class-conditional": Method(other(ClassConditionalGAN, once, capacity=10), supervised=True),
        "random-labels": Method(other(RandomLabelGAN, once, capacity=SLOTS)),
        **{f"pacgan{m}": Method(other(PacGAN, common(batch=64 // m * m, warmup=None), pack=m)) for m in (2, 3, 4)},
        "logo-gan-ae": Method(other(PrecomputedLabelGAN, once, capacity=SLOTS)),
        **{f"kmeans-{K}": Method(cluster=kmeans(K)) for K in (10, 20)},
    }


def named(name: str, root: Path | None) -> tuple[Tensor, Tensor]:
    """The training images of a set."""
    x, truth = data.load(name, root=root)
    assert truth is not None
    return x, truth


def study(name: str, methods: dict[str, Method], source: str, steps: int = 12_000) -> Study:
    """A study of the images of one set."""
    return Study(
        name=name,
        load=partial(named, source),
        methods=methods,
        columns=COLUMNS,
        score=lambda run, truth: metrics.clustering(run.partition.labels, truth),
        score_labels=metrics.clustering,
        steps=steps,
    )


MNIST = study("mnist", methods_of({"top_purity": 0.9489}), "mnist")
FASHION_MNIST = study("fashion-mnist", methods_of({"top_purity": 0.6362}), "fashion-mnist")
ABLATION_K = study(
    "ablation-k",
    {
        f"mic-gan-{K}": Method(partial(mic_gan, slots=K), paper={"top_purity": purity} if purity else {})
        for K, purity in ((10, 0.0), (15, 0.9384), (20, 0.9578), (25, 0.93), (30, 0.0))
    },
    "mnist",
)
