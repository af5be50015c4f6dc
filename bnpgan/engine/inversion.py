r"""Inversion: how a slot is drawn from weights by one number in [0, 1).

The slot is the first at which the weights, summed slot after slot, exceed that share of their total:

.. math:: k(w, u) = \min \Big\{ j : \sum_{l \le j} w_l > u \sum_l w_l \Big\}

``invert`` takes weights in rows, ``invert_columns`` in columns, and ``compiled.invert`` those of one point, in loops.
"""

import torch
from torch import Tensor


def categorical(logits: Tensor, uniform: Tensor | None = None) -> Tensor:
    """Draw a slot ``(N,)`` from each row of log-weights ``(N, K)``, by numbers in [0, 1) ``(N,)``."""
    if uniform is None:
        uniform = torch.rand(len(logits), dtype=torch.float64, device=logits.device)
    if logits.device.type != "cpu":
        return invert(logits.softmax(1), uniform)
    from bnpgan.engine.kernels import choose_rows  # numba takes half a second to import

    slots = torch.empty(len(logits), dtype=torch.int64)
    choose_rows(*(part.numpy() for part in (logits, uniform, slots)))
    return slots


def invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """Draw a slot ``(N,)`` from each row of weights ``(N, K)``, by numbers ``(N,)`` in [0, 1)."""
    cumulative = weights.cumsum(1)
    return at_level(cumulative, uniform[:, None] * cumulative[:, -1:]).squeeze(1)


def at_level(cumulative: Tensor, level: Tensor) -> Tensor:
    """The first slots ``(N, M)`` at which cumulative sums ``(N, K)`` exceed levels ``(N, M)``."""
    return torch.searchsorted(cumulative, level, right=True)


def invert_columns(weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw a slot ``(n,)`` from each column of weights ``(K, n)``; with the sums before it, up to it, and of all."""
    cumulative = weights.cumsum(0)
    total = cumulative[-1]
    slots = (cumulative <= uniform * total).sum(0).clamp(max=len(weights) - 1)
    above = cumulative.gather(0, slots[None])[0]
    return slots, above - weights.gather(0, slots[None])[0], above, total
