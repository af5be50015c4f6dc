"""The command that clusters points without a GAN."""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from bnpgan import metrics, plotting, report
from bnpgan.cli.parser import refuse
from bnpgan.cli.shared import add_reading, check_seed, free, read
from bnpgan.components import Coarsened, ExponentialFamily, NormalInverseWishart
from bnpgan.dequantising import dequantised
from bnpgan.disk import written
from bnpgan.grids import Grid
from bnpgan.limits import check_memory
from bnpgan.partition import Partition, reduced
from bnpgan.priors import DirichletProcess, PitmanYor, Prior
from bnpgan.samplers import IGMM, Clusterer, CRPGibbs, DPMeans, KMeans, Sampler, SliceSampler, SplitMerge, StickBreaking
from bnpgan.samplers.flags import LOOKS, tell

__all__ = ["add_cluster"]

MIXTURES: dict[str, Callable[..., Sampler]] = {
    "igmm": IGMM,
    "crp": CRPGibbs,
    "stick-breaking": StickBreaking,
    "slice": SliceSampler,
}
OF_MIXTURES = (
    "sweeps",
    "chains",
    "split_merge",
    "concentration",
    "discount",
    "scale",
    "coarsen",
)  # options that others do not have
COMPARED = 2e9  # labels that are compared, at most, to find the point estimate: each draw with each; ten seconds
BY_RULE = object()  # --coarsen without a number
OF_DP_MEANS = ("clusters", "penalty")


def add_cluster(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("clusterer", choices=[*MIXTURES, "dp-means", "kmeans"], help="how")
    command.add_argument("file", help="points (N, D) as .npy, .npz or .csv, images, or the name of a data set")
    add_reading(command)
    command.add_argument("--capacity", type=int, default=20, help="slots; for kmeans the number of clusters")
    command.add_argument("--sweeps", type=int, help="of the sampler; by default what its class has")
    command.add_argument(
        "--chains", type=int, help="of the sampler, by default 4; 1: the labels are one draw, the last of one chain"
    )
    command.add_argument("--split-merge", action="store_true", help="add split-merge moves")
    command.add_argument("--concentration", type=float, help="of the prior; by default it is learned")
    command.add_argument("--discount", type=float, help="of a Pitman-Yor prior; by default 0, a Dirichlet process")
    command.add_argument("--scale", type=float, help="of a cluster's covariance a priori; by default it is learned")
    command.add_argument(
        "--coarsen",
        type=float,
        nargs="?",
        const=BY_RULE,
        metavar="POINTS",
        help="clusters are only nearly Gaussian: all points count for so many, by default 30 for each dimension, at "
        "most half of them and at least 300",
    )
    command.add_argument(
        "--dequantise",
        action="store_true",
        help="values are in steps, as counts, grades, pixels and flags are: each is spread evenly over its step",
    )
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
    found = read(options.file, options)
    x, truth = found.signed.flatten(1), found.labels
    torch.manual_seed(options.seed or 0)
    told = list[str]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        points, projection = reduced(dequantised(x) if options.dequantise else x, clusterer.max_dim)
        if projection is not None:
            told.append(f"reduced {x.shape[1]} dimensions to {points.shape[1]} by PCA")
        check_memory(
            8.0 * options.capacity * points.shape[1] ** (2 if name in MIXTURES else 1),
            f"capacity: {options.capacity} slots in {points.shape[1]} dimensions",
            "lower it",
        )
        if isinstance(clusterer, Sampler) and options.chains != 1:
            partition, more = _of_chains(
                clusterer, points, 4 if options.chains is None else options.chains, options.seed
            )
            told += more
        else:
            partition = clusterer.fit(points)
    told += [f"warning: {each.message}" for each in caught if each.category is UserWarning]
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
    sizes = _sizes(partition, truth, found.names)
    print("\n".join([*told, *sizes, *scores, *(f"wrote {path}" for path in outputs)]))


def _of_chains(sampler: Sampler, x: torch.Tensor, number: int, seed: int | None) -> tuple[Partition, list[str]]:
    # The point estimate of the draws of several chains, and what they say of the number of clusters and of themselves.
    if number < 1:
        raise ValueError(f"chains must be at least 1, got {number}: pass e.g. --chains 4")
    kept = max(1, sampler.sweeps // 2)
    draws = max(1, min(kept, int((COMPARED / len(x)) ** 0.5) // number))
    thin = kept // draws
    seeds = range(seed or 0, (seed or 0) + number)
    burn_in = sampler.sweeps - draws * thin
    chains = sampler.chain(x, draws, max(0, burn_in), thin, seeds, progress=sys.stderr.isatty())
    labels = chains.variation_of_information()
    flags = tell(sampler, x, labels, chains.trace["log_joint"].mean(0).tolist()[-LOOKS:], None)
    partition = replace(sampler.partition(x, labels), log_joint=float(sampler.log_joint(x, labels)), flags=tuple(flags))
    shares = ", ".join(
        f"{K}: {share:.0%}" for K, share in sorted(chains.number_of_clusters().items()) if share >= 0.005
    )
    told = [f"{number} chains of {sampler.sweeps} sweeps, {draws} draws of each", f"number of clusters  {shares}"]
    try:
        table = chains.summary()
    except ModuleNotFoundError as error:
        return partition, [*told, f"no R-hat and no effective sample size: {error}"]
    for name, row in table.iterrows():
        mixed = f"sd {row['sd']:.3g}  R-hat {row['r_hat']:.3f}  effective draws {row['ess_bulk']:.0f}"
        told.append(f"{name:18s}  mean {row['mean']:.4g}  {mixed if row['sd'] else 'in all draws'}")
    return partition, [*told, "labels: the draw of least expected variation of information"]


def _sizes(partition: Partition, truth: torch.Tensor | None, names: Sequence[str] | None) -> list[str]:
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
    component: ExponentialFamily = NormalInverseWishart(scale=options.scale)
    if options.coarsen is not None:
        points = None if options.coarsen is BY_RULE else options.coarsen
        if points is not None and not 0 < points < float("inf"):
            raise ValueError(f"coarsen must be positive and finite, got {points}: pass e.g. 300, or no number")
        component = Coarsened(points=points) if options.scale is None else Coarsened(component, points)
    sampler = MIXTURES[options.clusterer](prior, component, capacity=options.capacity, **sweeps)
    return SplitMerge(sampler) if options.split_merge else sampler
