"""The two interfaces of the sampler layer, and the little that all samplers share."""

import math
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from bnpgan import ranks
from bnpgan.components.base import Component, Conjugate, Drawable, ExponentialFamily, Stats
from bnpgan.diagnostics import Chains, check_run
from bnpgan.memory import remembered, unchanged
from bnpgan.partition import Partition, check_capacity, check_labels, check_points, check_room
from bnpgan.priors import Masses, OrderedWeights, Partitions, Prior
from bnpgan.randomness import forked
from bnpgan.samplers.flags import looks, tell
from bnpgan.waits import read
from bnpgan.whole import keep_whole

__all__ = ["Clusterer", "Sampler"]


class Clusterer(ABC):
    """Anything that divides points among ``capacity`` slots; a frozen dataclass of hyper-parameters, never of data.

    Attributes:
        capacity: the number of slots.
        max_dim: features wider than this are reduced by PCA before they come here; ``None``: never. Of fewer than ten
            points for each column they are reduced further: see :func:`~bnpgan.partition.reduced`.
        max_points: the training loop clusters a fixed random subset of at most so many images and predicts the rest;
            ``None``: all.
        by_sums: whether it sees the points of all ranks where it is run :class:`~bnpgan.samplers.Sharded`.

    A clusterer that can follow mini-batches also has ``update(partition, x, index) -> Partition``, called at each
    training step with the features ``x`` ``(B, D)`` of the images ``index`` ``(B,)``.
    """

    capacity: int
    max_dim: int | None = None
    max_points: int | None = None
    by_sums: ClassVar[bool] = False

    @abstractmethod
    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """Partition the points ``(N, D)``, starting from ``labels`` ``(N,)`` where they are given."""

    def partition(self, x: Tensor, labels: Tensor) -> Partition:
        """What is known of each slot given labels ``(N,)`` of the points ``(N, D)``: empirical moments, or better.

        The training loop asks for it at the end, when features may have moved since the images were clustered.
        """
        return Partition.from_labels(x, labels, self.capacity)


