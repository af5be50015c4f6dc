"""Two processes of gloo, each with some of the points, against one process with all of them.

The processes start once, for loading torch takes seconds. Chains are held against the exact law by enumeration at a
level of 1e-6; under the seeds here nothing fails by chance. The planted errors must be caught at the same level.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from exact_posterior import LEVEL
from torch import distributed

import bnpgan
from bnpgan import ranks
from bnpgan.components import NormalInverseGamma, NormalInverseWishart, SemiConjugateNormal, shapes
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs, KMeans, Sharded, StickBreaking, regions, starts
from bnpgan.testing.law import Law, hotelling, run_chains

POINTS = torch.tensor([[0.0], [2.0], [0.1], [2.1]], dtype=torch.float64)  # each pair on both ranks
FAMILY = NormalInverseWishart(torch.tensor([1.0]), scale=0.2, kappa=0.2, nu=5.0)
SAMPLER = StickBreaking(DirichletProcess(1.0), FAMILY, capacity=4)
CHAINS, BURN_IN, KEPT = 25, 25, 8
X = torch.randn(400, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SPLITS = {"uneven": 310, "a rank of three points": 3}
KINDS = {"full": NormalInverseWishart(), "diagonal": NormalInverseGamma(), "semi-conjugate": SemiConjugateNormal()}
# All points in slot 0 of 5: four clusters are to be filled. Few distinct points: the last digits do not decide.
STARTS = {
    "seeds": (KMeans(7), X, None),
    "many seeds": (KMeans(60, 2), X, None),
    "filled": (KMeans(5), X, torch.zeros(400).long()),
    "principal axes": (KMeans(7), X.repeat(1, 12), None),
}
MUTANTS = {
    "none": {},
    "sums are not exchanged": {"all_sum": lambda t: t},
    "all ranks draw the same numbers": {"rank": lambda: 0},
}


def shapes_of(x) -> list:
    parts = [part for shape in shapes.within_covariances(x) for part in shape]
    return [shapes.data_center(x), shapes.data_spread(x), shapes.data_scatter(x), *parts]


def span_of(x) -> shapes.Span:
    return shapes.telling_columns(torch.cat([x, x[:, :1] + x[:, 1:2], torch.ones_like(x[:, :1])], 1))


def message(function, *args) -> str:
    with pytest.raises(ValueError) as raised:
        function(*args)
    return str(raised.value)


def noting(cls, name: str, drawn: list) -> None:
    method = getattr(cls, name)
    setattr(cls, name, lambda self, *args: drawn.append(method(self, *args)) or drawn[-1])


def run_rank(rank: int, folder: Path, mutants: list[str]) -> None:
    torch.set_num_threads(1)
    starts.CELLS, starts.CROSSINGS, regions.PATIENCE = (), (1, 1), 1  # a start takes longer than all that is tested
    distributed.init_process_group("gloo", init_method=f"file://{folder}/init", rank=rank, world_size=2)
    found: dict = {"chains": {}, "kmeans": {}, "fits": {}}
    half = slice(2) if rank == 0 else slice(2, None)
    for mutant in mutants:
        torch.manual_seed(0)  # the same on both
        wrong = MUTANTS[mutant]
        before = {part: getattr(ranks, part) for part in wrong}
        vars(ranks).update(wrong)
        with ranks.together(POINTS.device):  # as in fit
            found["chains"][mutant] = run_chains(SAMPLER, POINTS[half], CHAINS, BURN_IN, KEPT)
        vars(ranks).update(before)
    for split, first in SPLITS.items():
        own = slice(first) if rank == 0 else slice(first, None)
        for start, (base, x, labels) in STARTS.items():
            torch.manual_seed(1)
            p = Sharded(base).fit(x[own], labels if labels is None else labels[own])
            found["kmeans"][split, start] = p.labels, p.log_weights, p.components.mean, p.components.variance
    found["shapes"] = {}
    for most in (shapes.POINTS, 50):  # all points, and some
        before, shapes.POINTS = shapes.POINTS, most
        with ranks.together(X.device):
            found["shapes"][most] = shapes_of(X[own].clone())
        shapes.POINTS = before
    with ranks.together(X.device):
        found["span"] = span_of(X[own].clone())
    for name, family in KINDS.items():
        base = StickBreaking(DirichletProcess(Grid.gamma()), family, capacity=9, sweeps=3)
        torch.manual_seed(2)
        p = Sharded(base).fit(X[own])
        drawn = torch.rand(())
        stepped = Sharded(base).step(X[own], Sharded(base).init(X[own]))
        with ranks.together(X.device):
            values = base.hyperparameters(X[own], p.labels)
            whole = ranks.counts(p.labels, 9)
            found["stream"] = torch.rand(5)
            with ranks.alike(X.device):
                found["alike"] = torch.rand(5)
        assert stepped.shape == p.labels.shape
        found["fits"][name] = dict(labels=p.labels, weights=p.log_weights, hyper=values, counts=whole, drawn=drawn)
        found["fits"][name] |= vars(p.components)
    components, weights = [], []
    noting(NormalInverseWishart, "posterior_sample", components)
    noting(DirichletProcess, "sample_log_weights", weights)
    Sharded(StickBreaking(DirichletProcess(Grid.gamma()), KINDS["full"], capacity=9)).step(X[own], p.labels)
    found["drawn"] = components[0].mean, components[0].covariance, weights[0]
    bad = X[own].clone()
    bad[0, 0] = torch.nan if rank else 0.0
    found["one rank's points"] = message(Sharded(base).fit, bad)
    found["other width"] = message(Sharded(base).fit, X[own, rank:])
    found["labels on one"] = message(Sharded(base).fit, X[own], p.labels if rank else None)
    found["few points"] = message(Sharded(KMeans(5)).fit, X[:2].repeat(4, 1))
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def of_both_ranks(folder: Path, *mutants: str) -> list[dict]:
    paths = [str(Path(__file__).parents[1]), str(Path(bnpgan.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    commands = [[sys.executable, __file__, str(rank), str(folder), *mutants] for rank in range(2)]
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for command in commands]
    try:
        for process in started:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors.decode()
    finally:
        for process in started:
            process.kill()
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return of_both_ranks(tmp_path_factory.mktemp("ranks"), "none")


def p_of(found: list[dict], mutant: str) -> float:
    """Of the exact law, given the chains of both ranks."""
    law = Law.of_labels(SAMPLER, len(POINTS)).given(SAMPLER, POINTS)
    return hotelling(law.scores(torch.cat([part["chains"][mutant] for part in found], -1)).mean(1))[1]


def test_two_ranks_draw_from_the_exact_law(found):
    assert p_of(found, "none") > LEVEL


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [name for name in MUTANTS if name != "none"])
def test_ranks_with_an_error_do_not(mutant, tmp_path):
    assert p_of(of_both_ranks(tmp_path, mutant), mutant) < LEVEL


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("start", STARTS)
def test_kmeans_of_two_ranks_is_that_of_one(found, split, start):
    base, x, labels = STARTS[start]
    torch.manual_seed(1)
    alone = base.fit(x, labels)
    parts = [part["kmeans"][split, start] for part in found]
    assert torch.equal(torch.cat([part[0] for part in parts]), alone.labels)
    for of_rank in parts:
        expected = alone.log_weights, alone.components.mean, alone.components.variance
        for got, want in zip(of_rank[1:], expected, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("most", [shapes.POINTS, 50])
def test_scales_of_two_ranks_are_those_of_one(found, most, monkeypatch):
    monkeypatch.setattr(shapes, "POINTS", most)
    alone, of_half = shapes_of(X.clone()), shapes_of(X[:310].clone())
    for part in found:
        assert all(map(torch.equal, part["shapes"][most], alone))
        assert not torch.equal(part["shapes"][most][0], of_half[0])


def test_the_columns_that_count_are_those_of_all_ranks(found):
    alone = span_of(X.clone())
    for part in found:
        assert part["span"].kept.tolist() == alone.kept.tolist() == list(range(X.shape[1]))
        torch.testing.assert_close(tuple(part["span"]), tuple(alone), rtol=1e-9, atol=1e-12)


def test_what_is_drawn_for_the_slots_is_drawn_alike(found):
    for one, other in zip(*(part["drawn"] for part in found), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_agree_on_all_but_labels(found, kind):
    first, second = (part["fits"][kind] for part in found)
    assert first["hyper"] == second["hyper"]
    for name in set(first) - {"labels", "hyper", "drawn"}:
        assert torch.equal(first[name], second[name]), name
    labels = torch.cat([first["labels"], second["labels"]])
    assert torch.equal(labels.bincount(minlength=9), first["counts"])
    torch.testing.assert_close(first["weights"].exp(), first["counts"].double() / len(X))
    p = StickBreaking(DirichletProcess(1.0), KINDS[kind], capacity=9).partition(X, labels)
    torch.testing.assert_close(p.components.mean, first["mean"])
    torch.manual_seed(2)
    assert second["drawn"] == torch.rand(())  # the ambient generators of other ranks are as they were


def test_ranks_with_equal_seeds_draw_from_streams_of_their_own(found):
    assert not (found[0]["stream"] == found[1]["stream"]).any()
    assert torch.equal(found[0]["alike"], found[1]["alike"])


def test_all_ranks_raise_where_one_must(found):
    assert "ranks differ" in found[0]["one rank's points"] and "must be finite" in found[1]["one rank's points"]
    for rank in range(2):
        assert "ranks differ" in found[rank]["other width"] and "ranks differ" in found[rank]["labels on one"]
        assert "holds 2 distinct points" in found[rank]["few points"]


@pytest.mark.parametrize("group", [False, True])
def test_one_process_is_the_base_itself(group, tmp_path):
    base = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=9, sweeps=3)
    if group:
        distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/init", rank=0, world_size=1)
    try:
        results = []
        for clusterer in (base, Sharded(base)):
            torch.manual_seed(0)
            labels = clusterer.step(X, clusterer.init(X))
            p = clusterer.fit(X, labels)
            results.append((labels, *vars(p.components).values(), clusterer.partition(X, labels).log_weights))
        assert all(map(torch.equal, *results))
    finally:
        if group:
            distributed.destroy_process_group()


def test_other_bases_are_refused():
    with pytest.raises(ValueError, match="use StickBreaking or KMeans"):
        Sharded(CRPGibbs(DirichletProcess(1.0), NormalInverseWishart()))
    with pytest.raises(ValueError, match="use fit"):
        Sharded(KMeans(2)).step(X, torch.zeros(400).long())


if __name__ == "__main__":
    run_rank(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
