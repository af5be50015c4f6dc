"""Proposals of split-merge moves: how the points of a pair of anchors are allocated to its two sides."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from bnpgan import ranks
from bnpgan.components.base import Stats
from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.decompositions import cholesky
from bnpgan.waits import read

DRAWS = 512  # points of a pair that its launch looks at, drawn with replacement
STEPS = 4  # of expectation-maximisation in a launch
WORTH = (4, 8, 32)  # points that a launch counts for when blocks grow
LONG = 10.0  # times the points of a pair: the longest odds at which one of them is allocated
FLOPS = {"cpu": 6e6}  # half of what takes as long as the operations of one block
LAUNCHED = 4e10  # the same on a GPU, to which operations are launched one by one


class Pairs(NamedTuple):
    """Pairs of anchors whose clusters are disjoint, and the points of those clusters, pair after pair.

    ``i``, ``j`` ``(P,)`` are the anchors, ``split`` ``(P,)`` whether they share a cluster. ``points`` ``(n,)`` are rows
    of ``x``, of each pair in random order behind its anchors: ``pair`` ``(n,)``, ``rank`` ``(n,)`` in the pair,
    ``side`` ``(n,)`` now (1 in the cluster of ``j``, if it is another). ``size`` ``(P,)`` counts the points of a pair.
    What the host knows: ``slots``, those of both anchors, ``sizes``, and the ``counts`` of all slots.
    """

    i: Tensor
    j: Tensor
    split: Tensor
    points: Tensor
    pair: Tensor
    rank: Tensor
    side: Tensor
    size: Tensor
    slots: list[tuple[int, int]]
    sizes: list[int]
    counts: list[int]

    @classmethod
    def disjoint(cls, i: Tensor, j: Tensor, labels: Tensor, capacity: int) -> Self:
        """Of candidates ``(M,)``, each whose clusters no earlier one has: the same ones before and after a move."""
        M, device = len(i), labels.device
        told = [int(k) for k in read(labels[i], labels[j], ranks.counts(labels, capacity))]
        of_i, of_j, counts = told[:M], told[M : 2 * M], told[2 * M :]
        pair_of, kept, slots, sizes = [-1] * capacity, list[int](), list[tuple[int, int]](), list[int]()
        for m, (a, b) in enumerate(zip(of_i, of_j, strict=True)):
            if pair_of[a] < 0 and pair_of[b] < 0:
                pair_of[a] = pair_of[b] = len(kept)
                kept.append(m)
                slots.append((a, b))
                sizes.append(counts[a] + (counts[b] if a != b else 0))
        P = len(kept)
        plan = torch.tensor([*kept, *sizes, *(a == b for a, b in slots), *pair_of], device=device)
        i, j, size, split = i[plan[:P]], j[plan[:P]], plan[P : 2 * P], plan[2 * P : 3 * P].bool()
        pair = plan[3 * P :][labels]
        key = torch.rand(len(labels), dtype=torch.float64, device=device) / 2 + 0.5
        key.index_fill_(0, i, 0.0).index_fill_(0, j, 0.1)
        points = (pair + key).argsort()[len(labels) - sum(sizes) :]
        pair = pair[points]
        rank = torch.arange(len(points), device=device) - (size.cumsum(0) - size)[pair]
        side = (labels[points] != labels[i][pair]).long()
        return cls(i, j, split, points, pair, rank, side, size, slots, sizes, counts)


@dataclass(frozen=True, eq=False)
class Allocation:
    r"""Ways to allocate the points of each pair to its two sides, under the hyper-parameters in ``stats``.

    Each gives the sides ``(n,)`` and the log-probability ``(P,)`` of that allocation. The anchors are in sides 0 and 1
    from the start; where the move is a merge, the sides are the present clusters. Of a pair of n points each goes to
    side 1 with log-odds that are cut off,

    .. math:: \log \frac{q_1(x)}{q_0(x)} = \max(-b, \min(b, \ell_1(x) - \ell_0(x))), \quad b = \log 10 n,

    where :math:`\ell_h` is what the launch, and points placed before, say of side h. As n is that of both sides
    together, b is the same before and after a move.
    """

    x: Tensor
    pairs: Pairs
    component: Any
    stats: Stats

    def plug_in(self) -> tuple[Tensor, Tensor]:
        """All points at once, by the components that one step of expectation-maximisation makes of the launch."""
        weights = self._weights(self._launch())
        sums = torch.zeros_like(weights)
        for p, _, phi in self._chunks():
            sums[p] += (phi @ weights[p].T).softmax(1).T @ phi
        weights = self._weights(sums)
        logits = torch.cat([phi @ weights[p].T for p, _, phi in self._chunks()])
        side, log_q = self._allocate(slice(None), logits)
        return side, self._by_pair(log_q)

    def grow(self) -> tuple[Tensor, Tensor]:
        """Block after block, by the predictives given the launch, worth a few points, and all that have been placed."""
        pairs, sums = self.pairs, self._launch()
        worth = WORTH[int(torch.randint(len(WORTH), ()))]
        sums = sums * (worth / sums[:, :, :1].sum(1, keepdim=True))
        side, log_q = torch.zeros_like(pairs.side), sums.new_zeros(len(pairs.side))
        # Pairs whose points are evaluated at each other's sides too: few enough not to cost more than the operations.
        flops = FLOPS.get(side.device.type, LAUNCHED)
        together = max(1, int((flops * len(sums) / (len(side) * sums.shape[2])) ** 0.5))
        ends = [2]
        while ends[-1] < max(pairs.sizes):
            ends.append(2 * ends[-1] + worth)
        block = torch.bucketize(pairs.rank, torch.tensor(ends, device=side.device), right=True)
        order = ((pairs.pair // together) * len(ends) + block).argsort(stable=True)
        done = 0
        for first in range(0, len(sums), together):
            group = slice(first, first + together)
            for start, end in zip([0, *ends], ends, strict=False):
                size = sum(max(0, min(n, end) - start) for n in pairs.sizes[group])
                rows, done = order[done : done + size], done + size
                if not size:
                    break
                y, own = self.x[pairs.points[rows]], pairs.pair[rows]
                sides = self.component.with_sums(self.stats, sums[group].flatten(0, 1))
                logits = (self.component.log_predictive(sides, y) + sides.n.log()).unflatten(1, (-1, 2))
                logits = logits[torch.arange(size, device=rows.device), own - first]
                side[rows], log_q[rows] = self._allocate(rows, logits)
                placed = 0
                for phi in self.component.features(self.stats, y):
                    now = slice(placed, placed + len(phi))
                    ranks.add_up_(sums.flatten(0, 1), 2 * own[now] + side[rows[now]], phi)
                    placed += len(phi)
        return side, self._by_pair(log_q)

    def gain(self, side: Tensor) -> Tensor:
        """Log marginal likelihood of the two sides of each pair over that of both together, ``(P,)``."""
        one_hot = torch.stack([1 - side, side]).to(self.x.dtype)
        parts: list[list[Tensor]] = [[] for _ in self.pairs.sizes]
        for p, rows, phi in self._chunks():
            parts[p].append(one_hot[:, rows] @ phi)
        sums = torch.stack([torch.stack(of_pair).sum(0) for of_pair in parts])
        apart, both = (self.component.with_sums(self.stats, part) for part in (sums.flatten(0, 1), sums.sum(1)))
        return self.component.log_marginal(apart).view(-1, 2).sum(1) - self.component.log_marginal(both)

    def _allocate(self, rows: Tensor | slice, logits: Tensor) -> tuple[Tensor, Tensor]:
        # The sides of some points, drawn for a split, and the log-probability of each: anchors have no choice. The odds
        # are at most LONG times the points of the pair: in a split so few points are on the side against all odds that
        # most have none, and a merge of clusters that are no Gaussians does not pay hundreds of nats for a few of them.
        pairs, odds = self.pairs, logits[:, 1] - logits[:, 0]
        bound = pairs.size[pairs.pair[rows]].to(odds).log() + math.log(LONG)
        odds = torch.minimum(torch.maximum(odds, -bound), bound)
        log_p = torch.stack([logsigmoid(-odds), logsigmoid(odds)], 1)
        drawn = (torch.rand(len(log_p), dtype=log_p.dtype, device=log_p.device) < log_p[:, 1].exp()).long()
        side = torch.where(pairs.split[pairs.pair[rows]], drawn, pairs.side[rows])
        anchor = pairs.rank[rows] < 2
        side = torch.where(anchor, pairs.rank[rows], side)
        return side, log_p.gather(1, side[:, None]).squeeze(1).masked_fill(anchor, 0.0)

    def _by_pair(self, values: Tensor) -> Tensor:
        return values.new_zeros(len(self.pairs.i)).index_add_(0, self.pairs.pair, values)

    def _launch(self) -> Tensor:
        # Sums of features (P, 2, F): a guess that depends on the points and anchors of a pair, not on their sides.
        pairs, P, device = self.pairs, len(self.pairs.i), self.x.device
        sizes = pairs.size
        drawn = (torch.rand(P, DRAWS, dtype=self.x.dtype, device=device) * sizes[:, None]).long()
        y = self.x[pairs.points[drawn + (sizes.cumsum(0) - sizes)[:, None]]]
        phi = torch.cat(list(self.component.features(self.stats, y.flatten(0, 1)))).view(P, DRAWS, -1)
        to_i, to_j = _distances(y, self.x[pairs.i]), _distances(y, self.x[pairs.j])
        # Sides by the nearest anchor, or off with those nearest to i: a fraction that is even in the logarithm.
        fraction = sizes ** -torch.rand(P, dtype=self.x.dtype, device=device)
        last = (fraction * DRAWS).ceil().long() - 1
        carved = to_i > to_i.sort(1).values.gather(1, last[:, None])
        second = torch.where(torch.rand(P, 1, device=device) < 0.5, to_j < to_i, carved).to(self.x.dtype)
        r, weight = torch.stack([1 - second, second], 1), (sizes / DRAWS).clamp(max=1.0).to(second)[:, None, None]
        for _ in range(STEPS):
            r = (self._weights(weight * (r @ phi)) @ phi.mT).softmax(1)
        return weight * (r @ phi)

    def _weights(self, sums: Tensor) -> Tensor:
        # Of the features in the log-densities of the sides, each times its share of the points (P, 2, F).
        sides = self.component.with_sums(self.stats, sums.flatten(0, 1))
        weights = self.component.natural(sides)
        weights[:, 0] += (sides.n + 1).log()
        return weights.view_as(sums)

    def _chunks(self) -> Iterator[tuple[int, slice, Tensor]]:
        # The features of all points, pair after pair: which pair, which rows of ``points``, and phi.
        start, p, end = 0, 0, self.pairs.sizes[0]
        for points in self.pairs.points.split(rows_at_once(self.x.shape[1], self.x)):
            for phi in self.component.features(self.stats, self.x[points]):
                stop = start + len(phi)
                while start < stop:
                    size = min(end, stop) - start
                    here = len(phi) - (stop - start)
                    yield p, slice(start, start + size), phi[here : here + size]
                    start += size
                    if start == end and start < len(self.pairs.points):
                        p += 1
                        end += self.pairs.sizes[p]


def _distances(y: Tensor, anchor: Tensor) -> Tensor:
    # Squared distances (P, n) of points (P, n, D) from anchors (P, D), in units of the spread of the points.
    y, middle = y - y.mean(1, keepdim=True), y.mean(1)
    covariance = y.mT @ y / y.shape[1]
    ridge = 1e-6 * covariance.diagonal(dim1=1, dim2=2).mean(1)
    ridge = torch.where(ridge > 0, ridge, 1.0)[:, None, None] * torch.eye(y.shape[2], dtype=y.dtype, device=y.device)
    apart = (y - (anchor - middle)[:, None]).mT
    return torch.linalg.solve_triangular(cholesky(covariance + ridge), apart, upper=False).square().sum(1)