class Sampler(Clusterer):
    r"""A Markov chain on label vectors whose invariant law is :math:`p(z \mid x) \propto p(z) \, p(x \mid z)`.

    The label vector is the whole state: ``step`` draws all else anew from its exact conditional given the labels,
    learned hyper-parameters first (``draw``). A new sampler gives ``init``, ``step`` and ``log_prior``, and has the
    fields ``prior``, ``component``, ``capacity`` and ``sweeps``. What it needs of the first two it says by their tiers;
    parts of another kind are refused when it is made.

    Attributes:
        needs: the tier of the prior, and that of the family.
        ordered: whether the labels follow truncated weights of ordered slots, ``Prior.log_marginal``, and not
            partitions, ``Prior.log_eppf``.
    """

    prior: Prior
    component: Component
    sweeps: int
    needs: ClassVar[tuple[type[Prior], type[Component]]] = Partitions, Drawable
    ordered: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_limits(self)
        keep_whole(self, "sweeps", 0, "pass e.g. 50")
        check_tiers(self)

    @abstractmethod
    def init(self, x: Tensor) -> Tensor:
        """Labels ``(N,)`` to start a chain from."""

    @abstractmethod
    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """The labels ``(N,)`` one sweep on; the inputs are left as they are."""

    @abstractmethod
    def log_prior(self, labels: Tensor) -> Tensor:
        """Log-probability ``()`` of this label vector under the sampler's own, capped or truncated, law."""

    @final
    def log_joint(self, x: Tensor, labels: Tensor) -> Tensor:
        r"""The value ``()`` that a trace shows, :math:`\log p(z) + \log p(x \mid z)`, learned values summed out."""
        x, labels = check_state(x, labels, self.capacity)
        return self.log_prior(labels) + self.component.log_evidence(self.component.stats(x, labels, self.capacity))

    @final
    def draw(self, x: Tensor, labels: Tensor) -> tuple[Prior, Stats]:
        """The prior, and the statistics of the slots, with learned hyper-parameters drawn given the labels ``(N,)``."""
        stats = self.component.stats(x, labels, self.capacity)
        with ranks.alike(x.device):
            return self.prior.draw(stats.n.long(), self.ordered), self.component.draw(stats)

    @final
    def partition(self, x: Tensor, labels: Tensor) -> Partition:
        """The partition by these labels: components at their posterior means, weights the shares :math:`n_k / N`."""
        x, labels = check_state(x, labels, self.capacity)
        stats = self.component.stats(x, labels, self.capacity)
        return Partition(labels, (stats.n / ranks.number(x)).log(), self.component.posterior_mean(stats))

    @final
    @unchanged()
    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """Take ``sweeps`` steps from ``labels`` (``init`` where there are none) and partition by the last labels.

        It warns, once each, where all slots are in use, a learned value is at the end of its grid, the log-joint still
        climbs, labels that were given were never left and ``init`` is better, or clusters of Gaussians have a single
        value in some column. The partition has these as ``flags`` (``slots``, ``grid``, ``climbing``, ``stuck``,
        ``agreeing``), and the log-joint of its labels. Where it takes long a terminal shows a progress bar.
        """
        x = check_double(x)  # once, and not in every step
        check_room(self.capacity, len(x))
        labels = None if labels is None else check_labels(labels, self.capacity, len(x), x.device)
        z, heights, when = self.init(x) if labels is None else labels, list[Tensor](), looks(self.sweeps)
        bar = tqdm(range(self.sweeps), desc=type(self).__name__, delay=5, leave=False, disable=None, unit="sweep")
        for i in bar:
            z = self.step(x, z)
            if i + 1 in when:
                heights.append(self.log_joint(x, z))
        last = heights[-1] if heights else self.log_joint(x, z)
        flags = tell(self, x, z, read(*heights) if heights else [], labels)
        return replace(self.partition(x, z), log_joint=float(last), flags=tuple(flags))

    @final
    def hyperparameters(self, x: Tensor, labels: Tensor) -> dict[str, float]:
        """A draw of the learned hyper-parameters given the labels ``(N,)``, by name; empty where none is learned.

        One of the component that bears the name of one of the prior is called ``component_NAME``.
        """
        prior, stats = self.draw(*check_state(x, labels, self.capacity))
        drawn = {name: float(getattr(prior, name)) for name in self.prior.learned}
        for name in self.component.learned:
            drawn[f"component_{name}" if name in drawn else name] = float(getattr(stats.prior, name))
        return drawn

    @final
    @unchanged()
    def chain(
        self,
        x: Tensor,
        n: int,
        burn_in: int = 0,
        thin: int = 1,
        seeds: Sequence[int] = (0, 1, 2, 3),
        labels: Tensor | None = None,
        progress: bool = True,
    ) -> Chains:
        """Run a chain for each seed, and keep ``n`` draws of each: every ``thin``-th after ``burn_in`` sweeps.

        A chain is what stepping by hand after ``torch.manual_seed(seed)`` gives, whatever the other seeds; torch's
        ambient generator is left as it was. With each kept draw comes one of the learned hyper-parameters given it.

        Args:
            x: points ``(N, D)``.
            n: draws to keep of each chain.
            burn_in: sweeps to drop first.
            thin: sweeps for each kept draw.
            seeds: one for each chain.
            labels: ``(N,)``, where all chains start; ``None``: each from its own ``init``.
            progress: whether to show a bar.

        Raises:
            ValueError: if a number is too small, seeds do not differ, or points or labels are not valid.

        Example:
            >>> from bnpgan import data, samplers, components, priors
            >>> sampler = samplers.StickBreaking(priors.DirichletProcess(1.0), components.NormalInverseWishart())
            >>> chains = sampler.chain(data.ring(80)[0], n=5, burn_in=10, thin=2, seeds=(0, 1), progress=False)
            >>> chains.labels.shape, list(chains.trace)
            (torch.Size([2, 5, 80]), ['clusters', 'log_joint', 'factor'])
        """
        check_run(n, burn_in, thin, seeds)
        x, began = check_double(x), time.perf_counter()
        check_room(self.capacity, len(x))
        draws = torch.empty(len(seeds), n, len(x), dtype=torch.int64, device=x.device)
        rows: list[dict[str, float]] = []
        with tqdm(total=len(seeds) * (burn_in + n * thin), disable=not progress, unit="sweep") as bar:
            for chain, seed in zip(draws, seeds, strict=True):
                with forked(x.device, seed):
                    z = self.init(x) if labels is None else labels
                    for i in range(n):
                        for _ in range(thin if i else burn_in + thin):
                            z = self.step(x, z)
                            bar.update()
                        chain[i] = z
                        row = {"clusters": len(z.unique()), "log_joint": float(self.log_joint(x, z))}
                        with forked(x.device):  # what the trace draws does not disturb the chain
                            rows.append(row | self.hyperparameters(x, z))
        trace = {name: torch.from_numpy(np.array([row[name] for row in rows])).view(len(seeds), n) for name in rows[0]}
        return Chains(draws, trace, tuple(seeds), time.perf_counter() - began)


