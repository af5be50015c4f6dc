"""What clusters of the data may look like, in any units: a centre, and covariances within groups of the points."""

import math
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import torch
from scipy.linalg import solve_triangular
from torch import Tensor

from bnpgan import ranks
from bnpgan.engine.chunks import rows_at_once
from bnpgan.memory import remembered

POINTS = 2000  # of the data, at most, that are looked at: more than a hundred for each of the groups
GROUPS = 4, 16  # so many groups: from clusters that are most of the data to ones that are a few points in a hundred
EACH = 2  # points to a group for each number of its mean and the constant, at least, on average
ROUNDS = 15  # of expectation-maximisation, at most: by then few points still move
LEAST = 1e-4  # share of its spread by which a column varies within groups at least, as where it has few values
NARROW = 1e-4  # share of the variance, with all columns in units of their own, below which a direction is still
NEW = 1e-10  # share of its variance that a column must have of its own, given those before it
ROUNDING = 16  # times that of the largest value: a column that varies less does not


class Shape(NamedTuple):
    """A covariance ``(D, D)``, ``varying`` and ``still`` together, of which a factor widens the first.

    ``still`` has the directions in which groups have next to no width, as where a column has few values: clusters
    would be likelier without end the narrower they may be there, whatever they are elsewhere.
    """

    varying: Tensor
    still: Tensor

    def times(self, factor: float) -> Tensor:
        """The covariance, widened."""
        return factor * self.varying + self.still

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same function of both."""
        return type(self)(function(self.varying), function(self.still))


class Span(NamedTuple):
    r"""The columns ``kept`` ``(r,)`` of points ``(N, D)`` that say all: :math:`x = b + B^T x_{kept}`.

    ``back`` is :math:`B` ``(r, D)``, ``base`` :math:`b` ``(D,)``, and ``rest`` ``(D,)`` are variances of the columns
    that are not kept, next to nothing, with which a Gaussian of the kept ones is one of all.
    """

    kept: Tensor
    back: Tensor
    base: Tensor
    rest: Tensor


@remembered
def varying_columns(x: Tensor) -> Span | None:
    """The columns of the points ``(N, D)`` that vary at all; ``None``: all of them, or none."""
    varies = _varies(x)
    return None if varies.all() or not varies.any() else _span(x, varies)


@remembered
def telling_columns(x: Tensor) -> Span | None:
    """The columns of the points ``(N, D)`` that vary and are no linear function of those before them.

    ``None``: all of them, or none. Of few points, not more than columns, no linear function is known.
    """
    kept, N = _varies(x), sum(ranks.lengths(x))
    if x.shape[1] + 1 < N:
        left = _moments(x)[2].numpy().copy()
        for j in np.flatnonzero(kept.numpy()):
            kept[j] = bool(left[j, j] > NEW)
            if kept[j]:
                left -= np.outer(left[:, j], left[j] / left[j, j])
    return None if kept.all() or not kept.any() else _span(x, kept)


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


@remembered
def data_scatter(x: Tensor) -> Tensor:
    """The squared distances of the points ``(N, D)`` to their mean, added up; a far row adds to it as any other.

    Raises:
        ValueError: if the points are all equal, or there is no finite number for it.
    """
    x = x.detach()  # what is remembered keeps no graph
    mean, parts = ranks.mean(x), x.split(rows_at_once(x.shape[1], x))
    scatter = ranks.all_sum(torch.stack([(part - mean).square().sum() for part in parts]).sum())
    if not (0 < scatter < math.inf) or not _varies(x).any():
        raise ValueError(
            "scatter is a share of the scatter of the points, which must be finite and not all equal: "
            "pass scale in its place, e.g. scale=1.0"
        )
    return scatter


def within_covariances(x: Tensor, diagonal: bool = False) -> list[Shape]:
    """Covariances ``(D, D)`` within 4 and 16 groups of the points ``(N, D)``, or only their diagonals.

    The groups are the clusters of Gaussians that share one covariance, each point in the likeliest. They start from
    k-means++ seeds in units of the spread of each column, under random numbers of their own: what comes out is a
    function of the points, the same in other units up to rounding. There are fewer groups where one would have less
    than 2 (D + 1) points. A covariance is drawn towards its own diagonal with weight D / (N + D), so that it is
    positive definite; but where groups have next to no width, in a column of few values or between columns that say
    nearly the same, it keeps to that, and a :class:`Shape` tells these directions from the others.

    Raises:
        ValueError: if all points are equal.
    """
    y = _sketch(x)
    if (y == y[0]).all():
        raise ValueError("scale cannot be set from points that are all equal: pass scale, e.g. scale=1.0")
    most = max(1, len(y) // (EACH * (y.shape[1] + 1)))
    numbers = sorted({min(K, most) for K in GROUPS})
    shapes = (Shape(*map(torch.from_numpy, _within(y, K, diagonal))) for K in numbers)
    return [shape.map(lambda part: part.to(x)) for shape in shapes]


def _varies(x: Tensor) -> Tensor:
    least, most = -ranks.all_max(-x.amin(0)), ranks.all_max(x.amax(0))
    rounding = ROUNDING * torch.finfo(x.dtype).eps * torch.maximum(least.abs(), most.abs())
    return (most - least > rounding).cpu()


def _span(x: Tensor, kept: Tensor) -> Span:
    columns = kept.nonzero().flatten()
    mean, unit, correlations = _moments(x)
    among = correlations[columns]
    back = torch.linalg.lstsq(among[:, columns], among).solution * unit / unit[columns, None]
    back[:, columns] = torch.eye(len(columns), dtype=back.dtype)
    parts = columns, back, mean - mean[columns] @ back, torch.where(kept, 0.0, (LEAST * data_spread(x).cpu()) ** 2)
    return Span(*(part.to(x.device) for part in parts))


@remembered
def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    # Means (D,), standard deviations (D,), 1 where a column does not vary, and correlations (D, D), of points whose
    # weight falls with the square of their distance: one far row would make copies of columns that are none.
    centre, spread, D = data_center(x), data_spread(x), x.shape[1]
    total = x.new_zeros(D + 1, D + 1)
    for part in x.split(rows_at_once(D, x)):
        y = torch.nn.functional.pad((part - centre) / spread, (1, 0), value=1.0)
        total += (y / y.square().sum(1, keepdim=True)).T @ y
    total = ranks.all_sum(total).cpu()
    mean = total[0, 1:] / total[0, 0]
    covariance = total[1:, 1:] / total[0, 0] - mean.outer(mean)
    unit = torch.where(_varies(x) & (covariance.diagonal() > 0), covariance.diagonal(), 1.0).sqrt()
    centre, spread = centre.cpu(), spread.cpu()
    return centre + spread * mean, spread * unit, covariance / unit.outer(unit)


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


def _within(y: np.ndarray, K: int, diagonal: bool) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import kmeans_plusplus  # which takes a second to import

    (N, D), (centre, variance) = y.shape, _cauchy(y)
    y = (y - centre) / np.sqrt(variance)
    means, counts, covariance, labels = kmeans_plusplus(y, K, random_state=0)[0], np.ones(K), np.eye(D), np.full(N, -1)
    within, share = covariance, 1.0 if diagonal else D / (N + D)
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
        within = apart.T @ apart / N
        covariance = (1 - share) * within
        np.fill_diagonal(covariance, np.maximum(within.diagonal(), LEAST**2))
    few = N < EACH * (D + 1)  # to say what lies between columns
    (varying, still), unit = _parted(within, covariance, diagonal or few), np.sqrt(np.outer(variance, variance))
    return varying * unit, still * unit  # as symmetric as before


def _parted(within: np.ndarray, covariance: np.ndarray, columns: bool) -> tuple[np.ndarray, np.ndarray]:
    # The covariance without the directions, or only columns, in which groups have next to no width, and these.
    own = covariance.diagonal()
    flat = within.diagonal() < LEAST**2
    still = np.diag(np.where(flat, own, 0.0))
    if flat.any():
        covariance = np.where(flat | flat[:, None], 0.0, covariance)
    if columns or flat.all():
        return covariance, still
    unit = np.where(flat, np.inf, np.sqrt(own))
    values, axes = np.linalg.eigh(within / unit / unit[:, None] + np.diag(flat.astype(float)))
    narrow = axes[:, values < NARROW]
    if narrow.shape[1]:
        unit = np.sqrt(own)
        still = still + _symmetric((narrow * np.maximum(values[values < NARROW], LEAST**2)) @ narrow.T, unit)
        others = np.eye(len(own)) - narrow @ narrow.T
        covariance = _symmetric(others @ (covariance / unit / unit[:, None]) @ others, unit)
    return covariance, still


def _symmetric(matrix: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return (matrix + matrix.T) / 2 * np.outer(unit, unit)
