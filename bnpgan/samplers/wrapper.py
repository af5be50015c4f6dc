"""Wrappers of any clusterer or sampler: what a wrapper does not define itself is as its base has it."""

from abc import ABCMeta
from dataclasses import dataclass, fields, replace
from inspect import Signature, signature
from typing import Any

from torch import Tensor

from bnpgan.components.base import Component
from bnpgan.partition import Partition
from bnpgan.priors import Prior
from bnpgan.samplers.base import Clusterer, Sampler, check_tiers

__all__ = ["Wrapper"]


class _Passing(ABCMeta):
    # A call may also have arguments for the base, so that dataclasses.replace changes fields of the base too.

    @property
    def __signature__(cls) -> Signature:  # the fields of the wrapper itself
        own = signature(cls.__init__)  # type: ignore[misc]  # of the __init__ that a call leads to
        return own.replace(parameters=list(own.parameters.values())[1:])

    def __call__(cls, base: Any, *values: Any, **named: Any) -> Any:
        own = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        inner = {name: named.pop(name) for name in named.keys() - own}
        return super().__call__(replace(base, **inner) if inner else base, *values, **named)


@dataclass(frozen=True, eq=False)
class ClustererWrapper(Clusterer, metaclass=_Passing):
    """A clusterer like its ``base`` except for what a leaf defines anew; see :class:`Wrapper`."""

    base: Any

    def __post_init__(self) -> None:
        if not isinstance(self.base, Clusterer):
            raise ValueError(f"base must be a clusterer, got {self.base}: pass e.g. a KMeans")

    @property
    def capacity(self) -> int:  # type: ignore[override]
        """The number of slots."""
        return self.base.capacity

    @property
    def max_dim(self) -> int | None:  # type: ignore[override]
        """Features wider than this are reduced by PCA."""
        return self.base.max_dim

    @property
    def max_points(self) -> int | None:  # type: ignore[override]
        """The most points that the training loop gives it."""
        return self.base.max_points

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """As the base does."""
        return self.base.fit(x, labels)

    def partition(self, x: Tensor, labels: Tensor) -> Partition:
        """As the base does."""
        return self.base.partition(x, labels)


@dataclass(frozen=True, eq=False)
class Wrapper(Sampler, ClustererWrapper):
    """A sampler like its ``base`` except for what a leaf defines anew, such as moves that a step adds to a sweep.

    Prior, family, capacity and sweeps are those of the base, and ``dataclasses.replace`` changes them there:
    ``replace(wrapper, capacity=30)`` has a base of 30 slots, however deep that lies.

    Args:
        base: any sampler.

    Raises:
        ValueError: if the prior or the family of ``base`` is not of the tier that the wrapper needs.

    Example:
        >>> import torch
        >>> from dataclasses import replace
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import DirichletProcess
        >>> from bnpgan.samplers import CRPGibbs
        >>> class Lazy(Wrapper):
        ...     def step(self, x, labels):
        ...         return labels if torch.rand(()) < 0.5 else self.base.step(x, labels)
        >>> lazy = replace(Lazy(CRPGibbs(DirichletProcess(1.0), NormalInverseWishart())), capacity=30)
        >>> lazy.capacity, lazy.base.capacity
        (30, 30)
    """

    base: Sampler

    def __post_init__(self) -> None:
        if not isinstance(self.base, Sampler):
            raise ValueError(f"base must be a sampler, got {self.base}: pass e.g. a CRPGibbs")
        check_tiers(self)  # its numbers are those of the base

    @property
    def prior(self) -> Prior:  # type: ignore[override]
        """How counts become probabilities."""
        return self.base.prior

    @property
    def component(self) -> Component:  # type: ignore[override]
        """The family of components."""
        return self.base.component

    @property
    def sweeps(self) -> int:  # type: ignore[override]
        """Steps that ``fit`` takes."""
        return self.base.sweeps

    @property
    def ordered(self) -> bool:  # type: ignore[override]
        """Whether the law of the labels depends on the order of the slots."""
        return self.base.ordered

    def init(self, x: Tensor) -> Tensor:
        """As the base does."""
        return self.base.init(x)

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """As the base does."""
        return self.base.step(x, labels)

    def log_prior(self, labels: Tensor) -> Tensor:
        """As the base does."""
        return self.base.log_prior(labels)
