"""The partition: what every clusterer returns and every GAN consumes."""

import math
import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.distributions import Centroids, Components
from bnpgan.engine.chunks import rows_at_once
from bnpgan.memory import known, note
from bnpgan.whole import check_whole

__all__ = ["Partition", "Projection"]

MOST_SLOTS = 10**6  # more are a mistake: each slot has a mean, a covariance, an embedding
SPARE_SLOTS = 10**4  # and so are more than this beyond the points, which are the most that can be in use

LARGE = 1e74  # beyond it, and below its inverse, determinants of a few columns leave double precision
POINTS_FOR_A_COLUMN = 10  # of fewer a covariance that is their own, and not its prior's, cannot be told
LEAST_COLUMNS = 2  # however few the points: in one column clusters lie over one another


@dataclass(frozen=True, eq=False)
class Projection:
    """What the clustering saw in place of the features: some of them, or principal axes.

    Args:
        mean: ``(D,)``.
        axes: ``(D, d)``, orthonormal columns.

    Example:
        >>> wide = torch.randn(50, 9)
        >>> Projection.fit(wide, 3)(wide).shape
        torch.Size([50, 3])
    """

    mean: Tensor
    axes: Tensor

    @staticmethod
    def fit(x: Tensor, d: int) -> "Projection":
        """The ``d`` leading principal axes of the points ``(N, D)``; fewer if there are fewer points or dimensions."""
        x = check_points(x)
        mean = x.mean(0)
        # Randomised, for features can be thousands wide; ten axes more than wanted make the wanted ones exact enough.
        _, _, axes = torch.pca_lowrank(x, q=min(d + 10, *x.shape), center=True, niter=4)
        axes = axes[:, :d]
        # The sign of an axis is arbitrary: fix it, so that equal data give equal coordinates.
        return Projection(mean, axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign())

    @property
    def columns(self) -> Tensor:
        """Which features it looks at, ``(D,)`` bool."""
        return (self.axes != 0).any(1)

    def __call__(self, x: Tensor) -> Tensor:
        """Coordinates ``(N, d)`` of the points ``(N, D)``."""
        return (x.to(self.mean.dtype) - self.mean) @ self.axes


