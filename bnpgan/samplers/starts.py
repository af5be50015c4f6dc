"""Where chains start: near a mode, for from one cluster, or from dozens of tiny ones, most do not find their way."""

from contextlib import suppress
from typing import cast

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import Component, ExponentialFamily, Stats
from bnpgan.components.shapes import data_center, data_spread
from bnpgan.engine.quadratic import squared_distances
from bnpgan.partition import check_points
from bnpgan.priors import Prior
from bnpgan.samplers.base import Sampler
from bnpgan.samplers.kmeans import seeded_labels

CELLS = 2, 3, 4, 6, 9, 13, 20, 30  # of k-means++ seeds, where these are not to be merged, or points are few
CARRIED, EACH = 10, 4  # so many cells at least, if each has so many points: where these are fewer than dimensions too
FAR = 1e3  # spreads of a column, at which values beyond are looked at: products keep their digits
AMONG = 50  # points for each cell its seed is sought
ROUNDS = 10  # at most, in which points follow the clusters, before clusters are merged
ENOUGH = 20_000, 200  # points that do so: so many at most, or to a cell where these are more
SMALL = 2000  # points of which a start is quick, and quicker on the CPU than the launches of its operations on a GPU
CROSSINGS, VAIN = (12, 6), (3, 2)  # at most, with other cells, and in vain one after another: of few points, of many
COARSER = 1, 1, 2  # times than the finest: the cells of crossings, in turn
GAIN = 3.0  # nats, a Bayes factor of twenty: a crossing that has less was in vain
ALIKE = 1e-4  # nats by which two that found the same may differ
ALONE = 5000  # points, of which each can go where it is likeliest given the others
NEAR = 64  # other clusters with which one is compared: in many dimensions the pieces of one may lie far apart


