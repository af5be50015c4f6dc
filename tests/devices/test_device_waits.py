"""How often the host waits for the device in one sweep: no more than is stated here, and as often for any capacity."""

from dataclasses import dataclass, replace

import pytest
import torch

from bnpgan import data, ranks
from bnpgan.components import DirichletCategorical, NormalInverseGamma, NormalInverseWishart
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import IGMM, Algorithm8, CRPGibbs, KMeans, SliceSampler, SplitMerge, StickBreaking

DP, LEARNED, NIW = DirichletProcess(1.0), PitmanYor(Grid.gamma(), Grid.beta()), NormalInverseWishart()
C = 30
# The sampler, and how often its host may wait in a sweep. StickBreaking: to learn how many points single precision
# leaves in doubt, and the values of a prior that is learned. SliceSampler: for the lowest slice, for new masses to be
# copied, for the clusters above slices, and for checks. Those with loops on the CPU: for labels and densities.
STATED = {
    "StickBreaking": (StickBreaking(DP, NIW, capacity=C), 1),
    "StickBreaking, a learned prior": (StickBreaking(LEARNED, NIW, capacity=C), 2),
    "StickBreaking, MFM": (StickBreaking(MixtureOfFiniteMixtures(1.0), NIW, capacity=C), 1),
    "StickBreaking, diagonal": (StickBreaking(FiniteDirichlet(1.0), NormalInverseGamma(), capacity=C), 1),
    "StickBreaking, a given scale": (StickBreaking(DP, NormalInverseWishart(scale=0.1), capacity=C), 1),
    "SliceSampler": (SliceSampler(DP, NIW, capacity=C), 4),
    "SliceSampler, Pitman-Yor": (SliceSampler(PitmanYor(1.0, 0.5), NIW, capacity=C), 4),
    "IGMM": (IGMM(DP, NIW, capacity=C), 4),
    "CRPGibbs": (CRPGibbs(DP, NIW, capacity=C), 3),
    "Algorithm8": (Algorithm8(DP, NIW, capacity=C), 60),
    "SplitMerge": (SplitMerge(StickBreaking(DP, NIW, capacity=C)), 30),
    "SplitMerge of CRPGibbs": (SplitMerge(CRPGibbs(DP, NIW, capacity=C)), 30),
}


def waits_of_a_sweep(gpu, sampler, dtype=torch.float64, n=800):
    """Of the third sweep from the true labels of a ring."""
    x, truth = data.ring(n)
    x, labels = x.to(gpu.device, dtype), truth.to(gpu.device)
    for _ in range(2):
        labels = sampler.step(x, labels)
    with gpu.counted() as waits:
        sampler.step(x, labels)
    return waits


SLOW = "Algorithm8", "SplitMerge", "SplitMerge of CRPGibbs"  # in single precision, which the others have as well
CASES = [
    pytest.param(name, dtype, id=f"{name}-{dtype}", marks=[pytest.mark.slow] * (dtype.itemsize == 4 and name in SLOW))
    for name in STATED
    for dtype in (torch.float32, torch.float64)
]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_a_host_waits_no_more_often_than_is_stated(gpu, name, dtype):
    sampler, most = STATED[name]
    waits = waits_of_a_sweep(gpu, sampler, dtype)
    assert 0 < waits.total() <= most, waits


@pytest.mark.parametrize("kind", [StickBreaking, SliceSampler, IGMM])
def test_neither_slots_nor_points_make_it_wait_more_often(gpu, kind):
    few, many = (waits_of_a_sweep(gpu, kind(DP, NIW, capacity=C), n=n).total() for n in (600, 5000))
    assert few == many == waits_of_a_sweep(gpu, kind(DP, NIW, capacity=3 * C), n=600).total()


def test_categories_and_families_that_are_not_conjugate_say_how_often(gpu):
    x, labels = torch.randint(3, (700, 6)).double().to(gpu.device), (torch.arange(700) % 4).to(gpu.device)
    sampler = StickBreaking(DP, DirichletCategorical(), capacity=9)
    labels = sampler.step(x, labels)
    with gpu.counted() as waits:
        sampler.step(x, labels)
    assert waits.total() <= 2
    # Draws by rejection ask in each round whether one is left.
    assert waits_of_a_sweep(gpu, SliceSampler(DP, SemiConjugateNormal(), capacity=C)).total() <= 40


def test_a_round_of_k_means_waits_twice(gpu):
    """To learn how many points are in doubt, and whether a label has changed."""
    x = torch.randn(3000, 4, device=gpu.device)
    labels = torch.arange(3000, device=gpu.device) % 20
    totals = []
    for rounds in (3, 3, 8):
        with gpu.counted() as waits:
            KMeans(20, iterations=rounds).fit(x, labels)
        totals.append(waits.total())
    assert totals[2] - totals[1] == 2 * 5


@dataclass(frozen=True, eq=False)
class AsksEachSlot(StickBreaking):
    """A planted error: a sweep that looks at each slot by itself."""

    def step(self, x, labels):
        for n in ranks.counts(labels, self.capacity):
            if n > len(x):
                raise AssertionError
        return super().step(x, labels)


def test_a_wait_in_a_loop_over_slots_is_noticed(gpu):
    sampler, most = STATED["StickBreaking"]
    planted = AsksEachSlot(**{name: getattr(sampler, name) for name in ("prior", "component", "capacity")})
    assert waits_of_a_sweep(gpu, planted).total() >= most + C
    assert waits_of_a_sweep(gpu, replace(planted, capacity=2 * C)).total() >= most + 2 * C
