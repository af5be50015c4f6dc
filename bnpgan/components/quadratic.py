r"""Quadratic features: the densities of all points under all Gaussians as one matrix product.

With :math:`\tilde x = [1, x]` each quadratic form :math:`\tilde x^T M \tilde x` is a dot product with the features
:math:`\phi(x) = (\tilde x_i \tilde x_j)_{i \le j}`, and sufficient statistics are sums of :math:`\phi`. Features are
made as columns of some hundred points at a time, so that they stay in the cache.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor

CACHED, HELD = 2**17, 2**25  # numbers in a chunk, on a CPU and elsewhere
BLOCK = 2**13  # points in units of the mixture at once
HOPELESS = 0.1  # where the error of a usual point may be larger, single precision is not tried


def quadratic(x: Tensor) -> Iterator[Tensor]:
    """Features phi(x) = (x~_i x~_j, i <= j), x~ = [1, x], in chunks of rows: ``(n, (D + 1) (D + 2) / 2)``."""
    for chunk in x.split(_rows(x, 1)):
        yield _features(chunk, None).T


def log_densities(x: Tensor, weights: Tensor) -> Tensor:
    """The products ``(N, K)`` of the features of the points ``(N, D)`` with weights ``(K, F)``."""
    if x.requires_grad or weights.requires_grad:  # a buffer knows no gradients
        (first, second), y = triangle(x.shape[1] + 1, x.device), torch.cat([torch.ones_like(x[:, :1]), x], 1)
        return torch.cat([(part[:, first] * part[:, second]) @ weights.T for part in y.split(_rows(x, len(weights)))])
    found, buffer, start = x.new_empty(len(x), len(weights)), None, 0
    for chunk in x.split(_rows(x, len(weights))):
        buffer = _features(chunk, buffer)
        torch.mm(buffer.T, weights.T, out=found[start : start + len(chunk)])
        start += len(chunk)
    return found


def feature_sums(x: Tensor, mean: Tensor, labels: Tensor, capacity: int) -> Tensor:
    """Sums ``(K, F)`` of the features of ``x - mean`` over the points ``(N, D)`` with each label ``(N,)``."""
    D, start = x.shape[1], 0
    first, second = triangle(D + 1, x.device)
    if x.device.type != "cpu" or len(x) < 16 * capacity:
        slots, sums = torch.arange(capacity, device=x.device)[:, None], x.new_zeros(capacity, len(first))
        for chunk in x.split(_rows(x, capacity)):
            mine = (labels[start : start + len(chunk)] == slots).to(x.dtype)
            sums += mine @ _features(chunk - mean, None).T
            start += len(chunk)
        return sums
    # The points of a cluster times themselves: as much less work as there are clusters.
    matrix, sizes = x.new_zeros(capacity, D + 1, D + 1), torch.bincount(labels, minlength=capacity).tolist()
    for k, members in enumerate(labels.argsort().split(sizes)):
        for rows in members.split(BLOCK):
            y = torch.cat([x.new_ones(len(rows), 1), x[rows] - mean], 1)
            matrix[k].addmm_(y.T, y)
    return matrix[:, first, second]


def draw(x: Tensor, mean: Tensor, covariance: Tensor, log_weights: Tensor, uniform: Tensor) -> Tensor:
    r"""A slot ``(N,)`` for each point by inversion, :math:`p(k) \propto w_k N(x \mid \mu_k, \Sigma_k)`.

    The products are taken in single precision, of unit roundoff :math:`u`. The error of one over F features is at most
    :math:`4 \sqrt F u \sum_f |\phi_f w_f|` but with a probability of :math:`2 e^{-8}`, and norms that bound the sum are
    some times its size. Where weights larger or smaller by as much might have led to another slot, the point is drawn
    again in double precision, by the same number.

    Args:
        x: points ``(N, D)``.
        mean: ``(K, D)``.
        covariance: ``(K, D, D)``.
        log_weights: ``(K,)``, -inf where there is no component.
        uniform: numbers in [0, 1), ``(N,)``.

    References:
        Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019, Theorem 3.1.
    """
    share = log_weights.softmax(0)[:, None]
    middle = (share * mean).sum(0)
    apart = mean - middle
    total = (share[:, :, None] * covariance).sum(0) + (share * apart).T @ apart
    unit = torch.linalg.inv(torch.linalg.cholesky(total)).T  # in these units the mixture has the covariance 1
    weights = gaussian_weights(apart @ unit, unit.T @ covariance @ unit)
    offset = weights[:, 0] + log_weights.clamp(min=-1e30)  # added to the products in double precision
    weights[:, 0] = 0
    bound = _error(weights, x.shape[1])

    def choose(x: Tensor, uniform: Tensor, single: bool) -> tuple[Tensor, Tensor]:
        labels, doubt = (torch.empty(len(x), dtype=dtype, device=x.device) for dtype in (torch.int64, torch.bool))
        matrix = weights.T.to(torch.float32 if single else weights.dtype).contiguous()
        size, buffer, start = _rows(x, len(mean)), None, 0
        for block in x.split(BLOCK):
            block = (block.to(middle.dtype) - middle) @ unit
            tolerance = 2 * bound(block.square().sum(1)) if single else torch.zeros_like(block[:, 0])
            for chunk, off in zip(block.to(matrix.dtype).split(size), tolerance.split(size), strict=True):
                rows = slice(start, start + len(chunk))
                buffer = _features(chunk, buffer)
                labels[rows], doubt[rows] = choose_each(buffer.T @ matrix, uniform[rows], off, offset)
                start += len(chunk)
        return labels, doubt

    if float(bound(weights.new_tensor(x.shape[1]))) > HOPELESS:
        return choose(x, uniform, single=False)[0]
    labels, doubt = choose(x, uniform, single=True)
    for rows in doubt.nonzero().flatten().split(BLOCK):
        labels[rows], _ = choose(x[rows], uniform[rows], single=False)
    return labels


def categorical(logits: Tensor) -> Tensor:
    """One draw ``(N,)`` from each row of unnormalised log-probabilities ``(N, K)``."""
    uniform = torch.rand(len(logits), dtype=torch.float64, device=logits.device)
    return choose_each(logits, uniform, torch.zeros_like(uniform), uniform.new_zeros(logits.shape[1]))[0]


def choose_each(logits: Tensor, uniform: Tensor, tolerance: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Slots ``(N,)`` by inversion, and which of them might be others were shares wrong by a tolerance.

    Args:
        logits: ``(N, K)``, up to a constant for each row.
        uniform: numbers in [0, 1), ``(N,)``.
        tolerance: ``(N,)``, by how much the summed shares may be wrong.
        offset: ``(K,)``, to be added to each row.
    """
    if logits.device.type != "cpu":
        return invert(logits, uniform, tolerance, offset)
    from bnpgan.compiled import choose_rows  # numba takes half a second to import

    slots, doubt = torch.empty(len(logits), dtype=torch.int64), torch.empty(len(logits), dtype=torch.bool)
    choose_rows(*(part.numpy() for part in (logits, offset, uniform, tolerance, slots, doubt)))
    return slots, doubt


