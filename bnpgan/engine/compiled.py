"""How numba compiles loops that no tensor operation can express, at their first call; inversion for these loops."""

from typing import Any

from numba import njit

NEGLIGIBLE = 45.0  # nats below the largest log-weight: e^-45 = 3e-20 is less than the rounding of a sum of weights
compiled: Any = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp"})
compiled_finite: Any = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp", "nnan", "nsz"})


@compiled_finite
def invert(weights, uniform):
    """Draw a slot by weights ``(K,)`` and a number in [0, 1), see ``inversion``.

    Returns the slot, the sum of the weights before it, the sum up to and with it, and the sum of all.
    """
    total = 0.0
    for w in weights:
        total += w
    slot, below, above, level = 0, 0.0, 0.0, uniform * total
    for k in range(len(weights)):
        if weights[k] > 0:  # rounding must not lead to a slot without weight
            slot, below = k, above
            above += weights[k]
            if above > level:
                break
    return slot, below, above, total
