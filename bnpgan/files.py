"""What a run stores: tensors in safetensors, with a checksum, the rest in JSON; never a pickle.

What comes back is checked before anything is made of it.
"""

import copy
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from bnpgan.components.distributions import Components
from bnpgan.disk import appended, opened, written
from bnpgan.partition import Partition, Projection

Meta = dict[str, Any]
LARGEST_JSON = 2**26  # bytes; the largest that a run has written are some kilobytes


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Meta) -> None:
    """Write tensors and a JSON header, with a checksum of both, as one safetensors file."""
    own = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    told = json.dumps(meta)
    with written(path) as file:
        file.write(save(own, metadata={"bnpgan": told, "crc32": str(_checksum(own, told))}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], Meta]:
    """Read what ``save_tensors`` wrote; a ``ValueError`` names a file that is missing, damaged or not ours."""
    with _checkpoint(path) as (file, told):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        # Files that were written without a checksum can be read, and are checked as far as shapes go.
        if file.metadata().get("crc32", str(found := _checksum(tensors, told))) != str(found):
            raise ValueError("its content does not match its checksum")
        return tensors, _meta(told)


def load_meta(path: Path) -> Meta:
    """The header alone of what ``save_tensors`` wrote."""
    with _checkpoint(path) as (_, told):
        return _meta(told)


@contextmanager
def _checkpoint(path: Path) -> Iterator[tuple[Any, str]]:
    try:
        opened(path).close()
        with safe_open(path, framework="pt") as file:
            yield file, file.metadata()["bnpgan"]
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: name a run directory that train has written") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a whole checkpoint of bnpgan ({error}): restore it, or train again") from None


def _meta(told: str) -> Meta:
    meta = json.loads(told)
    if not isinstance(meta, dict):
        raise ValueError(f"its header is no table but {str(meta)[:20]}")
    return meta


def _checksum(tensors: Mapping[str, Tensor], told: str) -> int:
    found = zlib.crc32(told.encode())
    for name, tensor in sorted(tensors.items()):
        found = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, found)
    return found


def write_json(path: Path, value: Any) -> None:
    """Write JSON, ``null`` in place of numbers that are not finite, which it does not have."""
    with written(path) as file:
        file.write((_json(value, indent=2) + "\n").encode())


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> Any:
    """Read JSON; a ``ValueError`` names a file that is missing or damaged."""
    try:
        with opened(path) as file:
            text = file.read(LARGEST_JSON + 1)
        if len(text) > LARGEST_JSON:
            raise ValueError(f"it has more than {LARGEST_JSON} bytes")
        return json.loads(text)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: name a run directory that train has written") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}): restore it, or name another directory") from None


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines, as ``write_json`` does."""
    with written(path) as file:
        file.writelines(_json(row).encode() + b"\n" for row in rows)


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row to a file of JSON lines, as ``write_json`` does."""
    with appended(path) as file:
        file.write(_json(row).encode() + b"\n")


