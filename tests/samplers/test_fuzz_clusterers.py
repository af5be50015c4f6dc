"""Whatever comes in, out comes a partition or a ``ValueError`` of ours: no traceback of others, no hang, no death."""

import random
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import bnpgan
from bnpgan.components import DirichletCategorical, NormalInverseGamma, NormalInverseWishart, SphericalNormal
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor
from bnpgan.samplers import (
    IGMM,
    Algorithm8,
    CRPGibbs,
    DPMeans,
    FixedLabels,
    KMeans,
    OnlineKMeans,
    RandomLabels,
    SliceSampler,
    SplitMerge,
    StickBreaking,
)

SECONDS = 20  # after which an input counts as a hang
OURS = str(Path(bnpgan.__file__).parent)


def points(r: random.Random):
    """Points of a random kind, in a random type, of few rows and columns."""
    N, D = r.choice([1, 2, 3, 7, 20, 50]), r.choice([1, 2, 2, 3, 5, 40])
    x = torch.randn(N, D, dtype=torch.float64)
    kinds = {
        "normal": lambda: x,
        "groups": lambda: x + 9 * torch.randn(4, D, dtype=torch.float64)[torch.arange(N) % 4],
        "whole": lambda: torch.randint(0, r.choice([2, 5, 250]), (N, D)).double(),
        "equal": lambda: x[:1].repeat(N, 1),
        "copies": lambda: x[torch.arange(N) % 3 % N],
        "outlier": lambda: torch.cat([x[:-1], x[-1:] * 10 ** r.uniform(2, 15)]),
        "scales": lambda: x * 10 ** torch.linspace(-6, 6, D, dtype=torch.float64),
        "far": lambda: x + 10 ** r.uniform(2, 12),
        "tiny": lambda: x * 1e-30,
        "huge": lambda: x * 10 ** r.uniform(10, 160),
        "flat": lambda: x[:, :1].repeat(1, D),
        "constant column": lambda: torch.cat([x[:, 1:], torch.full((N, 1), 0.1, dtype=torch.float64)], 1),
        "cauchy": lambda: x / torch.randn(N, 1, dtype=torch.float64),
        "nan": lambda: x.masked_fill(torch.rand(N, D) < 0.1, r.choice([torch.nan, torch.inf, -torch.inf])),
    }
    x = kinds[r.choice(list(kinds))]()
    types = [torch.float64] * 4 + [torch.float32] * 4
    types += [torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64]
    shapes = [lambda x: x] * 20 + [lambda x: x[:0], lambda x: x[:, :0], lambda x: x[:, 0], lambda x: x[None]]
    shapes += [lambda x: x.T, lambda x: x.tolist(), lambda x: np.asfortranarray(x.numpy())]
    x = r.choice(shapes)(x)
    return x.to(r.choice(types)) if isinstance(x, torch.Tensor) else x


def number(r: random.Random) -> float:
    return r.choice([0.01, 0.5, 1.0, 1.0, 3.0, 100.0, 1e6, 1e12])


def clusterer(r: random.Random):
    """Any clusterer, with hyper-parameters that it may be given."""
    capacity, sweeps = r.choice([1, 2, 3, 5, 9, 20, 60, 20_000, 10**9]), r.choice([0, 1, 2])
    priors = [DirichletProcess, FiniteDirichlet, lambda a: PitmanYor(a, r.choice([0.1, 0.5, 0.9, 0.9999]))]
    priors += [lambda a: DirichletProcess(Grid.gamma()), lambda a: MixtureOfFiniteMixtures(min(a, 10.0))]
    families = [NormalInverseWishart, NormalInverseGamma, SphericalNormal]
    families += [lambda: NormalInverseWishart(scale=number(r), factor=Grid([0.1, 1.0])), SemiConjugateNormal]
    families += [DirichletCategorical]
    prior, family = r.choice(priors)(number(r)), r.choice(families)()
    kind = r.choice([CRPGibbs, StickBreaking, IGMM, SliceSampler, Algorithm8, SplitMerge, *[None] * 3])
    if kind is SplitMerge:
        return SplitMerge(r.choice([CRPGibbs, StickBreaking])(prior, family, capacity=capacity, sweeps=sweeps), pairs=4)
    if kind is not None:
        return kind(prior, family, capacity=capacity, sweeps=sweeps)
    return r.choice(
        [
            lambda: KMeans(capacity, restarts=2),
            lambda: OnlineKMeans(capacity, restarts=2),
            lambda: DPMeans(capacity, clusters=r.choice([1, 2, 5, 30])),
            lambda: DPMeans(capacity, penalty=number(r)),
            lambda: RandomLabels(capacity),
            lambda: FixedLabels(capacity=capacity),
        ]
    )()


def labels(r: random.Random, x):
    N = len(x)
    choices = [None] * 6 + [
        torch.zeros(N, dtype=torch.int64),
        torch.arange(N) % 3,
        (np.arange(N) % 2).astype(np.uint64),
    ]
    choices += [torch.arange(N + 1) % 2, torch.full((N,), -1), torch.zeros(N), [0] * N]
    return r.choice(choices)


def outcome(seed: int) -> str | None:
    """What is wrong with what becomes of the input of this seed, if anything."""
    r, made = random.Random(seed), None
    torch.manual_seed(seed)
    try:
        x = points(r)
        made = clusterer(r)
        p = made.fit(x, labels(r, x))
        sound = p.labels.shape == (len(x),) and 0 <= int(p.labels.min()) <= int(p.labels.max()) < p.capacity
        sound = sound and bool(p.components.mean[p.active].isfinite().all()) and p.predict(x).shape == p.labels.shape
        return None if sound else f"{seed}: {made} of {getattr(x, 'dtype', list)}: {p} is not sound"
    except Exception as error:
        last = error.__traceback__
        while last.tb_next is not None:
            last = last.tb_next
        if type(error) is ValueError and last.tb_frame.f_code.co_filename.startswith(OURS):
            return None
        where = f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}"
        return f"{seed}: {made}: {type(error).__name__} at {where}: {str(error)[:120]}"


def hang(*_):
    raise TimeoutError(f"not done after {SECONDS} s")


def tried(seeds: range) -> list[str]:
    before = signal.signal(signal.SIGALRM, hang)
    wrong = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for seed in seeds:
                signal.alarm(SECONDS)
                wrong.append(outcome(seed))
                signal.alarm(0)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return [told for told in wrong if told is not None]


def test_a_hundred_inputs():
    assert tried(range(100)) == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_four_thousand_inputs(part):
    assert tried(range(1_000 + 500 * part, 1_500 + 500 * part)) == []
