r"""Quadratic features: the densities of all points under all Gaussians as one matrix product.

With :math:`\tilde x = [1, x]` each quadratic form :math:`\tilde x^T M \tilde x` is a dot product with the features
:math:`\phi(x) = (\tilde x_i \tilde x_j)_{i \le j}`, and sufficient statistics are sums of :math:`\phi`. Features are
computed for some hundred points at a time, a column for each, so that they stay in the cache.
"""

import math
from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.decompositions import cholesky, inverse

TILE = 16, 1024  # fewest and most points in a tile on a GPU: smaller tiles cost launches, larger ones leave cores idle
GATHERED = 2**21  # numbers, n (D + 1), up to which a GPU takes all products at once, by copies of whole columns


def quadratic(x: Tensor) -> Iterator[Tensor]:
    """Features phi(x) = (x~_i x~_j, i <= j), x~ = [1, x], in pieces of rows: ``(n, (D + 1) (D + 2) / 2)``."""
    for chunk in x.split(points_at_once(x[:1], x.shape[1])):
        yield features(chunk, None).T


def log_densities(x: Tensor, weights: Tensor, by_slot: bool = False) -> Tensor:
    """The products ``(N, K)`` of the features of the points ``(N, D)`` with weights ``(K, F)``.

    In memory the numbers of one point lie side by side; with ``by_slot``, those of one slot.
    """
    if x.requires_grad or weights.requires_grad:  # gradients cannot flow through a buffer
        (first, second), y = triangle(x.shape[1] + 1, x.device), torch.cat([torch.ones_like(x[:, :1]), x], 1)
        parts = y.split(points_at_once(weights, x.shape[1]))
        return torch.cat([(part[:, first] * part[:, second]) @ weights.T for part in parts])
    found = x.new_empty(len(weights), len(x)).T if by_slot else x.new_empty(len(x), len(weights))
    buffer, start = None, 0
    for chunk in x.split(points_at_once(weights, x.shape[1])):
        buffer = features(chunk, buffer)
        torch.mm(buffer.T, weights.T, out=found[start : start + len(chunk)])
        start += len(chunk)
    return found


