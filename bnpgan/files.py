"""Files: tensors in safetensors, the rest in JSON, written whole or not at all; never a pickle."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bnpgan.components.distributions import Components
from bnpgan.partition import Partition, Projection

Meta = dict[str, Any]


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Meta) -> None:
    """Write tensors and a JSON header as one safetensors file, whole or not at all."""
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    part = path.with_name(path.name + ".part")
    save_file(own, part, metadata={"bnpgan": json.dumps(meta)})
    os.replace(part, path)


def load_tensors(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], Meta]:
    """Read what ``save_tensors`` wrote; a ``ValueError`` names a file that is missing, cut short or not ours."""
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            meta = json.loads((file.metadata() or {})["bnpgan"])
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: name a run directory that train has written") from None
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a whole checkpoint of bnpgan ({error}): train again with overwrite") from None


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=2) + "\n")
    os.replace(part, path)


def read_json(path: Path) -> Any:
    """Read JSON; a ``ValueError`` names a file that is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: name a run directory that train has written") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON ({error}): restore it, or train again with overwrite") from None


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    os.replace(part, path)


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row to a file of JSON lines."""
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser, named ``parameter.field``."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(value) for i, fields in state.items() for name, value in fields.items()}


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser of the same parameters the state that ``pack_optimizer`` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        i, field = name.split(".")
        state.setdefault(int(i), {})[field] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def pack_partition(partition: Partition) -> tuple[dict[str, Tensor], Meta]:
    """The tensors of a partition, and the name of its components' class."""
    tensors = {"labels": partition.labels, "log_weights": partition.log_weights}
    tensors |= {f"components.{name}": tensor for name, tensor in vars(partition.components).items()}
    tensors |= {f"memory.{name}": tensor for name, tensor in partition.memory.items()}
    if partition.projection is not None:
        tensors |= {"projection.mean": partition.projection.mean, "projection.axes": partition.projection.axes}
    return tensors, {"components": type(partition.components).__name__}


def unpack_partition(tensors: Mapping[str, Tensor], meta: Meta) -> Partition:
    """The partition that ``pack_partition`` took apart; the module of its components must have been imported."""
    kinds = {kind.__name__: kind for kind in Components.__subclasses__()}
    if meta["components"] not in kinds:
        raise ValueError(
            f"the partition holds components of class {meta['components']}, not one of {', '.join(sorted(kinds))}: "
            "import the module that defines it first"
        )
    projection = select(tensors, "projection.")
    return Partition(
        tensors["labels"],
        tensors["log_weights"],
        kinds[meta["components"]](**select(tensors, "components.")),
        select(tensors, "memory."),
        Projection(**projection) if projection else None,
    )


def select(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with ``prefix``, without it."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under longer names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}
