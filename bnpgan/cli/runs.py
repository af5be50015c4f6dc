"""Commands on runs: train, sample, evaluate."""

import argparse
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from bnpgan import data, metrics, parallel, plotting, recipes, report, watching
from bnpgan.callbacks import Callbacks
from bnpgan.cli.classify import Extractor, extractor, stored
from bnpgan.cli.parser import Help, Parser, refuse
from bnpgan.cli.shared import (
    add_data,
    check_classes,
    check_least,
    check_seed,
    free,
    images_of_run,
    kept,
    read,
    reading,
    root_of,
)
from bnpgan.disk import written
from bnpgan.fidelity import fidelity
from bnpgan.files import read_json, write_json
from bnpgan.images import Images
from bnpgan.limits import check_memory
from bnpgan.run import Run
from bnpgan.training import load, train

__all__ = ["add_evaluate", "add_sample", "add_train"]

NEIGHBOURS = 5  # of precision, recall, density and coverage, where nothing else is asked for
SCORED = 2000  # images of either kind, at most, that --best measures a checkpoint by


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
        kind.add_argument(
            "--best", metavar="EXTRACTOR", help="keep the checkpoint of the lowest Frechet distance in best/"
        )
        kind.add_argument("--grids", action="store_true", help="draw the same noise at each checkpoint, in grids/")
        kind.add_argument("--tensorboard", type=Path, help="a directory for TensorBoard, the extra tensorboard")
        kind.add_argument("--quiet", action="store_true", help="no progress bar")
        group = kind.add_argument_group("the recipe")
        for flag, option in recipes.options_of(recipe.recipe).items():
            on_off = {"action": argparse.BooleanOptionalAction}
            how: dict[str, Any] = on_off if option.kind is bool else {"type": option.kind}
            text = option.told.replace("``", "").replace("%", "%%")
            usual = "" if option.default is None else f" (default: {option.default})"
            group.add_argument(f"--{flag.replace('_', '-')}", default=argparse.SUPPRESS, help=text + usual, **how)
        kind.set_defaults(run=_train, recipe=recipe.recipe, parser=kind)


def add_sample(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("directory", type=Path, help="a run")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--cluster", help="of this slot only, or of this class; by default slots by frequency")
    between = "the path between two slots, or the square between four"
    which.add_argument("--between", nargs="+", metavar="CLUSTER", help=between)
    command.add_argument(
        "--scale", type=float, help="of the latent covariance, by default 1: quality against diversity"
    )
    command.add_argument("-n", type=int, help="how many, by default 64; on a path, or a side of a square, 8")
    command.add_argument("--seed", type=int, default=0, help="of the noise")
    where = command.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, help="a .png picture or a .npy array; by default a picture in the run")
    where.add_argument("--out-dir", type=Path, help="a directory for each image by itself: 00000.png, 00001.png, ...")
    command.add_argument("--overwrite", action="store_true", help="replace the files if they are there")
    command.set_defaults(run=_sample, parser=command)


