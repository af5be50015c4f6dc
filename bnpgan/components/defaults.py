"""What the hyper-parameters of Gaussian families are where they are left ``None``: one rule for all of them."""

import math

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.engine.chunks import rows_at_once
from bnpgan.grids import Grid
from bnpgan.memory import remembered

SHARES = Grid(torch.logspace(-5, 0, 16, dtype=torch.float64))
"""The prior mean of a cluster's covariance is one of these shares of the covariance of the data, all alike,"""
WEIGHT = 0.01
"""and weighs as much as this share of the points: with more, clusters much narrower than others are not found; with
nothing, clusters of real data, which are no Gaussians, are cut in pieces, the more of them the more data there are."""


def set_mean(mean: Tensor | None, x: Tensor) -> Tensor:
    """The prior mean ``(D,)``: that of the points ``(N, D)`` where it is ``None``."""
    D = x.shape[1]
    mean = data_mean(x) if mean is None else torch.as_tensor(mean, dtype=x.dtype, device=x.device)
    if mean.shape != (D,) or not mean.isfinite().all():
        raise ValueError(f"mean must be ({D},) finite numbers, got {mean.tolist()}: pass None for that of the data")
    return mean


def set_nu(nu: float | None, least: float, more: float) -> float:
    """The weight of the scale, above ``least``: one and so much ``more`` where it is ``None``."""
    nu = least + 1 + more if nu is None else float(nu)
    if not least < nu < math.inf:
        raise ValueError(f"nu must exceed {least:g} and be finite for such data, got {nu}: pass None")
    return nu


@remembered
def data_mean(x: Tensor) -> Tensor:
    """The mean ``(D,)`` of the points."""
    return ranks.mean(x)


@remembered
def data_size(x: Tensor) -> int:
    """The number of points."""
    return sum(ranks.lengths(x))


@remembered
def data_covariance(x: Tensor) -> Tensor:
    """The covariance ``(D, D)`` of the points, drawn towards its mean eigenvalue with weight D / (N + D)."""
    ends = ranks.all_max(torch.stack([x.amax(0), -x.amin(0)]))
    if (ends[0] == -ends[1]).all():
        raise ValueError("scale cannot be set from points that are all equal: pass scale, e.g. scale=1.0")
    N, D, products = data_size(x), x.shape[1], x.new_zeros(x.shape[1], x.shape[1])
    for chunk in x.split(rows_at_once(D, x)):
        centred = chunk - data_mean(x)
        products += centred.T @ centred
    covariance, share = ranks.all_sum(products) / N, D / (N + D)
    return (1 - share) * covariance + share * covariance.trace() / D * torch.eye(D, dtype=x.dtype, device=x.device)
