"""How well clusters match classes.

Labels name clusters or classes; any integers do, and they need not be consecutive.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from bnpgan.metrics.sizes import Array, integers, large_clusters


def _pair(labels: Array, truth: Array) -> tuple[NDArray, NDArray]:
    labels, truth = integers("labels", labels), integers("truth", truth)
    if len(labels) != len(truth):
        raise ValueError(f"labels has {len(labels)} entries and truth {len(truth)}: pass labels of the same images")
    return labels, truth


def _table(labels: Array, truth: Array) -> NDArray:
    # (clusters, classes), the number of images in both.
    return contingency_matrix(*_pair(labels, truth))


def purity(labels: Array, truth: Array) -> float:
    r"""The share of images whose class is the commonest one of their cluster.

    :math:`\frac1N \sum_k \max_j |\omega_k \cap c_j|` for clusters :math:`\omega_k` and classes :math:`c_j`. It can only
    rise as clusters are split: compare it at equal numbers of clusters, or read it beside ``inverse_purity``.

    Args:
        labels: Cluster of each image ``(N,)``.
        truth: Class of each image ``(N,)``.

    Returns:
        Purity in (0, 1].

    Raises:
        ValueError: If either is empty, is not of integers, or their lengths differ.

    Example:
        >>> purity([0, 0, 1, 2], [5, 5, 5, 6])
        1.0

    References:
        Introduction to Information Retrieval, 2008, section 16.3.
    """
    table = _table(labels, truth)
    return float(table.max(axis=1).sum() / table.sum())


def inverse_purity(labels: Array, truth: Array) -> float:
    r"""The share of images whose cluster is the commonest one of their class: purity with the roles swapped.

    :math:`\frac1N \sum_j \max_k |\omega_k \cap c_j|`. It can only fall as clusters are split. The released code of
    SC-GAN passes the two in this order, so that the purity in Table 4 is this: compare with it here.

    Args:
        labels: Cluster of each image ``(N,)``.
        truth: Class of each image ``(N,)``.

    Returns:
        Inverse purity in (0, 1].

    Raises:
        ValueError: As for ``purity``.

    Example:
        >>> inverse_purity([0, 0, 1, 2], [5, 5, 5, 6])
        0.75

    References:
        Diverse Image Generation via Self-Conditioned GANs, 2020, Table 4.
    """
    labels, truth = _pair(labels, truth)
    return purity(truth, labels)


def top_purity(labels: Array, truth: Array, n: int) -> tuple[float, float]:
    r"""Purity within the ``n`` largest clusters, and the share of images they hold.

    :math:`\sum_{k \le n} \max_j |\omega_k \cap c_j| \, / \sum_{k \le n} |\omega_k|`, clusters in the order of falling
    size. The divisor is the number of images in these clusters: the paper does not say so, but divided by all
    images its own figures could not be reached. Read purity beside the mass, for it says nothing of other clusters.

    Args:
        labels: Cluster of each image ``(N,)``.
        truth: Class of each image ``(N,)``.
        n: How many clusters to keep; the paper keeps as many as there are classes.

    Returns:
        Purity in (0, 1] and mass in (0, 1].

    Raises:
        ValueError: As for ``purity``, or if ``n`` is less than 1.

    Example:
        >>> top_purity([0, 0, 0, 1, 2], [5, 5, 6, 6, 6], n=1)
        (0.6666666666666666, 0.6)

    References:
        Unsupervised Image Generation with Infinite Generative Adversarial Networks, 2021, section 4.1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}: pass the number of classes")
    table = _table(labels, truth)
    top = table[np.argsort(-table.sum(axis=1), kind="stable")[:n]]
    return float(top.max(axis=1).sum() / top.sum()), float(top.sum() / table.sum())


def nmi(labels: Array, truth: Array) -> float:
    r"""Normalised mutual information :math:`2 I(\omega; c) / (H(\omega) + H(c))`.

    Args:
        labels: Cluster of each image ``(N,)``.
        truth: Class of each image ``(N,)``.

    Returns:
        NMI in [0, 1]; 1 if the partitions are equal.

    Raises:
        ValueError: As for ``purity``.

    Example:
        >>> nmi([0, 0, 1, 1], [3, 3, 7, 7])
        1.0

    References:
        Introduction to Information Retrieval, 2008, section 16.3.
    """
    return float(normalized_mutual_info_score(*_pair(labels, truth)))


def ari(labels: Array, truth: Array) -> float:
    """The adjusted Rand index: agreement over pairs of images, less what chance would give.

    Args:
        labels: Cluster of each image ``(N,)``.
        truth: Class of each image ``(N,)``.

    Returns:
        ARI in [-0.5, 1]; 0 on average for random labels, 1 if the partitions are equal.

    Raises:
        ValueError: As for ``purity``.

    Example:
        >>> ari([0, 0, 1, 1], [3, 3, 7, 7])
        1.0

    References:
        Comparing partitions, 1985.
    """
    return float(adjusted_rand_score(*_pair(labels, truth)))


def matched_accuracy(labels: Array, truth: Array) -> float:
    r"""Accuracy under the best one-to-one match :math:`\pi` of clusters and classes.

    :math:`\max_\pi \frac1N \sum_j |\omega_{\pi(j)} \cap c_j|`, found by the Hungarian algorithm.

    Args:
        labels: Cluster of each image ``(N,)``.
        truth: Class of each image ``(N,)``.

    Returns:
        Accuracy in (0, 1]. Images of unmatched clusters count as wrong.

    Raises:
        ValueError: As for ``purity``.

    Example:
        >>> matched_accuracy([0, 0, 1, 2], [5, 5, 5, 6])
        0.75
    """
    table = _table(labels, truth)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def clustering(labels: Array, truth: Array) -> dict[str, float]:
    """All scores of a clustering against classes.

    Args:
        labels: Cluster of each image ``(N,)``.
        truth: Class of each image ``(N,)``.

    Returns:
        ``clusters`` (those with at least 1 % of the images), ``nmi``, ``ari``, ``purity``, ``inverse_purity``,
        ``top_purity`` and ``top_mass`` (of the largest clusters, as many as there are classes), and ``accuracy``
        (matched one to one).

    Raises:
        ValueError: As for ``purity``.

    Example:
        >>> scores = clustering([0, 0, 1, 1], [3, 3, 7, 7])
        >>> scores["clusters"], scores["nmi"], scores["top_mass"]
        (2, 1.0, 1.0)
    """
    labels, truth = _pair(labels, truth)
    top, mass = top_purity(labels, truth, n=len(np.unique(truth)))
    return {
        "clusters": large_clusters(labels),
        "nmi": nmi(labels, truth),
        "ari": ari(labels, truth),
        "purity": purity(labels, truth),
        "inverse_purity": inverse_purity(labels, truth),
        "top_purity": top,
        "top_mass": mass,
        "accuracy": matched_accuracy(labels, truth),
    }
