r"""Inversion: how a slot is drawn from weights by one number in [0, 1).

It is the slot at which the weights, summed slot after slot, exceed that share of their sum:

.. math:: k(w, u) = \min \Big\{ j : \sum_{l \le j} w_l > u \sum_l w_l \Big\}

``invert`` does so for rows, ``invert_columns`` for columns, and ``compiled.invert`` for one point in compiled loops.
"""

import torch
from torch import Tensor


def categorical(logits: Tensor, uniform: Tensor | None = None) -> Tensor:
    """One draw ``(N,)`` from each row of unnormalised log-probabilities ``(N, K)``, by numbers in [0, 1) ``(N,)``."""
    if uniform is None:
        uniform = torch.rand(len(logits), dtype=torch.float64, device=logits.device)
    if logits.device.type != "cpu":
        return invert(logits.softmax(1), uniform)
    from bnpgan.engine.kernels import choose_rows  # numba takes half a second to import

    slots = torch.empty(len(logits), dtype=torch.int64)
    choose_rows(*(part.numpy() for part in (logits, uniform, slots)))
    return slots


def invert(weights: Tensor, uniform: Tensor) -> Tensor:
    """The slots ``(N,)`` of rows of weights ``(N, K)``, by numbers in [0, 1) ``(N,)``."""
    cumulative = weights.cumsum(1)
    return at_level(cumulative, uniform[:, None] * cumulative[:, -1:]).squeeze(1)


def at_level(cumulative: Tensor, level: Tensor) -> Tensor:
    """The slots ``(N, M)`` at which sums so far, ``(N, K)``, exceed levels ``(N, M)``."""
    return torch.searchsorted(cumulative, level, right=True)


def invert_columns(weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The slots ``(n,)`` of columns of weights ``(K, n)``, the sums before and after each, and the sum of all."""
    cumulative = weights.cumsum(0)
    total = cumulative[-1]
    slots = (cumulative <= uniform * total).sum(0).clamp(max=len(weights) - 1)
    above = cumulative.gather(0, slots[None])[0]
    return slots, above - weights.gather(0, slots[None])[0], above, total
