"""Commands on a run that is trained: export, reconstruct, and the diversity of a class."""

import argparse
from pathlib import Path

import torch

from bnpgan import data, plotting, report
from bnpgan.classifiers import Classifier
from bnpgan.cli.classify import extractor
from bnpgan.cli.shared import add_data, check_least, check_seed, free, images_of_run, root_of
from bnpgan.export import export
from bnpgan.files import write_json
from bnpgan.images import CHUNK, Images
from bnpgan.reconstruction import errors, reconstruct, train_inverter
from bnpgan.training import load

__all__ = ["add_diversity", "add_export", "add_reconstruct"]

SHOWN = 8  # pairs of real and reconstructed images of a cluster


def add_export(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("directory", type=Path, help="a run")
    command.add_argument("--out", type=Path, help="a .pt2 file; by default generator.pt2 in the run")
    command.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    command.set_defaults(run=_export, parser=command)


def add_reconstruct(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("directory", type=Path, help="a run")
    add_data(command, required=False)
    command.add_argument("-n", type=int, default=500, help="how many of the training images, drawn at random")
    command.add_argument("--encoder-steps", type=int, default=2000, help="of the encoder, on generated images")
    command.add_argument("--steps", type=int, default=200, help="of the noise of each image")
    command.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    command.set_defaults(run=_reconstruct, parser=command)


def add_diversity(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.add_argument("directories", type=Path, nargs="+", help="runs on the same data")
    add_data(command, required=False)
    command.add_argument(
        "--classifier", required=True, help="a directory of bnpgan classifier, resnet20, resnet56 or an .npz of such"
    )
    command.add_argument("--of", required=True, help="the class: its number, or its name")
    command.add_argument("-n", type=int, default=5000, help="how many images of each run are looked at")
    command.add_argument("--shown", type=int, default=20, help="how many of these are shown")
    command.add_argument("--seed", type=int, default=0, help="of the noise")
    command.add_argument("--out", type=Path, required=True, help="a .png picture")
    command.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    command.set_defaults(run=_diversity, parser=command)


def _export(options: argparse.Namespace) -> None:
    run = load(options.directory)
    out = free(options.out or options.directory / "generator.pt2", (".pt2",), options.overwrite)
    export(run, out)
    told = f"(noise (B, {run.latent_dim}), slots (B,) below {run.partition.capacity})"
    print(f"wrote {out}: torch.export.load({str(out)!r}).module(){told} gives images")


def _reconstruct(options: argparse.Namespace) -> None:
    check_seed(options.seed)
    check_least(options, n=1, encoder_steps=1, steps=0)
    run = load(options.directory)
    images, found = images_of_run(run, options)
    torch.manual_seed(options.seed)
    inverter = train_inverter(run, options.encoder_steps)
    chosen = torch.randperm(len(images))[: options.n].sort().values
    labels = run.partition.labels[chosen]
    real = reconstruct(run, inverter, images[chosen], options.steps)
    own_slots = run.slots(len(chosen))
    own = reconstruct(run, inverter, run.generate(own_slots), options.steps)
    rows = errors(run, real, labels)
    rows = {"real images": rows.pop("all"), "generated ones": errors(run, own, own_slots)["all"], **rows}
    told = {"measure": "mean absolute difference, images in [-1, 1]", "note": found.note, "rows": rows}
    write_json(options.directory / "reconstruction.json", told)
    print(report.table(rows))
    if len(run.config["shape"]) == 3:
        counts = labels.bincount(minlength=run.partition.capacity)
        heavy = [k for k in counts.argsort(descending=True, stable=True).tolist() if counts[k]][:20]
        some = {k: report.evenly((labels == k).nonzero()[:, 0], SHOWN) for k in heavy}
        figure = plotting.cluster_grid(
            [report.drawable(images[chosen[i]]) for i in some.values()],
            [report.drawable(real.images[i]) for i in some.values()],
            [f"cluster {k}, {rows[f'cluster {k}']['error']:.3f}" for k in heavy],
        )
        plotting.save(report.noted(figure, run), options.directory / "reconstruction.png")
        print(f"{options.directory}/reconstruction.png has reconstructions on the left, their originals on the right")


def _diversity(options: argparse.Namespace) -> None:
    check_seed(options.seed)
    check_least(options, n=1, shown=1)
    out = free(options.out, (".png",), options.overwrite)
    runs = {str(directory): load(directory) for directory in options.directories}
    first = next(iter(runs.values()))
    images, found = images_of_run(first, options)
    if not 1 <= options.shown <= options.n:
        raise ValueError(f"shown must lie in 1 .. {options.n}, the images that are looked at, got {options.shown}")
    try:
        chosen = extractor(options.classifier, first, root_of(options), torch.device("cpu")).classifier
    except ValueError as error:
        raise ValueError(f"classifier: {error}") from None
    if chosen is None:
        raise ValueError(f"classifier {options.classifier} names no classes: pass a directory of bnpgan classifier")
    k = _class(options.of, found, chosen.classes)
    sheets = {}
    for name, run in runs.items():
        torch.manual_seed(options.seed)
        sheets[name] = _surest(chosen, run.sample(options.n), k, options.shown)
    torch.manual_seed(options.seed)
    some = torch.randperm(len(images))[: options.n].sort().values
    sheets["real images"] = _surest(chosen, images[some], k, options.shown)
    figure = plotting.sheets({name: report.drawable(x) for name, x in sheets.items()}, columns=5)
    plotting.save(report.noted(figure, first), out)
    print(f"wrote {out}: the surest {options.shown} of {options.n} images of each run, surest first")


def _class(told: str, found: data.Data, classes: int) -> int:
    names = list(found.names or ())
    k = names.index(told) if told in names else int(told) if told.isdecimal() else classes
    if not 0 <= k < classes:
        known = f"a name, {', '.join(names)}, or " if names else ""
        raise ValueError(f"of {told!r} is no class: pass {known}a number below {classes}")
    return k


def _surest(classifier: Classifier, images: Images, k: int, n: int) -> torch.Tensor:
    # The n images of highest probability of class k, highest first.
    with torch.no_grad():
        parts = (images[i : i + CHUNK] for i in range(0, len(images), CHUNK))
        sure = torch.cat([classifier.logits(classifier(part)).log_softmax(1)[:, k] for part in parts])
    return images[sure.argsort(descending=True, stable=True)[:n]]
