"""A run on disk: what is written, when, and how it is taken up again."""

from pathlib import Path
from typing import Any

import torch

from bnpgan import __version__, report
from bnpgan.features import Features
from bnpgan.files import (
    append_line,
    load_tensors,
    pack_partition,
    prefixed,
    read_json,
    save_tensors,
    select,
    unpack_partition,
    write_json,
    write_lines,
)
from bnpgan.partition import Partition
from bnpgan.run import Run
from bnpgan.state import State

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
                unknown = name == "recipe" and None in (old.get(name), config[name])  # parts that were made by hand
                if old.get(name) != config[name] and not unknown:
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

    def save(self, state: State) -> None:
        """Write the checkpoint, and the partition if there is one."""
        tensors, meta = state.pack()
        tensors |= {"rng": torch.get_rng_state()}
        if state.device.type == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state(state.device)
        if state.partition is not None:
            self._save_partition(state.partition, state.gan.features)
        save_tensors(self.path / "checkpoint.safetensors", tensors, meta)
        state.last_good = self._last_good(state.step)

    def restore(self, state: State, steps: int = 0) -> None:
        """Put a state where the checkpoint left it; where there is none yet and it is to go on, stay at the start.

        Args:
            state: of the same parts.
            steps: how far it will go on; 0: it will not, and the random generator is left alone.
        """
        path = self.path / "checkpoint.safetensors"
        if steps and not path.exists():
            (self.path / "stats.jsonl").unlink(missing_ok=True)
            return
        tensors, meta = load_tensors(path)
        try:
            state.unpack(tensors, meta)
        except ValueError as error:
            raise ValueError(
                f"{path} does not match this GAN ({error}): pass the parts that it was made from"
            ) from None
        state.last_good = self._last_good(state.step)
        if not steps:
            return
        if state.step < steps:  # the row of where it stopped is not one of the schedule's
            state.history = [row for row in state.history if row["step"] % state.gan.schedule.log == 0]
        torch.set_rng_state(tensors["rng"])
        if state.device.type == "cuda" and "rng.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["rng.cuda"], state.device)
        write_lines(self.path / "stats.jsonl", state.history)

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


def _difference(old: Any, new: Any, name: str = "") -> str:
    # What differs, by the names on the way to it.
    if isinstance(old, dict) and isinstance(new, dict) and old.get("class") == new.get("class"):
        parts = ((old.get(key), new.get(key), f"{name}.{key}".lstrip(".")) for key in old | new)
        return ", ".join(_difference(*part) for part in parts if part[0] != part[1])
    return f"{name} {_short(old)}, now {_short(new)}".strip()


def _short(value: Any) -> str:
    return value["class"].rpartition(".")[2] if isinstance(value, dict) and "class" in value else str(value)[:60]
