"""Loops over points that no tensor operation can express, compiled by numba at their first call."""

from typing import Any

import numpy as np
from numba import njit

NEGLIGIBLE = 45.0  # nats: a weight e^-45 of the largest is less than rounding
compiled: Any = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp"})
compiled_finite: Any = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp", "nnan", "nsz"})


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
