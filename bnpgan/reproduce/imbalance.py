"""Classes of very unequal size: MNIST thinned so that the commonest digit has 100 times the images of the rarest."""

from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans as ReferenceKMeans
from torch import Tensor

from bnpgan import data, metrics, recipes
from bnpgan.reproduce.study import Method, Scores, Study

__all__ = ["IMBALANCE", "imbalance", "thinned"]

RATIO = 100  # the 8x8 digits would have two images of the rarest, so these are MNIST's, at 14 x 14 pixels
COLUMNS = {
    "found": ("digits with a cluster", ".1f"),
    "variation": ("total variation of the weights", ".3f"),
    "rarest": ("recall of the rarest", ".3f"),
    "clusters": ("clusters", ".1f"),
    "nmi": ("NMI", ".3f"),
    "purity": ("purity", ".3f"),
}
COMMON: dict = {"image_shape": (1, 14, 14), "backbone": "mlp"}


def thinned(x: Tensor, truth: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    r"""The first images of each class, :math:`n_j = n \, r^{-j / (C - 1)}`, n those of the smallest class."""
    counts = truth.bincount()
    C, n = len(counts), int(counts.min())
    keep = [(truth == j).nonzero().flatten()[: max(1, round(n * ratio ** (-j / (C - 1))))] for j in range(C)]
    rows = torch.cat(keep).sort().values
    return x[rows], truth[rows]


def imbalance(labels: Tensor, truth: Tensor) -> Scores:
    """What rare classes are to clusters, each of which stands for its commonest class.

    ``found`` is the number of classes that a cluster stands for, ``variation`` half the sum of absolute differences
    between the shares of classes and those of the clusters that stand for them, ``rarest`` the share of the images of
    the rarest class that lie in such clusters.
    """
    C = int(truth.max()) + 1
    table = torch.bincount(labels * C + truth, minlength=C * (int(labels.max()) + 1)).view(-1, C)
    stands = table.argmax(1)[labels]
    weights, true = (y.bincount(minlength=C) / len(y) for y in (stands, truth))
    rarest = int(truth.bincount(minlength=C).argmin())
    recall = (stands[truth == rarest] == rarest).double().mean().item()
    variation = (weights - true).abs().sum().item() / 2
    found = {"found": len(stands.unique()), "variation": variation, "rarest": recall}
    return {**found, **metrics.clustering(labels, truth)}


def load(root: Path | None) -> tuple[Tensor, Tensor]:
    """MNIST's training images at half their size, thinned."""
    x, truth = data.mnist(root)
    return thinned(F.avg_pool2d(x, 2), truth, RATIO)


def kmeans(x: Tensor, seed: int) -> Tensor:
    """Of the pixels, with as many clusters as the others have slots."""
    return torch.as_tensor(ReferenceKMeans(30, n_init=3, random_state=seed).fit_predict(x.flatten(1).numpy())).long()


IMBALANCE = Study(
    name="imbalance",
    load=load,
    methods={
        "kmeans-30": Method(cluster=kmeans),
        "mic-gan": Method(lambda steps: recipes.mic_gan(**COMMON, capacity=30, warmup=max(0, steps - 1000))),
        "sc-gan": Method(
            lambda steps: recipes.sc_gan(**COMMON, capacity=30, every=500, learning_rate=5e-4, penalty=1.0, z_dim=32)
        ),
        "gm-gan": Method(lambda steps: recipes.gm_gan(**COMMON, capacity=30, learning_rate=5e-4, penalty=1.0)),
    },
    columns=COLUMNS,
    score=lambda run, truth: imbalance(run.partition.labels, truth),
    score_labels=imbalance,
    steps=5000,
)
