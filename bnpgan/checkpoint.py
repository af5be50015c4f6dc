"""A run on disk: what is written, when, and how it is taken up again."""

import json
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bnpgan import __version__, report
from bnpgan.disk import Directory, foreign, written
from bnpgan.features import Features
from bnpgan.files import (
    append_line,
    check_like,
    load_meta,
    load_module,
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
from bnpgan.images import Images
from bnpgan.page import page
from bnpgan.partition import Partition
from bnpgan.plain import from_plain, to_plain
from bnpgan.run import Run
from bnpgan.state import State

__all__ = ["RunDirectory"]

FILES = (
    *("config.json", "stats.jsonl", "metrics.json", "checkpoint.safetensors", "partition.safetensors"),
    *("samples.png", "clusters.png", "report.html"),
)
FOLDERS = "best", "grids"  # that callbacks keep in a run
MADE = re.compile(r"generator\.pt2|reconstruction\.(json|png)|sample(-cluster\d+)*-seed\d+\.png")
"""What commands have made of a run, by the names that they give where none is asked for: of another run it is wrong."""
IDENTITY = ("points", "shape", "checksum", "labels", "seed", "recipe")  # what a run cannot change as it goes on


class RunDirectory:
    """The files of one run.

    ``checkpoint.safetensors`` holds all that training goes on from, and what ``config.json`` says, in one file that is
    replaced whole: a run that is killed at any moment leaves a state of one step, and one that is overwritten is there
    until the new one has its first checkpoint. All other files are for people, or follow from it.
    ``partition.safetensors`` holds the partition, key ``labels``, and the features that it was made in.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path, self.config = path, config
        self.begun = False  # whether the files are this run's
        self.replaces = False  # whether there are those of another, which are to go
        self.lock = Directory(path)

    @classmethod
    def open(cls, path: str | Path, config: dict[str, Any], *, resume: bool, overwrite: bool) -> "RunDirectory":
        """The directory to train in, checked and, if it is there, locked, but not touched; ``begin`` makes it."""
        self = cls(Path(path), {"bnpgan": __version__, **config})
        if resume and overwrite:
            raise ValueError("resume and overwrite exclude each other: pass one of them")
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"out must be a directory, {path} is a file: name another place")
        there = next(place for place in (self.path.absolute(), *self.path.absolute().parents) if place.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            raise ValueError(f"out: {there} cannot be written to: change its permissions, or name another place")
        if resume:
            self._check_same(cls.existing(path).config)
        if self.path.exists():
            self.lock.take()
            try:
                self._check_free(resume, overwrite)
            except BaseException:
                self.close()
                raise
        return self

    def _check_same(self, old: dict[str, Any]) -> None:
        for name in IDENTITY:
            new = self.config[name]
            unknown = name == "recipe" and None in (old.get(name), new)  # parts that were made by hand
            if old.get(name) != new and not unknown and not (name == "recipe" and _completed(old[name]) == new):
                raise ValueError(
                    f"{self.path} was started with another {name} ({_difference(old.get(name), new)}): "
                    "resume with what it was started with"
                )

    def _check_free(self, resume: bool, overwrite: bool) -> None:
        there = set(foreign(self.path))
        if resume or not there:
            return
        if not overwrite:
            raise ValueError(
                f"out: {self.path} is not empty: resume the run in it, overwrite it, or name another place"
            )
        named = sorted(there & {*FILES, *FOLDERS})
        if not named:
            return  # nothing here has the name of a part of a run
        odd = [name for name in FILES if (self.path / name).is_dir()]
        if odd or not self._is_run():
            raise ValueError(
                f"out: {self.path} holds {(odd or named)[0]} and no run that bnpgan has written: "
                "only runs are overwritten, so remove such files yourself, or name another place"
            )
        self.replaces = True

    def _is_run(self) -> bool:
        config = self.path / "config.json"
        try:
            return _is_config(
                read_json(config) if config.exists() else load_meta(self.path / "checkpoint.safetensors").get("config")
            )
        except ValueError:
            return False

    def begin(self) -> None:
        """Make the directory, once training has shown that it can start; until then what was there stays."""
        if self.begun or self.replaces:  # a run that is replaced stays until there is a checkpoint of the new one
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                error.errno, f"out: {self.path} cannot be made ({error.strerror}): name another place"
            ) from None
        if self.lock.file < 0:
            self.lock.take()
            self._check_free(resume=False, overwrite=False)  # another may have been faster
        write_json(self.path / "config.json", self.config)
        self.begun = True

    def close(self) -> None:
        """Let others train here."""
        self.lock.give_back()

    @classmethod
    def existing(cls, path: str | Path) -> "RunDirectory":
        """The directory of a run that was trained before; what it is stands in its checkpoint, where there is one."""
        path = Path(path)
        checkpoint = path / "checkpoint.safetensors"
        config = load_meta(checkpoint).get("config") if checkpoint.exists() else None
        config = read_json(path / "config.json") if config is None else config
        if not _is_config(config):
            raise ValueError(f"{path}/config.json was not written by bnpgan: name a run directory")
        return cls(path, config)

    def log(self, row: dict[str, Any]) -> None:
        """One more row of ``stats.jsonl``."""
        if self.begun:
            append_line(self.path / "stats.jsonl", row)

    def save(self, state: State) -> None:
        """Write the checkpoint, and the partition if there is one; the files of a run that is replaced go now."""
        tensors, meta = state.pack()
        tensors |= {"rng": torch.get_rng_state()}
        if state.device.type == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state(state.device)
        save_tensors(self.path / "checkpoint.safetensors", tensors, {**meta, "config": self.config})
        state.saved, state.last_good = state.step, self._last_good(state.step)
        if self.replaces:
            self._clear(keep="checkpoint.safetensors")
            write_lines(self.path / "stats.jsonl", state.history)
            self.replaces = False
            self.begin()
        if state.partition is not None:
            self._save_partition(state.partition, state.gan.features)

    def _clear(self, keep: str) -> None:
        for folder in (self.path, self.path / "best"):  # first what no later file of the new run takes the place of
            for path in folder.iterdir() if folder.is_dir() else ():
                if MADE.fullmatch(path.name) and not path.is_dir():
                    path.unlink(missing_ok=True)
        for name in FILES:
            if name != keep:
                (self.path / name).unlink(missing_ok=True)
            (self.path / "best" / name).unlink(missing_ok=True)
        for grid in (self.path / "grids").glob("*.png"):
            grid.unlink()

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
            state.unpack(tensors, meta, self.config["points"])
            if steps:
                _restore_randomness(tensors, state.device)
        except ValueError as error:
            raise ValueError(
                f"{path} does not match this GAN ({error}): pass the parts that it was made from"
            ) from None
        state.saved, state.last_good = state.step, self._last_good(state.step)
        if not steps:
            return
        if state.step < steps:  # the row of where it stopped is not one of the schedule's
            state.history = [row for row in state.history if row["step"] % state.gan.schedule.log == 0]
        write_lines(self.path / "stats.jsonl", state.history)

    def finish(self, run: Run, images: Images, truth: Tensor | None = None) -> None:
        """Write the partition that the run ends with, and what people look at."""
        self.begin()
        self._save_partition(run.partition, run.gan.features)
        spreads = report.spreads(run, images)
        scores = report.evaluate(run, truth, spreads)
        write_json(self.path / "metrics.json", scores)
        report.pictures(run, images, self.path)
        with written(self.path / "report.html") as file:
            file.write(page(run, scores, spreads, self.path, truth).encode())

    def partition(self, features: Features, device: torch.device | str, capacity: int) -> Partition:
        """The partition that the run ended with, of so many slots; ``features`` get the weights that it was made in."""
        path = self.path / "partition.safetensors"
        tensors, meta = load_tensors(path) if path.exists() else ({}, {})
        if not tensors or meta.get("run", self._fingerprint()) != self._fingerprint():  # of a run that was replaced
            raise ValueError(f"{self.path} holds no partition yet, it was stopped in the warm-up: resume it")
        try:
            load_module(features, select(tensors, "features."))
            packed = {name: tensor.to(device) for name, tensor in tensors.items()}
            return unpack_partition(packed, meta, self.config["points"], capacity)
        except ValueError as error:
            raise ValueError(f"{path} does not match this GAN ({error}): restore it, or resume the run") from None

    def _last_good(self, step: int) -> str:
        return f"the last good checkpoint is {self.path / 'checkpoint.safetensors'}, step {step}"

    def _save_partition(self, partition: Partition, features: Features) -> None:
        packed, meta = pack_partition(partition)
        packed |= prefixed("features.", features.state_dict())
        save_tensors(self.path / "partition.safetensors", packed, {**meta, "run": self._fingerprint()})

    def _fingerprint(self) -> int:
        return zlib.crc32(json.dumps([self.config.get(name) for name in IDENTITY]).encode())


def _restore_randomness(tensors: Mapping[str, Tensor], device: torch.device) -> None:
    check_like(
        select(tensors, "rng"),
        {"": torch.get_rng_state()} | ({".cuda": tensors["rng.cuda"]} if "rng.cuda" in tensors else {}),
    )
    try:
        torch.set_rng_state(tensors["rng"])
        if device.type == "cuda" and "rng.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["rng.cuda"], device)
    except RuntimeError as error:
        raise ValueError(f"rng: {error}") from None


def _is_config(config: Any) -> bool:
    # Whether it was written by a training run.
    return (
        isinstance(config, dict)
        and isinstance(config.get("recipe", ""), dict | None)
        and isinstance(shape := config.get("shape"), list)
        and len(shape) in (1, 3)
        and all(type(size) is int and size > 0 for size in [*shape, config.get("points")])
        and type(config.get("seed")) is int
        and {"bnpgan", "data", "checksum"} <= config.keys()
    )


def _completed(recipe: Any) -> Any:
    # A recipe as it would be noted today: with the usual values of what it could not be asked at the time.
    try:
        return to_plain(from_plain(recipe))
    except ValueError:
        return recipe


def _difference(old: Any, new: Any, name: str = "") -> str:
    # What differs, by the names on the way to it.
    if isinstance(old, dict) and isinstance(new, dict) and old.get("class") == new.get("class"):
        parts = ((old.get(key), new.get(key), f"{name}.{key}".lstrip(".")) for key in old | new)
        return ", ".join(_difference(*part) for part in parts if part[0] != part[1])
    return f"{name} {_short(old)}, now {_short(new)}".strip()


def _short(value: Any) -> str:
    return value["class"].rpartition(".")[2] if isinstance(value, dict) and "class" in value else str(value)[:60]
