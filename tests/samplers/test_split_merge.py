"""Split-merge moves: exact, by the flow between every two partitions and by chains; and good at what they are for.

The flow: a start is drawn from the exact posterior and moved once. If moves and law fit, as many go from A to B as from
B to A: of ``n`` that go either way, each does so by the toss of a fair coin. The squared z-scores of all pairs of
partitions with at least five such moves add up to a chi-square; a p-value below 1e-6 fails. Coins of five
tosses have lighter tails than that, so a correct sampler fails in fewer than one of 100,000 seeds.
"""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from rewritten import rewritten
from scipy import stats
from torch import Tensor

from bnpgan import data
from bnpgan.components import DirichletCategorical, NormalInverseGamma, NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import IGMM, CRPGibbs, Sampler, SplitMerge, StickBreaking
from bnpgan.samplers.proposals import Allocation, Pairs
from bnpgan.testing.oracle import label_vectors, set_partitions

LEVEL = 1e-6
POINTS = torch.tensor([[-1.2, 0.3], [-0.9, -0.2], [0.1, 0.9], [0.5, 0.4], [1.3, -0.8]], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Idle(CRPGibbs):
    """A sampler that does not move: all that happens, split-merge does."""

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        return labels


@dataclass(frozen=True, eq=False)
class IdleSticks(StickBreaking):
    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        return labels


def family(D: int, factor: float | Grid = 1.0) -> NormalInverseWishart:
    return NormalInverseWishart(mean=torch.zeros(D), scale=0.3, kappa=0.5, nu=D + 1.1, factor=factor)


def flow(sampler: SplitMerge, x: Tensor, moves: int, move=None) -> float:
    """The p-value of the flow between states."""
    N = len(x)
    states = label_vectors(N, sampler.capacity) if sampler.ordered else set_partitions(N)
    log_joint = torch.stack([sampler.log_joint(x, torch.tensor(z)) for z in states])
    if not sampler.ordered:
        names = [math.log(math.perm(sampler.capacity, len(set(z)))) for z in states]
        log_joint = log_joint + torch.tensor(names, dtype=torch.float64)
    prior, statistics = sampler.draw(x, torch.tensor(states[0]))
    index, went = {z: i for i, z in enumerate(states)}, torch.zeros(len(states), len(states))
    for a in torch.multinomial(log_joint.softmax(0), moves, replacement=True).tolist():
        labels = torch.tensor(states[a])
        moved = sampler.step(x, labels) if move is None else sampler._move(x, labels, prior, statistics, move)
        z = moved.tolist()
        went[a, index[tuple(z) if sampler.ordered else tuple(map(list(dict.fromkeys(z)).index, z))]] += 1
    both, differ = went + went.T, went - went.T
    rows, columns = torch.triu_indices(*both.shape, 1)
    seen = both[rows, columns] >= 5
    assert seen.sum() >= 5, "too few moves to say anything"
    z2 = (differ**2 / both.clamp(min=1))[rows, columns][seen]
    return float(stats.chi2.sf(float(z2.sum()), len(z2)))


MOVES = {"blocks": Allocation.grow, "all at once": Allocation.plug_in}


@pytest.mark.parametrize(
    ("prior", "move"),
    [(PitmanYor(0.5, 0.5), Allocation.grow), (MixtureOfFiniteMixtures(1.0), Allocation.plug_in)],
    ids=["PY-blocks", "MFM-all at once"],
)
def test_moves_are_in_detailed_balance(prior, move):
    sampler = SplitMerge(Idle(prior, family(2), capacity=5), pairs=4)
    assert flow(sampler, POINTS[:4], 400, move) > LEVEL


@pytest.mark.slow
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
@pytest.mark.parametrize("D", [1, 2])
@pytest.mark.parametrize(
    "prior", [DirichletProcess(1.0), PitmanYor(0.5, 0.5), FiniteDirichlet(2.0), MixtureOfFiniteMixtures(1.0)], ids=repr
)
def test_moves_are_in_detailed_balance_at_length(prior, D, move):
    sampler = SplitMerge(Idle(prior, family(D), capacity=5), pairs=6)
    assert flow(sampler, POINTS[:4, :D], 4000, move) > LEVEL


@pytest.mark.parametrize("prior", [PitmanYor(0.5, 0.5), MixtureOfFiniteMixtures(1.0)], ids=repr)
def test_the_order_of_slots_follows_its_law(prior, n=2000):
    """Behind moves that leave partitions to their own law, here draws from it; three slots, so that sticks end."""
    sampler, x, states = SplitMerge(IdleSticks(prior, family(1), capacity=3)), POINTS[:3, :1], label_vectors(3, 3)
    law = torch.stack([sampler.log_joint(x, torch.tensor(z)) for z in states]).softmax(0)
    partitions = torch.tensor(set_partitions(3))
    counts = torch.stack([torch.bincount(z, minlength=3) for z in partitions])
    evidence = torch.stack([sampler.component.log_evidence(sampler.component.stats(x, z, 3)) for z in partitions])
    posterior = (prior.log_eppf(counts) + evidence).softmax(0)
    starts, draws = (torch.multinomial(weights, n, replacement=True).tolist() for weights in (law, posterior))
    visits = torch.zeros(len(states), dtype=torch.float64)
    for a, b in zip(starts, draws, strict=True):
        labels, moved = torch.tensor(states[a]), torch.randperm(3)[partitions[b]]  # in any slots
        now, then = (torch.bincount(z, minlength=3) for z in (labels, moved))
        after = sampler._reorder(SimpleNamespace(counts=now.tolist()), labels, moved, then, prior)
        visits[states.index(tuple(after.tolist()))] += 1
    z = (visits / n - law) / (law * (1 - law) / n).sqrt()
    assert float(z[law * n > 20].abs().max()) < 5


@pytest.mark.slow
@pytest.mark.parametrize("prior", [DirichletProcess(1.0), PitmanYor(0.5, 0.5), MixtureOfFiniteMixtures(1.0)], ids=repr)
def test_ordered_slots_follow_their_law(prior, n=6000):
    """Splits, merges and the draw of an order behind them, between label vectors; three slots, so that sticks end."""
    sampler = SplitMerge(IdleSticks(prior, family(1), capacity=3), pairs=4)
    x, states = POINTS[:3, :1], label_vectors(3, 3)
    law = torch.stack([sampler.log_joint(x, torch.tensor(z)) for z in states]).softmax(0)
    visits = torch.zeros(len(states), dtype=torch.float64)
    for a in torch.multinomial(law, n, replacement=True).tolist():
        visits[states.index(tuple(sampler.step(x, torch.tensor(states[a])).tolist()))] += 1
    z = (visits / n - law) / (law * (1 - law) / n).sqrt()
    assert float(z[law * n > 20].abs().max()) < 5


@dataclass(frozen=True, eq=False)
class LaunchFromTheSplit(Allocation):
    """A planted error: the launch looks at the present sides."""

    def _launch(self) -> Tensor:
        phi = torch.cat(list(self.component.features(self.stats, self.x[self.pairs.points])))
        sums = phi.new_zeros(2 * len(self.pairs.i), phi.shape[1])
        return sums.index_add_(0, 2 * self.pairs.pair + self.pairs.side, phi).unflatten(0, (-1, 2)) + 1e-3 * phi.mean(0)


@dataclass(frozen=True, eq=False)
class ProposalForgotten(Allocation):
    """A planted error: the probability of the allocation is left out."""

    def _by_pair(self, values: Tensor) -> Tensor:
        return 0 * super()._by_pair(values)


@dataclass(frozen=True, eq=False)
class CountsAgain(SplitMerge):
    """A planted error: the anchors drawn by cluster are thought to be drawn from all points."""

    @property
    def prior(self):
        base = self.base.prior

        class Tilted(type(base)):
            def log_eppf(self, counts):
                K = (counts > 0).sum(-1).to(torch.float64)
                return super().log_eppf(counts) + 2 * K.log()

        return Tilted(base.concentration)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "move", "moves"),
    [(LaunchFromTheSplit, Allocation.grow, 2000), (ProposalForgotten, Allocation.plug_in, 900)],
    ids=["launch", "q"],
)
def test_wrong_allocation_is_noticed(wrong, move, moves):
    sampler = SplitMerge(Idle(DirichletProcess(1.0), family(1), capacity=6), pairs=4)
    assert flow(sampler, POINTS[:4, :1], moves, lambda allocation: move(wrong(*vars(allocation).values()))) < LEVEL


