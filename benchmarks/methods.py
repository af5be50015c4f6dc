"""The methods that the benchmark of samplers compares, ours with their settings and those of other packages."""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import peers
import torch
from numpy.typing import NDArray
from peers import Run
from sets import Case

from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM, CRPGibbs, DPMeans, KMeans, Sampler, SliceSampler, SplitMerge, StickBreaking

PUBLISHED = {"kappa": 0.01, "share": 0.05}  # mean and Psi are those of the set: its mean, and so much of Cov(X)
# What is passed to the constructors of ours, by set; "*" for all sets. Tune here. The capacity is T of the set.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    # NormalInverseWishart: what is left None is set, and learned, from the data. A and B have the prior that the
    # published figures were measured with, kappa .01, nu D + 2, Psi .05 Cov(X): the default takes clusters to be more
    # alike, which the truth of C is best found with.
    "component": {"*": {}, "A": PUBLISHED, "B": PUBLISHED},
    "KMeans": {"*": {"restarts": 10}},
    "DPMeans": {"*": {}},
    "StickBreaking": {"*": {}},
    "SliceSampler": {"*": {}},
    "IGMM": {"*": {}},
    "CRPGibbs": {"*": {}},
    "SplitMerge": {"*": {}, "A": {"pairs": 40}, "B": {"pairs": 40}, "C": {"pairs": 40}},
}
# Where a chain starts: "init", the sampler's own, or "one", all points in one cluster.
STARTS = {"CRPGibbs": {"A": "one"}, "SplitMerge": {"*": "one"}}


@dataclass(frozen=True)
class Method:
    """A method under test.

    Args:
        run: of a case and a seed: yields labels and the iterations taken after each piece of its own work.
        pace: of a case: a function that measures the seconds of one iteration once.
        blocked: an iteration holds a product of N points and T components, whose floor it is compared with.
        serial: it moves points one at a time, which microseconds per point describe.
        draws: its labels are a draw from the posterior, not the best ones: see ``likeliest``.
        package: what has to be importable.
        ours: it is of this package and may run on a GPU.
    """

    run: Callable[[Case, int], Run]
    pace: Callable[[Case], Callable[[], float]]
    blocked: bool = False
    serial: bool = False
    draws: bool = False
    package: str = "sklearn"
    ours: bool = False

    @property
    def missing(self) -> str | None:
        """Why it cannot be run, or ``None``."""
        return None if importlib.util.find_spec(self.package) else f"{self.package} is not installed"


def of_set(table: dict[str, Any], name: str, default: Any) -> Any:
    """The entry of a set, or that of all sets."""
    return table.get(name, table.get("*", default))


def settings(method: str, case: str) -> dict[str, Any]:
    """What is stored with a result of ours, and what makes it out of date."""
    if method not in SETTINGS:
        return {}
    start = of_set(STARTS.get(method, {}), case, "init")
    return of_set(SETTINGS[method], case, {}) | {"component": of_set(SETTINGS["component"], case, {}), "start": start}


def family(case: str, x: torch.Tensor) -> NormalInverseWishart:
    """The family for the points of a set, with its settings."""
    options = dict(of_set(SETTINGS["component"], case, {}))
    if "share" in options:
        options |= {"mean": x.mean(0), "scale": options.pop("share") * x.T.cov()}
    return NormalInverseWishart(**options)


def sampler(name: str, case: str, capacity: int, x: torch.Tensor) -> Sampler:
    """One of our samplers for the points of a set, with its settings."""
    component, prior = family(case, x), DirichletProcess(1.0)
    options = of_set(SETTINGS[name], case, {})
    if name == "SplitMerge":
        return SplitMerge(StickBreaking(prior, component, capacity=capacity), **options)
    classes: dict[str, Any] = {
        "StickBreaking": StickBreaking,
        "SliceSampler": SliceSampler,
        "IGMM": IGMM,
        "CRPGibbs": CRPGibbs,
    }
    return classes[name](prior, component, capacity=capacity, **options)


def synchronize(x: torch.Tensor) -> None:
    """Wait for a GPU to finish, so that a clock reads what has been done."""
    if x.is_cuda:
        torch.cuda.synchronize()


