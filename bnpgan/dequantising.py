"""Values in steps - counts, grades, pixels, flags - as a density needs them."""

import torch
from torch import Tensor

from bnpgan.components.shapes import data_spread
from bnpgan.partition import check_points

__all__ = ["dequantised"]

SAME = 1e-9  # share of the spread of a column: values that are nearer differ by rounding
FELT = 1e-2  # the same: a step that is less is not felt


def dequantised(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    r"""The points ``(N, D)`` with each value spread evenly over its step, in double precision.

    .. math:: x_{id} + \delta_d (u_{id} - \tfrac12), \quad u_{id} \sim U(0, 1)

    with :math:`\delta_d` the smallest gap between two values of the column. A density has no bound where values repeat:
    a Gaussian of points that agree in a column is the likelier the narrower it is, and the likeliest clusters are those
    that agree, whatever else they are. The log-likelihood of a density of the spread values bounds that of a law of the
    steps from below. Columns with gaps of less than a hundredth of their spread, as of values that hardly repeat, stay
    as they are: if one value repeats among many others, such as 0, spread it or leave the column out.

    Args:
        x: points ``(N, D)``, of any type of numbers.
        generator: of the random numbers; ``None``: torch's own.

    Raises:
        ValueError: if points are not valid.

    Example:
        >>> x = torch.tensor([[0, 5], [3, 5], [6, 5]])
        >>> y = dequantised(x)
        >>> bool(((y - x).abs().amax(0) <= torch.tensor([1.5, 0.0])).all())
        True

    References:
        Theis, van den Oord and Bethge, "A note on the evaluation of generative models", 2016, section 3.1.
    """
    x = check_points(x).to(torch.float64)
    ordered = x.sort(0).values
    gaps = ordered.diff(dim=0, prepend=ordered[:1])
    spread = data_spread(x)
    step = torch.where(gaps > SAME * spread, gaps, torch.inf).amin(0)
    step = torch.where(step.isfinite() & (step > FELT * spread), step, 0.0)  # a column of one value has none
    return x + step * (torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=generator) - 0.5)