@pytest.mark.slow
def test_wrong_probability_of_anchors_is_noticed():
    sampler = CountsAgain(Idle(DirichletProcess(1.0), family(1), capacity=5), pairs=4)
    assert flow(sampler, POINTS[:4, :1], 500, Allocation.plug_in) < LEVEL


def odds_fit(kind: type[Allocation]) -> bool:
    """Whether a merge takes points against all odds for as rare as a split draws them: a z-score below 5."""
    x, labels, i, j = torch.randn(20, 1).double(), torch.arange(20) % 2, torch.tensor([0]), torch.tensor([1])
    logits, drawn, family_ = torch.tensor([[0.0, -50.0]]).double().expand(20, 2), 0, family(1)
    stats, rows = family_.stats(x, labels, 2), slice(None)
    merge = Pairs.disjoint(i, j, labels, 2)
    side, log_q = kind(x, merge, family_, stats)._allocate(rows, logits)
    split = kind(x, Pairs.disjoint(i, j, 0 * labels, 2), family_, stats)
    for _ in range(500):
        drawn += int(split._allocate(rows, logits)[0].sum()) - 1  # without the anchor
    expected = 500 * 18 * float(log_q[(side == 1) & (merge.rank > 1)][0].exp())
    return abs(drawn - expected) < 5 * max(expected, 1.0) ** 0.5


