"""A run on disk: what is written, when, and how it is taken up again."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bnpgan import __version__, report
from bnpgan.features import Features
from bnpgan.files import (
    append_line,
    load_tensors,
    pack_optimizer,
    pack_partition,
    prefixed,
    read_json,
    save_tensors,
    select,
    unpack_optimizer,
    unpack_partition,
    write_json,
    write_lines,
)
from bnpgan.partition import Partition
from bnpgan.run import Run

if TYPE_CHECKING:
    from bnpgan.loop import Training

__all__ = ["RunDirectory"]

FILES = (
    *("config.json", "stats.jsonl", "metrics.json", "checkpoint.safetensors", "partition.safetensors"),
    *("samples.png", "clusters.png"),
)


class RunDirectory:
    """The files of one run.

    ``checkpoint.safetensors`` holds all that training goes on from, in one file that is replaced whole, so that a run
    that is killed at any moment leaves a state of one step. ``partition.safetensors`` holds the partition, key
    ``labels``, and the features that it was made in.
    """

    def __init__(self, path: Path, config: dict[str, Any], fresh: bool = False) -> None:
        self.path, self.config, self.fresh, self.begun = path, config, fresh, False

    @classmethod
    def open(cls, path: str | Path, config: dict[str, Any], *, resume: bool, overwrite: bool) -> "RunDirectory":
        """The directory to train in, checked but not touched; ``begin`` makes it."""
        path = Path(path)
        if resume and overwrite:
            raise ValueError("resume and overwrite exclude each other: pass one of them")
        if path.exists() and not path.is_dir():
            raise ValueError(f"out must be a directory, {path} is a file: name another place")
        if resume:
            old = cls.existing(path).config
            for name in ("points", "shape", "checksum", "labels", "seed", "recipe"):
                if old.get(name) != config[name]:
                    raise ValueError(
                        f"{path} was started with another {name} ({_difference(old.get(name), config[name])}): "
                        "resume with what it was started with"
                    )
        elif path.exists() and any(path.iterdir()) and not overwrite:
            raise ValueError(f"out: {path} is not empty: resume the run in it, overwrite it, or name another place")
        return cls(path, {"bnpgan": __version__, **config}, fresh=not resume)

    def begin(self) -> None:
        """Make the directory, once training has shown that it can start; until then what was there stays."""
        if self.begun:
            return
        self.begun = True
        if self.fresh:
            for name in FILES:
                (self.path / name).unlink(missing_ok=True)
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / "config.json", self.config)

    @classmethod
    def existing(cls, path: str | Path) -> "RunDirectory":
        """The directory of a run that was trained before."""
        config = read_json(Path(path) / "config.json")
        if not isinstance(config, dict) or not {"recipe", "shape", "seed", "points"} <= config.keys():
            raise ValueError(f"{path}/config.json was not written by bnpgan: name a run directory")
        return cls(Path(path), config)

    def log(self, row: dict[str, Any]) -> None:
        """One more row of ``stats.jsonl``."""
        append_line(self.path / "stats.jsonl", row)

    def save(self, training: "Training") -> None:
        """Write the checkpoint, and the partition if there is one."""
        tensors = {"rng": torch.get_rng_state()}
        if training.images.is_cuda:
            tensors["rng.cuda"] = torch.cuda.get_rng_state(training.images.device)
        for name, module in _modules(training).items():
            tensors |= prefixed(f"{name}.", module.state_dict())
        for name, optimizer in training.optimizers.items():
            tensors |= prefixed(f"optimizer.{name}.", pack_optimizer(optimizer))
        meta = {
            "step": training.step,
            "kept": training.kept,
            "reported": training.reported,
            "seconds": training.seconds,
            "history": training.history,
        }
        if training.partition is not None:
            packed, meta["partition"] = pack_partition(training.partition)
            tensors |= prefixed("partition.", packed)
            self._save_partition(training.partition, training.gan.features)
        save_tensors(self.path / "checkpoint.safetensors", tensors, meta)
        training.last_good = self._last_good(training.step)

    def restore(self, training: "Training", steps: int = 0) -> None:
        """Put a training where the checkpoint left it; where there is none yet and it is to go on, stay at the start.

        Args:
            training: of the same parts.
            steps: how far it will go on; 0: it will not, and the random generator is left alone.
        """
        path = self.path / "checkpoint.safetensors"
        if steps and not path.exists():
            (self.path / "stats.jsonl").unlink(missing_ok=True)
            return
        device = training.images.device
        tensors, meta = load_tensors(path)
        try:
            for name, module in _modules(training).items():
                module.load_state_dict(select(tensors, f"{name}."))
            for name, optimizer in training.optimizers.items():
                unpack_optimizer(optimizer, select(tensors, f"optimizer.{name}."))
            training.step, training.kept, training.reported = meta["step"], meta["kept"], meta["reported"]
            training.last_good = self._last_good(training.step)
            training.seconds, training.history = meta["seconds"], meta["history"]
            if training.step < steps:  # the row of where it stopped is not one of the schedule's
                training.history = [row for row in training.history if row["step"] % training.gan.schedule.log == 0]
            if "partition" in meta:
                packed = {name: tensor.to(device) for name, tensor in select(tensors, "partition.").items()}
                training.partition = unpack_partition(packed, meta["partition"])
        except (KeyError, RuntimeError) as error:
            first = str(error).strip().splitlines()[-1].strip()
            raise ValueError(
                f"{path} does not match this GAN ({first}): pass the parts that it was made from"
            ) from None
        if steps:
            torch.set_rng_state(tensors["rng"])
            if training.images.is_cuda and "rng.cuda" in tensors:
                torch.cuda.set_rng_state(tensors["rng.cuda"], device)
            write_lines(self.path / "stats.jsonl", training.history)

    def finish(self, run: Run, images: torch.Tensor) -> None:
        """Write the partition that the run ends with, and what people look at."""
        self.begin()
        self._save_partition(run.partition, run.gan.features)
        write_json(self.path / "metrics.json", report.evaluate(run, None))
        report.pictures(run, images, self.path)

    def partition(self, features: Features, device: torch.device | str) -> Partition:
        """The partition that the run ended with; ``features`` get the weights that it was made in."""
        path = self.path / "partition.safetensors"
        if not path.exists():
            raise ValueError(f"{self.path} holds no partition yet, it was stopped in the warm-up: resume it")
        tensors, meta = load_tensors(path, device)
        try:
            features.load_state_dict(select(tensors, "features."))
            return unpack_partition(tensors, meta)
        except (KeyError, RuntimeError) as error:
            raise ValueError(
                f"{path} does not match this GAN ({_last_line(error)}): restore it, or resume the run"
            ) from None

    def _last_good(self, step: int) -> str:
        return f"the last good checkpoint is {self.path / 'checkpoint.safetensors'}, step {step}"

    def _save_partition(self, partition: Partition, features: Features) -> None:
        packed, meta = pack_partition(partition)
        save_tensors(self.path / "partition.safetensors", packed | prefixed("features.", features.state_dict()), meta)


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()


def _difference(old: Any, new: Any) -> str:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return f"{old}, now {new}"
    if old["name"] != new["name"]:
        return f"{old['name']}, now {new['name']}"
    before, now = (recipe["arguments"] | recipe.get("schedule", {}) for recipe in (old, new))
    names = [name for name in before | now if before.get(name) != now.get(name)]
    return ", ".join(f"{name} {before.get(name)}, now {now.get(name)}" for name in names)


def _modules(training: "Training") -> dict[str, nn.Module]:
    gan = training.gan
    return {
        "generator": gan.generator,
        "discriminator": gan.discriminator,
        "latent": gan.latent,
        "features": gan.features,
        "averaged": training.averaged,
    }
