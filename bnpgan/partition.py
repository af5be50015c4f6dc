"""The partition: what every clusterer returns and every GAN consumes."""

import math
from dataclasses import dataclass, field, replace
from numbers import Integral

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.distributions import Centroids, Components
from bnpgan.engine.chunks import rows_at_once
from bnpgan.memory import known, note

__all__ = ["Partition", "Projection"]


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal axes that the clustering saw in place of wide features.

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
        mean = x.mean(0)
        # Randomised, for features can be thousands wide; ten axes more than wanted make the wanted ones exact enough.
        _, _, axes = torch.pca_lowrank(x, q=min(d + 10, *x.shape), center=True, niter=4)
        axes = axes[:, :d]
        # The sign of an axis is arbitrary: fix it, so that equal data give equal coordinates.
        return Projection(mean, axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign())

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
        projection: how wide features were reduced before they were clustered; ``predict`` and the densities apply it.

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
        sums = ranks.all_sum(x.new_zeros(capacity, x.shape[1]).index_add_(0, labels, x))
        mean = torch.where(counts[:, None] > 0, sums / counts[:, None], ranks.mean(x))
        size = rows_at_once(x.shape[1], x)
        blocks = zip(x.split(size), labels.split(size), strict=True)
        squares = torch.stack([((rows - mean[k]) ** 2).sum() for rows, k in blocks]).sum()
        variance = ranks.all_sum(squares) / (ranks.number(x) * x.shape[1])
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


def check_capacity(capacity: int) -> None:
    """Raise a ``ValueError`` unless ``capacity`` is a whole number of at least 1."""
    if not isinstance(capacity, Integral) or capacity < 1:
        raise ValueError(f"capacity must be a whole number of at least 1, got {capacity}: pass the number of slots")


def check_labels(
    labels: Tensor, capacity: int, points: int | None = None, device: torch.device | None = None
) -> Tensor:
    """The labels as int64 ``(N,)``; a ``ValueError`` unless they are slots in ``[0, capacity)``, one for each point."""
    check_capacity(capacity)
    labels = torch.as_tensor(labels, device=device)
    if labels.ndim != 1 or labels.dtype.is_floating_point or labels.dtype.is_complex or labels.dtype == torch.bool:
        raise ValueError(
            f"labels must be a vector of whole numbers, got {labels.dtype} of shape {tuple(labels.shape)}: "
            "pass one slot for each point"
        )
    if points is not None and len(labels) != points:
        raise ValueError(f"labels has {len(labels)} entries for {points} points: pass one label for each point")
    if len(labels) and not known(labels, capacity):
        least, most = torch.stack(labels.aminmax()).tolist()
        if least < 0 or most >= capacity:
            raise ValueError(
                f"labels must lie in the slots [0, {capacity}), got {least}..{most}: renumber them or raise capacity"
            )
    return in_slots(labels.long(), capacity)


def in_slots(labels: Tensor, capacity: int) -> Tensor:
    """The same labels, noted as slots in ``[0, capacity)``: see ``memory.note``."""
    return note(labels, capacity)


def check_points(x: Tensor) -> Tensor:
    """The points as a float tensor ``(N, D)``; raises a ``ValueError`` unless there are some and all are finite."""
    x = torch.as_tensor(x)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(
            f"x must have shape (N, D) with D >= 1, got {tuple(x.shape)}: flatten images with x.flatten(1)"
        )
    if not len(x):
        raise ValueError("x holds no points: pass at least one row")
    x = x if x.is_floating_point() else x.to(torch.float64)
    if known(x, "finite"):
        return x
    least, most = torch.stack(x.detach().aminmax()).tolist()
    largest = max(-least, most)
    if not math.isfinite(largest):
        row = int((~x.isfinite()).any(1).nonzero()[0])
        raise ValueError(f"x must be finite, got {x[row].tolist()[:4]} in row {row}: drop or repair such rows")
    if largest > 1e-3 * math.sqrt(torch.finfo(x.dtype).max):
        raise ValueError(f"x holds values up to {largest:g}, whose squares overflow {x.dtype}: rescale the data")
    return note(x, "finite")
