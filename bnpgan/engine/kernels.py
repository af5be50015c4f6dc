"""Loops over points and slots that are slow as operations on tensors; numba compiles them at their first call."""

import math

import numpy as np

from bnpgan.engine.compiled import NEGLIGIBLE, compiled, compiled_finite, invert

TILE = 64  # points of a cluster that are summed at a time: their columns stay in the first-level cache


@compiled
def products(x, features):
    r"""Write the features ``(F, n)`` of points ``(n, D)``: :math:`\tilde x_i \tilde x_j, i \le j`, with a leading 1."""
    n, D = x.shape
    columns = np.empty((D + 1, n), dtype=x.dtype)
    columns[0] = 1
    for t in range(n):
        for d in range(D):
            columns[d + 1, t] = x[t, d]
    row = 0
    for i in range(D + 1):
        for j in range(i, D + 1):
            for t in range(n):
                features[row, t] = columns[i, t] * columns[j, t]
            row += 1


@compiled_finite
def choose_rows(logits, uniform, slots):
    """Draw a slot from each row of log-weights by inversion.

    Args:
        logits: ``(n, K)``, up to a constant for each row.
        uniform: in [0, 1), ``(n,)``.
        slots: ``(n,)``, written.
    """
    n, K = logits.shape
    likely, weights = np.empty(K, dtype=np.int64), np.empty(K)
    for i in range(n):
        largest = logits[i, 0]
        for k in range(K):
            largest = max(largest, logits[i, k])
        found = 0
        for k in range(K):  # no branch that would have to be guessed
            likely[found] = k
            found += logits[i, k] >= largest - NEGLIGIBLE
        for f in range(found):
            weights[f] = math.exp(logits[i, likely[f]] - largest)
        slots[i] = likely[invert(weights[:found], uniform[i])[0]]


@compiled_finite
def choose_columns(logits, offset, error, unseen, rest, square, uniform, slots, doubt, best):
    r"""Choose a slot from each column of log-weights, and say where exact log-weights might have led to another.

    If log-weights are wrong by at most :math:`\epsilon`, the log-odds of a sum :math:`c` of shares are wrong by at most
    :math:`2 \epsilon`, and the sum itself by :math:`c (1 - c) (e^{2 \epsilon} - 1)`.

    Args:
        logits: ``(K, n)``, up to a constant for each column.
        offset: ``(K,)``, to be added to each column.
        error: log-weights are wrong by at most ``error[0]`` times the length of a point plus ``error[1]`` times its
            square. Where that is 0 no slot is in doubt, where it is more than ``unseen`` every slot is.
        unseen: nats; weights that lie so far below the largest are not summed, and only add to the doubt.
        rest: the most that all these weights together come to, as a share of the largest.
        square: squared lengths ``(n,)`` of the points.
        uniform: in [0, 1), ``(n,)``, to choose by inversion; empty: the largest, the first of equal ones.
        slots: ``(n,)``, written.
        doubt: whether another slot might be right, ``(n,)``, written.
        best: the largest log-weights, ``(n,)``, written.
    """
    K, n = logits.shape
    for t in range(n):
        slots[t], best[t] = 0, -math.inf
    for k in range(K):  # columns side by side
        row, add = logits[k], offset[k]
        for t in range(n):
            value = row[t] + add
            slots[t] = k if value > best[t] else slots[t]
            best[t] = max(value, best[t])
    twice, least, near = np.empty(n), np.empty(n), np.zeros(n, dtype=np.int64)
    for t in range(n):
        twice[t] = 2 * min(error[0] * math.sqrt(square[t]) + error[1] * square[t], unseen)
        least[t] = best[t] - twice[t] - (unseen if len(uniform) else 0.0)
    for k in range(K):
        row, add = logits[k], offset[k]
        for t in range(n):
            near[t] += row[t] + add >= least[t]
    likely, weights = np.empty(K, dtype=np.int64), np.empty(K)
    for t in range(n):
        doubt[t] = error[1] > 0 and (near[t] > 1 or twice[t] >= 2 * unseen)
        if near[t] == 1 or len(uniform) == 0:
            continue
        found = 0
        for k in range(K):  # no branch that would have to be guessed
            value = logits[k, t] + offset[k]
            likely[found], weights[found] = k, value - best[t]
            found += value >= least[t]
        for f in range(found):
            weights[f] = math.exp(weights[f])
        j, below, above, total = invert(weights[:found], uniform[t])
        slots[t], level = likely[j], uniform[t] * total
        wide = twice[t] * (1 + twice[t]) if twice[t] < 1 else math.expm1(twice[t])  # no less than expm1, and fast
        up = above * (1 - above / total) * wide
        down = below * (1 - below / total) * wide
        close = min(above - level - up, level - below - down) < rest * total
        doubt[t] = error[1] > 0 and (close or twice[t] >= 2 * unseen)


