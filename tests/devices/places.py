"""What tests of devices share: things that hold tensors, found, moved and compared with those of the CPU."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def leaves(thing: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What a thing is made of in the end, such as tensors and numbers, with its name."""
    parts = {} if isinstance(thing, Tensor | type) else _parts(thing)
    if not parts:
        yield name, thing
    for part, value in parts.items():
        yield from leaves(value, f"{name}.{part}")


def tensors(thing: Any) -> dict[str, Tensor]:
    """Every tensor that a thing holds, by its name."""
    return {name: leaf for name, leaf in leaves(thing) if isinstance(leaf, Tensor)}


def moved(thing: Any, device: torch.device | str) -> Any:
    """The thing with all its tensors on a device; what has none stays the same object."""
    if isinstance(thing, Tensor):
        return thing.to(device)
    if not tensors(thing):
        return thing
    parts = {name: moved(value, device) for name, value in _parts(thing).items()}
    if isinstance(thing, dict):
        return parts
    if hasattr(thing, "_fields"):
        return type(thing)(*parts.values())
    if isinstance(thing, list | tuple):
        return type(thing)(parts.values())
    other = copy.copy(thing)
    vars(other).update(parts)
    return other


def assert_on(device: torch.device, *things: Any) -> None:
    """All tensors of the things, and there are some, are on the device."""
    for thing in things:
        found = tensors(thing)
        assert found
        elsewhere = [name for name, tensor in found.items() if tensor.device != device]
        assert not elsewhere, f"{elsewhere} of {type(thing).__name__} are not on {device}"


def assert_same(there: Any, here: Any, **tolerance: float) -> None:
    """The tensors and numbers on a device are those on the CPU, but for rounding."""
    found, wanted = dict(leaves(there)), dict(leaves(here))
    assert found.keys() == wanted.keys()
    for name, leaf in found.items():
        pair = leaf, wanted[name]
        if all(isinstance(value, Tensor | float) for value in pair):
            of_one_kind = all(isinstance(value, Tensor) for value in pair)  # or a number became a tensor, of any type
            told = f"{name or type(there).__name__}: {{}}".format
            pair = (torch.as_tensor(value).cpu() for value in pair)
            torch.testing.assert_close(*pair, check_dtype=of_one_kind, msg=told, **tolerance)


def _parts(thing: Any) -> dict[Any, Any]:
    if isinstance(thing, dict):
        return thing
    if hasattr(thing, "_fields"):
        return thing._asdict()
    if isinstance(thing, list | tuple):
        return dict(enumerate(thing))
    return vars(thing) if hasattr(thing, "__dict__") else {}