def check_state(x: Tensor, labels: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """The points in float64 and the labels on their device; raises a ``ValueError`` where either is not valid."""
    x = check_double(x)
    return x, check_labels(labels, capacity, len(x), x.device)


def check_double(x: Tensor) -> Tensor:
    """The points in float64, without gradients: the same tensor if it can be, for what is remembered of it."""
    x = check_points(x)
    x = x.detach() if x.requires_grad else x
    return x if x.dtype == torch.float64 else x.double() if x.device.type == "cpu" else _double(x)


@remembered  # on a GPU, whose host would wait in each sweep for what is found out about a new tensor
def _double(x: Tensor) -> Tensor:
    return x.double()


def check_tiers(sampler: Sampler) -> None:
    """Raise a ``ValueError`` unless the prior and the family are of the tiers that the sampler needs."""
    for name, part, tier in zip(("prior", "component"), (sampler.prior, sampler.component), sampler.needs, strict=True):
        lowest = {"prior": Partitions, "component": Drawable}[name]
        if not isinstance(part, lowest):
            raise ValueError(_REFUSED[lowest].format(part))
        if not isinstance(part, tier):
            raise ValueError(_REFUSED[tier].format(part if name == "prior" else type(part).__name__))


_REFUSED: dict[type, str] = {
    Partitions: "prior must be a prior over partitions, got {}: pass e.g. DirichletProcess(1.0), or inherit from "
    "bnpgan.priors.Partitions",
    OrderedWeights: "prior must have weights of ordered slots, got {}: pass e.g. a DirichletProcess, or use CRPGibbs, "
    "IGMM or Algorithm8",
    Masses: "prior must have infinitely many clusters, got {}: pass a DirichletProcess or a PitmanYor, or use "
    "StickBreaking",
    Drawable: "component must be a family of components, got {}: pass e.g. NormalInverseWishart(), or inherit from "
    "bnpgan.components.Drawable",
    Conjugate: "component: {} has no predictive density in closed form, which this sampler needs: use Algorithm8, "
    "StickBreaking, IGMM or SliceSampler",
    ExponentialFamily: "component: {} has no predictive density that follows from sums of features, which this sampler "
    "needs: use Algorithm8, StickBreaking, IGMM or SliceSampler",
}


@cache
def tell_of_lost_loop(kind: type, lost: tuple[str, ...], loop: str) -> None:
    """Warn, once, where a class of parts says anew what a compiled loop stands for; to be called by ``__post_init__``.

    Args:
        kind: the class.
        lost: what it says anew.
        loop: the method that gives the loop what it takes.
    """
    if lost:
        warnings.warn(
            f"{kind.__name__} says {' and '.join(lost)} anew, so points are seated by a loop in Python, and not by the "
            f"compiled one, which would not heed it: to keep it, define {loop} in the body of {kind.__name__} too",
            stacklevel=4,
        )


def check_limits(clusterer: Clusterer) -> None:
    """Raise a ``ValueError`` unless slots, and dimensions and points where limited, are whole numbers of at least 1."""
    object.__setattr__(clusterer, "capacity", check_capacity(clusterer.capacity))
    for name in ("max_dim", "max_points"):
        if getattr(clusterer, name) is not None:
            keep_whole(clusterer, name, 1, "pass None for no limit")


def log_prior_of_slots(prior: Prior, labels: Tensor, capacity: int) -> Tensor:
    r"""Log-law ``()`` of labels whose new clusters take an empty slot at random, :math:`EPPF(z) \, (C - K)! / C!`.

    It is the prior's own law given :math:`K \le C`, up to a constant.
    """
    counts = ranks.counts(check_labels(labels, capacity), capacity)
    empty = (counts == 0).sum().to(torch.float64)
    return prior.log_eppf(counts) + torch.lgamma(empty + 1) - math.lgamma(capacity + 1)
