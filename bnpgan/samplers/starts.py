"""Where chains that move all points at once start: from one cluster they do not find their way."""

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import Component, ExponentialFamily
from bnpgan.components.distributions import Components, Elliptical
from bnpgan.engine.quadratic import squared_distances
from bnpgan.partition import check_points
from bnpgan.priors import Prior
from bnpgan.samplers.kmeans import seeded_labels
from bnpgan.samplers.proposals import Allocation, Pairs

ROUNDS = 10  # in which points follow the clusters, before clusters are merged
ENOUGH = 400  # points to a slot, in these
NEAR = 8  # other clusters with which one is compared
TOO_WIDE = 5.0  # standard errors of kurtosis above a Gaussian's that make a cluster look like two
TRIES = 8  # to split it


def starting_labels(x: Tensor, prior: Prior, component: Component, capacity: int) -> Tensor:
    r"""Labels ``(N,)`` near a mode of the posterior, the largest cluster in slot 0 and so on.

    From the cells of ``capacity`` k-means++ seeds, points go to the cluster under which they are likeliest, ten times
    (a subset of them, where there are many); then two clusters are merged while that makes the labels likelier,
    :math:`p(z') m(S_1 \cup S_2) > p(z) m(S_1) m(S_2)`, the best two first, and all points go where they are likeliest
    again, twice. Small clusters that had no seed are by then parts of others, which look wider than Gaussians: these
    are split where that makes the labels likelier. A family without marginal likelihoods in closed form starts from
    the cells.

    Args:
        x: points ``(N, D)``.
        prior: the law of the partition, :math:`p(z)`.
        component: the family, with the marginal likelihood :math:`m`.
        capacity: the number of slots.

    Raises:
        ValueError: if points are not valid.
    """
    x = check_points(x).to(torch.float64)
    labels = seeded_labels(x, capacity)
    if not isinstance(component, ExponentialFamily):
        return labels
    some = torch.arange(len(x), device=x.device)
    if len(x) > ENOUGH * capacity:
        some = torch.randperm(len(x), device=x.device)[: ENOUGH * capacity]
    few, follow = x[some], labels[some]
    for _ in range(ROUNDS):
        follow = _likeliest(few, component, few, follow, capacity)
    labels = _likeliest(x, component, few, follow, capacity)
    for _ in range(2):
        labels = _merged(x, labels, prior, component, capacity)
        labels = _likeliest(x, component, x, labels, capacity)
    if ranks.scope() is None:  # a proposal sees the points of one rank
        labels = _split(x, labels, prior, component, capacity)
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
        first, second = divmod(int(gains.argmax()), capacity)
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


def _split(x: Tensor, labels: Tensor, prior: Prior, component: ExponentialFamily, capacity: int) -> Tensor:
    stats, found = component.stats(x, labels, capacity), labels.clone()
    counts, wide = torch.bincount(labels, minlength=capacity), _wide(x, labels, component.posterior_mean(stats))
    for _ in range(TRIES):
        if not wide or (counts > 0).all():
            break
        members = [(found == k).nonzero().flatten() for k in wide]
        i, j = torch.stack([rows[torch.randperm(len(rows), device=x.device)[:2]] for rows in members], 1)
        pairs = Pairs.disjoint(i, j, found, capacity)
        allocation = Allocation(x, pairs, component, stats)
        side, _ = allocation.grow()
        gains, sizes = allocation.gain(side), torch.bincount(2 * pairs.pair + side).view(-1, 2)
        for p in gains.argsort(descending=True).tolist():
            split, free = counts.clone(), (counts == 0).nonzero().flatten()[:1]
            split[wide[p]], split[free] = sizes[p]
            if len(free) and float(gains[p] + prior.log_eppf(split) - prior.log_eppf(counts)) > 0:
                found[pairs.points[(pairs.pair == p) & (side == 1)]], counts = free, split
        wide = [k for k, rows in zip(wide, members, strict=True) if counts[k] == len(rows)]
    return labels if torch.equal(found, labels) else _likeliest(x, component, x, found, capacity)


def _wide(x: Tensor, labels: Tensor, components: Components) -> list[int]:
    # The clusters in which the squared Mahalanobis distance has too large a mean square: D (D + 2) if the points are a
    # Gaussian's, give or take (8 D (D + 2) / n)^(1/2) (Mardia, "Measures of multivariate skewness and kurtosis with
    # applications", 1970, section 3). Less does no harm: the ends of overlapping clusters are each other's.
    if not isinstance(components, Elliptical):
        return []
    D, wide = x.shape[1], []
    factors = torch.linalg.cholesky(components.covariance)
    for k in labels.unique().tolist():
        apart = (x[labels == k] - components.mean[k]).T
        square = torch.linalg.solve_triangular(factors[k], apart, upper=False).square().sum(0)
        error = (8 * D * (D + 2) / len(square)) ** 0.5
        if len(square) > 1 and float(square.square().mean()) > D * (D + 2) + TOO_WIDE * error:
            wide.append(k)
    return wide


def _neighbours(x: Tensor, labels: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    # Pairs of clusters, each with those whose means are nearest in units of the data.
    used = counts.nonzero().flatten()
    means = ranks.all_sum(x.new_zeros(len(counts), x.shape[1]).index_add_(0, labels, x))[used] / counts[used, None]
    width = ranks.mean((x - ranks.mean(x)) ** 2).sqrt()
    means = means / torch.where(width > 0, width, 1.0)
    distances = squared_distances(means, means).fill_diagonal_(torch.inf)
    near = distances.argsort(1)[:, : min(NEAR, len(used) - 1)]
    return used.repeat_interleave(near.shape[1]), used[near.flatten()]
