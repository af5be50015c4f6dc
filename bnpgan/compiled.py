"""Loops over points that no tensor operation can express, compiled by numba at their first call."""

import math
from typing import Any

import numpy as np
from numba import njit

NEGLIGIBLE = 45.0  # nats: a weight e^-45 of the largest is less than rounding
UNSEEN = 18.0  # and e^-18 is than that in single precision
compiled: Any = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp"})
compiled_rows: Any = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp", "nnan", "nsz"})


@compiled
def choose(w, level):
    """The slot at which the sum of the weights ``(C,)`` so far exceeds the level."""
    last = 0
    for k in range(len(w)):
        if w[k] > 0:
            level -= w[k]
            last = k
            if level < 0:
                break
    return last


@compiled
def reseat(density, labels, uniform, counts, old, new):
    r"""Move each point by :math:`p(k \mid n_{-i}) p(x_i \mid \theta_k)` in place, given densities ``(n, C)``.

    Args:
        density: ``(n, C)``, up to a factor for each point.
        labels: ``(n,)``.
        uniform: ``(n,)``.
        counts: ``(C,)`` int64.
        old: the weight of a cluster of ``n`` points, ``(N + 1,)``.
        new: that of a new one when there are K, ``(C + 1,)``.
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
        total = 0.0
        for k in range(C):
            w[k] = density[i, k] * (old[counts[k]] if counts[k] else share)
            total += w[k]
        k = choose(w, uniform[i] * total)
        labels[i] = k
        used += counts[k] == 0
        counts[k] += 1


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


@compiled_rows
def choose_rows(logits, offset, uniform, tolerance, slots, doubt):
    """Choose from each row of log-weights by inversion, and say where sums off by a tolerance might change the slot.

    Args:
        logits: ``(n, C)``, up to a constant for each row.
        offset: ``(C,)``, to be added to each row.
        uniform: in [0, 1), ``(n,)``.
        tolerance: ``(n,)``, of the summed shares.
        slots: ``(n,)``, written.
        doubt: ``(n,)``, written.
    """
    n, C = logits.shape
    row, likely, weights = np.empty(C), np.empty(C, dtype=np.int64), np.empty(C)
    for i in range(n):
        largest = logits[i, 0] + offset[0]
        for k in range(C):
            row[k] = logits[i, k] + offset[k]
            largest = max(largest, row[k])
        least = largest - (NEGLIGIBLE if tolerance[i] == 0 else UNSEEN)
        found, total = 0, 0.0
        for k in range(C):  # no branch that would have to be guessed
            likely[found] = k
            found += row[k] >= least
        for f in range(found):
            weights[f] = math.exp(row[likely[f]] - largest)
            total += weights[f]
        level, cumulative, j = uniform[i] * total, weights[0], 0
        while j < found - 1 and cumulative <= level:
            j += 1
            cumulative += weights[j]
        slots[i] = likely[j]
        doubt[i] = min(cumulative - level, level - cumulative + weights[j]) < tolerance[i] * total
