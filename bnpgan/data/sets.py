"""Sets that need no file: the ring, the grid and the 8x8 digits."""

import math

import torch
from sklearn.datasets import load_digits
from torch import Tensor


def _mixture(n: int, means: Tensor, std: float) -> tuple[Tensor, Tensor]:
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}: ask for some points")
    if not means.isfinite().all():
        raise ValueError("radius or spacing is not finite, or too large: pass e.g. 1.0")
    if not 0 <= std < math.inf:
        raise ValueError(f"std must be at least 0 and finite, got {std}: pass e.g. 0.05")
    labels = torch.randint(len(means), (n,))
    return means[labels] + std * torch.randn(n, 2, dtype=torch.float32), labels


def ring_means(modes: int = 8, radius: float = 1.0) -> Tensor:
    r"""The ring's mode centres :math:`\mu_j = r (\cos 2\pi j / M, \sin 2\pi j / M)`.

    Args:
        modes: How many, :math:`M`.
        radius: The ring's radius, :math:`r`.

    Returns:
        Means ``(modes, 2)``, float32, anticlockwise from the positive x axis.

    Raises:
        ValueError: If ``modes`` is less than 1.

    Example:
        >>> ring_means(modes=2, radius=3.0)[0]
        tensor([3., 0.])
    """
    if modes < 1:
        raise ValueError(f"modes must be at least 1, got {modes}: the paper's ring has 8")
    angle = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
    return (radius * torch.stack([angle.cos(), angle.sin()], dim=1)).float()


def ring(n: int, modes: int = 8, radius: float = 1.0, std: float = 0.01) -> tuple[Tensor, Tensor]:
    r"""Draws points from Gaussians on a circle, :math:`x \mid j \sim N(\mu_j, \sigma^2 I)` with :math:`j` uniform.

    The defaults are the paper's ring (variance :math:`10^{-4}`, radius 1); its released code places the modes at radius
    2.

    Args:
        n: Number of points.
        modes: Number of modes.
        radius: The ring's radius.
        std: Standard deviation of each mode, in the units of ``radius``.

    Returns:
        Points ``(n, 2)``, float32, and the mode of each, ``(n,)`` int64. Drawn from torch's ambient generator.

    Raises:
        ValueError: If ``n`` or ``modes`` is less than 1, ``std`` is negative, or a length is not finite.

    Example:
        >>> x, labels = ring(100)
        >>> x.shape, labels.shape
        (torch.Size([100, 2]), torch.Size([100]))

    References:
        Diverse Image Generation via Self-Conditioned GANs, 2020, section 4.2.
    """
    return _mixture(n, ring_means(modes, radius), std)


def grid_means(side: int = 5, spacing: float = 2.0) -> Tensor:
    """The grid's mode centres: a square lattice around the origin.

    Args:
        side: Modes along each axis.
        spacing: Distance between neighbours.

    Returns:
        Means ``(side * side, 2)``, float32, the second coordinate running fastest.

    Raises:
        ValueError: If ``side`` is less than 1.

    Example:
        >>> grid_means(side=2)
        tensor([[-1., -1.],
                [-1.,  1.],
                [ 1., -1.],
                [ 1.,  1.]])
    """
    if side < 1:
        raise ValueError(f"side must be at least 1, got {side}: the paper's grid has 5")
    axis = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2) * spacing
    return torch.cartesian_prod(axis, axis)


def grid(n: int, side: int = 5, spacing: float = 2.0, std: float = 0.05) -> tuple[Tensor, Tensor]:
    r"""Draws points from Gaussians on a square lattice, :math:`x \mid j \sim N(\mu_j, \sigma^2 I)`, ``j`` uniform.

    The defaults are the paper's grid: means :math:`\{-4, -2, 0, 2, 4\}^2`, variance .0025.

    Args:
        n: Number of points.
        side: Modes along each axis.
        spacing: Distance between neighbouring modes.
        std: Standard deviation of each mode, in the units of ``spacing``.

    Returns:
        Points ``(n, 2)``, float32, and the mode of each, ``(n,)`` int64. Drawn from torch's ambient generator.

    Raises:
        ValueError: If ``n`` or ``side`` is less than 1, ``std`` is negative, or a length is not finite.

    Example:
        >>> x, labels = grid(100)
        >>> x.shape, x.dtype
        (torch.Size([100, 2]), torch.float32)

    References:
        Diverse Image Generation via Self-Conditioned GANs, 2020, section 4.2.
    """
    return _mixture(n, grid_means(side, spacing), std)


def digits() -> tuple[Tensor, Tensor]:
    """The 1,797 handwritten digits that come with scikit-learn: nothing is downloaded.

    Returns:
        Images ``(1797, 1, 8, 8)``, float32 in [-1, 1], and the digit of each, ``(1797,)`` int64.

    Example:
        >>> x, labels = digits()
        >>> x.shape, x.min().item(), x.max().item()
        (torch.Size([1797, 1, 8, 8]), -1.0, 1.0)
    """
    stored = load_digits()
    # Grey levels are whole numbers from 0 to 16.
    return torch.from_numpy(stored.images).float().div(8).sub(1).unsqueeze(1), torch.from_numpy(stored.target).long()


KNOWN = {"ring": (ring_means(), 0.01), "grid": (grid_means(), 0.05)}
"""Means and standard deviation of the modes of the sets whose generated points can be scored, by name."""
