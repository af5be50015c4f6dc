"""Points that are taken out of their clusters and seated again one after another, in loops compiled by numba.

``seat`` does what ``CRPGibbs.seatings`` does with a family's ``log_predictive`` and ``add_``, ``reseat`` what ``IGMM``
does with densities. Loops know a prior by its urn: a weight for each size of a cluster, and for a new cluster by the
number of clusters. Tests compare both loops with their readable twins in Python.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnpgan.engine.compiled import NEGLIGIBLE, compiled, invert

UPDATES = 1000  # rank-one updates of a factor until it is computed anew, for each loses some of the last digits
GAIN = (
    1e-3  # share of the determinant: a removal that leaves less has lost too many digits, and the factor is made anew
)


class Urn(NamedTuple):
    """What a prior's predictive is made of, as log-weights up to a constant for each point.

    Args:
        old: of a cluster of n points, n = 0, 1, ..., N.
        new: of a new cluster beside K others, ``(1, C + 1)``, or ``(n, C + 1)`` if it differs from point to point.
    """

    old: NDArray[np.float64]
    new: NDArray[np.float64]


class Predictive(NamedTuple):
    r"""What the predictive of Gaussians of full covariance is made of; :math:`P = D + 1`.

    Args:
        half: :math:`(\nu + 1) / 2`.
        y: points ``(n, P)``, 1 first.
        counts: points in each slot, ``(C,)``.
        matrix: :math:`\tilde\Psi_k`, ``(C, P, P)``; only the lower triangle is read and updated.
        factor: :math:`W_k`, the inverses ``(C, P, P)`` of their Cholesky factors.
        log_det: their log-determinants, ``(C,)``.
        empty: the matrix ``(P, P)`` of an empty slot.
        constant: :math:`a(n)` of a cluster of n points, n = 0, 1, ..., N.
    """

    half: float
    y: NDArray[np.float64]
    counts: NDArray[np.float64]
    matrix: NDArray[np.float64]
    factor: NDArray[np.float64]
    log_det: NDArray[np.float64]
    empty: NDArray[np.float64]
    constant: NDArray[np.float64]


@compiled
def inverse_factor(matrix, factor):
    """Write the inverse of the Cholesky factor of a matrix ``(P, P)``; return its log-determinant, nan on failure."""
    P, log_det = len(matrix), 0.0
    lower = np.zeros((P, P))
    for a in range(P):
        for b in range(a + 1):
            value = matrix[a, b]
            for c in range(b):
                value -= lower[a, c] * lower[b, c]
            if b < a:
                lower[a, b] = value / lower[b, b]
            elif value > 0:
                lower[a, a] = math.sqrt(value)
                log_det += math.log(value)
            else:
                return math.nan
    for a in range(P):
        for b in range(a):
            value = 0.0
            for c in range(b, a):
                value -= lower[a, c] * factor[c, b]
            factor[a, b] = value / lower[a, a]
        factor[a, a] = 1 / lower[a, a]
    return log_det


@compiled
def move(matrix, factor, y, sign, v, sums):
    r"""Add ``sign`` times :math:`y y^T` to a matrix, update its inverse factor; return the gain in determinant.

    With :math:`W = L^{-1}`, :math:`v = W y` and :math:`t_a = 1 \pm \sum_{b \le a} v_b^2`, row by row

    .. math:: w_a \leftarrow \sqrt{\frac{t_{a-1}}{t_a}} \left(w_a \mp v_a \sum_{b < a} \frac{v_b w_b}{\sqrt{t_b
        t_{b-1}}}\right), \qquad \frac{|M'|}{|M|} = t_P

    Where the gain is below ``GAIN``, only the matrix is changed.
    """
    P, gain = len(y), 1.0
    for a in range(P):
        value = 0.0
        for b in range(a + 1):
            matrix[a, b] += sign * y[a] * y[b]
            value += factor[a, b] * y[b]
        v[a] = value
        gain += sign * value * value
    if gain < GAIN:
        return gain
    sums[:] = 0.0
    before = 1.0
    for a in range(P):
        after = before + sign * v[a] * v[a]
        shrink, pull = math.sqrt(before / after), v[a] / math.sqrt(before * after)
        for b in range(a + 1):
            new = shrink * (factor[a, b] - sign * v[a] * sums[b])
            factor[a, b] = new
            sums[b] += pull * new
        before = after
    return gain


@compiled
def seat(predictive, urn, uniform, labels):
    r"""Take each point out of its cluster and seat it again, in place; return False where a matrix has lost its digits.

    .. math:: p(z_i = k) \propto p(k \mid n_{-i}) \, e^{a(n_k)} |\tilde\Psi_k|^{-1/2}
        (1 + \| W_k \tilde x_i \|^2)^{-(\nu_k + 1) / 2}

    The squares of the rows of :math:`W_k \tilde x_i` are summed only until the weight of the cluster is negligible.

    Args:
        predictive: of the slots; its arrays are updated with each point.
        urn: of the prior.
        uniform: a number in [0, 1) for each point, ``(n,)``.
        labels: ``(n,)``, -1 where one has no seat yet.
    """
    half, y, counts, matrix, factor, log_det, empty, constant = predictive
    n, P = y.shape
    C = len(counts)
    prior_factor = np.zeros((P, P))
    prior_log_det = inverse_factor(empty, prior_factor)
    v, sums, log_w, w = np.empty(P), np.empty(P), np.empty(C), np.empty(C)
    updates = np.zeros(C, dtype=np.int64)
    used = 0
    for k in range(C):
        used += counts[k] > 0
    for i in range(n):
        point, old = y[i], labels[i]
        if old >= 0:
            counts[old] -= 1
            if counts[old] == 0:  # exactly the prior again, whatever rounding the points have left behind
                used -= 1
                matrix[old], factor[old], log_det[old], updates[old] = empty, prior_factor, prior_log_det, 0
            else:
                gain, updates[old] = move(matrix[old], factor[old], point, -1.0, v, sums), updates[old] + 1
                if gain < GAIN or updates[old] == UPDATES:
                    log_det[old], updates[old] = inverse_factor(matrix[old], factor[old]), 0
                else:
                    log_det[old] += math.log(gain)
                if not math.isfinite(log_det[old]):
                    return False
        form = 0.0
        for a in range(P):
            value = 0.0
            for b in range(a + 1):
                value += prior_factor[a, b] * point[b]
            form += value * value
        best, log_empty = -math.inf, -math.inf
        if used < C:
            log_empty = urn.new[min(i, len(urn.new) - 1), used] - math.log(C - used)
            log_empty += constant[0] - 0.5 * prior_log_det - half * math.log1p(form)
            best = log_empty
        for turn in range(-1, C):  # its old cluster first: a large weight, beside which others are soon negligible
            k = old if turn < 0 else turn
            if k < 0 or (turn == old and turn >= 0):
                continue
            if counts[k] == 0:
                log_w[k] = log_empty
                continue
            log_most = urn.old[int(counts[k])] + constant[int(counts[k])] - 0.5 * log_det[k]
            power = half + 0.5 * counts[k]
            most = math.expm1(min((log_most - best + NEGLIGIBLE) / power, 700.0))
            form, a = 0.0, 0
            while a < P and form <= most:
                value = 0.0
                for b in range(a + 1):
                    value += factor[k, a, b] * point[b]
                form += value * value
                a += 1
            if form > most:
                log_w[k] = -math.inf
            else:
                log_w[k] = log_most - power * math.log1p(form)
                best = max(best, log_w[k])
        of_empty = math.exp(log_empty - best)
        for k in range(C):
            if counts[k] == 0:
                w[k] = of_empty
            else:
                w[k] = math.exp(log_w[k] - best) if log_w[k] > best - NEGLIGIBLE else 0.0
        new = invert(w, uniform[i])[0]
        labels[i] = new
        used += counts[new] == 0
        counts[new] += 1
        gain, updates[new] = move(matrix[new], factor[new], point, 1.0, v, sums), updates[new] + 1
        if updates[new] == UPDATES:
            log_det[new], updates[new] = inverse_factor(matrix[new], factor[new]), 0
        else:
            log_det[new] += math.log(gain)
    return True


@compiled
def reseat(density, labels, uniform, counts, old, new):
    r"""Move each point by :math:`p(k \mid n_{-i}) p(x_i \mid \theta_k)` in place, given densities ``(n, C)``.

    Args:
        density: ``(n, C)``, up to a factor for each point.
        labels: ``(n,)``.
        uniform: ``(n,)``.
        counts: ``(C,)`` int64.
        old: the weight of a cluster of n points, ``(N + 1,)``.
        new: the weight of a new cluster beside K others, ``(C + 1,)``.
    """
    C = len(counts)
    w, used = np.empty(C), 0
    for k in range(C):
        used += counts[k] > 0
    for i in range(len(labels)):
        k = labels[i]
        counts[k] -= 1
        used -= counts[k] == 0
        share = new[used] / (C - used) if used < C else 0.0
        for k in range(C):
            w[k] = density[i, k] * (old[counts[k]] if counts[k] else share)
        k = invert(w, uniform[i])[0]
        labels[i] = k
        used += counts[k] == 0
        counts[k] += 1