def chain(name: str) -> tuple[Callable[[Case, int], Run], Callable[[Case], Callable[[], float]]]:
    """The run and the pace of one of our samplers; its pace is that of sweeps from the true partition on."""

    def run(case: Case, seed: int) -> Run:
        torch.manual_seed(seed)
        method = sampler(name, case.name, case.recipe.T, case.x)
        one = of_set(STARTS.get(name, {}), case.name, "init") == "one"
        labels = torch.zeros_like(case.truth) if one else method.init(case.x)
        sweeps = 0
        while True:
            synchronize(case.x)
            yield labels.cpu().numpy(), sweeps
            labels = method.step(case.x, labels)
            sweeps += 1

    def pace(case: Case) -> Callable[[], float]:
        return sweeps_from(sampler(name, case.name, case.recipe.T, case.x), case.x, case.truth)

    return run, pace


def likeliest(case: Case, labels: NDArray) -> NDArray:
    """The likeliest label ``(N,)`` of each point, given the weights and posterior means by a draw of the labels.

    A draw is noisy where clusters overlap: on B a chain that starts from the true partition draws labels of ARI .81,
    while the likeliest given these have .86 (the default prior) or .868 (the published one).
    """
    z = torch.from_numpy(labels).to(case.x.device)
    method = sampler("StickBreaking", case.name, case.recipe.T, case.x)
    return method.partition(case.x, z).predict(case.x).cpu().numpy()


def sweeps_from(method: Sampler, x: torch.Tensor, labels: torch.Tensor) -> Callable[[], float]:
    """A function that takes one sweep after the one before and returns its seconds; the first is taken here."""
    state = [method.step(x, labels)]

    def sweep() -> float:
        synchronize(x)
        began = time.perf_counter()
        state[0] = method.step(x, state[0])
        synchronize(x)
        return time.perf_counter() - began

    return sweep


def lloyd(x: torch.Tensor, K: int) -> Callable[[], float]:
    """A function that returns the seconds of an iteration of our k-means from random labels."""
    labels = torch.arange(len(x), device=x.device) % K

    def work(n: int) -> tuple[float, int]:
        synchronize(x)
        began = time.perf_counter()
        KMeans(K, iterations=n).fit(x, labels)
        synchronize(x)
        return time.perf_counter() - began, n

    return lambda: peers.difference(work, 2, 8)


def clusterer(name: str) -> Callable[[Case, int], Run]:
    """The run of one of our clusterers that is no chain: one fit."""

    def run(case: Case, seed: int) -> Run:
        torch.manual_seed(seed)
        options, K = of_set(SETTINGS[name], case.name, {}), case.recipe.K
        method = KMeans(K, **options) if name == "KMeans" else DPMeans(case.recipe.T, clusters=K, **options)
        labels = method.fit(case.x).labels
        synchronize(case.x)
        yield labels.cpu().numpy(), 0

    return run


def passes(case: Case) -> Callable[[], float]:
    """A function that returns the seconds of one pass of DP-means from the true partition."""
    options = of_set(SETTINGS["DPMeans"], case.name, {}) | {"clusters": case.recipe.K, "iterations": 1}

    def work() -> float:
        synchronize(case.x)
        began = time.perf_counter()
        DPMeans(case.recipe.T, **options).fit(case.x, case.truth)
        synchronize(case.x)
        return time.perf_counter() - began

    return work


METHODS = {
    "sklearn KMeans": Method(peers.scikit(peers.kmeans), peers.kmeans_pace),
    "sklearn GaussianMixture": Method(peers.scikit(peers.mixture), peers.mixture_pace),
    "sklearn BayesianGaussianMixture": Method(peers.scikit(peers.variational), peers.variational_pace, blocked=True),
    "faiss Kmeans": Method(peers.faiss_kmeans, peers.faiss_pace, package="faiss"),
    "bnpy memoized VB": Method(peers.memoized, peers.memoized_pace, package="bnpy"),
    "pybasicbayes weak limit": Method(
        peers.weak_limit, peers.weak_limit_pace, blocked=True, draws=True, package="pybasicbayes"
    ),
    "KMeans": Method(clusterer("KMeans"), lambda case: lloyd(case.x, case.recipe.K), package="bnpgan", ours=True),
    "DPMeans": Method(clusterer("DPMeans"), passes, package="bnpgan", ours=True),
    "StickBreaking": Method(*chain("StickBreaking"), draws=True, blocked=True, package="bnpgan", ours=True),
    "SliceSampler": Method(*chain("SliceSampler"), draws=True, blocked=True, package="bnpgan", ours=True),
    "IGMM": Method(*chain("IGMM"), draws=True, blocked=True, serial=True, package="bnpgan", ours=True),
    "CRPGibbs": Method(*chain("CRPGibbs"), draws=True, serial=True, package="bnpgan", ours=True),
    "SplitMerge": Method(*chain("SplitMerge"), draws=True, blocked=True, package="bnpgan", ours=True),
}
