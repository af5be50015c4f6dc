"""Images, from handwritten digits to cats and dogs: MIC-GAN's tables, with the methods of SC-GAN's beside it.

All methods of a study have the same networks, narrow enough for a CPU, the same noise, rates, penalty and steps.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from sklearn.cluster import KMeans as ReferenceKMeans
from torch import Tensor

from bnpgan import data, metrics
from bnpgan.classifiers import (
    CIFARResNet,
    Classifier,
    accuracy,
    load_classifier,
    save_classifier,
    suited,
    train_classifier,
)
from bnpgan.components import NormalInverseWishart
from bnpgan.images import images_of
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
from bnpgan.recipes.options import put
from bnpgan.reproduce.study import Method, Scores, Study
from bnpgan.samplers import OnlineKMeans

__all__ = ["ABLATION_K", "CATDOG", "CIFAR10", "FASHION_MNIST", "HYBRID", "MNIST", "STACKED_MNIST"]

COLUMNS = {
    "clusters": ("clusters", ".1f"),
    "nmi": ("NMI", ".3f"),
    "ari": ("ARI", ".3f"),
    "purity": ("purity", ".3f"),
    "top_purity": ("top-n purity", ".3f"),
    "top_mass": ("its mass", ".3f"),
    "frechet_distance": ("Fréchet distance", ".2f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "modes": ("classes drawn", ".0f"),
    "reverse_kl": ("reverse KL", ".4f"),
    "gap": ("label gap closed", ".0%"),
}
ROUNDS = 24  # into which the steps of MIC-GAN are cut
WARMUP = 10, 16  # of them at least and at most: half as many as there are slots, so that each sees as many images
SWEEPS = 60  # in each round: after 15 slots of one digit are still apart, and some hold two
ONCE = 16  # where there is a single partition: it is as good as what the generator has found by then


@dataclass(frozen=True)
class Methods:
    """Every method for images of a shape.

    Args:
        shape: of an image.
        slots: that are given, more than there are classes.
        classes: for methods that are given the classes.
        width: of all networks.
        warp: of images before MIC-GAN's encoder sees them. Handwriting is the same digit at any slant; of clothes the
            proportions tell the kind.
        alike: how much alike MIC-GAN's clusters are taken to be, ``weight`` of ``NormalInverseWishart``: they are found
            in the last hidden layer of its encoder, once, after the warm-up. ``None``: in its codes, in rounds. From
            round to round the encoder forgets what clusters do not differ in, and what has become one stays one.
        embedding_scale: of MIC-GAN's embedding at the start. Slots as far apart as images of one slot decide nearly all
            of an image, and few slots cannot hold all there are: the generator collapsed.
        scatter: of MIC-GAN's clusters, in place of the usual scale, with which rare strokes stay clusters of their own;
            and more sweeps in a round than usual, in which the clusters of a digit become one.
    """

    shape: tuple[int, ...]
    slots: int
    classes: int
    width: int = 16
    warp: float = 0.0
    alike: float | None = None
    embedding_scale: float = 1.0
    scatter: float | None = None

    def mic_gan(self, steps: int, slots: int | None = None) -> MixtureGAN:
        """MIC-GAN; how many clusters there are is not given, slots that are found superfluous are left empty."""
        round_, slots = max(1, steps // ROUNDS), slots or self.slots
        recipe = self.recipe(
            MICGAN,
            capacity=slots,
            embedding_scale=self.embedding_scale,
            encoder=Encoder(first_steps=1000, steps=500, shift=2, warp=self.warp, hidden=self.alike is not None),
            schedule=common(warmup=min(max(slots // 2, WARMUP[0]), WARMUP[1]) * round_, every=round_)
            if self.alike is None
            else common(warmup=ONCE * round_, every=None),
        )
        recipe = put(recipe, "clusterer.max_points", 5000)
        if self.alike is not None:
            recipe = put(recipe, "clusterer.component", NormalInverseWishart(weight=self.alike))
        elif self.scatter is not None:
            recipe = put(recipe, "clusterer.component", NormalInverseWishart(scatter=self.scatter))
            recipe = put(recipe, "clusterer.sweeps", SWEEPS)
        return recipe.build()

    def sc_gan(self, steps: int, **changes: Any) -> MixtureGAN:
        """SC-GAN, with six partitions, or a variant of its ablations."""
        schedule = common(**{"every": max(1, steps // 6), **changes})
        return self.recipe(SCGAN, capacity=self.slots, schedule=schedule).build()

    def sc_gan_online(self, steps: int) -> MixtureGAN:
        """SC-GAN with centroids that every mini-batch moves."""
        online = OnlineKMeans(self.slots, max_points=25_000)
        return self.recipe(SCGAN, capacity=self.slots, clusterer=online, schedule=common(every=None)).build()

    def other(self, kind: type[Recipe], steps: int, **fields: Any) -> MixtureGAN:
        """A method whose schedule does not depend on the steps; without clusters in training unless it is given."""
        return self.recipe(kind, **{"schedule": common(warmup=None), **fields}).build()

    def recipe(self, kind: type[Recipe], **fields: Any) -> Recipe:
        """A recipe with the networks and the noise of all."""
        return kind(**{"shape": self.shape, "backbone": DCGAN(width=self.width), "z_dim": 64, **fields})

    def all(self, paper: Scores) -> dict[str, Method]:
        """All methods by name, and what MIC-GAN's paper reports of its own."""
        once: dict[str, Any] = {"schedule": common(every=None)}
        slots: dict[str, Any] = {"capacity": self.slots}
        classes: dict[str, Any] = {"capacity": self.classes}

        def method(kind: type[Recipe], supervised: bool = False, **fields: Any) -> Method:
            return Method(partial(self.other, kind, **fields), supervised=supervised)

        return {
            "mic-gan": Method(self.mic_gan, paper=paper),
            "sc-gan": Method(self.sc_gan),
            "sc-gan-online": Method(self.sc_gan_online),
            "sc-gan-supervised-start": Method(self.sc_gan, supervised=True),
            "sc-gan-without-start": Method(partial(self.sc_gan, warm_start=False)),
            "sc-gan-without-matching": Method(partial(self.sc_gan, matching=False)),
            "gm-gan-static": method(GMGAN, dynamic=False, **slots),
            "gm-gan": method(GMGAN, **slots),
            "gm-gan-supervised": method(SupervisedGMGAN, True, dynamic=True, **classes, **once),
            "gm-gan-supervised-static": method(SupervisedGMGAN, True, **classes, **once),
            "gan": method(GAN),
            "class-conditional": method(ClassConditionalGAN, True, **classes, **once),
            "random-labels": method(RandomLabelGAN, **slots, **once),
            **{
                f"pacgan{m}": method(PacGAN, pack=m, schedule=common(batch=64 // m * m, warmup=None)) for m in (2, 3, 4)
            },
            "logo-gan-ae": method(PrecomputedLabelGAN, **slots, **once),
            "logo-gan-rc": replace(method(PrecomputedLabelGAN, **slots, **once), classified=True),
            "rot-net": method(PrecomputedLabelGAN, rotations=True, **slots, **once),
            **{f"kmeans-{K}": Method(cluster=partial(kmeans, K)) for K in (self.classes, self.slots)},
        }


def common(**changes: Any) -> Schedule:
    """The schedule that all methods share: one rate, lazy R1, averaged weights."""
    shared = {"generator_rate": 5e-4, "discriminator_rate": 5e-4, "penalty": R1(1.0, every=16), "average": 0.999}
    return Schedule(**{**shared, **changes})


def kmeans(K: int, x: Tensor, seed: int) -> Tensor:
    """k-means on pixels."""
    pixels = x.flatten(1).float().numpy()
    return torch.as_tensor(ReferenceKMeans(K, n_init=3, random_state=seed).fit_predict(pixels))


def images(source: str, root: Path | None) -> tuple[Tensor, Tensor]:
    """The training images of a set, as bytes, and their classes."""
    found = data.read(source, root)
    assert found.labels is not None
    return found.x, found.labels


def trained_judge(source: str, shape: tuple[int, ...], out: Path, root: Path | None) -> Classifier:
    """A classifier of the images of a set, trained into a directory of the study; its accuracy stands in a file there.

    It is held against the test images, or against a tenth of the images where there are none.
    """
    where = out / "classifier"
    if not (where / "classifier.json").exists():
        found = data.read(source, root)
        if source in data.TESTED:
            others = data.read(source, root, train=False)
        else:
            found, others = found.held_out()
        (x, _), (y, _) = images_of(found.x, source), images_of(others.x, source)
        assert found.labels is not None and others.labels is not None
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = train_classifier(x, found.labels, progress=False)
        told = {"data": source, "accuracy": accuracy(net, y, others.labels), "held_out": f"{len(y):,} images"}
        save_classifier(net, where, told)
    return suited(load_classifier(where), shape)


def cifar_judge(out: Path, root: Path | None) -> Classifier:
    """The CIFAR ResNet-56 whose weights lie in the folder of the data, or else a classifier that is trained."""
    root = root or (Path(os.environ["BNPGAN_DATA"]) if "BNPGAN_DATA" in os.environ else None)
    weights = None if root is None else root / "weights" / "cifar10_resnet56.npz"
    if weights is not None and weights.exists():
        return CIFARResNet.from_file(weights)
    return trained_judge("cifar10", (3, 32, 32), out, root)


def study(
    name: str,
    methods: dict[str, Method],
    source: str,
    judge: Callable[[Path, Path | None], Classifier],
    steps: int = 12_000,
) -> Study:
    """A study of the images of one set."""
    return Study(
        name=name,
        load=partial(images, source),
        methods=methods,
        columns=COLUMNS,
        score=lambda run, truth: metrics.clustering(run.partition.labels, truth),
        score_labels=metrics.clustering,
        steps=steps,
        judge=judge,
    )


def of_paper(purity: float) -> Scores:
    """A figure of MIC-GAN's tables: of the largest clusters, as many as there are classes."""
    return {"top_purity": purity}


def by(source: str, shape: tuple[int, ...] = (1, 28, 28)) -> Callable[[Path, Path | None], Classifier]:
    """The judge of a set."""
    return partial(trained_judge, source, shape)


GREY = Methods((1, 28, 28), slots=20, classes=10, embedding_scale=0.5)
HANDWRITTEN, CLOTHES = replace(GREY, warp=0.15, scatter=0.003), replace(GREY, alike=0.1)
MIXED, FURRY = replace(CLOTHES, shape=(1, 32, 32), slots=25, classes=12), Methods((3, 64, 64), slots=4, classes=2)
STACKED, COLOUR = Methods((3, 28, 28), slots=100, classes=1000), Methods((3, 32, 32), slots=100, classes=10, alike=0.1)
MNIST = study("mnist", HANDWRITTEN.all(of_paper(0.9489)), "mnist", by("mnist"))
FASHION_MNIST = study("fashion-mnist", CLOTHES.all(of_paper(0.6362)), "fashion-mnist", by("fashion-mnist"))
HYBRID = study("hybrid", MIXED.all(of_paper(0.9567)), "hybrid", by("hybrid", MIXED.shape))
CATDOG = study("catdog", FURRY.all(of_paper(0.9736)), "catdog", by("catdog", FURRY.shape))
# Digits are told channel by channel, as in the paper.
STACKED_MNIST = study("stacked-mnist", STACKED.all({}), "stacked-mnist", by("mnist", STACKED.shape), 36_000)
CIFAR10 = study("cifar10", COLOUR.all({}), "cifar10", cifar_judge, 36_000)
ABLATION_K = study(
    "ablation-k",
    {
        f"mic-gan-{K}": Method(partial(HANDWRITTEN.mic_gan, slots=K), paper=of_paper(purity) if purity else {})
        for K, purity in ((10, None), (15, 0.9384), (20, 0.9578), (25, 0.93), (30, None))
    },
    "mnist",
    by("mnist"),
)
