"""Where chains start: near a mode, for from one cluster, or from dozens of tiny ones, most do not find their way."""

from contextlib import suppress
from typing import cast

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import Component, ExponentialFamily
from bnpgan.components.shapes import data_spread
from bnpgan.engine.quadratic import squared_distances
from bnpgan.partition import check_points
from bnpgan.priors import Prior
from bnpgan.samplers.base import Sampler
from bnpgan.samplers.kmeans import seeded_labels
from bnpgan.samplers.proposals import Allocation, Pairs

CELLS = 5, 25, 125  # of k-means++ seeds, from coarse to fine; as many as the slots come last
UNMERGED = 2, 3, 4, 6, 9, 13, 20, 30  # the same for families whose clusters cannot be merged: as many as there may be
ROUNDS = 10  # at most, in which points follow the clusters, before clusters are merged
ENOUGH = 20_000, 200  # points that do so: so many at most, or to a cell where these are more
AGAIN = 2000  # points at least that all attempts take together: few points are quick, and have more modes to miss
ATTEMPTS = 2  # at most, from each number of cells
ALIKE = 1e-4  # nats by which two attempts that found the same may differ
ALONE = 5000  # points, of which each can go where it is likeliest given the others
NEAR = 64  # other clusters with which one is compared: in many dimensions the pieces of one may lie far apart
FEW = 200  # points of each cluster that are looked at to find out whether it is two
TRIES = 4  # to split it
SPLITS = 8  # rounds of that, at most, for few points: as with attempts
AWAY = 8  # points of which the farthest from another is taken for one of the other cluster


