"""The command line: train, sample, cluster, evaluate."""

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

import docstring_parser
import numpy as np
import torch
from matplotlib.figure import Figure

from bnpgan import __version__, data, metrics, plotting, recipes, report
from bnpgan.components import NormalInverseWishart
from bnpgan.files import write_json
from bnpgan.grids import Grid
from bnpgan.partition import Projection
from bnpgan.priors import DirichletProcess, PitmanYor, Prior
from bnpgan.run import Run
from bnpgan.samplers import IGMM, Clusterer, CRPGibbs, DPMeans, KMeans, Sampler, SliceSampler, SplitMerge, StickBreaking
from bnpgan.training import checksum, load, train

__all__ = ["main"]

MIXTURES: dict[str, Callable[..., Sampler]] = {
    "igmm": IGMM,
    "crp": CRPGibbs,
    "stick-breaking": StickBreaking,
    "slice": SliceSampler,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Bad input is one line on the standard error, and 2."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"bnpgan: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bnpgan: stopped; a run goes on from its last checkpoint with --resume", file=sys.stderr)
        return 130
    return 0


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    # Defaults that say something.
    def _get_help_string(self, action: argparse.Action) -> str | None:
        return super()._get_help_string(action) if action.default not in (None, False) else action.help


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"bnpgan: error: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="bnpgan", description="Bayesian-nonparametric samplers and the mixture GANs that they feed.")
    parser.add_argument("--version", action="version", version=f"bnpgan {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)

    command = commands.add_parser("train", help="train a mixture GAN", description="Train a mixture GAN.")
    kinds = command.add_subparsers(title="recipes", metavar="RECIPE", required=True, parser_class=_Parser)
    for name, recipe in recipes.RECIPES.items():
        told = docstring_parser.parse(recipe.__doc__ or "")
        kind = kinds.add_parser(
            name.replace("_", "-"),
            help=told.short_description,
            description=told.short_description,
            formatter_class=_Help,
        )
        _add_data(kind, required=True)
        kind.add_argument("--steps", type=int, required=True, help="train until this many steps in all")
        kind.add_argument("--out", type=Path, required=True, help="the directory of the run")
        kind.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
        kind.add_argument("--device", help="e.g. cpu or cuda:0; by default the GPU if there is one")
        again = kind.add_mutually_exclusive_group()
        again.add_argument("--resume", action="store_true", help="go on from the checkpoint in the directory")
        again.add_argument("--overwrite", action="store_true", help="replace the run in the directory")
        kind.add_argument("--baselines", action="store_true", help="score k-means on the data beside the run")
        kind.add_argument("--quiet", action="store_true", help="no progress bar")
        _add_recipe(kind, recipe, {p.arg_name: p.description or "" for p in told.params})
        kind.set_defaults(run=_train, recipe=recipe)

    command = commands.add_parser("sample", help="draw images from a run", formatter_class=_Help)
    command.add_argument("directory", type=Path, help="a run")
    command.add_argument("--cluster", type=int, help="of this slot only; by default slots by frequency")
    command.add_argument("-n", type=int, default=64, help="how many")
    command.add_argument("--seed", type=int, default=0, help="of the noise")
    command.add_argument("--out", type=Path, help="a .png picture or a .npy array; by default a picture in the run")
    command.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    command.set_defaults(run=_sample)

    command = commands.add_parser("evaluate", help="score a run and write its metrics.json", formatter_class=_Help)
    command.add_argument("directory", type=Path, help="a run")
    _add_data(command, required=False)
    command.add_argument("--baselines", action="store_true", help="score k-means on the data beside the run")
    command.set_defaults(run=_evaluate)

    command = commands.add_parser("cluster", help="cluster points from a file", formatter_class=_Help)
    command.add_argument("clusterer", choices=[*MIXTURES, "dp-means", "kmeans"], help="how")
    command.add_argument("file", help="points (N, D) as .npy, .npz or .csv, images, or the name of a data set")
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
    return parser


def _add_data(parser: argparse.ArgumentParser, required: bool) -> None:
    text = "ring, grid, digits, or a path: .npy, .npz, .csv or a folder of images"
    parser.add_argument(
        "--data", required=required, help=text if required else text + "; by default what it was trained on"
    )


def _add_recipe(parser: argparse.ArgumentParser, recipe: Callable[..., Any], told: dict[str, str]) -> None:
    group = parser.add_argument_group("the recipe")
    hints = get_type_hints(recipe)
    for name, parameter in inspect.signature(recipe).parameters.items():
        if name not in ("image_shape", "dim"):  # those the data decide
            kind = next((t for t in get_args(hints[name]) if t is not type(None)), hints[name])
            text = " ".join(told[name].replace("``", "").split()).replace("%", "%%")
            group.add_argument(f"--{name.replace('_', '-')}", type=kind, default=parameter.default, help=text)
    parser.set_defaults(names=[n for n in inspect.signature(recipe).parameters if n not in ("image_shape", "dim")])


def _train(options: argparse.Namespace) -> None:
    x, truth = data.load(options.data)
    shape = {"image_shape": tuple(x.shape[1:])} if x.ndim == 4 else {"dim": x.shape[1]}
    torch.manual_seed(options.seed)
    gan = options.recipe(**shape, **{name: getattr(options, name) for name in options.names})
    source = str(Path(options.data).resolve()) if Path(options.data).exists() else options.data
    run = train(
        gan,
        x,
        steps=options.steps,
        out=options.out,
        device=options.device,
        seed=options.seed,
        resume=options.resume,
        overwrite=options.overwrite,
        progress=not options.quiet,
        data=source,
    )
    _score(run, options.out, x, truth, options.baselines)
    print(f"\n{options.out}/samples.png and {options.out}/clusters.png show the clusters")


def _evaluate(options: argparse.Namespace) -> None:
    run = load(options.directory)
    source = options.data or run.config["data"]
    if source is None:
        raise ValueError(f"{options.directory} does not say what it was trained on: pass --data")
    x, truth = data.load(source)
    if checksum(x) != run.config["checksum"]:
        raise ValueError(f"data: {source} is not what {options.directory} was trained on: pass --data with what it saw")
    _score(run, options.directory, x, truth, options.baselines)


def _score(run: Run, directory: Path, x: torch.Tensor, truth: torch.Tensor | None, baselines: bool) -> None:
    scores = report.evaluate(run, truth)
    write_json(directory / "metrics.json", scores)
    name = (run.config["recipe"] or {"name": "run"})["name"].replace("_", "-")
    print(report.table({name: scores} | (report.baselines(x, truth) if baselines and truth is not None else {})))


def _sample(options: argparse.Namespace) -> None:
    run = load(options.directory)
    which = "" if options.cluster is None else f"-cluster{options.cluster}"
    out = _free(
        options.out or options.directory / f"sample{which}-seed{options.seed}.png", (".png", ".npy"), options.overwrite
    )
    torch.manual_seed(options.seed)
    x = run.sample(options.n, cluster=options.cluster)
    if out.suffix == ".npy":
        np.save(out, x.numpy())
    elif x.ndim == 4:
        plotting.save(plotting.images(report.drawable(x)), out)
    else:
        axes = Figure(figsize=(5, 5), layout="constrained").subplots()
        plotting.save(plotting.embedding(x, run.predict(x), axes), out)
    print(f"wrote {out}")


def _cluster(options: argparse.Namespace) -> None:
    wanted = ((options.out, ".npy"), (options.picture, ".png"))
    outputs = [_free(path, (ending,), options.overwrite) for path, ending in wanted if path is not None]
    x, truth = data.load(options.file)
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


def _free(path: Path, endings: tuple[str, ...], overwrite: bool) -> Path:
    if path.suffix not in endings:
        raise ValueError(f"{path} must end in {' or '.join(endings)}: name it so")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent} is not a directory: make it first")
    if path.exists() and not overwrite:
        raise ValueError(f"{path} exists: pass --overwrite to replace it, or name another file")
    return path