def check_like(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise a ``ValueError`` unless there is a tensor of the same shape and type under each name, and no other."""
    for name in expected.keys() | tensors.keys():
        if name not in tensors:
            raise ValueError(f"{name} is missing")
        if name not in expected:
            raise ValueError(f"{name} is of nothing here")
        given, own = tensors[name], expected[name]
        if given.shape != own.shape or given.dtype != own.dtype:
            raise ValueError(
                f"{name} is {given.dtype} of shape {tuple(given.shape)}, not {own.dtype} of {tuple(own.shape)}"
            )


def load_module(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """``load_state_dict``, once it is sure that everything fits."""
    check_like(tensors, module.state_dict())
    module.load_state_dict(tensors)


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser, named ``parameter.field``."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(value) for i, fields in state.items() for name, value in fields.items()}


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser of the same parameters the state that ``pack_optimizer`` returned.

    Raises:
        ValueError: if it is not what the optimiser remembers of these parameters. A fused optimiser does not look
            itself: it would read and write past the end of a tensor that is too short.
    """
    expected = _after_a_step(optimizer)
    # A parameter that has had no gradient yet, as a whole, is one of which nothing is remembered.
    known = {name.partition(".")[0] for name in tensors}
    check_like(tensors, {name: own for name, own in expected.items() if name.partition(".")[0] in known})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        i, _, field = name.partition(".")
        # In the layout of its parameter, for a fused optimiser walks through both side by side.
        state.setdefault(int(i), {})[field] = torch.empty_like(expected[name], device=tensor.device).copy_(tensor)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _after_a_step(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    # What a copy remembers after one step of no size: the only thing that is true of every optimiser.
    other = copy.deepcopy(optimizer)
    for group in other.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    other.step()
    return pack_optimizer(other)


def pack_partition(partition: Partition) -> tuple[dict[str, Tensor], Meta]:
    """The tensors of a partition, and the name of its components' class."""
    tensors = {"labels": partition.labels, "log_weights": partition.log_weights}
    tensors |= {f"components.{name}": tensor for name, tensor in vars(partition.components).items()}
    tensors |= {f"memory.{name}": tensor for name, tensor in partition.memory.items()}
    if partition.projection is not None:
        tensors |= {"projection.mean": partition.projection.mean, "projection.axes": partition.projection.axes}
    return tensors, {"components": type(partition.components).__name__}


def unpack_partition(
    tensors: Mapping[str, Tensor], meta: Meta, points: int | None = None, capacity: int | None = None
) -> Partition:
    """The partition that ``pack_partition`` took apart; the module of its components must have been imported.

    Args:
        tensors: by name.
        meta: what came with them.
        points: how many labels there must be; ``None``: as many as there are.
        capacity: how many slots, likewise.

    Raises:
        ValueError: if a tensor is missing, too many, or of another shape.
    """
    kinds = {kind.__name__: kind for kind in Components.__subclasses__()}
    name = str(meta.get("components"))
    if name not in kinds:
        raise ValueError(
            f"the partition holds components of class {name}, not one of {', '.join(sorted(kinds))}: "
            "import the module that defines it first"
        )
    labels, log_weights = _vector(tensors, "labels", points), _vector(tensors, "log_weights", capacity)
    capacity = len(log_weights)
    own, projection = select(tensors, "components."), select(tensors, "projection.")
    kind: Any = kinds[name]
    if is_dataclass(kind) and own.keys() != (needed := {field.name for field in fields(kind)}):
        raise ValueError(f"components of class {name} hold {', '.join(sorted(needed))}, not {', '.join(sorted(own))}")
    for key, tensor in own.items():
        if not tensor.ndim or len(tensor) != capacity:
            raise ValueError(f"components.{key} has shape {tuple(tensor.shape)}: not one row for each of {capacity}")
    try:
        components = kind(**own)
        if components.mean.ndim != 2:
            raise ValueError(f"the means of the components have shape {tuple(components.mean.shape)}, not (K, D)")
        if projection:
            wide, *_ = (axes := projection["axes"]).shape
            if projection["mean"].shape != (wide,) or axes.shape[1:] != components.mean.shape[1:]:
                raise ValueError(f"projection.axes has shape {tuple(axes.shape)}, which fits nothing else")
        seen = Projection(**projection) if projection else None
        partition = Partition(labels, log_weights, components, select(tensors, "memory."), seen)
        _try(components)
        return partition
    except (KeyError, TypeError, RuntimeError, IndexError) as error:
        raise ValueError(f"the partition does not hold together ({error})") from None


def _vector(tensors: Mapping[str, Tensor], name: str, length: int | None) -> Tensor:
    tensor = tensors.get(name)
    if tensor is None or tensor.ndim != 1 or length not in (None, len(tensor)):
        shape = "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"
        raise ValueError(f"{name} is {shape}: not a vector{'' if length is None else f' of {length}'}")
    return tensor


def _try(components: Components) -> None:
    # Whether its tensors fit each other only its class knows: it is asked for one density.
    try:
        found = components.log_prob(components.mean[:1])
    except ValueError:  # of what the point is, where a mean cannot be one: shapes were all right
        return
    if found.shape != (1, len(components.mean)):
        raise ValueError(f"the densities of one point have shape {tuple(found.shape)}")


def select(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with ``prefix``, without it."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under longer names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}
