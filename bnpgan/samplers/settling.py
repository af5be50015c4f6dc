"""Points go where they are likeliest and clusters are merged, until labels are near a mode."""

from typing import cast

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import Component, ExponentialFamily, Stats
from bnpgan.components.shapes import data_spread
from bnpgan.engine.quadratic import squared_distances
from bnpgan.priors import Prior
from bnpgan.samplers.base import Sampler

ROUNDS = 10  # at most, in which points follow the clusters
ALONE = 5000  # points, of which each can go where it is likeliest given the others
CARRIED, EACH = 10, 4  # so many cells at least, if each has so many points: where these are fewer than dimensions too
AMONG = 50  # points for each cell its seed is sought
ALIKE = 1e-4  # nats by which two that found the same may differ
NEAR = 64  # other clusters with which one is compared: in many dimensions the pieces of one may lie far apart


def settled(x: Tensor, labels: Tensor, sampler: Sampler, slots: int, known: Stats | None = None) -> Tensor:
    """Clusters merged, and points where they are likeliest then, twice; ``known`` as in :func:`followed`."""
    component, (labels, slots) = sampler.component, packed(labels, slots)
    for _ in range(2):
        before = labels
        if isinstance(component, ExponentialFamily):
            labels = merged(x, labels, sampler.prior, component, slots, known)
        labels = followed(x, labels, sampler, slots, ROUNDS if is_few(x, component) else 1, known)
        if not ranks.all_max((labels != before).any().float()):
            break
    return labels


def followed(
    x: Tensor, labels: Tensor, sampler: Sampler, slots: int, rounds: int, known: Stats | None = None
) -> Tensor:
    """Points where they are likeliest, until none moves or so many times; of few points, given the others.

    Args:
        x: points ``(N, D)``.
        labels: ``(N,)``, below ``slots``.
        sampler: whose prior and component are meant.
        slots: of the labels.
        rounds: at most.
        known: statistics whose hyper-parameters hold, of few points; ``None``: those that suit the labels.
    """
    # A cluster of few in many dimensions is what it is by the very point that asks. Empty slots would take their share
    # of the time.
    component, few = sampler.component, is_few(x, sampler.component)
    labels, slots = packed(labels, slots)
    for _ in range(rounds):
        before = labels
        if few:
            known = counted(x, labels, cast(ExponentialFamily, component), slots, known)
            labels = _likeliest_given_others(x, labels, sampler, known)
        else:
            labels = likeliest(x, component, x, labels, slots)
        if not ranks.all_max((labels != before).any().float()):
            break
    return labels


def likeliest(y: Tensor, component: Component, x: Tensor, labels: Tensor, slots: int) -> Tensor:
    """The slots of points ``y`` under the clusters of the points ``x``."""
    stats = component.stats(x, labels, slots)
    log_weights, components = (stats.n / ranks.number(x)).log(), component.posterior_mean(stats)
    return components.assign(y, log_weights)


def merged(
    x: Tensor, labels: Tensor, prior: Prior, component: ExponentialFamily, slots: int, known: Stats | None = None
) -> Tensor:
    """Clusters merged in twos while that makes the labels likelier; ``known`` as in :func:`followed`."""
    stats, counts = counted(x, labels, component, slots, known), ranks.counts(labels, slots)
    sums, near = stats.sums.clone(), _near(x, labels, counts, component)
    every = torch.arange(slots, device=x.device)
    apart, gains = sums.new_zeros(slots), sums.new_full((slots, slots), -torch.inf)
    changed = every[counts > 0]
    while len(changed):
        apart[changed] = component.log_marginal(component.with_sums(stats, sums[changed]))
        anew = torch.zeros_like(near)
        anew[changed] = near[changed]
        i, j = (anew | anew.T).triu().nonzero().unbind(1)
        if len(i):
            rows, then = torch.arange(len(i), device=x.device), counts.repeat(len(i), 1)
            then[rows, i], then[rows, j] = counts[i] + counts[j], 0
            both = component.log_marginal(component.with_sums(stats, sums[i] + sums[j]))
            log_prior = prior.log_eppf(then) - prior.log_eppf(counts)
            gains[i, j] = gains[j, i] = both - apart[i] - apart[j] + log_prior
        best, other = gains.max(1)
        changed = every[(best > 0) & (other[other] == every) & (every < other)]
        if not len(changed):  # none gains, or as much in a ring of them
            changed = every[(best > 0) & (best == best.max())][:1]
        gone, place = other[changed], every.clone()
        place[gone] = changed
        labels = place[labels]
        sums[changed], counts[changed] = sums[changed] + sums[gone], counts[changed] + counts[gone]
        sums[gone], counts[gone] = 0, 0
        # Whatever was near to either is near to both together.
        near[changed] |= near[gone]
        near[:, changed] |= near[:, gone]
        near[gone], near[:, gone], near[changed, changed] = False, False, False
        gains[gone], gains[:, gone], gains[changed], gains[:, changed] = (-torch.inf,) * 4
    return labels