@compiled_finite
def reach(pulls, slack, far, peak, error, unseen, square, best, reached):
    r"""Say which of the slots not looked at so far may matter to one of the points, by a bound on their log-weights.

    .. math:: \log w_k N(x \mid \mu_k, \Sigma_k) \le p_k - \frac{(f_k - \mu_k^T \Lambda_k x)^2}{2 f_k}, \quad
        f_k = \mu_k^T \Lambda_k \mu_k,

    by the Cauchy-Schwarz inequality, with :math:`p_k` the log-weight at the mean.

    Args:
        pulls: :math:`\mu_k^T \Lambda_k x`, ``(K, n)``.
        slack: the pulls are wrong by at most this times the length of a point, ``(K,)``.
        far: :math:`f`, ``(K,)``.
        peak: :math:`p`, ``(K,)``.
        error: see ``choose_columns``.
        unseen: see ``choose_columns``.
        square: see ``choose_columns``.
        best: the largest log-weight of each point among the slots that were looked at, ``(n,)``.
        reached: ``(K,)``, written.
    """
    n, lowest = len(best), math.inf
    length, least = np.empty(n), np.empty(n)
    for t in range(n):
        length[t] = math.sqrt(square[t])
        least[t] = best[t] - 2 * min(error[0] * length[t] + error[1] * square[t], unseen) - unseen
        lowest = min(lowest, least[t])
    for k in range(len(far)):
        reached[k] = False
        if peak[k] < lowest:
            continue
        row, found = pulls[k], 0
        for t in range(n):
            apart = max(far[k] - row[t] - slack[k] * length[t], 0.0)
            found += peak[k] - 0.5 * apart * apart / far[k] >= least[t]
        reached[k] = found > 0


@compiled
def sums_by_slot(x, mean, labels, sums):
    r"""Add the upper triangles of :math:`\sum_{z_i = k} \tilde x_i \tilde x_i^T` to sums; False if a label is no slot.

    Args:
        x: points ``(N, D)``.
        mean: ``(D,)``; :math:`\tilde x = [1, x - mean]`.
        labels: ``(N,)``.
        sums: ``(K, (D + 1) (D + 2) / 2)``.
    """
    (N, D), K = x.shape, len(sums)
    start = np.zeros(K + 1, dtype=np.int64)
    for k in labels:
        if not 0 <= k < K:
            return False
        start[k + 1] += 1
    for k in range(K):
        start[k + 1] += start[k]
    order, fill = np.empty(N, dtype=np.int64), start[:K].copy()
    for i in range(N):
        order[fill[labels[i]]] = i
        fill[labels[i]] += 1
    y = np.ones((D + 1, TILE), dtype=x.dtype)  # points of a cluster as columns, few enough for the cache
    for k in range(K):
        for first in range(start[k], start[k + 1], TILE):
            n = min(TILE, start[k + 1] - first)
            for t in range(n):
                i = order[first + t]
                for d in range(D):
                    y[d + 1, t] = x[i, d] - mean[d]
            f = 0
            for a in range(D + 1):
                b = a
                while b + 3 <= D:  # four at a time
                    s0 = s1 = s2 = s3 = 0.0
                    ya, y0, y1, y2, y3 = y[a], y[b], y[b + 1], y[b + 2], y[b + 3]
                    for t in range(n):
                        s0 += ya[t] * y0[t]
                        s1 += ya[t] * y1[t]
                        s2 += ya[t] * y2[t]
                        s3 += ya[t] * y3[t]
                    sums[k, f] += s0
                    sums[k, f + 1] += s1
                    sums[k, f + 2] += s2
                    sums[k, f + 3] += s3
                    b, f = b + 4, f + 4
                while b <= D:
                    s0 = 0.0
                    ya, y0 = y[a], y[b]
                    for t in range(n):
                        s0 += ya[t] * y0[t]
                    sums[k, f] += s0
                    b, f = b + 1, f + 1
    return True


@compiled
def log_dets(matrices, added, found):
    """Log-determinants ``(G, K)`` of each of the matrices ``(K, P, P)`` plus each of those to be added ``(G, P, P)``.

    By Cholesky factors, all G at once; infinity where one is not positive definite.
    """
    G, P, _ = added.shape
    factor, entry = np.empty((P, P, G)), np.empty(G)
    found[:] = 0
    for k in range(len(matrices)):
        for j in range(P):
            for i in range(j, P):
                for g in range(G):
                    entry[g] = matrices[k, i, j] + added[g, i, j]
                for c in range(j):
                    one, other = factor[i, c], factor[j, c]
                    for g in range(G):
                        entry[g] -= one[g] * other[g]
                if i > j:
                    for g in range(G):
                        factor[i, j, g] = entry[g] * factor[j, j, g]
                    continue
                for g in range(G):
                    if entry[g] > 0:
                        found[g, k] += math.log(entry[g])
                        factor[j, j, g] = 1 / math.sqrt(entry[g])
                    else:
                        found[g, k], factor[j, j, g] = math.inf, 0.0
