"""One training loop for every mixture GAN."""

import copy
import json
import math
import os
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from bnpgan import parallel, ranks
from bnpgan.callbacks import Callbacks
from bnpgan.checkpoint import RunDirectory
from bnpgan.images import CHUNK, Images, Items, Pixels, images_of
from bnpgan.loop import TRAIN, Training, own_randomness
from bnpgan.mixture import MixtureGAN, Recipe, Schedule, built
from bnpgan.partition import as_numbers, check_labels
from bnpgan.plain import from_plain, to_plain
from bnpgan.randomness import forked
from bnpgan.ranges import Range, numbers
from bnpgan.run import Run
from bnpgan.signals import postponed
from bnpgan.state import State
from bnpgan.whole import check_whole

__all__ = ["MixtureGAN", "Schedule", "load", "train"]


def train(
    gan: MixtureGAN | Recipe,
    x: Any,
    *,
    steps: int,
    minutes: float | None = None,
    out: str | Path | None = None,
    device: str | torch.device | None = None,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    data: str | Path | dict[str, Any] | None = None,
    labels: Tensor | None = None,
    names: Sequence[str] | None = None,
    truth: Tensor | None = None,
    callbacks: Sequence[Callbacks] = (),
) -> Run:
    r"""Train a mixture GAN on images or points.

    Each step draws a batch of real images ``x_i``, with their slots :math:`c_i`, makes one fake of the same slot for
    each, and takes one step of the discriminator and one of the generator. Before the steps that the schedule names,
    all images are clustered anew in the features of the moment, from the old labels. The parts are copied and the
    caller's random generator is left as it was: all draws follow ``seed``.

    If the effective number of clusters, the exponential of the entropy of their sizes, falls below half of what it was,
    the new partition is not taken and the old one stays for one round; the next one is taken whatever it finds. A
    warning and ``"kept": true`` in the row of ``stats.jsonl`` say so.

    With ``out``, Ctrl-C and SIGTERM are heeded after the step that they come in, when its checkpoint is written; a
    second one at once.

    Under ``torchrun``, after ``torch.distributed.init_process_group``, each process calls this with the same arguments,
    takes its share of every batch, and gradients are averaged: the losses are those of one process, up to rounding,
    where networks do not normalise over a batch; where they do, each normalises over its share. The first process
    writes the files.

    Args:
        gan: the parts, or a recipe, whose weights are then drawn under ``seed``.
        x: images ``(N, C, H, W)``, or points ``(N, D)``, as a tensor, an array or a data frame. Numbers of images are 0
            to 255, 0 to 1 or -1 to 1, up to a thousandth of that, and are stretched to [-1, 1]: see ``ranges``. Whole
            numbers stay bytes on the device, a quarter of the memory, and are stretched a batch at a time. A map-style
            dataset of images, for what exceeds memory, is ``Items(dataset, workers=4)``.
        steps: train until this many steps have been taken in all.
        minutes: or until training has taken so many in all; ``None``: however long it takes.
        out: a directory for ``config.json``, ``stats.jsonl``, ``metrics.json``, ``checkpoint.safetensors``,
            ``partition.safetensors``, ``samples.png``, ``clusters.png`` and ``report.html``; it is made after
            the first step, so that what cannot start leaves nothing behind; ``None`` writes nothing. While it is
            trained in, no other process can train in it.
        device: where to train; ``None``: the GPU if there is one.
        seed: of everything that training draws.
        resume: go on from the checkpoint in ``out``; on a CPU the result is that of an uninterrupted run, bit for bit.
        overwrite: replace the run in ``out``, and what commands made of it under the names that they give themselves
            (``generator.pt2``, ``sample-seed0.png`` ...), a run and nothing else, once the new one has its first
            checkpoint; without it a directory that holds anything is an error.
        progress: show a bar.
        data: name or path of the data, noted in ``config.json`` so that ``bnpgan evaluate`` finds them again; or a
            table with it as ``source`` and how it was read.
        labels: slots ``(N,)`` that the first partition starts from, such as classes: a supervised start, and for
            ``FixedLabels(capacity=K)`` the labels themselves.
        names: of the classes 0, 1, ... of the data, noted in ``config.json``; where ``labels`` are given they are the
            names of the slots, in pictures and for ``run.sample(cluster=...)``.
        truth: classes ``(N,)`` that the clusters are scored against, in ``stats.jsonl``, ``metrics.json`` and
            ``report.html``; training does not read them.
        callbacks: what is called at each row, partition and checkpoint, see ``Callbacks``.

    Returns:
        The run: its weights, partition and history, and methods to sample.

    Raises:
        ValueError: if ``x``, ``labels``, ``truth``, ``data``, ``steps``, ``minutes``, ``device`` or ``seed`` is not
            valid, the generator makes another shape, ``out`` holds something, does not match what is resumed or is
            trained in by another process, or a loss is no longer finite.
        OSError: if a file cannot be written; the last good checkpoint, which the message names, is still there.
    """
    for name, wanted in (("resume", resume), ("overwrite", overwrite)):
        if wanted and out is None:
            raise ValueError(f"{name}: there is no run to {name} where out is None: name its directory as out")
    if minutes is not None and not minutes > 0:
        raise ValueError(f"minutes must be positive, got {minutes}: pass e.g. 20, or None for no limit")
    steps = check_whole("steps", steps, 1, "pass the number of training steps in all")
    seed = check_whole("seed", seed, 0, "pass e.g. 0")
    if seed >= 2**63:
        raise ValueError(f"seed must lie in [0, 2^63), got {seed}: pass e.g. 0")
    data = _as_json(data)
    images, known = _check(x)
    images = images.to(_device(device))
    if gan.schedule.batch % ranks.size():
        raise ValueError(
            f"batch must be a multiple of {ranks.size()}, the number of processes, got {gan.schedule.batch}: change it"
        )
    gan = gan if isinstance(gan, MixtureGAN) else _built(gan, seed)
    recipe, missing = noted(gan)
    config: dict[str, Any] = {"recipe": recipe, "missing": missing, "data": data}
    config |= {"names": None if names is None else [str(name) for name in names]}
    config |= {"points": len(images), "shape": list(images.shape[1:])}
    config |= {"range": None if known is None else [known.low, known.high]}
    config |= {"checksum": checksum(images), "labels": None, "seed": seed, "steps": steps}
    if labels is not None:
        labels = check_labels(labels, gan.clusterer.capacity, len(images), images.device)
        config["labels"] = checksum(labels)
    if truth is not None:
        truth = _classes(truth, len(images))
    training = Training(gan, images, seed, labels)
    directory = None
    if out is not None and parallel.is_first():
        directory = RunDirectory.open(out, config, resume=resume, overwrite=overwrite)
    try:
        with own_randomness(images, seed, TRAIN):
            if out is not None and resume:
                (directory or RunDirectory.existing(out)).restore(training, steps)
            if training.step > steps:
                raise ValueError(
                    f"steps: the run in {out} has taken {training.step}, more than {steps}: ask for more in all"
                )
            limit = 60 * (math.inf if minutes is None else minutes)
            _train(training, steps, limit, directory, progress, truth, callbacks)
            run = training.close(config)
            if directory is not None:
                directory.finish(run, images, truth)
    except OSError as error:
        raise type(error)(f"{error}; {training.last_good}") from error
    except KeyboardInterrupt as stop:
        stop.args = (training.last_good, training.saved)
        raise
    finally:
        if directory is not None:
            directory.close()
    return run