@dataclass(frozen=True, eq=False)
class Partition:
    r"""Points divided among ``K`` fixed slots, with what is known of each slot.

    Args:
        labels: ``(N,)`` int64 slots in ``[0, K)``.
        log_weights: ``(K,)``, -inf where a slot is empty.
        components: a batch of ``K`` distributions.
        memory: what the clusterer needs to go on; each tensor is a scalar or has the leading axis ``K``, so that it can
            follow when slots are reordered.
        projection: how features were reduced before they were clustered; ``predict`` and the densities apply it.
        log_joint: that of the labels under the law of the sampler that fitted them; ``None`` where none did.
        flags: what a fit found wrong, see :meth:`~bnpgan.samplers.Sampler.fit`.

    Raises:
        ValueError: if a label lies outside the slots, or lengths do not match.

    Example:
        >>> x = torch.tensor([[0.0], [0.2], [5.0]])
        >>> p = Partition.from_labels(x, torch.tensor([0, 0, 2]), capacity=4)
        >>> p.counts, p.predict(torch.tensor([[4.0]]))
        (tensor([2, 0, 1, 0]), tensor([2]))
    """

    labels: Tensor
    log_weights: Tensor
    components: Components
    memory: dict[str, Tensor] = field(default_factory=dict)
    projection: Projection | None = None
    log_joint: float | None = None
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", check_labels(self.labels, len(self.log_weights)))
        if len(self.components.mean) != self.capacity:
            raise ValueError(
                f"components holds {len(self.components.mean)} slots, log_weights {self.capacity}: pass as many"
            )
        for name, tensor in self.memory.items():
            if tensor.ndim and len(tensor) != self.capacity:
                raise ValueError(f"memory[{name!r}] must be a scalar or have {self.capacity} rows, got {len(tensor)}")

    def __repr__(self) -> str:
        used, kind = int(self.active.sum()), type(self.components).__name__
        return f"Partition({len(self.labels):,} points, {used} clusters in {self.capacity} slots, {kind})"

    @classmethod
    def from_labels(cls, x: Tensor, labels: Tensor, capacity: int) -> "Partition":
        r"""A partition with empirical moments, for labels that come without a model.

        The weights are the shares :math:`n_k / N`; the components are centroids :math:`\mu_k = \bar x_k` with the
        pooled variance :math:`\sigma^2 = \frac{1}{ND} \sum_i \|x_i - \mu_{z_i}\|^2`, so ``predict`` goes to the nearest
        centroid. Empty slots sit at the mean of the data with weight 0.

        Args:
            x: points ``(N, D)``.
            labels: ``(N,)`` slots in ``[0, capacity)``.
            capacity: the number of slots.
        """
        x = check_points(x).detach()
        labels = check_labels(labels, capacity, len(x), x.device)
        counts = ranks.counts(labels, capacity).to(x.dtype)
        # In double precision: single would lose what is near 0 where other points are far from it.
        size, sums = rows_at_once(x.shape[1], x), x.new_zeros(capacity, x.shape[1], dtype=torch.float64)
        blocks = list(zip(x.split(size), labels.split(size), strict=True))
        for rows, k in blocks:
            sums.index_add_(0, k, rows.double())
        sums = ranks.all_sum(sums)
        mean = torch.where(counts[:, None] > 0, sums / counts[:, None], sums.sum(0) / ranks.number(x))
        squares = torch.stack([((rows - mean[k]) ** 2).sum() for rows, k in blocks]).sum()
        variance = (ranks.all_sum(squares) / (ranks.number(x) * x.shape[1])).to(x.dtype)
        mean = mean.to(x.dtype)
        # Points that all sit on their centroids have no spread: any positive variance then names the same clusters.
        variance = torch.where(variance > 0, variance, torch.finfo(x.dtype).eps)
        return cls(labels, (counts / ranks.number(x)).log(), Centroids(mean, variance.expand(capacity).clone()))

    @property
    def capacity(self) -> int:
        """The number of slots ``K``."""
        return len(self.log_weights)

    @property
    def counts(self) -> Tensor:
        """Points in each slot, ``(K,)`` int64."""
        return ranks.counts(self.labels, self.capacity)

    @property
    def active(self) -> Tensor:
        """Which slots hold a point, ``(K,)`` bool."""
        return self.counts > 0

    def predict(self, x: Tensor) -> Tensor:
        """The best slot ``(N,)`` of new points ``(N, D)``: highest posterior probability, or the nearest centroid."""
        return self.components.assign(self._reduced(x), self.log_weights)

    def responsibilities(self, x: Tensor) -> Tensor:
        r"""Posterior probabilities ``(N, K)`` of the slots, :math:`\propto w_k \, p(x \mid k)`."""
        return (self.components.log_prob(self._reduced(x)) + self.log_weights).softmax(1)

    def log_prob(self, x: Tensor) -> Tensor:
        r"""Log-density ``(N,)`` of the mixture, :math:`\log \sum_k w_k \, p(x \mid k)` (in the projection, if any)."""
        return (self.components.log_prob(self._reduced(x)) + self.log_weights).logsumexp(1)

    def sample(self, n: int) -> Tensor:
        r"""Slots ``(n,)`` by frequency, :math:`p(k) = n_k / N`: the :math:`P_\pi` of SC-GAN, the beta of MIC-GAN."""
        if n < 0:
            raise ValueError(f"n must be at least 0, got {n}: pass how many slots to draw")
        if n == 0:
            return self.labels[:0]
        return torch.multinomial(self.counts.to(torch.float64), n, replacement=True)

    def align_to(self, reference: "Partition") -> "Partition":
        r"""The same partition with its slots named as in ``reference``, by the Hungarian method.

        .. math:: \max_\rho \sum_c |\pi_c \cap \pi^{new}_{\rho(c)}|

        Args:
            reference: a partition of the same points with as many slots.

        Raises:
            ValueError: if points or slots differ in number.

        References:
            Liu et al., "Diverse Image Generation via Self-Conditioned GANs", 2020, Eq. 4.
        """
        if len(reference.labels) != len(self.labels) or reference.capacity != self.capacity:
            raise ValueError(
                f"reference must hold {len(self.labels)} points in {self.capacity} slots, got {len(reference.labels)} "
                f"in {reference.capacity}: align partitions of the same points by clusterers of one capacity"
            )
        K = self.capacity
        overlap = torch.bincount(reference.labels * K + self.labels, minlength=K * K).view(K, K)
        # Among equal overlaps a slot keeps its own number: half a point cannot outweigh a whole one.
        preference = overlap + torch.eye(K, dtype=torch.float64, device=overlap.device) / (2 * K)
        _, order = linear_sum_assignment(preference.cpu().numpy(), maximize=True)
        order = torch.as_tensor(order, device=self.labels.device)
        return replace(
            self,
            labels=order.argsort()[self.labels],
            log_weights=self.log_weights[order],
            components=self.components.permute(order),
            memory={name: tensor[order] if tensor.ndim else tensor for name, tensor in self.memory.items()},
        )

    def _reduced(self, x: Tensor) -> Tensor:
        x = check_points(x).to(self.labels.device)
        wide = (self.components if self.projection is None else self.projection).mean.shape[-1]
        if x.shape[1] != wide:
            raise ValueError(
                f"x has {x.shape[1]} columns and the partition was made with {wide}: pass the same features"
            )
        return x if self.projection is None else self.projection(x)


