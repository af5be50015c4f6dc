"""Other packages' methods for the benchmark of samplers, each on one CPU, with its own documented interface.

On Python 3.11 with NumPy 2.4, as of November 2026:

- faiss-cpu 1.15.1: `pip install faiss-cpu`. Works as it is; single precision.
- bnpy 0.1.7: `pip install cython wheel six psutil memory_profiler numexpr munkres`, then
  `pip install --no-build-isolation --no-deps bnpy` (its pins are of 2019; it is compiled, a minute). It asks for names
  that NumPy 2 and Python 3.11 no longer have, which ``old_names`` puts back, and births need a folder to
  write to. Of its time a third was naps of 10 ms after each log of a birth: they are left out.
- pybasicbayes 0.2.4: pip fails, its setup.py sets a name in ``__builtins__``, which is a dictionary there. It runs from
  its sources: `pip install future six nose`, and the folder of its repository's last commit (61f65ad, 2019) on
  PYTHONPATH. Besides ``old_names``, its drawing of labels indexes by a list; ``categorical`` is the same without.

Prior of all that take one: kappa .01, nu D + 2, Psi .05 Cov(X), concentration 1.
"""

import contextlib
import importlib
import inspect
import io
import logging
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sets import Case
from sklearn.cluster import KMeans
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

Labels = NDArray
Run = Iterator[tuple[Labels, int]]
"""What a method yields after each piece of its own work: labels ``(N,)``, and the iterations that it has taken."""


def old_names() -> None:
    """Put back the names that bnpy and pybasicbayes import and that newer versions have dropped."""
    old: dict[str, Any] = {"float": float, "int": int, "bool": bool, "object": object, "bool8": np.bool_}
    old |= {"Inf": np.inf, "infty": np.inf, "NaN": np.nan, "product": np.prod, "alltrue": np.all, "in1d": np.isin}
    old |= {"sometrue": np.any, "float_": np.float64, "asscalar": lambda a: np.asarray(a).item()}
    for name, value in old.items():
        if name not in vars(np):
            setattr(np, name, value)
    inner: Any = types.ModuleType("numpy.core.umath_tests")
    inner.inner1d = lambda a, b: np.einsum("...i,...i->...", a, b)
    sys.modules.setdefault(inner.__name__, inner)
    if not hasattr(inspect, "getargspec"):
        inspect.getargspec = lambda f: tuple(inspect.getfullargspec(f))[:4]  # type: ignore[attr-defined]


def difference(work: Callable[[int], tuple[float, int]], few: int, many: int) -> float:
    """Seconds of an iteration: what many take above what few take, so that what is done once does not count.

    Short work is repeated, and its least time taken: a difference doubles the noise.
    """

    def least(n: int) -> tuple[float, int]:
        runs = [work(n)]
        while len(runs) < 9 and sum(seconds for seconds, _ in runs) < 0.1:
            runs.append(work(n))
        return min(runs)

    (some, a), (all_, b) = least(few), least(many)
    return (all_ - some) / (b - a) if b > a and all_ > some else all_ / max(b, 1)


def timed(model: Any, x: NDArray) -> tuple[float, int]:
    """Seconds and iterations of a scikit-learn model's fit."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x)
    return time.perf_counter() - began, int(model.n_iter_)


def scikit(make: Callable[[Case, int], Any]) -> Callable[[Case, int], Run]:
    """A run of a scikit-learn model: one fit."""

    def run(case: Case, seed: int) -> Run:
        model, x = make(case, seed), case.array
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            labels = model.fit_predict(x)
        yield labels, int(model.n_iter_)

    return run


def kmeans(case: Case, seed: int) -> KMeans:
    return KMeans(case.recipe.K, n_init=10, random_state=seed)


def kmeans_pace(case: Case) -> Callable[[], float]:
    """Lloyd's iterations from random points."""
    x, K = case.array, case.recipe.K
    start = x[np.random.default_rng(0).choice(len(x), K, replace=False)]
    make = lambda n: KMeans(K, init=start, n_init=1, max_iter=n, tol=0)  # noqa: E731
    return lambda: difference(lambda n: timed(make(n), x), 2, 8)


def mixture(case: Case, seed: int) -> GaussianMixture:
    return GaussianMixture(case.recipe.K, max_iter=500, random_state=seed)


def mixture_pace(case: Case) -> Callable[[], float]:
    x, K = case.array, case.recipe.K
    make = lambda n: GaussianMixture(K, max_iter=n, tol=0, init_params="random_from_data", random_state=0)  # noqa: E731
    return lambda: difference(lambda n: timed(make(n), x), 1, 3)


def variational(
    case: Case, seed: int, iterations: int = 500, start: str = "kmeans", tol: float = 1e-3
) -> BayesianGaussianMixture:
    D = case.recipe.D
    return BayesianGaussianMixture(
        n_components=case.recipe.T,
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=1.0,
        mean_precision_prior=0.01,
        degrees_of_freedom_prior=D + 2,
        covariance_prior=0.05 * np.cov(case.array.T),
        max_iter=iterations,
        init_params=start,
        tol=tol,
        random_state=seed,
    )


