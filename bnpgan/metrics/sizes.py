"""Numbers of clusters: the large ones, and the effective number."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Array = Tensor | ArrayLike


def integers(name: str, values: Array) -> NDArray:
    """Labels as a NumPy array ``(N,)``, or a ValueError that names them."""
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: pass one label per image, (N,) with N at least 1")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {array.dtype}: pass integer labels")
    return array


def large_clusters(labels: Array, share: float = 0.01) -> int:
    """The number of clusters that hold at least ``share`` of the images.

    Args:
        labels: Cluster of each image ``(N,)``.
        share: Least share, in [0, 1].

    Returns:
        The number of such clusters.

    Raises:
        ValueError: If ``labels`` is empty or not of integers.

    Example:
        >>> large_clusters([0] * 100 + [1] * 99 + [2])
        2
    """
    _, counts = np.unique(integers("labels", labels), return_counts=True)
    return int((counts / counts.sum() >= share).sum())


def effective_clusters(labels: Array) -> float:
    r"""The number of equal clusters of the same entropy, :math:`\exp(-\sum_k p_k \log p_k)`, :math:`p_k = n_k / N`.

    Args:
        labels: clusters ``(N,)``.

    Returns:
        Between 1 and the number of clusters.

    Raises:
        ValueError: if the labels are empty or not integers.

    Example:
        >>> effective_clusters([0, 0, 1, 1])
        2.0
    """
    _, counts = np.unique(integers("labels", labels), return_counts=True)
    p = counts / counts.sum()
    return float(np.exp(-(p * np.log(p)).sum()))