def add_evaluate(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("directory", type=Path, help="a run")
    add_data(command, required=False)
    command.add_argument("--baselines", action="store_true", help="score k-means on the data beside the run")
    command.add_argument(
        "--extractor",
        help="measure generated against real images in these features: pixels, discriminator, resnet20, resnet56, a "
        "directory of bnpgan classifier, an .npz of a CIFAR ResNet, or a .pth of Inception's weights",
    )
    command.add_argument("--images", type=int, help="with --extractor: how many of either kind, by default 10000")
    command.add_argument(
        "--neighbours", type=int, help=f"with --extractor: of precision to coverage, by default {NEIGHBOURS}"
    )
    command.add_argument("--tsne", action="store_true", help="draw clusters.png anew, by t-SNE")
    command.set_defaults(run=_evaluate, parser=command)


def _train(options: argparse.Namespace) -> None:
    check_seed(options.seed)
    found = read(options.data, options)
    check_classes(options.data, found)
    x, truth = found.x, found.labels
    for name in ("labels", "baselines"):
        if getattr(options, name) and truth is None:
            raise ValueError(f"{name}: {options.data} has no classes: leave it out, or pass data that have")
    given = {name: getattr(options, name) for name in recipes.options_of(options.recipe) if hasattr(options, name)}
    recipe = recipes.made(options.recipe, tuple(x.shape[1:]), given)
    try:
        run = train(
            recipe,
            x,
            steps=options.steps,
            out=options.out,
            device=parallel.join(options.device),
            seed=options.seed,
            resume=options.resume,
            overwrite=options.overwrite,
            progress=not options.quiet,
            data=_noted(options, found.note),
            labels=truth if options.labels else None,
            names=found.names if truth is not None else None,
            truth=truth,
            callbacks=_watching(options, found),
        )
    except KeyboardInterrupt as stop:
        stop.args = (_told(options, *stop.args),)
        raise
    if not parallel.is_first():
        return
    told = _score(run, options.out, found, options)
    separation = getattr(run.gan.latent, "separation", None)
    if separation is not None:
        print(f"the latent's means lie {separation():.1f} standard deviations apart, on average")
    print(told)
    print(f"\n{options.out}/samples.png and {options.out}/clusters.png show the clusters, report.html all of it")


def _watching(options: argparse.Namespace, found: data.Data) -> list[Callbacks]:
    if found.x.ndim != 4:
        refuse(options, ["best", "grids"], f"it is for images, which {options.data} is not")
    watched = []
    if options.best is not None:
        images, n = kept(found), min(SCORED, len(found.x))
        seen = _scoring(options, images)

        def score(run: Run) -> float:
            return metrics.frechet_distance(images[torch.randperm(len(images))[:n]], run.sample(n), seen(run).features)

        watched.append(watching.keep_best(score, f"Frechet distance in {options.best}, {n} images"))
    if options.grids:
        watched.append(watching.grids())
    if options.tensorboard is not None:
        watched.append(watching.tensorboard(options.tensorboard))
    return watched


def _scoring(options: argparse.Namespace, images: Images) -> Callable[[Run], Extractor]:
    # What --best measures a run in; what is of no run is found at once, for the first checkpoint may be hours away.
    root, cpu = root_of(options), torch.device("cpu")
    if options.best == "discriminator":
        return lambda run: extractor(options.best, run, root, cpu)
    try:
        found = stored(options.best, tuple(images.shape[1:]), root, cpu)
    except ValueError as error:
        raise ValueError(f"best: {error}") from None
    return lambda _: found


def _noted(options: argparse.Namespace, note: str | None) -> str | dict[str, Any]:
    # What finds the data again: where they are and, if it was said, how they are read; and what has to be said of them.
    source, given = data.address(options.data), reading(options) | ({} if note is None else {"note": note})
    return {"source": source, **given} if given else source


def _told(options: argparse.Namespace, last_good: str = "it had not begun", step: int | None = None) -> str:
    # What is there of a run that was stopped, and what goes on with it.
    words = ["bnpgan", *options.words]
    if step is not None and not options.resume:
        words = [*(word for word in words if word != "--overwrite"), "--resume"]
    return f"{last_good}; {'start again' if step is None else 'go on'} with: {shlex.join(words)}"


def _evaluate(options: argparse.Namespace) -> None:
    if options.extractor is None:
        refuse(options, ["images", "neighbours"], "nothing is measured without --extractor")
    check_least(options, neighbours=1)
    neighbours = NEIGHBOURS if options.neighbours is None else options.neighbours
    if options.images is not None and options.images <= neighbours:
        raise ValueError(f"images must be above neighbours, {neighbours}, got {options.images}: pass e.g. 10000")
    run = load(options.directory)
    images, found = images_of_run(run, options)
    if options.baselines and found.labels is None:
        raise ValueError(f"baselines: {options.data} has no classes: leave it out, or pass data that have")
    told = _score(run, options.directory, found, options)
    if options.extractor is not None:
        told += f"\n\n{_measured(run, images, found, options)}"
    if options.tsne:
        report.map_of_features(run, images, options.directory, layout=plotting.tsne)
    print(told)


def _measured(run: Run, images: Images, found: data.Data, options: argparse.Namespace) -> str:
    # Scores in the features of an extractor, added to metrics.json, and as text.
    chosen = extractor(options.extractor, run, root_of(options), torch.device("cpu"))
    classes = 0 if chosen.classifier is None else chosen.classifier.classes
    counted = found.labels is not None and int(found.labels.max()) < classes
    frequencies = found.labels.bincount(minlength=classes) if found.labels is not None and counted else None
    torch.manual_seed(run.config["seed"])
    rows = fidelity(
        run,
        images,
        chosen.features,
        n=10_000 if options.images is None else options.images,
        neighbours=NEIGHBOURS if options.neighbours is None else options.neighbours,
        named=None if chosen.classifier is None else chosen.classifier.named,
        frequencies=frequencies if frequencies is not None and bool((frequencies > 0).all()) else None,
    )
    measured = {options.extractor: {"features": chosen.told, "note": found.note, "rows": rows}}
    path = options.directory / "metrics.json"
    _add(path, {"fidelity": {**_noted_scores(path).get("fidelity", {}), **measured}})
    exact = {name.removeprefix("exact_"): rows["all"][name] for name in rows["all"] if name.startswith("exact_")}
    shown = rows if not exact else {"all": rows["all"], "exact labels": exact, **rows}
    note = "" if found.note is None else f"\n{found.note}"
    return f"in the features of {chosen.told}:\n{report.table(shown)}{note}"


def _score(run: Run, directory: Path, found: data.Data, options: argparse.Namespace) -> str:
    name, truth = _name(run), found.labels
    spreads = report.spreads(run, kept(found))
    scores = report.evaluate(run, truth, spreads)
    rows = {name: scores}
    known = data.KNOWN.get(run.config["data"]) if isinstance(run.config["data"], str) else None
    if known is not None:
        torch.manual_seed(run.config["seed"])
        made, rows["exact samples"] = report.coverage(run, *known)
        scores |= made
    _add(directory / "metrics.json", scores)
    if options.baselines and truth is not None:
        rows |= report.baselines(kept(found), truth)
    remark = report.alike(spreads)
    return report.table(rows) + (f"\n{remark}" if remark else "")


def _add(path: Path, scores: dict[str, Any]) -> None:
    # What else stands in the file, such as the score of the best checkpoint, stays.
    write_json(path, {**_noted_scores(path), **scores})


def _noted_scores(path: Path) -> dict[str, Any]:
    found = read_json(path) if path.exists() else {}
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no table of scores: remove it")
    return found


def _name(run: Run) -> str:
    # What the command line calls the recipe.
    found = (name for name, recipe in recipes.RECIPES.items() if type(run.gan.recipe) is recipe.recipe)
    return next(found, "run").replace("_", "-")


def _sample(options: argparse.Namespace) -> None:
    check_seed(options.seed)
    if options.between is not None:
        refuse(options, ["scale"], "one noise is drawn for the whole path of --between")
    run = load(options.directory)
    slots = [run.slot(k, "between") for k in options.between or ()]
    slots += [] if options.cluster is None else [run.slot(options.cluster)]
    which = "".join(f"-cluster{k}" for k in slots)
    usual = options.directory / f"sample{which}-seed{options.seed}.png"
    out = _empty(options, run) if options.out_dir else free(options.out or usual, (".png", ".npy"), options.overwrite)
    torch.manual_seed(options.seed)
    n = options.n if options.n is not None else 64 if options.between is None else 8
    images = n if options.between is None else n ** (len(slots) // 2)
    check_memory(4.0 * images * math.prod(run.config["shape"]), f"n: {images} images", "ask for fewer", share=0.5)
    if options.between is None:
        x = run.sample(n, slots[0] if slots else None, 1.0 if options.scale is None else options.scale)
    elif len(slots) == 2:
        x = run.interpolate(slots[0], slots[1], n)
    elif len(slots) == 4:
        x = run.interpolate_four(slots[0], slots[1], slots[2], slots[3], n).flatten(0, 1)
    else:
        raise ValueError(f"between takes two slots or four, got {len(slots)}: pass e.g. --between 3 5")
    if options.out_dir is not None:
        _each(x, out)
    elif out.suffix == ".npy":
        with written(out) as file:
            np.save(file, x.numpy())
    elif x.ndim == 4:
        x, columns = report.drawable(x), n if options.between else 8
        plotting.save(plotting.images(x, columns, plotting.sheet(Figure(), x, columns)), out)
    else:
        axes = Figure(figsize=(5, 5), layout="constrained").subplots()
        plotting.save(plotting.embedding(x if x.shape[1] > 1 else report.plane(x), run.predict(x), axes), out)
    print(f"wrote {out}")


def _empty(options: argparse.Namespace, run: Run) -> Path:
    # The directory that images are written to one by one.
    out = options.out_dir
    if len(run.config["shape"]) != 3:
        raise ValueError("out_dir is for images, and the run makes points: pass --out points.npy")
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not options.overwrite:
        raise ValueError(f"out_dir: {out} is not empty: pass --overwrite to write into it, or name another place")
    return out


def _each(x: torch.Tensor, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    shown = plotting.pixels("x", report.drawable(x))
    for i, image in enumerate(shown if x.shape[1] == 3 else shown[..., 0]):
        with written(out / f"{i:05d}.png") as file:
            Image.fromarray(image).save(file, format="PNG")
    for path in out.glob("*.png"):  # those of an earlier call, which would pass for more of these
        if path.stem.isdecimal() and path.stem == f"{int(path.stem):05d}" and int(path.stem) >= len(x):
            path.unlink()
