"""Where chains start: near a mode, for from one cluster, or from dozens of tiny ones, most do not find their way."""

from contextlib import suppress
from typing import cast

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import ExponentialFamily
from bnpgan.components.shapes import data_center, data_spread
from bnpgan.partition import check_points
from bnpgan.samplers.base import Sampler
from bnpgan.samplers.kmeans import seeded_labels
from bnpgan.samplers.regions import with_regions_anew
from bnpgan.samplers.settling import (
    ALIKE,
    AMONG,
    ROUNDS,
    carried,
    followed,
    is_few,
    likeliest,
    ordered,
    packed,
    settled,
)

CELLS = 2, 3, 4, 6, 9, 13, 20, 30  # of k-means++ seeds, where these are not to be merged, or points are few
FAR = 1e3  # spreads of a column, at which values beyond are looked at: products keep their digits
ENOUGH = 20_000, 200  # points that do so: so many at most, or to a cell where these are more
SMALL = 2000  # points of which a start is quick, and quicker on the CPU than the launches of its operations on a GPU
CROSSINGS, VAIN = (4, 6), (3, 2)  # at most, with other cells, and in vain one after another: of few points, of many
COARSER = 1, 1, 2  # times than the finest: the cells of crossings, in turn
GAIN = 3.0  # nats, a Bayes factor of twenty: a crossing that has less was in vain


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
    crossings one after another gained less than 3 nats, or four are done; of more than 5,000 points two, or six. So
    what seeds have missed in one region is taken from others that have not. Of up to 5,000 points regions are tried
    then, one by one: a cluster and up to three next to it are dissolved into cells, their points settle as above while
    all others stay, and what is likelier is kept, until as many regions as there are clusters, or ten, gained nothing
    one after another. Of many points a subset does all this, and the others follow. A family without marginal
    likelihoods in closed form has cells alone.

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
    most = max(1, min(capacity, carried(N, component.seen(x).shape[1])))
    enough = max(ENOUGH[0], ENOUGH[1] * most)
    few = x if len(x) <= enough else x[torch.randperm(len(x), device=x.device)[:enough]]
    coarse = () if isinstance(component, ExponentialFamily) and not is_few(few, component) else CELLS
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
        best = with_regions_anew(few, best, sampler) if is_few(few, component) else best
    if len(few) < len(x):
        best = settled(x, likeliest(x, component, few, best, capacity), sampler, capacity)
    return ordered(best, capacity)


def _within_reach(x: Tensor) -> Tensor:
    # The sums of a cluster with a value that is too far have no digits left for the others.
    centre, reach = data_center(x), FAR * data_spread(x)
    far = ((x - centre).abs() > reach).any()
    return x.clamp(centre - reach, centre + reach) if ranks.all_max(far.float()) else x


def _from_cells(x: Tensor, cells: int, sampler: Sampler) -> Tensor:
    if cells == 1:
        return torch.zeros(len(x), dtype=torch.int64, device=x.device)
    labels = followed(x, _seeded(x, sampler, cells), sampler, cells, rounds=ROUNDS)
    return ordered(settled(x, labels, sampler, sampler.capacity), sampler.capacity)


def _seeded(x: Tensor, sampler: Sampler, cells: int) -> Tensor:
    y = sampler.component.seen(x)
    return seeded_labels(y / data_spread(y), cells, AMONG * cells)


def _crossed_with_cells(x: Tensor, labels: Tensor, most: int, sampler: Sampler) -> Tensor:
    height, vain = float(sampler.log_joint(x, labels)), 0
    many = not is_few(x, sampler.component)
    for t in range(CROSSINGS[many]):
        cells, gain = max(2, most // COARSER[t % len(COARSER)]), 0.0
        with suppress(ValueError):  # as above
            crossed = _crossed(x, labels, followed(x, _seeded(x, sampler, cells), sampler, cells, rounds=2), sampler)
            if crossed is not None and (gain := float(sampler.log_joint(x, crossed)) - height) > ALIKE:
                labels, height = crossed, height + gain
        vain = 0 if gain > GAIN else vain + 1
        if vain == VAIN[many]:
            break
    return labels


def _crossed(x: Tensor, one: Tensor, two: Tensor, sampler: Sampler) -> Tensor | None:
    # The clusters of both, merged until they are no more than there are slots; if they do not become so few, nothing.
    component, capacity = cast(ExponentialFamily, sampler.component), sampler.capacity
    (one, first), (two, second) = packed(one, capacity), packed(two, capacity)
    stats = component.stats(x, one, first)
    sums = torch.cat([stats.sums, component.stats(x, two, second).sums])
    both, slots = component.with_sums(stats, sums), max(first + second, capacity)
    labels = component.posterior_mean(both).assign(x, (both.n / both.n.sum()).log())
    labels = ordered(settled(x, followed(x, labels, sampler, slots, rounds=1), sampler, slots), slots)
    return labels if ranks.counts(labels, slots)[capacity:].sum() == 0 else None
