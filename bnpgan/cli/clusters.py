"""The command that clusters points without a GAN."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from bnpgan import metrics, plotting, report
from bnpgan.cli.shared import add_root, free, read
from bnpgan.components import NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.partition import Projection
from bnpgan.priors import DirichletProcess, PitmanYor, Prior
from bnpgan.samplers import IGMM, Clusterer, CRPGibbs, DPMeans, KMeans, Sampler, SliceSampler, SplitMerge, StickBreaking

__all__ = ["add_cluster"]

MIXTURES: dict[str, Callable[..., Sampler]] = {
    "igmm": IGMM,
    "crp": CRPGibbs,
    "stick-breaking": StickBreaking,
    "slice": SliceSampler,
}


def add_cluster(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("clusterer", choices=[*MIXTURES, "dp-means", "kmeans"], help="how")
    command.add_argument("file", help="points (N, D) as .npy, .npz or .csv, images, or the name of a data set")
    add_root(command)
    command.add_argument("--capacity", type=int, default=20, help="slots; for kmeans the number of clusters")
    command.add_argument("--sweeps", type=int, help="of the sampler; by default what its class has")
    command.add_argument("--split-merge", action="store_true", help="add split-merge moves, from one cluster on")
    command.add_argument("--concentration", type=float, help="of the prior; by default it is learned")
    command.add_argument("--discount", type=float, default=0.0, help="of a Pitman-Yor prior; 0 is a Dirichlet process")
    command.add_argument("--scale", type=float, help="of a cluster's covariance a priori; by default it is learned")
    command.add_argument("--seed", type=int, default=0, help="of the sampler")
    command.add_argument("--out", type=Path, help="write the labels here, as .npy")
    command.add_argument("--picture", type=Path, help="draw the clusters here, as .png")
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    command.set_defaults(run=_cluster)


def _cluster(options: argparse.Namespace) -> None:
    wanted = ((options.out, ".npy"), (options.picture, ".png"))
    outputs = [free(path, (ending,), options.overwrite) for path, ending in wanted if path is not None]
    x, truth = read(options.file, options)
    x = x.flatten(1)
    clusterer, points = _clusterer(options), x
    torch.manual_seed(options.seed)
    if clusterer.max_dim is not None and x.shape[1] > clusterer.max_dim:
        points = Projection.fit(x, clusterer.max_dim)(x)
        print(f"reduced {x.shape[1]} dimensions to {clusterer.max_dim} by PCA")
    partition = clusterer.fit(points)
    counts = partition.counts
    for k in counts.argsort(descending=True, stable=True).tolist():
        if counts[k]:
            print(f"cluster {k:3d}  {int(counts[k]):8d} points  {counts[k] / len(x):7.1%}")
    if truth is not None:
        print(report.table({options.clusterer: metrics.clustering(partition.labels, truth)}))
    if options.out is not None:
        np.save(options.out, partition.labels.numpy())
    if options.picture is not None:
        plotting.save(
            plotting.embedding(x, partition.labels, Figure(figsize=(6, 6), layout="constrained").subplots()),
            options.picture,
        )
    for path in outputs:
        print(f"wrote {path}")


def _clusterer(options: argparse.Namespace) -> Clusterer:
    if options.clusterer == "kmeans":
        return KMeans(options.capacity)
    if options.clusterer == "dp-means":
        return DPMeans(options.capacity)
    concentration = Grid.gamma() if options.concentration is None else options.concentration
    prior: Prior = DirichletProcess(concentration)
    if options.discount:
        prior = PitmanYor(concentration, options.discount)
    sweeps = {} if options.sweeps is None else {"sweeps": options.sweeps}
    component = NormalInverseWishart(scale=options.scale)
    sampler = MIXTURES[options.clusterer](prior, component, capacity=options.capacity, **sweeps)
    return SplitMerge(sampler) if options.split_merge else sampler
