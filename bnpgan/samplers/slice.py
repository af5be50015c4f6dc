"""Slice sampling of Dirichlet and Pitman-Yor mixtures, with no truncation (Walker 2007)."""

import math
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from bnpgan.components.base import Component, Stats
from bnpgan.components.slots import categorical
from bnpgan.priors import Prior
from bnpgan.samplers.base import Sampler, check_chain, check_state, log_prior_of_slots
from bnpgan.samplers.starts import starting_labels

__all__ = ["SliceSampler"]

LOG_LEAST = math.log(1e-6)  # the lowest slice that a sweep goes on with
CHUNK = 2**22  # densities held at once


class PriorOfMasses(Prior, Protocol):
    """A prior of infinitely many clusters, whose weights given a partition are masses over their sum."""

    def sample_masses(self, counts: Tensor) -> Tensor:
        """A draw ``(C,)`` of the log-masses of the clusters with points; -inf where a slot is empty."""
        ...

    def sample_new_masses(self, counts: Tensor, log_least: Tensor) -> Tensor:
        """A draw ``(J,)`` of those log-masses of clusters without points that exceed ``log_least`` ``()``."""
        ...


@dataclass(frozen=True, eq=False)
class SliceSampler(Sampler):
    r"""Slice sampler: all points move at once among infinitely many clusters, of which finitely many matter.

    .. math:: G \sim p(G \mid n), \quad \theta_k \sim p(\theta \mid x_{z = k}), \quad u_i \sim U(0, G_{z_i}), \quad
        p(z_i = k) \propto 1[G_k > u_i] \, p(x_i \mid \theta_k)

    The weights of the clusters are masses :math:`G_k` over their sum. The sum is not needed to compare a weight with a
    slice, and so of the clusters without points just those above the lowest slice are drawn, where the papers break
    sticks until they are sure to have these: under a Pitman-Yor process the sticks may be millions.

    Clusters that keep a point keep their slot, new ones take an empty slot at random. A sweep that ends with more
    clusters than slots keeps the old labels, which makes their law :math:`EPPF(z) (C - K)! / C!`, the prior's own given
    :math:`K \le C`. So does a sweep with a slice below 1e-6, which would have to look at too many clusters. A cluster
    of one point brings one about :math:`10^{-6 (1 - d)}` of the time: never under a Dirichlet process, in 1 sweep of
    400 for a discount of .5, in 1 of 3 for .9, where ``CRPGibbs`` is better.

    Args:
        prior: a ``DirichletProcess`` or a ``PitmanYor``.
        component: a family whose posterior can be drawn.
        capacity: the number of slots ``C``; choose it above any number of clusters that you expect.
        sweeps: steps that ``fit`` takes.
        max_dim, max_points: see :class:`~bnpgan.samplers.base.Clusterer`.

    Raises:
        ValueError: if ``prior`` has finitely many clusters, ``capacity`` is below 1 or ``sweeps`` below 0; from
            methods, if points or labels are not valid.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import DirichletProcess
        >>> x = torch.tensor([[0.0], [0.1], [0.2], [90.0], [90.1]])
        >>> p = SliceSampler(DirichletProcess(1.0), NormalInverseWishart(scale=0.1), capacity=9).fit(x)
        >>> bool(p.labels[0] == p.labels[3])
        False

    References:
        Walker, "Sampling the Dirichlet mixture model with slices", 2007;
        Kalli, Griffin and Walker, "Slice sampling mixture models", 2011;
        Griffin and Walker, "Posterior simulation of normalized random measure mixtures", 2011 (masses, not sticks).
    """

    prior: PriorOfMasses
    component: Component
    capacity: int = 100
    sweeps: int = 50
    max_dim: int | None = 32
    max_points: int | None = None

    def __post_init__(self) -> None:
        check_chain(self)
        if not hasattr(self.prior, "sample_new_masses"):
            raise ValueError(
                f"prior must have infinitely many clusters, got {self.prior}: pass a DirichletProcess or a PitmanYor, "
                "or use StickBreaking"
            )

    def init(self, x: Tensor) -> Tensor:
        """Labels ``(N,)`` near a mode: k-means++ seeds, rounds of the likeliest cluster, merges, splits."""
        return starting_labels(x, self.prior, self.component, self.capacity)

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """Draw masses, slices and parameters given the labels, then all labels ``(N,)`` given those."""
        # y = (hyper-parameters, masses, parameters, slices) is drawn from p(y | z), then z' from p(z' | y): a chain on
        # z that is reversible for p(z). With moves to more clusters than slots refused it is so for p(z | K <= C); with
        # all moves by way of certain y refused, for the same law. The lowest slice is a function of such a y, for
        # whatever z is the total of the masses is Gamma(alpha + N), independent of the weights.
        x, labels = check_state(x, labels, self.capacity)
        drawn, stats = self.draw(x, labels)
        prior, family = cast(PriorOfMasses, drawn), self.component.fixed(stats)
        counts = torch.bincount(labels, minlength=self.capacity)
        masses = prior.sample_masses(counts)
        slices = masses[labels] + torch.rand_like(x[:, 0]).log()
        if slices.min() < LOG_LEAST:
            return labels
        masses = torch.cat([masses, prior.sample_new_masses(counts, slices.min())])
        chosen = self._choose(x, slices, masses, family.stats(x, labels, len(masses)))
        # Slots at random keep it reversible: those of the clusters that vanish are as random the other way.
        used = torch.bincount(chosen, minlength=len(masses)) > 0
        if used.sum() > self.capacity:
            return labels
        slots = torch.arange(len(used), device=x.device)
        empty, born = (~used[: self.capacity]).nonzero().flatten(), used[self.capacity :].nonzero().flatten()
        slots[self.capacity + born] = empty[torch.randperm(len(empty), device=x.device)[: len(born)]]
        return slots[chosen]

    def log_prior(self, labels: Tensor) -> Tensor:
        r""":math:`\log EPPF(z) + \log (C - K)! / C!`, ``()``."""
        return log_prior_of_slots(self.prior, labels, self.capacity)

    def _choose(self, x: Tensor, slices: Tensor, masses: Tensor, stats: Stats) -> Tensor:
        components, by_mass = self.component.posterior_sample(stats), masses.argsort(descending=True)
        chosen, rest = by_mass.new_empty(len(x)), slices.argsort(descending=True)
        # Where there are many clusters all but a few are small, and only the few lowest slices have to look at them:
        # half of the points at a time, from the highest slice.
        while len(rest):
            most = max(1, CHUNK // len(masses))
            size = len(rest) if len(rest) <= most else min(most, (len(rest) + 1) // 2)
            rows, rest = rest[:size], rest[size:]
            above = by_mass[: int((masses >= slices[rows[-1]]).sum())]
            logits = components.permute(above).log_prob(x[rows])
            chosen[rows] = above[categorical(logits.masked_fill(masses[above] < slices[rows, None], -torch.inf))]
        return chosen
