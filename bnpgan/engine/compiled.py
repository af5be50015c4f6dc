"""How loops that no tensor operation can express are compiled, by numba at their first call; inversion inside them."""

from typing import Any

from numba import njit

NEGLIGIBLE = 45.0  # nats: a weight e^-45 of the largest is less than rounding
compiled: Any = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp"})
compiled_finite: Any = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp", "nnan", "nsz"})


@compiled_finite
def invert(weights, uniform):
    """The slot of weights ``(K,)`` by a number in [0, 1), see ``inversion``; the sums before it, with it, of all."""
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
