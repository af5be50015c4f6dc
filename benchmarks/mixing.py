"""Do chains mix, and are the defaults any good? Split-merge from one cluster, beside scikit-learn; rows of Markdown.

    python benchmarks/mixing.py grid --seeds 20
    python benchmarks/mixing.py set-c --seeds 5
    python benchmarks/mixing.py mnist --data-root DATA
    python benchmarks/mixing.py fashion_mnist --data-root DATA
    python benchmarks/mixing.py scales

The data: the 2-D grid of 25 modes (N = 10,000, spacing 2, standard deviation .05),
set C (50,000 points in 32 dimensions, 50 components with means .6 N(0, I) and covariances IW(38, 5 I)), and published
UMAP features of MNIST and Fashion-MNIST (70,000 x 10), read from ``DATA/features``.
"""

import argparse
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
from scipy.stats import invwishart
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.mixture import BayesianGaussianMixture

from bnpgan import data
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.reproduce.runs import circumstances
from bnpgan.samplers import CRPGibbs, Sampler, SplitMerge, StickBreaking


def grid(seed: int) -> tuple[np.ndarray, np.ndarray]:
    torch.manual_seed(seed)
    x, labels = data.grid(10_000, std=0.05)
    return x.double().numpy(), labels.numpy()


def set_c(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng, N, D, K = np.random.default_rng(seed), 50_000, 32, 50
    labels = rng.choice(K, N, p=rng.dirichlet([5.0] * K))
    means, covariances = 0.6 * rng.normal(size=(K, D)), invwishart(38, 5 * np.eye(D)).rvs(K, random_state=rng)
    x = np.empty((N, D))
    for k in range(K):
        x[labels == k] = rng.multivariate_normal(means[k], covariances[k], size=(labels == k).sum())
    return x, labels


def features(name: str, root: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(root / "features" / f"{name}_umap10.npz") as file:
        return file["features"].astype(float), file["labels"]


def row(name: str, truth: np.ndarray, labels: np.ndarray, seconds: float, seed: int, sweep: str = "") -> None:
    counts = np.bincount(labels)
    big = int((counts > 0.001 * len(labels)).sum())
    nmi, ari = normalized_mutual_info_score(truth, labels), adjusted_rand_score(truth, labels)
    used = int((counts > 0).sum())
    print(f"| {name} | {seed} | {sweep} | {used} | {big} | {nmi:.3f} | {ari:.4f} | {seconds:.1f} |", flush=True)


def run(name: str, sampler: Sampler, x: np.ndarray, truth: np.ndarray, seed: int, sweeps: int, goal: float) -> None:
    """From the start of the sampler, until the ARI is the goal or the sweeps are over."""
    points = torch.from_numpy(x)
    torch.manual_seed(seed)
    began, labels = time.process_time(), sampler.init(points)
    for sweep in range(1, sweeps + 1):  # noqa: B007
        labels = sampler.step(points, labels)
        if adjusted_rand_score(truth, labels.numpy()) >= goal:
            break
    row(name, truth, labels.numpy(), time.process_time() - began, seed, str(sweep))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["grid", "grid-crp", "set-c", "mnist", "fashion_mnist", "scales"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sweeps", type=int, default=60)
    parser.add_argument("--data-root", type=Path, default=Path(os.environ.get("BNPGAN_DATA", "data")))
    options = parser.parse_args()
    torch.set_num_threads(1)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    print(f"`python benchmarks/mixing.py {options.what}`, commit {commit}, one thread, {circumstances()['hardware']}\n")
    print(
        "| method | seed | sweeps | clusters | over .1 % | NMI | ARI | CPU seconds |\n|---|---|---|---|---|---|---|---|"
    )
    sticks = SplitMerge(StickBreaking(DirichletProcess(1.0), NormalInverseWishart()))
    restaurant = SplitMerge(CRPGibbs(DirichletProcess(1.0), NormalInverseWishart()))
    if options.what in ("grid", "grid-crp"):
        name, sampler = ("StickBreaking", sticks) if options.what == "grid" else ("CRPGibbs", restaurant)
        for seed in range(options.seeds):
            run(f"SplitMerge({name})", sampler, *grid(seed), seed, options.sweeps, 0.999)
    elif options.what == "set-c":
        for seed in range(options.seeds):
            run("SplitMerge(StickBreaking)", sticks, *set_c(seed), seed, options.sweeps, 0.99)
    elif options.what == "scales":
        x, truth = grid(0)
        for scale in (1e-4, 1.0, 1e4):
            run(f"grid times {scale:g}", sticks, scale * x, truth, 0, options.sweeps, 0.999)
    else:
        x, truth = features(options.what, options.data_root)
        for seed in range(options.seeds):
            run("SplitMerge(StickBreaking)", sticks, x, truth, seed, options.sweeps, 1.0)
            run("StickBreaking from its own start", sticks.base, x, truth, seed, options.sweeps, 1.0)
        began = time.process_time()
        row(
            "k-means, true K",
            truth,
            KMeans(10, n_init=10, random_state=0).fit_predict(x),
            time.process_time() - began,
            0,
        )
        began = time.process_time()
        mixture = BayesianGaussianMixture(n_components=30, max_iter=300, random_state=0)
        row("scikit-learn's DP mixture", truth, mixture.fit_predict(x), time.process_time() - began, 0)


if __name__ == "__main__":
    main()