def test_the_longest_odds_are_the_same_for_splits_and_merges():
    torch.manual_seed(0)
    assert odds_fit(Allocation)
    assert not odds_fit(rewritten(Allocation, "log_p.gather(", "logits.log_softmax(1).gather("))
    size = "pairs.size[pairs.pair[rows]].to(odds)"
    assert not odds_fit(rewritten(Allocation, size, f"({size} / (1 + pairs.side.sum()))"))


def test_kept_pairs_are_disjoint_and_hold_whole_clusters():
    labels = torch.randint(6, (200,))
    i, j = torch.randint(200, (2, 30))
    pairs = Pairs.disjoint(i[i != j], j[i != j], labels, 8)
    used = [set(labels[[a, b]].tolist()) for a, b in zip(pairs.i.tolist(), pairs.j.tolist(), strict=True)]
    assert sum(map(len, used)) == len(set.union(*used))
    for p, clusters in enumerate(used):
        mine = pairs.points[pairs.pair == p]
        assert set(mine.tolist()) == {n for n, k in enumerate(labels.tolist()) if k in clusters}
        assert mine[:2].tolist() == [int(pairs.i[p]), int(pairs.j[p])]


BASES = {
    "StickBreaking": StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=20),
    "sticks, Pitman-Yor": StickBreaking(PitmanYor(1.0, 0.1), NormalInverseWishart(), capacity=20),
    "finite": StickBreaking(FiniteDirichlet(1.0), NormalInverseGamma(), capacity=20),
    "IGMM": IGMM(MixtureOfFiniteMixtures(1.0), NormalInverseWishart(), capacity=20),
}


@pytest.mark.parametrize("base", BASES.values(), ids=BASES.keys())
def test_eight_modes_are_found_from_one_cluster(base):
    x, truth = data.ring(400)
    sampler, labels = SplitMerge(base), torch.zeros(400, dtype=torch.int64)
    for _ in range(12):
        labels = sampler.step(x, labels)
    assert labels[truth == 0].bincount().max() > 40
    assert len(set(zip(labels.tolist(), truth.tolist(), strict=True))) <= 11
    assert 8 <= len(labels.unique()) <= 11


def test_a_cluster_that_was_cut_in_two_is_merged():
    """Growing blocks merge it within 60 batches; allocations all at once would not in thousands."""
    x, truth = data.ring(400)
    sampler = SplitMerge(Idle(DirichletProcess(1.0), NormalInverseWishart(), capacity=20))
    labels = truth.clone()
    labels[(truth == 3).nonzero().flatten()[::2]] = 9
    prior, statistics = sampler.draw(x.double(), labels)
    for _ in range(60):
        labels = sampler._move(x.double(), labels, prior, statistics, Allocation.grow)
    assert len(labels.unique()) == 8


def test_categories_are_found_from_one_cluster():
    truth = torch.arange(300) % 3
    x = torch.where(torch.rand(300, 12) < 0.9, truth[:, None].expand(300, 12), torch.randint(3, (300, 12)))
    sampler: Sampler = SplitMerge(StickBreaking(DirichletProcess(1.0), DirichletCategorical(), capacity=8, sweeps=10))
    assert int((sampler.fit(x, torch.zeros(300, dtype=torch.int64)).counts > 20).sum()) == 3


def test_a_full_house_is_kept_and_a_single_point_stays():
    sampler = SplitMerge(Idle(DirichletProcess(1.0), family(2), capacity=2))
    labels = torch.tensor([0, 1, 0, 1, 1])
    for _ in range(5):
        labels = sampler.step(POINTS, labels)
        assert int(labels.max()) < 2
    assert sampler.step(POINTS[:1], torch.tensor([1])).tolist() == [1]


def test_bad_number_of_pairs_is_named():
    with pytest.raises(ValueError, match=r"^pairs must"):
        SplitMerge(BASES["IGMM"], pairs=1)