def _train(
    training: Training,
    steps: int,
    seconds: float,
    directory: RunDirectory | None,
    progress: bool,
    truth: Tensor | None,
    callbacks: Sequence[Callbacks],
) -> None:
    s = training.gan.schedule

    def tell(name: str, *told: Any) -> None:
        for each in callbacks if parallel.is_first() else ():
            with forked(training.device):
                getattr(each, name)(*copy.deepcopy(told))  # what it does to its copy is not in the checkpoint

    def over() -> bool:
        return seconds < math.inf and parallel.agreed(training.seconds["all"], training.device) >= seconds

    def save() -> None:
        if directory is not None and training.saved != training.step:
            training.check()
            training.settle()
            directory.save(training)
            tell("on_checkpoint", training.step, directory.path)

    with (
        postponed() if directory is not None else nullcontext(lambda _: None) as stop_here,
        tqdm(
            total=steps,
            initial=training.step,
            disable=not (progress and parallel.is_first()),
            unit="step",
            smoothing=0.05,
        ) as bar,
    ):
        ended = training.step == steps
        while not ended:  # a run whose time is over already takes one step more, and so has a row to end with
            clusters = s.clusters_at(training.step)
            training.advance()
            if clusters:
                tell("on_partition", training.step - 1, training.partition)
            bar.update()
            ended = training.step == steps or over()
            logs, saves = (ended or training.step % n == 0 for n in (s.log, s.save))
            if logs or saves:
                training.check()
            if directory is not None:
                directory.begin()
            if logs:
                row = training.measure(truth)
                bar.set_postfix_str(f"{row['clusters']} clusters, D {row['loss_d']:.2f}, G {row['loss_g']:.2f}")
                if directory is not None:
                    directory.log(row)
                tell("on_log", row)
            if saves:
                save()
            stop_here(save)