def counted(x: Tensor, labels: Tensor, component: ExponentialFamily, slots: int, known: Stats | None) -> Stats:
    """The statistics of the slots; ``known`` as in :func:`followed`, for to choose anew takes a quarter of a round."""
    if known is None:
        return component.stats(x, labels, slots)
    return component.with_sums(known, ranks.all_sum(component.feature_sums(x, labels, slots, known.prior)))


def carried(n: int, dimensions: int) -> int:
    """The most cells into which so many points are cut."""
    return max(n // (dimensions + 1), min(CARRIED, n // EACH))


def totals(x: Tensor, labels: Tensor, slots: int) -> Tensor:
    """The sums of the points of each slot, ``(slots, D)``."""
    return ranks.all_sum(x.new_zeros(slots, x.shape[1]).index_add_(0, labels, x))


def packed(labels: Tensor, capacity: int) -> tuple[Tensor, int]:
    """The labels with the slots that are in use first, and how many these are."""
    used = ranks.counts(labels, capacity) > 0
    return (used.cumsum(0) - 1)[labels], int(used.sum())


def ordered(labels: Tensor, capacity: int) -> Tensor:
    """The labels with the largest cluster in slot 0 and so on, of equal ones first that with the first point."""
    here, lengths = torch.arange(len(labels), device=labels.device), ranks.lengths(labels)
    here += sum(lengths[: ranks.rank()])
    first = torch.full((capacity,), sum(lengths), device=labels.device).scatter_reduce_(0, labels, here, "amin")
    by_first = (-ranks.all_max(-first)).argsort(stable=True)
    counts = ranks.counts(labels, capacity)[by_first]
    return by_first[counts.argsort(descending=True, stable=True)].argsort()[labels]


def _likeliest_given_others(x: Tensor, labels: Tensor, sampler: Sampler, stats: Stats) -> Tensor:
    prior, component = sampler.prior, cast(ExponentialFamily, sampler.component)
    counts, log_number = ranks.counts(labels, len(stats.n)), stats.n.log().repeat(len(x), 1)
    own = torch.arange(len(x), device=x.device), labels
    log_number[own] = (stats.n[labels] - 1).log()
    if (counts == 1).any():  # a point by itself can stay so
        fewer = counts.index_fill(0, (counts == 1).nonzero()[0], 0)
        anew = prior.log_eppf(counts) - prior.log_eppf(fewer) + fewer.sum().log()
        log_number[own] = torch.where(counts[labels] == 1, anew, log_number[own])
    return (component.log_predictive_given_others(stats, x, labels) + log_number).argmax(1)


def _near(x: Tensor, labels: Tensor, counts: Tensor, component: ExponentialFamily) -> Tensor:
    # Of each two clusters whether the mean of one is among the nearest to that of the other, in units of the data.
    used = counts > 0
    if int(used.sum()) <= NEAR + 1:
        return (used[:, None] & used).fill_diagonal_(False)
    x, places = component.seen(x), used.nonzero().flatten()
    means = totals(x, labels, len(counts))[used] / counts[used, None]
    means = means / data_spread(x)
    nearest = squared_distances(means, means).fill_diagonal_(torch.inf).argsort(1)[:, :NEAR]
    near = torch.zeros(len(counts), len(counts), dtype=torch.bool, device=x.device)
    near[places[:, None], places[nearest]] = True
    return near | near.T


def is_few(x: Tensor, component: Component) -> bool:
    """Whether points ask where they are likeliest given all others."""
    return isinstance(component, ExponentialFamily) and int(ranks.number(x)) <= ALONE
