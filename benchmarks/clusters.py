"""How good are the clusters of real data, by one setting for all, beside scikit-learn? Rows of JSON and a table.

    python benchmarks/clusters.py                                  # about a quarter of an hour
    python benchmarks/clusters.py --sets wine iris --seeds 2       # a minute

Wine, iris and breast cancer are standardised; the digits are their first ten principal axes; of the features of MNIST
and Fashion-MNIST, which BNPGAN_DATA holds (``features/*_umap10.npz``), 10,000 points are drawn. k-means is told the
number of classes, as nothing else is. Figures are medians over seeds of one fit each, labels as they are fitted; the
seconds are of the processor. ``--capacities`` adds the numbers of clusters and the log-joints by the number of slots.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.mixture import BayesianGaussianMixture
from sklearn.preprocessing import StandardScaler

from bnpgan.components import Coarsened, NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM, Algorithm8, CRPGibbs, Sampler, SliceSampler, SplitMerge, StickBreaking

OUT = Path(__file__).parent / "results"
POINTS = 10_000  # of the features of images
STORED = {"wine": datasets.load_wine, "iris": datasets.load_iris, "breast cancer": datasets.load_breast_cancer}
FEATURES = {"mnist": "mnist_umap10", "fashion-mnist": "fashion_mnist_umap10"}
SETS = [*STORED, "digits", *FEATURES]
SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "CRPGibbs": CRPGibbs,
    "IGMM": IGMM,
    "StickBreaking": StickBreaking,
    "SliceSampler": SliceSampler,
    "Algorithm8": Algorithm8,
    "SplitMerge": lambda *parts, **options: SplitMerge(StickBreaking(*parts, **options)),
}
Labels = Callable[[NDArray, int, int], tuple[NDArray, float]]


def load(name: str) -> tuple[NDArray, NDArray]:
    """Points and classes."""
    if name in STORED:
        bunch = STORED[name]()
        return StandardScaler().fit_transform(bunch.data), bunch.target
    if name == "digits":
        bunch = datasets.load_digits()
        return PCA(10, random_state=0).fit_transform(bunch.data), bunch.target
    stored = np.load(Path(os.environ["BNPGAN_DATA"]) / "features" / f"{FEATURES[name]}.npz")
    points, classes = (stored[key] for key in list(stored)[:2])
    some = np.random.default_rng(0).permutation(len(points))[:POINTS]
    return points[some].astype(np.float64), classes[some].astype(np.int64)


def ours(family: Callable[[], Any], x: NDArray, classes: int, seed: int) -> tuple[NDArray, float]:
    torch.manual_seed(seed)
    sampler, points = StickBreaking(DirichletProcess(1.0), family()), torch.as_tensor(x)
    partition = sampler.fit(points)
    return partition.labels.numpy(), partition.log_joint


def kmeans(x: NDArray, classes: int, seed: int) -> tuple[NDArray, float]:
    return KMeans(classes, n_init=10, random_state=seed).fit_predict(x), float("nan")


def variational(x: NDArray, classes: int, seed: int) -> tuple[NDArray, float]:
    return BayesianGaussianMixture(n_components=20, max_iter=1000, random_state=seed).fit_predict(x), float("nan")


METHODS: dict[str, Labels] = {
    "scikit-learn KMeans, K given": kmeans,
    "scikit-learn BayesianGaussianMixture(20)": variational,
    "StickBreaking(NormalInverseWishart())": partial(ours, NormalInverseWishart),
    "StickBreaking(Coarsened())": partial(ours, Coarsened),
}


def compared(names: list[str], seeds: int) -> list[dict[str, Any]]:
    """A row for each set and method."""
    rows = []
    for name in names:
        x, truth = load(name)
        for method, labels in METHODS.items():
            each = []
            for seed in range(seeds):
                began = time.process_time()
                found, height = labels(x, len(np.unique(truth)), seed)
                seconds = time.process_time() - began
                scores = normalized_mutual_info_score(truth, found), adjusted_rand_score(truth, found)
                each.append({"nmi": scores[0], "ari": scores[1], "clusters": len(np.unique(found))})
                each[-1] |= {"log_joint": height, "seconds": seconds}
            middle = {key: statistics.median(row[key] for row in each) for key in each[0]}
            rows.append({"set": name, "shape": list(x.shape), "method": method, **middle, "seeds": each})
            print(json.dumps({key: rows[-1][key] for key in ("set", "method", "nmi", "ari", "clusters")}), flush=True)
    return rows


def by_capacity(names: list[str], seeds: int, capacities: list[int]) -> list[dict[str, Any]]:
    """A row for each set, sampler and number of slots."""
    rows = []
    for name in names:
        x = torch.as_tensor(load(name)[0])
        for kind, make in SAMPLERS.items():
            for capacity in capacities:
                fits = []
                for seed in range(seeds):
                    torch.manual_seed(seed)
                    fits.append(make(DirichletProcess(1.0), NormalInverseWishart(), capacity=capacity).fit(x))
                clusters = [int(fit.active.sum()) for fit in fits]
                heights = [fit.log_joint for fit in fits]
                rows.append({"set": name, "sampler": kind, "capacity": capacity, "clusters": clusters})
                rows[-1]["log_joint"] = heights
                print(json.dumps(rows[-1]), flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| set | method | NMI | ARI | clusters | CPU seconds |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row['set']} | {row['method']} | {row['nmi']:.3f} | {row['ari']:.3f} | {row['clusters']:g} | "
        f"{row['seconds']:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--capacities", nargs="*", type=int, default=[])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    told = {
        "command": shlex.join(["python", "benchmarks/clusters.py", *sys.argv[1:]]),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        ).stdout.strip(),
        "machine": f"{platform.machine()}, one thread",
    }
    kind = "capacities" if options.capacities else "clusters"
    if options.capacities:
        rows = by_capacity(options.sets, options.seeds, options.capacities)
    else:
        rows = compared(options.sets, options.seeds)
        print(table(rows))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"{kind}.json").write_text(json.dumps({**told, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
