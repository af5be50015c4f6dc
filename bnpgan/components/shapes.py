"""What clusters of the data may look like, in any units: a centre, and covariances within groups of the points."""

import numpy as np
import torch
from scipy.linalg import solve_triangular
from torch import Tensor

from bnpgan import ranks
from bnpgan.memory import remembered

POINTS = 2000  # of the data, at most, that are looked at: more than a hundred for each of the groups
GROUPS = 4, 16  # so many groups: from clusters that are most of the data to ones that are a few points in a hundred
EACH = 2  # points to a group for each number of its mean and the constant, at least, on average
ROUNDS = 15  # of expectation-maximisation, at most: by then few points still move
LEAST = 1e-4  # share of its spread by which a column varies within groups at least, as where it has few values


@remembered
def data_center(x: Tensor) -> Tensor:
    r"""A centre ``(D,)`` of the points ``(N, D)`` that a few stray rows do not move: that of a Cauchy law.

    .. math:: m = \frac{\sum_i w_i x_i}{\sum_i w_i}, \quad w_i = \frac{1 + D}{1 + (x_i - m)^T V^{-1} (x_i - m)},
        \quad V = \frac1N \sum_i w_i (x_i - m)(x_i - m)^T

    with a diagonal :math:`V`, so that the units of the columns do not matter.

    References:
        Kent and Tyler, "Redescending M-estimates of multivariate location and scatter", 1991, section 1.
    """
    return torch.as_tensor(_cauchy(_sketch(x))[0], dtype=x.dtype, device=x.device)


@remembered
def data_spread(x: Tensor) -> Tensor:
    """The spread ``(D,)`` of each column about the centre by the same law; 1 for a column that does not vary."""
    return torch.as_tensor(_cauchy(_sketch(x))[1], dtype=x.dtype, device=x.device).sqrt()


def within_covariances(x: Tensor, diagonal: bool = False) -> list[Tensor]:
    """Covariances ``(D, D)`` within 4 and 16 groups of the points ``(N, D)``, or only their diagonals.

    The groups are the clusters of Gaussians that share one covariance, each point in the likeliest. They start from
    k-means++ seeds in units of the spread of each column, under random numbers of their own: what comes out is a
    function of the points, the same in other units up to rounding. There are fewer groups where one would have less
    than 2 (D + 1) points. A covariance is drawn towards its own diagonal with weight D / (N + D), so that it is
    positive definite.

    Raises:
        ValueError: if all points are equal.
    """
    y = _sketch(x)
    if (y == y[0]).all():
        raise ValueError("scale cannot be set from points that are all equal: pass scale, e.g. scale=1.0")
    most = max(1, len(y) // (EACH * (y.shape[1] + 1)))
    numbers = sorted({min(K, most) for K in GROUPS})
    return [torch.as_tensor(_within(y, K, diagonal), dtype=x.dtype, device=x.device) for K in numbers]


@remembered
def _sketch(x: Tensor) -> np.ndarray:
    # The same points of all ranks for the same points: all, or one from each of so many pieces of equal length. A drawn
    # one, for there may be a rhythm in the rows.
    lengths = ranks.lengths(x)
    N, before = sum(lengths), sum(lengths[: ranks.rank()])
    rows = np.arange(N)
    if N > POINTS:
        rows = ((np.arange(POINTS) + np.random.default_rng(0).random(POINTS)) * (N / POINTS)).astype(np.int64)
    found = x.new_zeros(len(rows), x.shape[1])
    here = np.flatnonzero((rows >= before) & (rows < before + len(x)))
    found[torch.from_numpy(here).to(x.device)] = x[torch.from_numpy(rows[here] - before).to(x.device)]
    return ranks.all_sum(found).cpu().numpy()


def _cauchy(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # The centre (D,), and the variances (D,), 1 for a column that does not vary. Where most values of a column are the
    # same the law has no width: it is kept from what those are apart that differ.
    D, centre, variance = y.shape[1], y.mean(0), y.var(0)
    varies = (y != y[0]).any(0)
    apart = np.abs(y - np.median(y, 0))[:, varies]
    least = (apart > 0).mean(0) * np.nanmedian(np.where(apart > 0, apart, np.nan), 0) ** 2 / 4
    for _ in range(ROUNDS):
        squares = (y - centre) ** 2
        weight = (1 + D) / (1 + (squares[:, varies] / variance[varies]).sum(1))
        centre, variance = weight @ y / weight.sum(), weight @ squares / len(y)
        variance[varies] = np.maximum(variance[varies], least)
    return centre, np.where(varies, variance, 1.0)


def _within(y: np.ndarray, K: int, diagonal: bool) -> np.ndarray:
    from sklearn.cluster import kmeans_plusplus  # which takes a second to import

    (N, D), (centre, variance) = y.shape, _cauchy(y)
    y = (y - centre) / np.sqrt(variance)
    means, counts, covariance, labels = kmeans_plusplus(y, K, random_state=0)[0], np.ones(K), np.eye(D), np.full(N, -1)
    for _ in range(ROUNDS):
        factor = np.linalg.cholesky(covariance)
        points, centres = (solve_triangular(factor, part.T, lower=True, check_finite=False) for part in (y, means))
        scores = (centres**2).sum(0)[:, None] - 2 * (centres.T @ points + np.log(np.maximum(counts, 0.1))[:, None])
        before, labels = labels, scores.argmin(0)
        if (labels == before).all():
            break
        members = (labels == np.arange(K)[:, None]).astype(float)
        counts = members.sum(1)
        means = np.where(counts[:, None] > 0, members @ y / np.maximum(counts, 1)[:, None], means)
        apart = y - means[labels]
        covariance = apart.T @ apart / N
        own = np.maximum(covariance.diagonal(), LEAST**2)
        share = 1.0 if diagonal else D / (N + D)
        covariance *= 1 - share
        np.fill_diagonal(covariance, own)
    return covariance * np.sqrt(np.outer(variance, variance))  # as symmetric as before