def variational_pace(case: Case) -> Callable[[], float]:
    x = case.array
    return lambda: difference(lambda n: timed(variational(case, 0, n, "random_from_data", 0.0), x), 1, 3)


def faiss_kmeans(case: Case, seed: int) -> Run:
    faiss = importlib.import_module("faiss")
    x = case.array.astype(np.float32)
    model = faiss.Kmeans(x.shape[1], case.recipe.K, niter=25, nredo=10, seed=seed + 1, max_points_per_centroid=len(x))
    model.train(x)
    yield model.index.search(x, 1)[1].ravel(), 25


def faiss_pace(case: Case) -> Callable[[], float]:
    faiss = importlib.import_module("faiss")
    x, K = case.array.astype(np.float32), case.recipe.K

    def work(n: int) -> tuple[float, int]:
        began = time.perf_counter()
        faiss.Kmeans(x.shape[1], K, niter=n, nredo=1, max_points_per_centroid=len(x)).train(x)
        return time.perf_counter() - began, n

    return lambda: difference(work, 2, 8)


def memoized(case: Case, seed: int) -> Run:
    """bnpy: memoized variational Bayes with births and merges."""
    labels, laps, _ = laps_of(case, seed, 50)
    yield labels, laps


def memoized_pace(case: Case) -> Callable[[], float]:
    """Laps of bnpy without births and merges, which it would not have in every lap."""
    return lambda: difference(lambda n: laps_of(case, 0, n, moves="")[:0:-1], 1, 3)


def laps_of(case: Case, seed: int, laps: int, moves: str = "birth,merge") -> tuple[Labels, int, float]:
    """Labels, laps taken and the seconds of bnpy's fit."""
    old_names()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), tempfile.TemporaryDirectory() as out:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        bnpy = importlib.import_module("bnpy")
        bnpy.birthmove.BLogger.time = types.SimpleNamespace(sleep=lambda seconds: None)  # it naps after each log
        dataset = bnpy.data.XData(case.array)
        options = {"nLap": laps, "nTask": 1, "nBatch": 5, "initname": "randexamples"}
        options |= {"K": 10, "moves": moves} if moves else {"K": case.recipe.K}
        prior = {"gamma0": 1.0, "sF": 0.05, "ECovMat": "covdata", "kappa": 0.01, "nu": case.recipe.D + 2}
        quiet = {"output_path": out, "doWriteStdOut": False, "printEvery": -1, "saveEvery": -1}
        seeds = {"algseed": seed, "taskid": 1, "dataorderseed": seed}
        began = time.perf_counter()
        model, info = bnpy.run(dataset, "DPMixtureModel", "Gauss", "memoVB", **options, **prior, **quiet, **seeds)
        labels = model.calc_local_params(dataset)["resp"].argmax(1)
        seconds = time.perf_counter() - began
    return labels, int(info["lap_history"][-1]), seconds


def categorical(log_p: NDArray, return_lognorms: bool = False, axis: int = 0, dtype: type = np.int32) -> Any:
    """One draw along an axis, as pybasicbayes makes it."""
    norms = logsumexp(log_p, axis=axis, keepdims=True)
    cumulative = np.exp(log_p - norms).cumsum(axis)
    last = cumulative.take([-1], axis)
    z = (np.random.random(last.shape) * last > cumulative).sum(axis, dtype=dtype)
    return (z, norms.squeeze(axis)) if return_lognorms else z


def weak_limit(case: Case, seed: int) -> Run:
    """pybasicbayes: blocked Gibbs sampling of the weak limit, from its random labels; an endless run."""
    old_names()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = importlib.import_module("pybasicbayes.models")
        distributions = importlib.import_module("pybasicbayes.distributions")
        importlib.import_module("pybasicbayes.models.mixture").sample_discrete_from_log = categorical  # type: ignore[attr-defined]
    x, (D, T) = case.array, (case.recipe.D, case.recipe.T)
    np.random.seed(seed)
    prior = {"mu_0": x.mean(0), "sigma_0": 0.05 * np.cov(x.T), "kappa_0": 0.01, "nu_0": D + 2}
    model = models.Mixture(alpha_0=1.0, components=[distributions.Gaussian(**prior) for _ in range(T)])
    model.add_data(x)
    sweeps = 0
    while True:
        model.resample_model()
        sweeps += 1
        yield model.labels_list[0].z.astype(np.int64), sweeps


def weak_limit_pace(case: Case) -> Callable[[], float]:
    run = weak_limit(case, 0)
    next(run)

    def sweep() -> float:
        began = time.perf_counter()
        next(run)
        return time.perf_counter() - began

    return sweep
