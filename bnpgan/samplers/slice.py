"""Slice sampling of Dirichlet and Pitman-Yor mixtures, with no truncation (Walker 2007)."""

import math
import warnings
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import Drawable
from bnpgan.components.distributions import Components
from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.inversion import categorical
from bnpgan.partition import in_slots
from bnpgan.priors import Masses
from bnpgan.samplers.base import Sampler, check_state, log_prior_of_slots
from bnpgan.samplers.starts import starting_labels
from bnpgan.waits import put_off, read

__all__ = ["SliceSampler"]

LOG_LEAST = math.log(1e-6)  # the lowest slice that a sweep goes on with
NUMBERS = 2**21  # in the matrices of all new clusters of a sweep, 16 MiB: there are some copies of these


@dataclass(frozen=True, eq=False)
class SliceSampler(Sampler):
    r"""Slice sampler: all points move at once among infinitely many clusters, of which finitely many matter.

    .. math:: G \sim p(G \mid n), \quad \theta_k \sim p(\theta \mid x_{z = k}), \quad u_i \sim U(0, G_{z_i}), \quad
        p(z_i = k) \propto 1[G_k > u_i] \, p(x_i \mid \theta_k)

    The weights of the clusters are masses :math:`G_k` over their sum. Masses are compared with slices without that sum,
    so of the clusters without points only those above the lowest slice are drawn. The papers break sticks until none of
    these can be missing, which under a Pitman-Yor process may take millions of sticks.

    Clusters that keep a point keep their slot, new ones take an empty slot at random. A sweep that ends with more
    clusters than slots keeps the old labels, which makes their law :math:`EPPF(z) (C - K)! / C!`, the prior's own given
    :math:`K \le C`. So does a sweep that would have to look at too many clusters: one with a slice below 1e-6, or with
    more than 2,000,000 / :math:`(D + 1)^2` new clusters to be expected above the lowest. A cluster of one point brings
    such a slice about :math:`10^{-6 (1 - d)}` of the time: never under a Dirichlet process, in 1 sweep of 400 for a
    discount of .5, in 1 of 3 for .9, where ``CRPGibbs`` is better.

    Args:
        prior: a ``DirichletProcess`` or a ``PitmanYor``.
        component: a family whose posterior can be drawn.
        capacity: the number of slots ``C``; choose it above any number of clusters that you expect.
        sweeps: steps that ``fit`` takes.
        max_dim, max_points: see :class:`~bnpgan.samplers.base.Clusterer`.

    Raises:
        ValueError: if ``prior`` has finitely many clusters, ``capacity`` is below 1 or ``sweeps`` below 0; from
            methods, if points or labels are not valid.

    Warns:
        UserWarning: if the concentration is so large that sweeps leave labels as they are.

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

    prior: Masses
    component: Drawable
    capacity: int = 100
    sweeps: int = 50
    max_dim: int | None = 32
    max_points: int | None = None
    needs = Masses, Drawable

    def init(self, x: Tensor) -> Tensor:
        """Labels ``(N,)`` near a mode: see :func:`~bnpgan.samplers.starts.starting_labels`."""
        return starting_labels(x, self)

    @put_off()
    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """Draw masses, slices and parameters given the labels, then all labels ``(N,)`` given those."""
        # y = (hyper-parameters, masses, parameters, slices) is drawn from p(y | z), then z' from p(z' | y): a chain on
        # z that is reversible for p(z). With moves to more clusters than slots refused it is so for p(z | K <= C); with
        # all moves by way of certain y refused, for the same law. The lowest slice is a function of such a y, for
        # whatever z is the total of the masses is Gamma(alpha + N), independent of the weights; so is the number of
        # masses that is expected above it, given the time of their process, another part of y.
        x, labels = check_state(x, labels, self.capacity)
        C, device, (drawn, stats) = self.capacity, x.device, self.draw(x, labels)
        prior, counts = cast(Masses, drawn), ranks.counts(labels, C)
        masses = prior.sample_masses(counts)
        slices = masses[labels] + torch.rand_like(x[:, 0]).log()
        least, *sizes = read(slices.min(), counts)
        if least < LOG_LEAST:
            return labels
        most = NUMBERS / (x.shape[1] + 1) ** 2
        new = prior.sample_new_masses(torch.tensor(sizes).long(), torch.tensor(least, dtype=torch.float64), most)
        if new is None:
            self._warn(prior, most)
            return labels
        new = new.to(device)
        components = self.component.posterior_sample(stats)
        components = components.joined(self.component.posterior_sample(self.component.empty(stats, len(new))))
        chosen = _choose(x, slices, torch.cat([masses, new]), components)
        # New clusters take empty slots at random, as clusters that vanish do in the inverse move: so it is reversible.
        used = ranks.counts(chosen, C + len(new)) > 0
        empty = (torch.rand(C, device=device) + used[:C]).argsort()  # empty slots in random order, then the others
        slots = torch.cat([torch.arange(C, device=device), empty[(used[C:].cumsum(0) - 1).clamp(0, C - 1)]])
        return in_slots(torch.where(used.sum() > C, labels, slots[chosen]), C)

    def _warn(self, prior: Masses, most: float) -> None:
        # Where masses above 1 / e are too many already, for hardly a slice is higher.
        nobody = torch.zeros(1, dtype=torch.int64)
        if prior.sample_new_masses(nobody, torch.tensor(-1.0, dtype=torch.float64), most) is None:
            warnings.warn(
                f"{prior} expects more than {most:,.0f} clusters above any slice, so that sweeps of SliceSampler leave "
                "labels as they are: lower the concentration, or use CRPGibbs or StickBreaking",
                stacklevel=3,
            )

    def log_prior(self, labels: Tensor) -> Tensor:
        r""":math:`\log EPPF(z) + \log (C - K)! / C!`, ``()``."""
        return log_prior_of_slots(self.prior, labels, self.capacity)


def _choose(x: Tensor, slices: Tensor, masses: Tensor, components: Components) -> Tensor:
    # Of many clusters all but a few are small, and only points with low slices have to look at these. So points are
    # taken from the highest slice on, half of those left at a time, with the clusters above the lowest slice of each.
    by_mass, order = masses.argsort(descending=True), slices.argsort(descending=True)
    chosen, ends, most = torch.empty_like(order), [0], rows_at_once(len(masses), masses)
    while (left := len(x) - ends[-1]) > 0:
        ends.append(ends[-1] + (left if left <= most else min(most, (left + 1) // 2)))
    lowest = slices[torch.cat([order[end - 1 : end] for end in ends[1:]])]
    for start, end, number in zip(ends, ends[1:], read((masses >= lowest[:, None]).sum(1)), strict=False):
        rows, above = order[start:end], by_mass[: int(number)]
        logits = components.permute(above).log_prob(x[rows])
        chosen[rows] = above[categorical(logits.masked_fill(masses[above] < slices[rows, None], -torch.inf))]
    return chosen
