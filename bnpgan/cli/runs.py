"""Commands on runs: train, sample, evaluate."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from bnpgan import data, plotting, recipes, report
from bnpgan.cli.parser import Help, Parser
from bnpgan.cli.shared import add_data, free, read
from bnpgan.files import write_json
from bnpgan.run import Run
from bnpgan.training import checksum, load, train

__all__ = ["add_evaluate", "add_sample", "add_train"]


def add_train(command: argparse.ArgumentParser) -> None:
    """Add what the command takes: a recipe, and what that takes."""
    kinds = command.add_subparsers(title="recipes", metavar="RECIPE", required=True, parser_class=Parser)
    for name, recipe in recipes.RECIPES.items():
        told = (recipe.recipe.__doc__ or "").partition("\n")[0]
        kind = kinds.add_parser(name.replace("_", "-"), help=told, description=told, formatter_class=Help)
        add_data(kind, required=True)
        kind.add_argument("--labels", action="store_true", help="start from the classes of the data, or keep them")
        kind.add_argument("--steps", type=int, required=True, help="train until this many steps in all")
        kind.add_argument("--out", type=Path, required=True, help="the directory of the run")
        kind.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
        kind.add_argument("--device", help="e.g. cpu or cuda:0; by default the GPU if there is one")
        again = kind.add_mutually_exclusive_group()
        again.add_argument("--resume", action="store_true", help="go on from the checkpoint in the directory")
        again.add_argument("--overwrite", action="store_true", help="replace the run in the directory")
        kind.add_argument("--baselines", action="store_true", help="score k-means on the data beside the run")
        kind.add_argument("--quiet", action="store_true", help="no progress bar")
        group = kind.add_argument_group("the recipe")
        for flag, option in recipes.options_of(recipe.recipe).items():
            on_off = {"action": argparse.BooleanOptionalAction}
            how: dict[str, Any] = on_off if option.kind is bool else {"type": option.kind}
            text = option.told.replace("``", "").replace("%", "%%")
            usual = "" if option.default is None else f" (default: {option.default})"
            group.add_argument(f"--{flag.replace('_', '-')}", default=argparse.SUPPRESS, help=text + usual, **how)
        kind.set_defaults(run=_train, recipe=recipe.recipe)


def add_sample(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("directory", type=Path, help="a run")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--cluster", type=int, help="of this slot only; by default slots by frequency")
    between = "the path between two slots, or the square between four"
    which.add_argument("--between", type=int, nargs="+", metavar="CLUSTER", help=between)
    command.add_argument("--scale", type=float, default=1.0, help="of the latent covariance: quality against diversity")
    command.add_argument("-n", type=int, help="how many, by default 64; on a path, or a side of a square, 8")
    command.add_argument("--seed", type=int, default=0, help="of the noise")
    command.add_argument("--out", type=Path, help="a .png picture or a .npy array; by default a picture in the run")
    command.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    command.set_defaults(run=_sample)


def add_evaluate(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("directory", type=Path, help="a run")
    add_data(command, required=False)
    command.add_argument("--baselines", action="store_true", help="score k-means on the data beside the run")
    command.set_defaults(run=_evaluate)


def _train(options: argparse.Namespace) -> None:
    x, truth = read(options.data, options)
    if options.labels and truth is None:
        raise ValueError(f"--labels: {options.data} has no classes: leave it out, or pass data that have")
    given = {name: getattr(options, name) for name in recipes.options_of(options.recipe) if hasattr(options, name)}
    torch.manual_seed(options.seed)
    gan = recipes.made(options.recipe, tuple(x.shape[1:]), given).build()
    separation = getattr(gan.latent, "separation", None)
    if separation is not None:
        print(f"the latent's means lie {separation():.1f} standard deviations apart, on average")
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
        labels=truth if options.labels else None,
    )
    _score(run, options.out, x, truth, options)
    print(f"\n{options.out}/samples.png and {options.out}/clusters.png show the clusters")


def _evaluate(options: argparse.Namespace) -> None:
    run = load(options.directory)
    source = options.data or run.config["data"]
    if source is None:
        raise ValueError(f"{options.directory} does not say what it was trained on: pass --data")
    x, truth = read(source, options)
    if checksum(x) != run.config["checksum"]:
        raise ValueError(f"data: {source} is not what {options.directory} was trained on: pass --data with what it saw")
    _score(run, options.directory, x, truth, options)


def _score(run: Run, directory: Path, x: torch.Tensor, truth: torch.Tensor | None, options: argparse.Namespace) -> None:
    name = _name(run)
    scores = report.evaluate(run, truth)
    rows = {name: scores}
    if run.config["data"] in data.KNOWN:
        torch.manual_seed(run.config["seed"])
        made, rows["exact samples"] = report.coverage(run, *data.KNOWN[run.config["data"]])
        scores |= made
    write_json(directory / "metrics.json", scores)
    if options.baselines and truth is not None:
        rows |= report.baselines(x, truth)
    print(report.table(rows))


def _name(run: Run) -> str:
    # What the command line calls the recipe.
    found = (name for name, recipe in recipes.RECIPES.items() if type(run.gan.recipe) is recipe.recipe)
    return next(found, "run").replace("_", "-")


def _sample(options: argparse.Namespace) -> None:
    run = load(options.directory)
    slots = options.between or ([] if options.cluster is None else [options.cluster])
    which = "".join(f"-cluster{k}" for k in slots)
    out = free(
        options.out or options.directory / f"sample{which}-seed{options.seed}.png", (".png", ".npy"), options.overwrite
    )
    torch.manual_seed(options.seed)
    n = options.n if options.n is not None else 64 if options.between is None else 8
    if options.between is None:
        x = run.sample(n, options.cluster, options.scale)
    elif len(slots) == 2:
        x = run.interpolate(slots[0], slots[1], n)
    elif len(slots) == 4:
        x = run.interpolate_four(slots[0], slots[1], slots[2], slots[3], n).flatten(0, 1)
    else:
        raise ValueError(f"--between takes two slots or four, got {len(slots)}: pass e.g. --between 3 5")
    if out.suffix == ".npy":
        np.save(out, x.numpy())
    elif x.ndim == 4:
        plotting.save(plotting.images(report.drawable(x), columns=n if options.between else 8), out)
    else:
        axes = Figure(figsize=(5, 5), layout="constrained").subplots()
        plotting.save(plotting.embedding(x, run.predict(x), axes), out)
    print(f"wrote {out}")