def feature_sums(x: Tensor, mean: Tensor, labels: Tensor, capacity: int) -> Tensor:
    """Sums ``(K, F)`` of the features of ``x - mean`` over the points ``(N, D)`` with each label ``(N,)``."""
    D = x.shape[1]
    sums = x.new_zeros(capacity, (D + 1) * (D + 2) // 2)
    if not len(x):
        return sums
    if x.device.type == "cpu":
        from bnpgan.engine.kernels import sums_by_slot  # numba takes half a second to import

        if not sums_by_slot(*(part.detach().numpy() for part in (x, mean, labels, sums))):
            raise ValueError(f"labels must lie in [0, {capacity}): pass a larger capacity")
        return sums
    first, second = triangle(D + 1, x.device)
    return moments(x, mean, labels, capacity)[:, first, second]


def moments(x: Tensor, mean: Tensor, labels: Tensor, capacity: int) -> Tensor:
    r"""Sums ``(K, D + 1, D + 1)`` of :math:`\tilde y \tilde y^T`, :math:`\tilde y = [1, x - mean]`, on any device.

    Points are sorted by label and laid out in tiles of one label each; the last tile of a label is filled up with
    zeros. The sum over a tile is its product with itself. So the host need not learn how many points have each label.
    """
    N, K, device = len(x), capacity, x.device
    counts = labels.new_zeros(K).scatter_add_(0, labels, torch.ones_like(labels))
    order, behind = labels.argsort(stable=True), counts.cumsum(0)
    T = min(max(N // K, TILE[0]), TILE[1])
    tiles_behind = ((counts + T - 1) // T).cumsum(0)
    tile = torch.arange(N // T + K, device=device)  # an upper bound of the number of tiles
    k = torch.searchsorted(tiles_behind, tile, right=True)
    mine = k.clamp(max=K - 1)
    rank = (tile - tiles_behind[mine] + (counts[mine] + T - 1) // T)[:, None] * T + torch.arange(T, device=device)
    there = (rank < counts[mine, None]) & (k < K)[:, None]
    rows = order[((behind - counts)[mine, None] + rank).clamp(0, N - 1)]
    products = x.new_empty(len(tile), x.shape[1] + 1, x.shape[1] + 1)
    size = rows_at_once(T * (x.shape[1] + 1), x)
    for start in range(0, len(tile), size):
        now = slice(start, start + size)
        y = torch.cat([x.new_ones(*rows[now].shape, 1), x[rows[now]] - mean], 2) * there[now, :, None]
        torch.bmm(y.mT, y, out=products[now])
    one_hot = (k == torch.arange(K, device=device)[:, None]).to(x.dtype)
    return (one_hot @ products.flatten(1)).view(K, *products.shape[1:])


def gaussian_form(mean: Tensor, covariance: Tensor) -> Tensor:
    r"""The matrices M ``(K, D + 1, D + 1)`` in the log-densities of Gaussians ``(K, D)``, ``(K, D, D)``.

    .. math:: \log N(x \mid \mu, \Sigma) = -\tfrac12 \tilde x^T M \tilde x, \quad M = \begin{pmatrix}
        \mu^T \Lambda \mu + \log |2 \pi \Sigma| & -\mu^T \Lambda \\ -\Lambda \mu & \Lambda \end{pmatrix}
    """
    D = mean.shape[1]
    factor = cholesky(covariance)
    precision = inverse(factor)
    pull = (precision @ mean[..., None]).squeeze(-1)
    form = precision.new_empty(len(mean), D + 1, D + 1)
    form[:, 1:, 1:] = precision
    form[:, 1:, 0] = form[:, 0, 1:] = -pull
    log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    form[:, 0, 0] = (pull * mean).sum(-1) + log_det + D * math.log(2 * math.pi)
    return form


def gaussian_weights(mean: Tensor, covariance: Tensor) -> Tensor:
    """Weights ``(K, F)`` of the quadratic features in the log-densities of Gaussians ``(K, D)``, ``(K, D, D)``."""
    return -0.5 * form_weights(gaussian_form(mean, covariance))


def form_weights(form: Tensor) -> Tensor:
    r"""Weights ``(K, F)`` of the quadratic features in :math:`\tilde x^T M_k \tilde x`, M ``(K, D + 1, D + 1)``."""
    rows, columns = triangle(form.shape[1], form.device)
    return form[:, rows, columns] * twice(form.shape[1], form.device)


@cache
@torch.inference_mode(False)  # else a first call in inference mode would cache a tensor that gradients cannot use
def triangle(size: int, device: torch.device) -> Tensor:
    """Rows and columns ``(2, size (size + 1) / 2)`` of an upper triangle, in the order of the quadratic features."""
    return torch.triu_indices(size, size, device=device)


@cache
@torch.inference_mode(False)
def positions(size: int, device: torch.device) -> Tensor:
    """Where the entries of a symmetric matrix stand among the quadratic features, ``(size^2,)``."""
    rows, columns = triangle(size, device)
    found = torch.empty(size, size, dtype=torch.int64, device=device)
    found[rows, columns] = found[columns, rows] = torch.arange(len(rows), device=device)
    return found.flatten()


@cache
@torch.inference_mode(False)
def twice(size: int, device: torch.device) -> Tensor:
    """1 on the diagonal and 2 above it, ``(size (size + 1) / 2,)``."""
    rows, columns = triangle(size, device)
    return torch.where(rows == columns, 1.0, 2.0)


def points_at_once(weights: Tensor, D: int) -> int:
    """How many points make a piece, when each has its features and one number for each of the weights ``(K, F)``."""
    return rows_at_once(max((D + 1) * (D + 2) // 2, len(weights)), weights, cached=True)


def features(x: Tensor, buffer: Tensor | None) -> Tensor:
    """The features ``(F, n)`` of points ``(n, D)``, written to the buffer where it has their shape."""
    n, P = len(x), x.shape[1] + 1
    if buffer is None or buffer.shape[1] != n:
        buffer = x.new_empty(P * (P + 1) // 2, n)
    if x.device.type == "cpu":
        from bnpgan.engine.kernels import products

        products(x.numpy(), buffer.numpy())
        return buffer
    columns, start = torch.cat([x.new_ones(1, n), x.T]), 0
    if n * P < GATHERED:
        first, second = triangle(P, x.device)
        return torch.mul(columns[first], columns[second], out=buffer)
    for i in range(P):
        torch.mul(columns[i:], columns[i], out=buffer[start : start + P - i])
        start += P - i
    return buffer


def squared_distances(x: Tensor, means: Tensor) -> Tensor:
    """Squared Euclidean distances ``(N, K)`` between rows, from their differences: right wherever they are."""
    return torch.cdist(x, means, compute_mode="donot_use_mm_for_euclid_dist") ** 2
