"""Regions of a partition tried anew, one by one, while all the rest of it stays."""

from contextlib import suppress
from typing import cast

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import ExponentialFamily
from bnpgan.components.shapes import data_spread
from bnpgan.engine.quadratic import squared_distances
from bnpgan.samplers.base import Sampler
from bnpgan.samplers.kmeans import seeded_labels
from bnpgan.samplers.settling import ALIKE, AMONG, ROUNDS, carried, counted, followed, packed, settled, totals

REGION, PIECES = 4, 4  # clusters that are dissolved together, at most, and cells for each
PATIENCE = 10  # regions in vain one after another, or as many as clusters
LITTLE = 0.5  # nats, not worth another try


def with_regions_anew(x: Tensor, labels: Tensor, sampler: Sampler) -> Tensor:
    """Labels ``(N,)`` that are likelier than those given, or those.

    A random cluster and up to three next to it are dissolved into cells of k-means++ seeds. The cells settle as
    clusters of a start do; what is likelier is kept. It ends when as many regions as there are clusters, or ten, gained
    nothing one after another. Of many points, to which each try costs as much, crossings gain more in the time.

    Args:
        x: points ``(N, D)``, few.
        labels: ``(N,)``, below the capacity.
        sampler: whose prior, component (an exponential family), capacity and law are meant.
    """
    regions, vain = _Regions(x, labels, sampler), 0
    while vain < max(PATIENCE, len(regions.used)):
        vain = 0 if regions.dissolve_(regions.draw()) > LITTLE else vain + 1
    found = followed(x, regions.labels, sampler, sampler.capacity, rounds=ROUNDS)
    return found if float(sampler.log_joint(x, found)) > float(sampler.log_joint(x, labels)) + ALIKE else labels


class _Regions:
    # Labels and what is known of their clusters. Gains are under the hyper-parameters of the labels given.

    def __init__(self, x: Tensor, labels: Tensor, sampler: Sampler) -> None:
        self.x, self.labels, self.sampler = x, labels, sampler
        self.component, capacity = cast(ExponentialFamily, sampler.component), sampler.capacity
        self.known = self.component.stats(x, labels, capacity)
        self.heights = self.component.log_marginal(self.component.with_sums(self.known, self.known.sums))
        self.seen = self.component.seen(x)
        self.seen = self.seen / data_spread(self.seen)
        self.counts, self.places = ranks.counts(labels, capacity), totals(self.seen, labels, capacity)

    @property
    def used(self) -> Tensor:
        return self.counts.nonzero().flatten()

    def draw(self) -> Tensor:
        # The slots of a random cluster and of those next to it.
        used = self.used
        with ranks.alike(self.x.device):
            k, size = torch.randint(len(used), (1,)), int(torch.randint(1, REGION + 1, ()))
        means = self.places[used] / self.counts[used, None]
        return used[squared_distances(means[k], means)[0].argsort()[:size]]

    def dissolve_(self, region: Tensor) -> float:
        # The nats that cells in place of these clusters gain; where they gain nothing, all stays.
        inside, sampler, gain = torch.isin(self.labels, region), self.sampler, 0.0
        cells = min(carried(int(self.counts[region].sum()), self.seen.shape[1]), PIECES * len(region))
        if cells < 2:
            return 0.0
        with suppress(ValueError):  # a cluster of points too far from one another for the digits of their sums
            y, near = self.x[inside], self.seen[inside]
            cut = followed(y, seeded_labels(near, cells, AMONG * cells), sampler, cells, rounds=2, known=self.known)
            anew, K = packed(settled(y, cut, sampler, cells, self.known), cells)
            slots = torch.cat([region, (self.counts == 0).nonzero().flatten()])[: max(K, len(region))]
            if len(slots) < K:
                return 0.0
            then = self.counts.index_put((slots,), ranks.counts(anew, len(slots)))
            parts = self.component.log_marginal(counted(y, anew, self.component, len(slots), self.known))
            prior = sampler.prior.log_eppf(then) - sampler.prior.log_eppf(self.counts)
            gain = float(parts.sum() - self.heights[region].sum() + prior)
            if gain > ALIKE:
                self.labels, self.counts = self.labels.masked_scatter(inside, slots[anew]), then
                self.heights[slots], self.places[slots] = parts, totals(near, anew, len(slots))
        return max(gain, 0.0)
