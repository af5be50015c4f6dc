"""Quality and coverage apart: whether images of either kind lie in the neighbourhoods of the other."""

import torch
from torch import Tensor

from bnpgan.metrics.extraction import Extractor, extract_both
from bnpgan.metrics.sizes import Array

__all__ = ["neighbourhoods"]

_PAIRS = 2**24  # distances at a time: 128 MB


def neighbourhoods(real: Array, fake: Array, extractor: Extractor, neighbours: int = 5) -> dict[str, float]:
    r"""Precision and recall, density and coverage, by balls that reach to the k-th nearest neighbour of the same kind.

    With :math:`B(r_i)` the ball around a real image that reaches to its k-th nearest other real one, and :math:`B(f_j)`
    likewise, precision is the share of :math:`f_j` in some :math:`B(r_i)` and recall that of :math:`r_i` in some
    :math:`B(f_j)`; density is the mean number of :math:`B(r_i)` that an :math:`f_j` lies in, over k, and coverage the
    share of :math:`B(r_i)` that hold some :math:`f_j`. Unlike precision and recall, these two do not trust a ball
    around an outlier. For two samples of one law density is 1 on average, and coverage
    :math:`1 - \prod_{i=1}^k (N - i) / (N + M - i)`.

    Args:
        real: Real images ``(N, ...)``, more than ``neighbours``.
        fake: Generated images ``(M, ...)``, more than ``neighbours``.
        extractor: Maps images ``(B, ...)`` to features ``(B, D)``; it is called in evaluation mode, 512 images a call.
        neighbours: k; 3 in the paper of precision and recall, 5 in that of density and coverage.

    Returns:
        ``precision``, ``recall``, ``density`` and ``coverage``.

    Raises:
        ValueError: If there are too few images, or the features are not finite or not ``(B, D)``.

    Example:
        >>> real, fake = torch.arange(4.0)[:, None], torch.tensor([[0.2], [0.4], [9.0]])
        >>> neighbourhoods(real, fake, torch.nn.Flatten(), neighbours=1)["coverage"]
        0.5

    References:
        Improved Precision and Recall Metric for Assessing Generative Models, 2019, Eqs. 1 and 2;
        Reliable Fidelity and Diversity Metrics for Generative Models, 2020, Eqs. 3 to 5.
    """
    for name, images in (("real", torch.as_tensor(real)), ("fake", torch.as_tensor(fake))):
        if not 1 <= neighbours < len(images):
            raise ValueError(f"neighbours must lie in 1 .. {len(images) - 1}, got {neighbours}: {name} has no more")
    r, f = extract_both(real, fake, extractor)
    around_real, around_fake = _reach(r, neighbours), _reach(f, neighbours)
    inside = []  # for each fake image, how many balls of real ones hold it
    held = torch.zeros(len(r), dtype=torch.bool, device=r.device)
    reached = torch.zeros_like(held)
    for part, reach in zip(_parts(f, len(r)), _parts(around_fake, len(r)), strict=True):
        d = torch.cdist(part, r)
        within = d <= around_real
        inside.append(within.sum(1))
        held |= within.any(0)
        reached |= (d <= reach[:, None]).any(0)
    balls = torch.cat(inside).double()
    return {
        "precision": (balls > 0).double().mean().item(),
        "recall": reached.double().mean().item(),
        "density": balls.mean().item() / neighbours,
        "coverage": held.double().mean().item(),
    }


def _reach(x: Tensor, k: int) -> Tensor:
    # Distance of each row to the k-th nearest other one; the nearest of all is the row itself.
    return torch.cat([torch.cdist(part, x).kthvalue(k + 1, 1).values for part in _parts(x, len(x))])


def _parts(x: Tensor, others: int) -> tuple[Tensor, ...]:
    return x.split(max(1, _PAIRS // others))
