"""The handful of points on which samplers are tested."""

import torch
from torch import Tensor

from bnpgan.partition import check_points

FEW = torch.tensor([[-1.2, 0.3], [-0.9, -0.2], [0.1, 0.9], [0.5, 0.4], [1.3, -0.8], [-0.3, 0.1]], dtype=torch.float64)
"""Six points, the default of the tests: neither clearly one cluster nor several, so many partitions are probable."""


def check_few(x: Tensor | None, thorough: bool) -> Tensor:
    """The points in float64, ``None`` for five of ``FEW``, six if ``thorough``.

    Raises:
        ValueError: if there are too few points to cluster, or too many to enumerate their partitions.
    """
    x = FEW[: 6 if thorough else 5] if x is None else check_points(x).to(torch.float64)
    if not 3 <= len(x) <= 8:
        raise ValueError(
            f"x must hold 3 to 8 points, for every partition of them is visited, got {len(x)}: pass e.g. 5"
        )
    return x


def many(n: int) -> Tensor:
    """``(n, 2)`` points in three clusters that overlap, always the same."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[-1.0, 0.0], [0.6, 0.9], [0.8, -0.9]], dtype=torch.float64)
    noise = torch.randn(n, 2, dtype=torch.float64, generator=generator)
    return centres[torch.arange(n) % 3] + 0.5 * noise
