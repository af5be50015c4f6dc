"""The frame that generator and discriminator see a cluster in."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from .conditioning import lookup

# The least share of variances without covariances: a direction a thousand times narrower than the columns is left as
# narrow as that, for single precision would not resolve it.
LEAST = 1e-6


class Frames(nn.Module, ABC):
    """Coordinates for each cluster, between data ``x`` and what networks work on, ``y``.

    The generator makes ``y`` and the discriminator judges it; both in the frame of the cluster. A class of frames is a
    part of a recipe: it is made for the shape of the data and the number of slots.
    """

    @abstractmethod
    def __init__(self, shape: tuple[int, ...], capacity: int) -> None:
        super().__init__()

    @abstractmethod
    def out(self, y: Tensor, c: Tensor) -> Tensor:
        """Maps ``y`` ``(B, ...)`` of ``c``, ``(B,)`` slots or ``(B, capacity)`` rows of weights, to data."""

    @abstractmethod
    def into(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Maps data ``(B, ...)`` of the slots ``c`` ``(B,)``, or of no known slot, to ``y``."""

    @abstractmethod
    def update_(self, x: Any, labels: Tensor | None = None) -> None:
        """Take the frames from data ``(N, ...)`` and their slots ``(N,)``, or from the data alone."""


class NoFrames(Frames):
    """Networks see the data as they are.

    Example:
        >>> x = torch.randn(2, 1, 8, 8)
        >>> NoFrames().into(x, None) is x
        True
    """

    def __init__(self, shape: tuple[int, ...] = (), capacity: int = 1) -> None:
        super().__init__(shape, capacity)

    def out(self, y: Tensor, c: Tensor) -> Tensor:
        """Returns ``y``."""
        return y

    def into(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Returns ``x``."""
        return x

    def update_(self, x: Any, labels: Tensor | None = None) -> None:
        """Does nothing."""


class ClusterFrames(Frames):
    r"""Networks see each point from the middle of its cluster, in the units and along the axes of that.

    .. math:: x = \mu_c + L_c y, \qquad L_c L_c^\top = (1 - \lambda_c) S_c + \lambda_c \,
        \mathrm{diag}(s_c^{1 - \lambda_c} w^{\lambda_c}), \qquad \lambda_c = 2^{-n_c / (D + 1)}

    with mean :math:`\mu_c`, covariance :math:`S_c` and variances :math:`s_c` of the :math:`n_c` points of a cluster,
    and w the variances inside clusters on average. So a cluster of few points is as wide as clusters are, one of many
    as it is itself, however much they differ.

    Real points of a cluster have mean 0 and covariance I in its frame, whatever the partition: when it moves, what the
    networks have learned stays where it is. L is lower triangular with a positive diagonal, so that it changes little
    where the covariance does, and so is any mean of such factors, which rows of weights ask for.

    Before there is a partition, and where no slot is given, the frame is that of all data. An empty slot
    keeps the frame that it had.

    Args:
        shape: ``(D,)`` of a point.
        capacity: number of slots.
        max_dim: the most columns for which a frame has axes of its own; in more the covariances are diagonal.

    Raises:
        ValueError: if the data are images, which a frame would take out of the range that generators keep to.

    Example:
        >>> frames = ClusterFrames((1,), capacity=2)
        >>> frames.update_(torch.tensor([[0.0], [2.0], [100.0], [300.0]]), torch.tensor([0, 0, 1, 1]))
        >>> y = frames.into(torch.tensor([[1.0], [200.0]]), torch.tensor([0, 1]))
        >>> y.flatten().tolist(), frames.out(y, torch.tensor([0, 1])).flatten().tolist()
        ([0.0, 0.0], [1.0, 200.0])
    """

    mean: Tensor
    factor: Tensor
    inverse: Tensor

    def __init__(self, shape: tuple[int, ...], capacity: int, max_dim: int = 64) -> None:
        super().__init__(shape, capacity)
        if len(shape) != 1:
            raise ValueError(f"frames are of points, and the data are images {tuple(shape)}: leave frames at NoFrames")
        (D,) = shape
        unit = torch.eye(D) if max_dim >= D else torch.ones(D)
        # The last row is the frame of all data.
        self.register_buffer("mean", torch.zeros(capacity + 1, D))
        self.register_buffer("factor", unit.repeat(capacity + 1, *(1 for _ in unit.shape)))
        self.register_buffer("inverse", self.factor.clone())

    def out(self, y: Tensor, c: Tensor) -> Tensor:
        r"""Maps ``y`` ``(B, D)`` to :math:`\mu_c + L_c y`; rows of weights combine means and factors."""
        factor = lookup(self.factor[:-1].flatten(1), c).unflatten(1, self.factor.shape[1:])
        return lookup(self.mean[:-1], c) + _times(factor, y)

    def into(self, x: Tensor, c: Tensor | None) -> Tensor:
        r"""Maps points ``(B, D)`` to :math:`L_c^{-1} (x - \mu_c)`; without slots, to the frame of all data."""
        if c is None:
            return _times(self.inverse[-1:], x - self.mean[-1])
        inverse = lookup(self.inverse[:-1].flatten(1), c).unflatten(1, self.inverse.shape[1:])
        return _times(inverse, x - lookup(self.mean[:-1], c))

    @torch.no_grad()
    def update_(self, x: Any, labels: Tensor | None = None) -> None:
        """Take the frames of slots that hold points from these, ``(N, D)``; without labels all from all data."""
        x = x.double()
        if labels is None:
            self._put_(slice(None), x, x.new_ones(x.shape[1]))
            return
        counts = labels.bincount(minlength=len(self.mean) - 1).tolist()
        parts = {k: part for k, part in enumerate(x[labels.argsort()].split(counts)) if len(part)}
        apart = torch.stack([(part - part.mean(0)).square().sum(0) for part in parts.values()]).sum(0)
        within = _resolved(apart / len(x), x, _resolved(x.var(0, correction=0), x, x.new_ones(x.shape[1])))
        for k, part in parts.items():
            self._put_(k, part, within)

    def _put_(self, k: int | slice, x: Tensor, usual: Tensor) -> None:
        # The frame of the points, with usual variances to lean on.
        n, D = x.shape
        mean = x.mean(0)
        own = _resolved((x - mean).square().mean(0), x, usual)
        share = max(2 ** (-n / (D + 1)), LEAST)
        towards = own ** (1 - share) * usual**share
        if self.factor.ndim == 2:
            factor = ((1 - share) * own + share * towards).sqrt()
            inverse = 1 / factor
        else:
            covariance = (x - mean).T @ (x - mean) / n
            covariance.diagonal().copy_(own)
            factor = torch.linalg.cholesky((1 - share) * covariance + share * towards.diag())
            eye = torch.eye(D, dtype=x.dtype, device=x.device)
            inverse = torch.linalg.solve_triangular(factor, eye, upper=False)
        self.mean[k], self.factor[k], self.inverse[k] = mean.float(), factor.float(), inverse.float()


def _resolved(variance: Tensor, x: Tensor, other: Tensor) -> Tensor:
    # Variances, and others for columns that do not vary as far as single precision tells: they have no unit.
    return torch.where(variance.sqrt() > torch.finfo(torch.float32).eps * x.abs().amax(0), variance, other)


def _times(factor: Tensor, y: Tensor) -> Tensor:
    # (B, D, D) or (B, D), the diagonals alone, times (B, D).
    return factor * y if factor.ndim == 2 else (factor @ y[..., None]).squeeze(-1)
