"""What a run goes on from: networks, averaged weights, optimisers, the partition, and the step that they are at."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bnpgan.files import (
    Meta,
    load_module,
    pack_optimizer,
    pack_partition,
    prefixed,
    select,
    unpack_optimizer,
    unpack_partition,
)
from bnpgan.limits import check_memory
from bnpgan.mixture import MixtureGAN
from bnpgan.partition import Partition
from bnpgan.run import Run

__all__ = ["State"]

ROW = (
    "step",
    "loss_d",
    "loss_g",
    "clusters",
    "seconds",
    "clustering_seconds",
)  # what a row of the history has, at least


class State:
    """All that training changes, made of copies of the parts; ``pack`` and ``unpack`` take it to tensors and back.

    Args:
        gan: the parts.
        shape: of the data.
        device: where the copies go.

    Raises:
        ValueError: if the networks do not fit the shape, or the slots of the clusterer.
    """

    def __init__(self, gan: MixtureGAN, shape: torch.Size, device: torch.device) -> None:
        self.gan = gan = copy.deepcopy(gan)
        _check_fit(gan, shape)  # before anything is on a GPU, where a slot out of bounds would be no error but the end
        s = gan.schedule
        # Convolutions with channels last take a fifth less time on a CPU; on GPUs it was not measured.
        layout = torch.channels_last if device.type == "cpu" else torch.preserve_format
        for part in (gan.generator, gan.discriminator, gan.latent, gan.features, gan.frames, gan.auxiliary):
            part.to(device).to(memory_format=layout).train()  # type: ignore[call-overload]
        self.maker = nn.ModuleDict({"generator": gan.generator, "latent": gan.latent})
        self.averaged = copy.deepcopy(self.maker).requires_grad_(False)
        self.judge = [p for p in gan.discriminator.parameters() if p.requires_grad]
        made = [
            {"params": [p for part in parts for p in part.parameters() if p.requires_grad], "lr": rate}
            for rate, *parts in (
                (s.generator_rate, gan.generator, gan.auxiliary),
                (s.latent_rate or s.generator_rate, gan.latent),
            )
        ]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(made, betas=s.betas, fused=True),
            "discriminator": torch.optim.Adam(self.judge, lr=s.discriminator_rate, betas=s.betas, fused=True),
        }
        self.rates = {n: [g["lr"] for g in o.param_groups] for n, o in self.optimizers.items()}
        if (optimizer := gan.features.optimizer) is not None:
            optimizer.load_state_dict(optimizer.state_dict())  # takes what it remembers to where its parameters are now
            self.optimizers["features"] = optimizer
        self.device, self.step = device, 0
        self.partition: Partition | None = None
        self.kept = False  # the last round's partition was not taken
        self.reported = False  # whether one was not taken since the last row of the history
        self.history: list[dict[str, Any]] = []
        self.seconds = {"all": 0.0, "clustering": 0.0}
        self.last_good = "no checkpoint was written"
        self.saved: int | None = None  # the step of the checkpoint, where there is one

    def pack(self) -> tuple[dict[str, Tensor], Meta]:
        """Tensors by name, and what JSON can hold beside them."""
        tensors: dict[str, Tensor] = {}
        for name, module in self.modules().items():
            tensors |= prefixed(f"{name}.", module.state_dict())
        for name, optimizer in self.optimizers.items():
            tensors |= prefixed(f"optimizer.{name}.", pack_optimizer(optimizer))
        names = ("step", "kept", "reported", "seconds", "history")
        meta = {name: getattr(self, name) for name in names}
        if self.partition is not None:
            packed, meta["partition"] = pack_partition(self.partition)
            tensors |= prefixed("partition.", packed)
        return tensors, meta

    def unpack(self, tensors: Mapping[str, Tensor], meta: Meta, points: int) -> None:
        """Be what ``pack`` has taken apart, of so many points.

        Raises:
            ValueError: if it is of other parts; each tensor is held against what is here before it is taken.
        """
        for name, module in self.modules().items():
            with _named(name):
                load_module(module, select(tensors, f"{name}."))
        for name, optimizer in self.optimizers.items():
            with _named(f"optimizer.{name}"):
                unpack_optimizer(optimizer, select(tensors, f"optimizer.{name}."))
        _check_meta(meta)
        self.step, self.kept, self.reported = meta["step"], meta["kept"], meta["reported"]
        self.seconds, self.history = meta["seconds"], meta["history"]
        if "partition" in meta:
            packed = {name: tensor.to(self.device) for name, tensor in select(tensors, "partition.").items()}
            with _named("partition"):
                self.partition = unpack_partition(packed, meta["partition"], points, self.gan.clusterer.capacity)

    def run(self, config: dict[str, Any], gan: MixtureGAN, partition: Partition) -> Run:
        """A run with these parts and this partition."""
        return Run(gan, partition, self.history, self.averaged, config)

    def modules(self) -> dict[str, nn.Module]:
        """The modules that are saved, by name."""
        gan = self.gan
        networks = {"generator": gan.generator, "discriminator": gan.discriminator, "latent": gan.latent}
        parts = {"features": gan.features, "frames": gan.frames, "auxiliary": gan.auxiliary}
        return {**networks, **parts, "averaged": self.averaged}


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _check_meta(meta: Meta) -> None:
    kinds = {"step": int, "kept": bool, "reported": bool, "seconds": dict, "history": list, "partition": dict}
    for name, kind in kinds.items():
        if type(meta.get(name, {} if name == "partition" else None)) is not kind:
            raise ValueError(f"{name} is {str(meta.get(name))[:40]}")
    if meta["step"] < 0 or not all(isinstance(meta["seconds"].get(key), float) for key in ("all", "clustering")):
        raise ValueError(f"step is {meta['step']}, seconds are {str(meta['seconds'])[:80]}")
    for row in meta["history"]:
        if not isinstance(row, dict) or not all(isinstance(row.get(key), int | float) for key in ROW):
            raise ValueError(f"a row of the history is {str(row)[:80]}")


def _check_fit(gan: MixtureGAN, shape: torch.Size) -> None:
    capacity, batch = gan.clusterer.capacity, gan.schedule.batch
    check_memory(32.0 * capacity, f"capacity: {capacity} slots", "lower it")
    check_memory(16.0 * batch * shape.numel(), f"batch: {batch} images", "lower it")
    with torch.random.fork_rng(), torch.no_grad():
        try:
            c = torch.full((batch,), capacity - 1, device=next(gan.generator.parameters()).device)
            fake = gan.generator.eval()(gan.latent(c), c)
            if fake.shape[1:] == shape:
                gan.discriminator.eval()(fake, c)
        except (IndexError, RuntimeError) as error:
            raise ValueError(
                f"the networks cannot take slot {capacity - 1} of the clusterer's {capacity} "
                f"({str(error).splitlines()[0]}): build them for the clusterer's capacity"
            ) from None
    if fake.shape[1:] != shape:
        raise ValueError(
            f"x holds data of shape {tuple(shape)} and the generator makes {tuple(fake.shape[1:])}: "
            "build the GAN for the shape of the data, or resize the data"
        )