def starting_labels(x: Tensor, sampler: Sampler) -> Tensor:
    r"""Labels ``(N,)`` near a mode of a sampler's law, the largest cluster in slot 0 and so on.

    From the cells of k-means++ seeds, in units of the spread of each column, points go to the cluster under which they
    are likeliest, until none moves or ten times; then clusters are merged in twos, of which each is the other's best,
    while that makes the labels likelier, :math:`p(z') m(S_1 \cup S_2) > p(z) m(S_1) m(S_2)`, and all points go where
    they are likeliest again, twice. Up to 5,000 points ask where they are likeliest given all *others*,
    :math:`n_k m(S_k \cup x_i) / m(S_k)` without :math:`x_i` in :math:`S_k`: a cluster of few points in many dimensions
    is what it is by the very point that asks, and would keep all that it has. So from one cell and from as many as
    there are slots and points to carry them, D + 1 each or ten cells of four, and of few points, which evidence lumps
    together soon, from several numbers between; of what they lead to the labels of the highest ``log_joint`` are kept.

    These are then crossed with new cells, as many, as many again, and half of that: each point goes to the likeliest
    cluster of both together, the clusters are merged as above, and what is likelier than before is kept, until three
    crossings one after another gained less than 3 nats, or twelve are done; of more than 2,000 points two, or six. So
    what seeds have missed in one region is taken from others that have not. Of many points a subset does all this, and
    the others follow. A family without marginal likelihoods in closed form does without merges and crossings.

    Args:
        x: points ``(N, D)``.
        sampler: whose prior, component, capacity and law are meant.

    Raises:
        ValueError: if points are not valid.

    References:
        Fränti, "Genetic algorithm with deterministic crossover for vector quantization", 2000 (crossing the centres of
        two solutions of k-means and merging them in pairs; likelihoods in place of distances are this package's own).
    """
    x = check_points(x).to(torch.float64)
    if x.device.type != "cpu" and ranks.scope() is None and len(x) <= SMALL:
        return starting_labels(x.cpu(), sampler).to(x.device)
    x = _within_reach(x)
    N, capacity, component = int(ranks.number(x)), sampler.capacity, sampler.component
    most = max(1, min(capacity, max(N // (component.seen(x).shape[1] + 1), min(CARRIED, N // EACH))))
    enough = max(ENOUGH[0], ENOUGH[1] * most)
    few = x if len(x) <= enough else x[torch.randperm(len(x), device=x.device)[:enough]]
    coarse = () if isinstance(component, ExponentialFamily) and not _few(x, component) else CELLS
    tried, failed = list[tuple[float, Tensor]](), list[ValueError]()
    for cells in sorted({1, *(cells for cells in coarse if cells < most), most}):
        try:
            labels = _from_cells(few, cells, sampler)
            tried.append((float(sampler.log_joint(few, labels)), labels))
        except ValueError as error:  # a cluster of points too far from one another for the digits of their sums
            failed.append(error)
    if not tried:
        raise failed[0]
    highest = max(height for height, _ in tried)
    best = next(labels for height, labels in tried if not height < highest - ALIKE)  # in any units, for all rounding
    if isinstance(component, ExponentialFamily) and most > 1:
        best = _crossed_with_cells(few, best, most, sampler)
    if len(few) < len(x):
        best = _settled(x, _likeliest(x, component, few, best, capacity), sampler, capacity)
    return _ordered(best, capacity)


def _within_reach(x: Tensor) -> Tensor:
    # The sums of a cluster with a value that is too far have no digits left for the others.
    centre, reach = data_center(x), FAR * data_spread(x)
    far = ((x - centre).abs() > reach).any()
    return x.clamp(centre - reach, centre + reach) if ranks.all_max(far.float()) else x


def _from_cells(x: Tensor, cells: int, sampler: Sampler) -> Tensor:
    if cells == 1:
        return torch.zeros(len(x), dtype=torch.int64, device=x.device)
    labels = _followed(x, _seeded(x, sampler, cells), sampler, cells, rounds=ROUNDS)
    return _ordered(_settled(x, labels, sampler, sampler.capacity), sampler.capacity)


def _seeded(x: Tensor, sampler: Sampler, cells: int) -> Tensor:
    y = sampler.component.seen(x)
    return seeded_labels(y / data_spread(y), cells, AMONG * cells)


def _crossed_with_cells(x: Tensor, labels: Tensor, most: int, sampler: Sampler) -> Tensor:
    height, vain = float(sampler.log_joint(x, labels)), 0
    many = int(ranks.number(x)) > SMALL
    for t in range(CROSSINGS[many]):
        cells, gain = max(2, most // COARSER[t % len(COARSER)]), 0.0
        with suppress(ValueError):  # as above
            crossed = _crossed(x, labels, _followed(x, _seeded(x, sampler, cells), sampler, cells, rounds=2), sampler)
            if crossed is not None and (gain := float(sampler.log_joint(x, crossed)) - height) > ALIKE:
                labels, height = crossed, height + gain
        vain = 0 if gain > GAIN else vain + 1
        if vain == VAIN[many]:
            break
    return labels


def _crossed(x: Tensor, one: Tensor, two: Tensor, sampler: Sampler) -> Tensor | None:
    # The clusters of both, merged until they are no more than there are slots; if they do not become so few, nothing.
    component, capacity = cast(ExponentialFamily, sampler.component), sampler.capacity
    (one, first), (two, second) = _packed(one, capacity), _packed(two, capacity)
    stats = component.stats(x, one, first)
    sums = torch.cat([stats.sums, component.stats(x, two, second).sums])
    both, slots = component.with_sums(stats, sums), max(first + second, capacity)
    labels = component.posterior_mean(both).assign(x, (both.n / both.n.sum()).log())
    labels = _ordered(_settled(x, _followed(x, labels, sampler, slots, rounds=1), sampler, slots), slots)
    return labels if ranks.counts(labels, slots)[capacity:].sum() == 0 else None


def _packed(labels: Tensor, capacity: int) -> tuple[Tensor, int]:
    used = ranks.counts(labels, capacity) > 0
    return (used.cumsum(0) - 1)[labels], int(used.sum())


def _settled(x: Tensor, labels: Tensor, sampler: Sampler, slots: int) -> Tensor:
    component, (labels, slots) = sampler.component, _packed(labels, slots)
    for _ in range(2):
        before = labels
        if isinstance(component, ExponentialFamily):
            labels = _merged(x, labels, sampler.prior, component, slots)
        labels = _followed(x, labels, sampler, slots, rounds=ROUNDS if _few(x, component) else 1)
        if not ranks.all_max((labels != before).any().float()):
            break
    return labels


def _few(x: Tensor, component: Component) -> bool:
    return isinstance(component, ExponentialFamily) and int(ranks.number(x)) <= ALONE


def _followed(x: Tensor, labels: Tensor, sampler: Sampler, slots: int, rounds: int) -> Tensor:
    # Points go where they are likeliest, until none moves: of few, given the others, for a cluster of few in many
    # dimensions is what it is by the very point that asks. Empty slots would take their share of the time.
    component, few, known = sampler.component, _few(x, sampler.component), None
    labels, slots = _packed(labels, slots)
    for _ in range(rounds):
        before = labels
        if few:
            known = _counted(x, labels, cast(ExponentialFamily, component), slots, known)
            labels = _likeliest_given_others(x, labels, sampler, known)
        else:
            labels = _likeliest(x, component, x, labels, slots)
        if not ranks.all_max((labels != before).any().float()):
            break
    return labels


def _counted(x: Tensor, labels: Tensor, component: ExponentialFamily, slots: int, known: Stats | None) -> Stats:
    # Under the hyper-parameters of ``known``: to choose them anew in each round takes a quarter of its time.
    if known is None:
        return component.stats(x, labels, slots)
    return component.with_sums(known, ranks.all_sum(component.feature_sums(x, labels, slots, known.prior)))


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


def _ordered(labels: Tensor, capacity: int) -> Tensor:
    return ranks.counts(labels, capacity).argsort(descending=True, stable=True).argsort()[labels]


def _likeliest(y: Tensor, component: Component, x: Tensor, labels: Tensor, capacity: int) -> Tensor:
    # The slots of points ``y`` under the clusters of the points ``x``.
    stats = component.stats(x, labels, capacity)
    log_weights, components = (stats.n / ranks.number(x)).log(), component.posterior_mean(stats)
    return components.assign(y, log_weights)


def _merged(x: Tensor, labels: Tensor, prior: Prior, component: ExponentialFamily, slots: int) -> Tensor:
    stats, counts = component.stats(x, labels, slots), ranks.counts(labels, slots)
    sums, near = stats.sums.clone(), _near(component.seen(x), labels, counts)
    every = torch.arange(slots, device=x.device)
    apart, gains = sums.new_zeros(slots), sums.new_full((slots, slots), -torch.inf)
    changed = every[counts > 0]
    while len(changed):
        apart[changed] = component.log_marginal(component.with_sums(stats, sums[changed]))
        anew = torch.zeros_like(near)
        anew[changed] = near[changed]
        i, j = (anew | anew.T).triu().nonzero().unbind(1)
        if len(i):
            rows, merged = torch.arange(len(i), device=x.device), counts.repeat(len(i), 1)
            merged[rows, i], merged[rows, j] = counts[i] + counts[j], 0
            both = component.log_marginal(component.with_sums(stats, sums[i] + sums[j]))
            log_prior = prior.log_eppf(merged) - prior.log_eppf(counts)
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


def _near(x: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    # Of each two clusters whether the mean of one is among the nearest to that of the other, in units of the data.
    used = counts.nonzero().flatten()
    means = ranks.all_sum(x.new_zeros(len(counts), x.shape[1]).index_add_(0, labels, x))[used] / counts[used, None]
    means = means / data_spread(x)
    nearest = squared_distances(means, means).fill_diagonal_(torch.inf).argsort(1)[:, : min(NEAR, len(used) - 1)]
    near = torch.zeros(len(counts), len(counts), dtype=torch.bool, device=x.device)
    near[used[:, None], used[nearest]] = True
    return near | near.T
