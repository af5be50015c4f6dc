"""Clusterers that return given labels, or random ones: class-conditional and random-label GANs are no special case."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bnpgan.partition import Partition, as_numbers, check_labels, check_points
from bnpgan.samplers.base import Clusterer, check_limits

__all__ = ["FixedLabels", "RandomLabels"]


@dataclass(frozen=True)
class RandomLabels(Clusterer):
    """A fresh uniform slot for each point: the control experiment that shows what conditioning alone achieves.

    Args:
        capacity: the number of slots.

    Raises:
        ValueError: if ``capacity`` is below 1.

    Example:
        >>> RandomLabels(3).fit(torch.zeros(5, 2)).labels.shape
        torch.Size([5])

    References:
        Liu et al., "Diverse Image Generation via Self-Conditioned GANs", 2020, Table 1 ("Random Labels").
    """

    capacity: int

    def __post_init__(self) -> None:
        check_limits(self)

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """New labels for all points, whatever labels they had."""
        x = check_points(x)
        return Partition.from_labels(x, torch.randint(self.capacity, (len(x),), device=x.device), self.capacity)

    def update(self, partition: Partition, x: Tensor, index: Tensor) -> Partition:
        """New labels for the points ``index`` ``(B,)`` of the mini-batch: the paper redraws at every step."""
        labels = partition.labels.clone()
        labels[index] = torch.randint(self.capacity, (len(index),), device=labels.device)
        return replace(partition, labels=labels)


@dataclass(frozen=True, eq=False)
class FixedLabels(Clusterer):
    """Labels known beforehand, e.g. classes; new points go to the nearest class mean.

    Args:
        labels: ``(N,)`` slots, for exactly the points that are fitted; ``None``: those that ``fit`` is given, which are
            the ``labels`` of ``train`` or those that the features suggest.
        capacity: the number of slots; ``None``: one more than the largest label.

    Raises:
        ValueError: if a label lies outside the slots, there is not one for each point, or there are none at all.

    Example:
        >>> FixedLabels(torch.tensor([0, 2])).fit(torch.zeros(2, 1)).counts
        tensor([1, 0, 1])
        >>> FixedLabels(capacity=2).fit(torch.zeros(2, 1), torch.tensor([1, 1])).counts
        tensor([0, 2])
    """

    labels: Tensor | None = None
    capacity: int = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        if self.labels is None:
            if self.capacity is None:
                raise ValueError("labels and capacity are both None: pass labels, or the number of slots")
            check_limits(self)
            return
        labels = as_numbers("labels", self.labels)
        if self.capacity is None:
            object.__setattr__(self, "capacity", int(labels.double().max()) + 1 if labels.numel() else 1)
        check_limits(self)
        object.__setattr__(self, "labels", check_labels(labels, self.capacity))

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """The partition by the clusterer's own labels, or where it has none by those given here."""
        x = check_points(x)
        known = labels if self.labels is None else self.labels
        if known is None:
            raise ValueError("labels: FixedLabels has none and was handed none: pass labels to it, to fit or to train")
        return Partition.from_labels(x, known, self.capacity)