def load(directory: str | Path, gan: MixtureGAN | None = None, device: str | torch.device = "cpu") -> Run:
    """Load a run that ``train`` wrote.

    Args:
        directory: the ``out`` of ``train``.
        gan: the parts, where some were made by hand; all else is noted in the run and built again.
        device: where to put it.

    Raises:
        ValueError: if files are missing, damaged or of another GAN, or the parts are needed and not given.
    """
    run_directory, where = RunDirectory.existing(directory), _device(device)
    config = run_directory.config
    if gan is None:
        if config.get("missing") or config["recipe"] is None:
            missing = "; ".join(config.get("missing") or ["it was composed by hand"])
            raise ValueError(f"{directory} does not hold its whole GAN ({missing}): pass the same parts to load as gan")
        try:
            gan = _built(from_plain(config["recipe"], "recipe"), config["seed"])
        except ValueError as error:
            raise ValueError(f"{directory}: {error}") from error
    state = State(gan, torch.Size(config["shape"]), where)
    run_directory.restore(state)
    partition = run_directory.partition(state.gan.features, where, gan.clusterer.capacity)
    return state.run(config, state.gan, partition)


def noted(gan: MixtureGAN) -> tuple[Any, list[str]]:
    """The recipe of a GAN as plain data, and what of it is not in that: then ``load`` needs the parts."""
    if gan.recipe is None:
        return None, ["it was composed by hand"]
    missing = [f"{name} was made by hand" for name in gan.by_hand]
    try:
        return to_plain(gan.recipe), missing
    except ValueError as error:
        return None, [*missing, str(error)]


def _built(recipe: Recipe, seed: int) -> MixtureGAN:
    if not isinstance(recipe, Recipe):
        raise ValueError(f"gan must be a MixtureGAN or a recipe, got {recipe}: pass e.g. recipes.mic_gan(dim=2)")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return built(recipe)


def checksum(images: Images) -> int:
    """A number that other images would not have, to tell whether a run goes on with what it saw."""
    found = 0
    for i in range(0, len(images), CHUNK):
        found = zlib.crc32(images[i : i + CHUNK].cpu().to(torch.float32).numpy().tobytes(), found)
    return found


def _classes(truth: Tensor, n: int) -> Tensor:
    truth = as_numbers("truth", truth).cpu()
    if truth.is_floating_point() or truth.is_complex():
        raise ValueError(f"truth holds {truth.dtype}: pass whole numbers, e.g. by truth.long()")
    truth = truth.long()
    if truth.shape != (n,):
        raise ValueError(f"truth has shape {tuple(truth.shape)}: pass a class, 0, 1, ..., for each of {n}")
    if (least := int(truth.min())) < 0:
        raise ValueError(f"truth holds the class {least}: pass 0, 1, ...")
    return truth


def _device(device: str | torch.device | None) -> torch.device:
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"device {device!r} cannot be used ({first}): pass cpu, or a GPU that torch sees") from None
    return chosen


def _as_json(data: Any) -> Any:
    # What is noted of the data as ``config.json`` holds it: paths as their names.
    try:
        return json.loads(json.dumps(data, default=os.fspath))
    except (TypeError, ValueError) as error:
        raise ValueError(f"data cannot be noted ({error}): pass a name, a path, or a table of such") from None


def _check(x: Any) -> tuple[Tensor | Pixels | Items, Range | None]:
    if isinstance(x, Dataset):
        x = Items(x)
    if isinstance(x, Items):
        return x, x.known
    x = numbers(x, "x")
    if x.ndim not in (2, 4) or not len(x):
        raise ValueError(f"x must hold points (N, D) or images (N, C, H, W), got shape {tuple(x.shape)}: reshape it")
    if x.ndim == 2 and not x.is_floating_point():
        raise ValueError(f"x must be floating point, got {x.dtype}: convert points, e.g. by x.float()")
    if not bool(x.isfinite().all()):
        raise ValueError("x must be finite, got NaN or infinite values: drop or repair such images")
    if x.ndim == 2:
        return x.to(torch.float32), None
    return images_of(x, "x")
