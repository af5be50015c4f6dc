"""Whether generated points, or images, are spread inside their modes as true ones are."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor

Array = Tensor | ArrayLike


def energy_distance(x: Array, y: Array) -> tuple[float, float]:
    r"""The energy distance of two samples, and what it is on average where both have the same law.

    .. math:: 2 E\|X - Y\| - E\|X - X'\| - E\|Y - Y'\|

    Means are over all pairs, a point and itself among them, so it is at least 0, and 0 for equal samples alone. Where
    the laws are the same its mean is :math:`E\|Y - Y'\| (1/n + 1/m)`, the floor, estimated from ``y``.

    Args:
        x: points ``(n, D)``.
        y: points ``(m, D)``, at least 2.

    Returns:
        The distance and its floor, in the units of the points.

    Raises:
        ValueError: if shapes do not fit, or points are too few.

    Example:
        >>> distance, floor = energy_distance([[0.0], [1.0]], [[0.0], [1.0]])
        >>> distance, floor
        (0.0, 1.0)

    References:
        Energy statistics: A class of statistics based on distances, 2013, Eqs. 6.1 and 6.2.
    """
    x = torch.as_tensor(x).double()
    y = torch.as_tensor(y).to(x)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or len(x) < 1 or len(y) < 2:
        raise ValueError(f"x {tuple(x.shape)} and y {tuple(y.shape)} do not fit: pass (n, D) and (m, D), m at least 2")
    n, m = len(x), len(y)
    between, of_x, of_y = (torch.cdist(a, b).mean() for a, b in ((x, y), (x, x), (y, y)))
    apart = of_y * m / (m - 1)  # of two different points
    distance, floor = torch.stack([2 * between - of_x - of_y, apart * (1 / n + 1 / m)]).tolist()
    return distance, floor


def inside_modes(
    samples: Array, modes: Array, exact: Array, exact_modes: Array, points: int = 1000
) -> dict[str, float]:
    r"""How generated points are spread inside the modes that they lie in, against exact samples of these.

    The points of mode j are seen in its own units, :math:`L_j^{-1} (x - m_j)` with the mean and the covariance
    :math:`L_j L_j^\top` of its exact samples. There its spread is the root of the mean variance of a coordinate, 1 for
    exact samples and near 0 where a generator draws the mode as a point, and its energy distance to the exact samples
    sees whatever else is wrong: a shift, a hole, a tail that is cut off. Modes without a generated point are left out:
    report how many there are beside it.

    Args:
        samples: generated points ``(n, D)``, in random order.
        modes: the mode ``(n,)`` of each, such as that of the nearest mean.
        exact: points ``(m, D)`` of the true law, in random order, more than D of each mode.
        exact_modes: the mode ``(m,)`` of each.
        points: of each mode, at most, of which energy distances are taken; their floor falls as 1 / ``points``.

    Returns:
        ``spread``, the median over modes, ``spread_least`` and ``spread_most``; ``energy`` and ``energy_floor``, means
        over modes.

    Raises:
        ValueError: if shapes do not fit, or no generated point lies in a mode of the exact ones.

    Example:
        >>> x, y = torch.randn(2, 4000, 2)
        >>> one = torch.zeros(4000, dtype=torch.long)
        >>> round(inside_modes(x / 2, one, y, one)["spread"], 1)
        0.5

    References:
        Energy statistics: A class of statistics based on distances, 2013, Eqs. 6.1 and 6.2.
    """
    x, of_x = torch.as_tensor(samples).double(), torch.as_tensor(modes)
    y, of_y = torch.as_tensor(exact).to(x), torch.as_tensor(exact_modes).to(of_x)
    if of_x.shape != x.shape[:1] or of_y.shape != y.shape[:1]:
        raise ValueError(
            f"modes {tuple(of_x.shape)} and exact_modes {tuple(of_y.shape)} do not fit {len(x)} samples and {len(y)} "
            "exact points: pass one mode for each"
        )
    spreads, distances = [], []
    for j in of_y.unique().tolist():
        mine, true = x[of_x == j], y[of_y == j]
        if not len(mine):
            continue
        if len(true) <= x.shape[1]:
            raise ValueError(f"exact holds {len(true)} points of mode {j}: pass more than the {x.shape[1]} columns")
        factor = torch.linalg.cholesky(true.T.cov().reshape(x.shape[1], -1))
        mine, true = (
            torch.linalg.solve_triangular(factor, (part - true.mean(0)).T, upper=False).T for part in (mine, true)
        )
        spreads.append(mine.var(0, correction=0).mean().sqrt().item())
        distances.append(energy_distance(mine[:points], true[:points]))
    if not spreads:
        raise ValueError("samples holds no point of a mode of the exact ones: give both the same modes")
    spread, (energy, floor) = torch.tensor(spreads), torch.tensor(distances).mean(0).tolist()
    ends = {"spread_least": spread.min().item(), "spread_most": spread.max().item()}
    return {"spread": spread.median().item(), **ends, "energy": energy, "energy_floor": floor}


def spread(x: Array, y: Array) -> float:
    r"""How far generated points or images lie apart, as a share of how far true ones do: near 0 where all are alike.

    .. math:: \sqrt{E \|X - E X\|^2 / E \|Y - E Y\|^2}

    Of samples of the same law it is 1, up to a few hundredths for a hundred of each. Ask within a cluster or a class:
    a generator that makes a single image of each is spread as widely as the data are over all of them.

    Args:
        x: generated points or images ``(n, ...)``, at least 2.
        y: true ones ``(m, ...)``, at least 2 that differ.

    Raises:
        ValueError: if shapes do not fit, there are too few, or the true ones are all alike.

    Example:
        >>> spread([[1.0], [2.0]], [[1.0], [5.0]])
        0.25
    """
    x = torch.as_tensor(x).double()
    y = torch.as_tensor(y).to(x)
    if x.shape[1:] != y.shape[1:] or x.ndim < 2 or min(len(x), len(y)) < 2:
        raise ValueError(
            f"x {tuple(x.shape)} and y {tuple(y.shape)} do not fit: pass at least 2 points or images of one shape each"
        )
    of_x, of_y = (part.flatten(1).var(0).sum() for part in (x, y))
    if not of_y > 0:
        raise ValueError("y holds true points or images that are all alike: pass some that differ")
    return (of_x / of_y).sqrt().item()