def starting_labels(x: Tensor, sampler: Sampler) -> Tensor:
    r"""Labels ``(N,)`` near a mode of a sampler's law, the largest cluster in slot 0 and so on.

    From the cells of k-means++ seeds, in units of the spread of each column, points go to the cluster under which they
    are likeliest, until none moves or ten times; then two clusters are merged while that makes the labels likelier,
    :math:`p(z') m(S_1 \cup S_2) > p(z) m(S_1) m(S_2)`, the best two first, and all points go where they are likeliest
    again, twice. Up to 5,000 points ask where they are likeliest given all *others*, :math:`n_k m(S_k \cup x_i) /
    m(S_k)` without :math:`x_i` in :math:`S_k`: a cluster of few points in many dimensions is what it is by the very
    point that asks, and would keep all that it has. So from one cell, from few and from many, never more than there
    are slots or points to carry them, D + 1 each; of what they lead to the labels of the highest ``log_joint`` are
    kept. Of many points a subset does this, and the others follow. Two clusters that had one seed are by then one: each
    cluster is split where that makes the labels likelier, of few points again and again. A family without marginal
    likelihoods in closed form does without merges and splits.

    Args:
        x: points ``(N, D)``.
        sampler: whose prior, component, capacity and law are meant.

    Raises:
        ValueError: if points are not valid.
    """
    x = check_points(x).to(torch.float64)
    if x.device.type != "cpu" and ranks.scope() is None and len(x) <= AGAIN:  # all would be launches, and none work
        return starting_labels(x.cpu(), sampler).to(x.device)
    (N, D), capacity, device = (int(ranks.number(x)), x.shape[1]), sampler.capacity, x.device
    most = max(1, min(capacity, N // (D + 1)))
    enough = max(ENOUGH[0], ENOUGH[1] * most)
    few = x if len(x) <= enough else x[torch.randperm(len(x), device=device)[:enough]]
    some = CELLS if isinstance(sampler.component, ExponentialFamily) else UNMERGED
    sizes = sorted({1, *(cells for cells in some if cells < most), most})
    tried, failed = list[tuple[float, Tensor]](), list[ValueError]()
    for cells in sizes * max(1, min(ATTEMPTS, AGAIN // N)):
        try:
            labels = _from_cells(few, cells, sampler)
            tried.append((float(sampler.log_joint(few, labels)), labels))
        except ValueError as error:  # a cluster of points too far from one another for the digits of their sums
            failed.append(error)
    if not tried:
        raise failed[0]
    highest = max(value for value, _ in tried)
    best = next(labels for value, labels in tried if value > highest - ALIKE)  # whatever rounding says, in any units
    if len(few) < len(x):
        best = _settled(x, _likeliest(x, sampler.component, few, best, capacity), sampler)
    best = _ordered(best, capacity)
    if isinstance(sampler.component, ExponentialFamily) and ranks.scope() is None:  # a proposal sees one rank's points
        with suppress(ValueError):  # as above: then there is no better one
            for _ in range(max(1, min(SPLITS, AGAIN // N))):
                best = _split(x, best, sampler)
    return best


def _from_cells(x: Tensor, cells: int, sampler: Sampler) -> Tensor:
    if cells == 1:
        return torch.zeros(len(x), dtype=torch.int64, device=x.device)
    labels = _followed(x, seeded_labels(x / data_spread(x), cells), sampler, cells)
    for _ in range(2):
        before, labels = labels, _settled(x, labels, sampler)
        if not ranks.all_max((labels != before).any().float()):
            break
    return _ordered(labels, sampler.capacity)


def _settled(x: Tensor, labels: Tensor, sampler: Sampler) -> Tensor:
    prior, component, capacity = sampler.prior, sampler.component, sampler.capacity
    if isinstance(component, ExponentialFamily):
        labels = _merged(x, labels, prior, component, capacity)
    return _followed(x, labels, sampler, capacity, rounds=ROUNDS if _few(x, component) else 1)


def _few(x: Tensor, component: Component) -> bool:
    return isinstance(component, ExponentialFamily) and int(ranks.number(x)) <= ALONE


def _followed(x: Tensor, labels: Tensor, sampler: Sampler, slots: int, rounds: int = ROUNDS) -> Tensor:
    # Points go where they are likeliest, until none moves: of few, given the others, for a cluster of few in many
    # dimensions is what it is by the very point that asks.
    component = sampler.component
    for _ in range(rounds):
        before = labels
        if _few(x, component):
            labels = _likeliest_given_others(x, labels, sampler, slots)
        else:
            labels = _likeliest(x, component, x, labels, slots)
        if not ranks.all_max((labels != before).any().float()):
            break
    return labels


def _likeliest_given_others(x: Tensor, labels: Tensor, sampler: Sampler, slots: int) -> Tensor:
    prior, component = sampler.prior, cast(ExponentialFamily, sampler.component)
    stats, counts = component.stats(x, labels, slots), ranks.counts(labels, slots)
    log_density, log_number = component.log_predictive(stats, x), stats.n.log().repeat(len(x), 1)
    own = torch.arange(len(x), device=x.device), labels
    log_density[own] = -component.log_predictive(stats, x, share=-1.0)[own]
    log_number[own] = (stats.n[labels] - 1).log()
    if (counts == 1).any():  # a point by itself can stay so
        fewer = counts.index_fill(0, (counts == 1).nonzero()[0], 0)
        anew = prior.log_eppf(counts) - prior.log_eppf(fewer) + fewer.sum().log()
        log_number[own] = torch.where(counts[labels] == 1, anew, log_number[own])
    return (log_density + log_number).argmax(1)


def _ordered(labels: Tensor, capacity: int) -> Tensor:
    return ranks.counts(labels, capacity).argsort(descending=True, stable=True).argsort()[labels]


def _likeliest(y: Tensor, component: Component, x: Tensor, labels: Tensor, capacity: int) -> Tensor:
    # The slots of points ``y`` under the clusters of the points ``x``.
    stats = component.stats(x, labels, capacity)
    log_weights, components = (stats.n / ranks.number(x)).log(), component.posterior_mean(stats)
    return components.assign(y, log_weights)


def _merged(x: Tensor, labels: Tensor, prior: Prior, component: ExponentialFamily, capacity: int) -> Tensor:
    stats, counts = component.stats(x, labels, capacity), ranks.counts(labels, capacity)
    sums, slots = stats.sums.clone(), torch.arange(capacity, device=x.device)

    def gain(i: Tensor, j: Tensor) -> Tensor:
        rows, merged = torch.arange(len(i), device=x.device), counts.repeat(len(i), 1)
        merged[rows, i], merged[rows, j] = counts[i] + counts[j], 0
        apart, both = (component.log_marginal(component.with_sums(stats, part)) for part in (sums, sums[i] + sums[j]))
        return both - apart[i] - apart[j] + prior.log_eppf(merged) - prior.log_eppf(counts)

    gains = sums.new_full((capacity, capacity), -torch.inf)
    i, j = _neighbours(x, labels, counts)
    gains[i, j] = gain(i, j) if len(i) else 0.0
    while float(gains.max()) > 0:
        first, second = sorted(divmod(int(gains.argmax()), capacity))  # either is the best, as rounding has it
        sums[first] += sums[second]
        counts[first] += counts[second]
        sums[second], counts[second] = 0, 0
        slots[slots == second] = first
        # Whatever was near to either is near to both together.
        near = (gains[[first, second]] > -torch.inf).any(0) | (gains[:, [first, second]] > -torch.inf).any(1)
        gains[[first, second]], gains[:, [first, second]] = -torch.inf, -torch.inf
        others = (near & (counts > 0) & (slots != first)).nonzero().flatten()
        if len(others):
            gains[first, others] = gain(torch.full_like(others, first), others)
    return slots[labels]


def _split(x: Tensor, labels: Tensor, sampler: Sampler) -> Tensor:
    # Two clusters that had one seed are split by what a few of their points tell; the others follow.
    prior, component, capacity = sampler.prior, sampler.component, sampler.capacity
    rank = torch.rand(len(x), device=x.device).argsort()  # the points in random order, then cluster after cluster
    rank = rank[labels[rank].argsort(stable=True)]
    counts = ranks.counts(labels, capacity)
    within = torch.arange(len(x), device=x.device) - (counts.cumsum(0) - counts)[labels[rank]]
    few = x[rank[within < FEW]]
    found = labels[rank[within < FEW]]
    stats, before, spread = component.stats(few, found, capacity), found.clone(), data_spread(x)
    for _ in range(TRIES):
        counts = torch.bincount(found, minlength=capacity)
        several, order = (counts > 1).nonzero().flatten(), found.argsort(stable=True)
        first = (counts.cumsum(0) - counts)[several]
        i, *others = (
            order[first + (torch.rand(len(several), device=x.device) * counts[several]).long()] for _ in range(1 + AWAY)
        )
        distances = torch.stack([((few[i] - few[j]) / spread).square().sum(1) for j in others])
        j = torch.stack(others).gather(0, distances.argmax(0, keepdim=True))[0]
        pairs = Pairs.disjoint(i[i != j], j[i != j], found, capacity)
        if not len(pairs.slots):
            continue
        allocation = Allocation(few, pairs, component, stats, draws=FEW)
        side, _ = allocation.plug_in()
        gains, sizes = allocation.gain(side), torch.bincount(2 * pairs.pair + side).view(-1, 2)
        for p in gains.argsort(descending=True).tolist():
            split, free = counts.clone(), (counts == 0).nonzero().flatten()[:1]
            split[pairs.slots[p][0]], split[free] = sizes[p]
            if len(free) and float(gains[p] + prior.log_eppf(split) - prior.log_eppf(counts)) > 0:
                found[pairs.points[(pairs.pair == p) & (side == 1)]], counts = free, split
    if torch.equal(found, before):
        return labels
    other = _settled(x, _likeliest(x, component, few, found, capacity), sampler)
    other = _ordered(other, capacity)
    return other if float(sampler.log_joint(x, other)) > float(sampler.log_joint(x, labels)) else labels


def _neighbours(x: Tensor, labels: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    # Pairs of clusters, each with those whose means are nearest in units of the data.
    used = counts.nonzero().flatten()
    means = ranks.all_sum(x.new_zeros(len(counts), x.shape[1]).index_add_(0, labels, x))[used] / counts[used, None]
    means = means / data_spread(x)
    distances = squared_distances(means, means).fill_diagonal_(torch.inf)
    near = distances.argsort(1)[:, : min(NEAR, len(used) - 1)]
    return used.repeat_interleave(near.shape[1]), used[near.flatten()]
