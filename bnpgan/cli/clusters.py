"""The command that clusters points without a GAN."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from bnpgan import data, metrics, plotting, report
from bnpgan.cli.parser import refuse
from bnpgan.cli.shared import add_reading, check_seed, free, read
from bnpgan.components import NormalInverseWishart
from bnpgan.disk import written
from bnpgan.grids import Grid
from bnpgan.limits import check_memory
from bnpgan.partition import Partition, Projection
from bnpgan.priors import DirichletProcess, PitmanYor, Prior
from bnpgan.samplers import IGMM, Clusterer, CRPGibbs, DPMeans, KMeans, Sampler, SliceSampler, SplitMerge, StickBreaking

__all__ = ["add_cluster"]

MIXTURES: dict[str, Callable[..., Sampler]] = {
    "igmm": IGMM,
    "crp": CRPGibbs,
    "stick-breaking": StickBreaking,
    "slice": SliceSampler,
}
OF_MIXTURES = ("sweeps", "split_merge", "concentration", "discount", "scale")  # options that others do not have
OF_DP_MEANS = ("clusters", "penalty")


def add_cluster(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("clusterer", choices=[*MIXTURES, "dp-means", "kmeans"], help="how")
    command.add_argument("file", help="points (N, D) as .npy, .npz or .csv, images, or the name of a data set")
    add_reading(command)
    command.add_argument("--capacity", type=int, default=20, help="slots; for kmeans the number of clusters")
    command.add_argument("--sweeps", type=int, help="of the sampler; by default what its class has")
    command.add_argument("--split-merge", action="store_true", help="add split-merge moves, from one cluster on")
    command.add_argument("--concentration", type=float, help="of the prior; by default it is learned")
    command.add_argument("--discount", type=float, help="of a Pitman-Yor prior; by default 0, a Dirichlet process")
    command.add_argument("--scale", type=float, help="of a cluster's covariance a priori; by default it is learned")
    command.add_argument("--clusters", type=int, help="of dp-means: about how many to expect, by default 10")
    command.add_argument(
        "--penalty", type=float, help="of dp-means: what a cluster costs, in squared units of the data"
    )
    command.add_argument("--seed", type=int, help="of the clusterer; by default 0")
    command.add_argument("--out", type=Path, help="write the labels here, as .npy")
    command.add_argument("--picture", type=Path, help="draw the clusters here, as .png")
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    command.set_defaults(run=_cluster, parser=command)


def _cluster(options: argparse.Namespace) -> None:
    name = options.clusterer
    if name not in MIXTURES:
        refuse(options, OF_MIXTURES, f"{name} is no sampler, it has no prior and no sweeps")
    if name != "dp-means":
        refuse(options, OF_DP_MEANS, f"it is of dp-means, and not of {name}")
    else:
        refuse(options, ["seed"], "dp-means draws nothing")
    if options.out is None and options.picture is None:
        refuse(options, ["overwrite"], "no file is written without --out or --picture")
    check_seed(options.seed)
    wanted = ((options.out, ".npy"), (options.picture, ".png"))
    outputs = [free(path, (ending,), options.overwrite) for path, ending in wanted if path is not None]
    clusterer = _clusterer(options)
    x, truth = read(options.file, options)
    x = x.flatten(1)
    torch.manual_seed(options.seed or 0)
    points, told = _reduced(x, clusterer)
    check_memory(
        8.0 * options.capacity * points.shape[1] ** (2 if name in MIXTURES else 1),
        f"capacity: {options.capacity} slots in {points.shape[1]} dimensions",
        "lower it",
    )
    partition = clusterer.fit(points)
    if options.out is not None:
        with written(options.out) as file:
            np.save(file, partition.labels.numpy())
    if options.picture is not None:
        axes = Figure(figsize=(6, 6), layout="constrained").subplots()
        plotting.save(
            plotting.embedding(x if x.shape[1] > 1 else report.plane(x), partition.labels, axes), options.picture
        )
    # What is saved is safe by now, whatever becomes of the output.
    scores = [] if truth is None else [report.table({name: metrics.clustering(partition.labels, truth)})]
    sizes = _sizes(partition, truth, data.class_names(options.file))
    print("\n".join([*told, *sizes, *scores, *(f"wrote {path}" for path in outputs)]))


def _reduced(x: torch.Tensor, clusterer: Clusterer) -> tuple[torch.Tensor, list[str]]:
    if clusterer.max_dim is None or x.shape[1] <= clusterer.max_dim:
        return x, []
    told = f"reduced {x.shape[1]} dimensions to {clusterer.max_dim} by PCA"
    return Projection.fit(x, clusterer.max_dim)(x), [told]


def _sizes(partition: Partition, truth: torch.Tensor | None, names: list[str] | None) -> list[str]:
    # A line for each cluster: its size and, where classes have names, which it holds most of.
    counts, lines = partition.counts, []
    for k in counts.argsort(descending=True, stable=True).tolist():
        if counts[k]:
            line = f"cluster {k:3d}  {int(counts[k]):8d} points  {counts[k] / counts.sum():7.1%}"
            if truth is not None and names is not None:
                held = truth[partition.labels == k].bincount()
                line += f"  {held.max() / held.sum():.0%} {names[int(held.argmax())]}"
            lines.append(line)
    return lines


def _clusterer(options: argparse.Namespace) -> Clusterer:
    if options.clusterer == "kmeans":
        return KMeans(options.capacity)
    if options.clusterer == "dp-means":
        given = {name: value for name in OF_DP_MEANS if (value := getattr(options, name)) is not None}
        return DPMeans(options.capacity, **given)
    concentration = Grid.gamma() if options.concentration is None else options.concentration
    prior: Prior = DirichletProcess(concentration)
    if options.discount:
        prior = PitmanYor(concentration, options.discount)
    sweeps = {} if options.sweeps is None else {"sweeps": options.sweeps}
    component = NormalInverseWishart(scale=options.scale)
    sampler = MIXTURES[options.clusterer](prior, component, capacity=options.capacity, **sweeps)
    return SplitMerge(sampler) if options.split_merge else sampler