def invert(logits: Tensor, uniform: Tensor, tolerance: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """What ``choose_each`` gives, by operations on whole tensors."""
    cumulative = (logits + offset).softmax(1).cumsum(1)
    level = uniform[:, None] * cumulative[:, -1:]
    slots = torch.searchsorted(cumulative, level, right=True)
    below = torch.where(slots > 0, cumulative.gather(1, (slots - 1).clamp(min=0)), 0.0)
    gap = torch.minimum(cumulative.gather(1, slots) - level, level - below)
    return slots.squeeze(1), gap.squeeze(1) < tolerance


def gaussian_weights(mean: Tensor, covariance: Tensor) -> Tensor:
    r"""Weights ``(K, F)`` of the quadratic features in the log-densities of Gaussians ``(K, D)``, ``(K, D, D)``.

    .. math:: \log N(x \mid \mu, \Sigma) = -\tfrac12 \tilde x^T \begin{pmatrix}
        \mu^T \Lambda \mu + \log |2 \pi \Sigma| & -\mu^T \Lambda \\ -\Lambda \mu & \Lambda \end{pmatrix} \tilde x
    """
    D = mean.shape[1]
    factor = torch.linalg.cholesky(covariance)
    precision = torch.cholesky_inverse(factor)
    pull = (precision @ mean[..., None]).squeeze(-1)
    form = precision.new_empty(len(mean), D + 1, D + 1)
    form[:, 1:, 1:] = precision
    form[:, 1:, 0] = form[:, 0, 1:] = -pull
    log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    form[:, 0, 0] = (pull * mean).sum(-1) + log_det + D * math.log(2 * math.pi)
    return -0.5 * form_weights(form)


def form_weights(form: Tensor) -> Tensor:
    r"""Weights ``(K, F)`` of the quadratic features in :math:`\tilde x^T M_k \tilde x`, M ``(K, D + 1, D + 1)``."""
    rows, columns = triangle(form.shape[1], form.device)
    return form[:, rows, columns] * twice(form.shape[1], form.device)


@cache
@torch.inference_mode(False)  # or the first call, inside inference mode, would make it useless to gradients
def triangle(size: int, device: torch.device) -> Tensor:
    """Rows and columns ``(2, size (size + 1) / 2)`` of an upper triangle, in the order of the quadratic features."""
    return torch.triu_indices(size, size, device=device)


@cache
@torch.inference_mode(False)
def twice(size: int, device: torch.device) -> Tensor:
    """1 on the diagonal and 2 above it, ``(size (size + 1) / 2,)``."""
    rows, columns = triangle(size, device)
    return torch.where(rows == columns, 1.0, 2.0)


def _error(weights: Tensor, D: int) -> Callable[[Tensor], Tensor]:
    # A bound on the error of a log-weight in single precision, by the squared length of the point.
    F = weights.shape[1]
    pull, form = (4 * F**0.5 * 2**-24 * part.norm(dim=1).max() for part in weights[:, 1:].split([D, F - D - 1], 1))
    return lambda square: pull * square.sqrt() + form * square + len(weights) * 2**-23


def _rows(x: Tensor, K: int) -> int:
    # Points in a chunk, for their features and for K numbers of each.
    D = x.shape[1]
    return max(1, (CACHED if x.device.type == "cpu" else HELD) // max((D + 1) * (D + 2) // 2, K))


def _features(x: Tensor, buffer: Tensor | None) -> Tensor:
    # The features (F, n) of points (n, D), in the buffer if it has their shape.
    n, P = len(x), x.shape[1] + 1
    if buffer is None or buffer.shape[1] != n:
        buffer = x.new_empty(P * (P + 1) // 2, n)
    if x.device.type == "cpu":
        from bnpgan.compiled import products

        products(x.numpy(), buffer.numpy())
        return buffer
    columns, start = torch.cat([x.new_ones(1, n), x.T]), 0
    for i in range(P):
        torch.mul(columns[i:], columns[i], out=buffer[start : start + P - i])
        start += P - i
    return buffer