def reduced(x: Tensor, max_dim: int | None, columns: Tensor | None = None) -> tuple[Tensor, Projection | None]:
    """The points ``(N, D)``, or these ``columns`` ``(D,)`` bool of them, in as many principal axes as they allow.

    A covariance of D columns is D (D + 1) / 2 numbers for each cluster. So a clusterer that has a ``max_dim`` is given
    at most so many axes, at most one for every ten points, and no fewer than two. The projection is ``None`` where the
    points stay as they are.

    Raises:
        ValueError: if ``columns`` is not one bool for each column.

    Warns:
        UserWarning: where the points, and not ``max_dim``, are what allows no more columns.
    """
    chosen = None
    if columns is not None:
        if columns.dtype != torch.bool or columns.shape != x.shape[1:]:
            raise ValueError(
                f"columns must be a bool for each of the {x.shape[1]} features, got {columns.dtype} of shape "
                f"{tuple(columns.shape)}: see Features.columns"
            )
        if not columns.all():
            axes = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)[:, columns]
            x, chosen = x[:, columns], Projection(axes.new_zeros(len(axes)), axes)
    N, D = x.shape
    carried = max(LEAST_COLUMNS, N // POINTS_FOR_A_COLUMN)
    most = D if max_dim is None else min(D, max_dim)
    d = most if max_dim is None else min(most, carried)
    if d == D:
        return x, chosen
    if d < most:
        warnings.warn(
            f"{N:,} points do not carry covariances of {most} columns: {D} are reduced to {d} by PCA, "
            f"one for every {POINTS_FOR_A_COLUMN} points; pass more points, or features of fewer columns",
            stacklevel=3,
        )
    rotated = Projection.fit(x, d)
    if chosen is None:
        return rotated(x), rotated
    return rotated(x), Projection(chosen.axes @ rotated.mean, chosen.axes @ rotated.axes)


def check_capacity(capacity: int) -> int:
    """The number of slots as an ``int``; a ``ValueError`` unless it is a whole number of at least 1, and no mistake."""
    capacity = check_whole("capacity", capacity, 1, "pass the number of slots")
    if capacity > MOST_SLOTS:
        raise ValueError(f"capacity must be at most {MOST_SLOTS:,} slots, got {capacity:,}: lower it")
    return capacity


def check_room(capacity: int, points: int) -> None:
    """Raise a ``ValueError`` where slots are far more than points, so that they take time and memory for nothing."""
    if capacity > points + SPARE_SLOTS:
        raise ValueError(
            f"capacity={capacity:,} slots are too many for {points:,} points, which can use as many: lower capacity"
        )


def check_labels(
    labels: Tensor, capacity: int, points: int | None = None, device: torch.device | None = None
) -> Tensor:
    """The labels as int64 ``(N,)``; a ``ValueError`` unless they are slots in ``[0, capacity)``, one for each point."""
    check_capacity(capacity)
    labels = as_numbers("labels", labels).to(device)
    if labels.ndim != 1 or labels.dtype.is_floating_point or labels.dtype.is_complex or labels.dtype == torch.bool:
        raise ValueError(
            f"labels must be a vector of whole numbers, got {labels.dtype} of shape {tuple(labels.shape)}: "
            "pass one slot for each point"
        )
    if points is not None and len(labels) != points:
        raise ValueError(f"labels has {len(labels)} entries for {points} points: pass one label for each point")
    if points is not None:
        check_room(capacity, points)
    if len(labels) and not known(labels, capacity):
        wide = (
            labels.double() if labels.dtype == torch.uint64 else labels.long()
        )  # torch finds no extremes of some types
        least, most = (int(end) for end in torch.stack(wide.aminmax()).tolist())
        if least < 0 or most >= capacity:
            raise ValueError(
                f"labels must lie in the slots [0, {capacity}), got {least}..{most}: renumber them or raise capacity"
            )
    return in_slots(labels.long(), capacity)


def in_slots(labels: Tensor, capacity: int) -> Tensor:
    """The same labels, noted as slots in ``[0, capacity)``: see ``memory.note``."""
    return note(labels, capacity)


def check_points(x: Any) -> Tensor:
    """The points as a tensor ``(N, D)`` in single or double precision: half is taken as single, all else as double.

    Raises:
        ValueError: unless there are some, all are real numbers and finite.
    """
    x = as_numbers("x", x)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(
            f"x must have shape (N, D) with D >= 1, got {tuple(x.shape)}: flatten images with x.flatten(1)"
        )
    if not len(x):
        raise ValueError("x holds no points: pass at least one row")
    if x.is_complex():
        raise ValueError(f"x must hold real numbers, got {x.dtype}: pass e.g. torch.view_as_real(x).flatten(1)")
    if x.dtype not in (torch.float32, torch.float64):
        x = x.to(torch.float32 if x.is_floating_point() else torch.float64)
    if known(x, "finite"):
        return x
    least, most = torch.stack(x.detach().aminmax()).tolist()
    largest = max(-least, most)
    if not math.isfinite(largest):
        row = int((~x.isfinite()).any(1).nonzero()[0])
        raise ValueError(f"x must be finite, got {x[row].tolist()[:4]} in row {row}: drop or repair such rows")
    if largest > min(1e-3 * math.sqrt(torch.finfo(x.dtype).max), LARGE):
        raise ValueError(f"x holds values up to {largest:g}, too large to compute with in {x.dtype}: rescale the data")
    if 0 < largest < 1 / LARGE:
        raise ValueError(f"x holds values up to {largest:g}, too small to compute with in {x.dtype}: rescale the data")
    return note(x, "finite")


def as_numbers(name: str, values: Any) -> Tensor:
    """Tensors as they are; arrays, data frames and lists as NumPy takes them, so that a list of numbers is in float64.

    Args:
        name: what they are called where they are refused.
        values: anything that holds numbers.

    Raises:
        ValueError: if something else than numbers is among them, or entries are masked or left out.
    """
    if isinstance(values, Tensor):
        if values.layout != torch.strided or values.is_quantized:
            raise ValueError(f"{name} must be a dense tensor, got {values.layout} of {values.dtype}: convert it")
        return values
    if np.ma.is_masked(values):
        row = int(np.ma.getmaskarray(values).nonzero()[0][0])
        raise ValueError(f"{name} has masked entries, the first in row {row}: drop or repair such rows")
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufc":
            array = array.astype(np.float64, casting="safe" if array.dtype.kind in "SUmM" else "unsafe")
        if array.dtype.itemsize > 8 and array.dtype.kind == "f":  # more than double
            array = array.astype(np.float64)
        # In the order and the byte order that torch takes, and of its own where it is not to be written to.
        array = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
        return torch.from_numpy(array)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must hold numbers only, got {type(values).__name__}: {error}") from error
