"""Split-merge moves in batches, exact for the law of any sampler of partitions."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import ExponentialFamily, Stats
from bnpgan.components.shapes import data_spread
from bnpgan.partition import in_slots
from bnpgan.priors import OrderedWeights, Partitions, Prior
from bnpgan.samplers.base import check_state
from bnpgan.samplers.proposals import Allocation, Pairs
from bnpgan.samplers.wrapper import Wrapper
from bnpgan.waits import put_off, read
from bnpgan.whole import keep_whole

__all__ = ["SplitMerge"]


@dataclass(frozen=True, eq=False)
class SplitMerge(Wrapper):
    r"""A sampler whose step is a sweep of ``base`` and four batches of split and merge moves.

    A batch proposes to split a cluster, or to merge two, at many places at once: pairs of points :math:`(i, j)` whose
    clusters are disjoint from those of the other pairs. In the split direction a move is accepted with

    .. math:: \min \left(1, \frac{p(z')}{p(z)} \cdot \frac{m(S_1) m(S_2)}{m(S)} \cdot \frac{1}{q(S_1, S_2)} \cdot
        \frac{p(i, j \mid z')}{p(i, j \mid z)}\right),

    in the merge direction with the inverse ratio. :math:`q` allocates the points of :math:`S` to two sides from a
    *launch*, a guess that sees :math:`S, i, j` but not the present split: in growing blocks that follow the points
    placed so far, which is what gets merges accepted, or all at once, which is fast and splits well.

    The moves act on the *partition*, by the prior's law of partitions. Where the slots of ``base`` are ordered
    (sticks), they are then drawn anew given the partition: a sampler that moves ordered labels themselves pays for each
    slot that a merge leaves empty, and hardly ever merges.

    Args:
        base: any sampler whose component is an exponential family; the law of its labels is that of this one.
        pairs: pairs of points that a batch proposes, half of them with :math:`i` drawn from all points, half from a
            random cluster.

    Raises:
        ValueError: if ``pairs`` is below 2 or the component of ``base`` is no exponential family; from methods, if
            points or labels are not valid.

    Example:
        >>> from bnpgan import components, data, priors, samplers
        >>> x, _ = data.ring(200, std=0.05)
        >>> base = samplers.StickBreaking(priors.DirichletProcess(1.0), components.NormalInverseWishart(), sweeps=10)
        >>> p = SplitMerge(base).fit(x)
        >>> p.labels.shape
        torch.Size([200])

    References:
        Jain and Neal, "A split-merge Markov chain Monte Carlo procedure for the Dirichlet process mixture model", 2004;
        Dahl, "An improved merge-split sampler for conjugate Dirichlet process mixture models", 2003 (sequential
        allocation). The batches, launches and growing blocks are this package's own.
    """

    pairs: int = 40
    needs = Partitions, ExponentialFamily

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_whole(self, "pairs", 2, "pass e.g. 40")

    @put_off()
    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """A sweep of ``base``, then two batches of moves in growing blocks and two all at once: labels ``(N,)``."""
        x, labels = check_state(x, self.base.step(x, labels), self.capacity)
        if len(x) == 1:
            return labels
        prior, stats = self.draw(x, labels)
        for propose in (Allocation.grow, Allocation.plug_in) * 2:
            labels = self._move(x, labels, prior, stats, propose)
        return labels

    def _move(self, x: Tensor, labels: Tensor, prior: Prior, stats: Stats, propose: Any) -> Tensor:
        M, device = self.pairs // 2, x.device
        anchors = _by_cluster(labels, ranks.counts(labels, self.capacity), M)
        i = torch.cat([torch.randint(len(x), (self.pairs - M,), device=device), anchors])
        pairs = Pairs.disjoint(i, _near(self.component.seen(x), i), labels, self.capacity)
        allocation = Allocation(x, pairs, self.component, stats)
        side, log_q = propose(allocation)
        P = len(pairs.slots)
        sizes = ranks.counts(2 * pairs.pair + side, 2 * P).view(P, 2)
        # Anchors drawn by cluster have another probability after the move: 1 / (K n_k) each, those of all pairs.
        at = torch.full((len(labels),), 2 * P, device=device)
        at[pairs.points] = 2 * pairs.pair + side
        here = ranks.counts(at[anchors], 2 * P + 1)[: 2 * P].view(P, 2)
        log_ratio = allocation.gain(side) - log_q + (here * (sizes.sum(1, keepdim=True) / sizes).log()).sum(1)
        log_u = torch.rand(P, dtype=log_ratio.dtype, device=device).log()
        told = torch.tensor(read(log_ratio, log_u, sizes), dtype=torch.float64)
        counts, slots = self._accept(pairs, told[:P], told[P : 2 * P], told[2 * P :].long().view(P, 2), prior)
        place = slots.flatten().to(device)[2 * pairs.pair + side]
        moved = labels.index_put((pairs.points,), torch.where(place < 0, labels[pairs.points], place))
        return in_slots(
            self._reorder(pairs, labels, moved, counts, cast(OrderedWeights, prior)) if self.ordered else moved,
            self.capacity,
        )

    def _accept(
        self, pairs: Pairs, log_ratio: Tensor, log_u: Tensor, sizes: Tensor, prior: Prior
    ) -> tuple[Tensor, Tensor]:
        # On the host, for all this is a handful of numbers: the counts after the moves taken, and the slots (P, 2) of
        # the sides of each pair that moved, -1 where it did not.
        P, counts = len(pairs.slots), torch.tensor(pairs.counts)
        split = torch.tensor([a == b for a, b in pairs.slots])
        slot_i, slot_j = torch.tensor(pairs.slots).unbind(1)
        rows, slots, waiting = torch.arange(P), torch.full((P, 2), -1), torch.randperm(P)
        while len(waiting):
            # One after another, for K changes with each move taken; those before the first taken are done.
            K = (counts > 0).sum().to(log_u) - (~split).to(log_u)  # clusters when merged
            free = torch.cat([(counts == 0).nonzero().flatten(), slot_i[:1] * 0])  # one more: there may be none
            new = free[(torch.rand(P) * max(len(free) - 1, 1)).long()]
            slot_other = torch.where(split, new, slot_j)
            merged = counts.repeat(P, 1)
            merged[rows, slot_other], merged[rows, slot_i] = 0, sizes.sum(1)
            apart = merged.clone()
            apart[rows, slot_other], apart[rows, slot_i] = sizes[:, 1], sizes[:, 0]
            log_a = log_ratio + prior.log_eppf(apart) - prior.log_eppf(merged) + self.pairs // 2 * (K / (K + 1)).log()
            log_a = torch.where(split, log_a, -log_a)
            taken = ((log_u < log_a) & ((self.capacity > K) | ~split))[waiting].nonzero().flatten()
            if not len(taken):
                break
            p, waiting = waiting[taken[0]], waiting[taken[0] + 1 :]
            counts = apart[p] if split[p] else merged[p]
            slots[p, 0], slots[p, 1] = slot_i[p], slot_other[p] if split[p] else slot_i[p]
        return counts, slots

    def _reorder(self, pairs: Pairs, labels: Tensor, moved: Tensor, counts: Tensor, prior: OrderedWeights) -> Tensor:
        # The moves and the draw of an order leave EPPF(z) p(order | z) invariant; the law of ``base`` differs from it
        # where slots end: a Metropolis step. With sticks not at all while the last slot is empty; an unknown number of
        # components is at most that of the slots, which is felt with any of them empty.
        slots, used = prior.sample_order(counts), counts > 0
        if int(slots[used].max()) >= self.capacity:
            return labels
        now, then = torch.tensor(pairs.counts), torch.zeros_like(counts)
        then[slots[used]] = counts[used]
        log_ratio = _ends(prior, then) - _ends(prior, now)
        return slots.to(labels.device)[moved] if float(torch.rand(()).log()) < float(log_ratio) else labels


def _ends(prior: OrderedWeights, counts: Tensor) -> Tensor:
    return prior.log_marginal(counts) - prior.log_eppf(counts) - prior.log_order(counts)


def _by_cluster(labels: Tensor, counts: Tensor, M: int) -> Tensor:
    # A uniform cluster, and a uniform member of it: M of them.
    occupied, order = counts.nonzero().flatten(), labels.argsort(stable=True)
    k = occupied[torch.randint(len(occupied), (M,), device=labels.device)]
    within = (torch.rand(M, dtype=torch.float64, device=labels.device) * counts[k]).long()
    return order[(counts.cumsum(0) - counts)[k] + within]


def _near(x: Tensor, i: Tensor) -> Tensor:
    # The nearest to each point of 4, 64 or 512 others, drawn at random: it depends on x only.
    shift = torch.randint(1, len(x), (len(i), 512), device=x.device)
    others = (i[:, None] + shift) % len(x)
    distance = ((x[others] - x[i, None]) / data_spread(x)).square().sum(-1)
    which = torch.randint(3, (len(i), 1), device=x.device)
    size = torch.where(which == 0, 4, torch.where(which == 1, 64, 512))
    unseen = torch.arange(512, device=x.device) >= size
    return others.gather(1, distance.masked_fill(unseen, torch.inf).argmin(1, keepdim=True)).squeeze(1)
