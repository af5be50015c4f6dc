"""Parts as plain data that JSON can hold, and plain data as parts again.

A part is a frozen dataclass. It becomes ``{"class": "bnpgan.priors.PitmanYor", "concentration": 1.0, ...}``; tensors
become lists of numbers, functions and classes their names. Its constructor makes the part again and checks it: a file
from a stranger can name functions, networks and dataclasses that are installed here, and runs nothing but the
constructors of dataclasses.
"""

import dataclasses
import importlib
import math
from collections.abc import Callable
from inspect import signature
from numbers import Integral
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

__all__ = ["from_plain", "to_plain"]


def to_plain(value: Any, name: str = "") -> Any:
    """A number, a name, a tensor, a function, a class, or a dataclass of such, as data that JSON can hold.

    Args:
        value: the part.
        name: what messages call it.

    Raises:
        ValueError: if a part is none of these, or a class or a function cannot be imported by its name.

    Example:
        >>> from bnpgan.priors import PitmanYor
        >>> to_plain(PitmanYor(1.0, 0.3))
        {'class': 'bnpgan.priors.PitmanYor', 'concentration': 1.0, 'discount': 0.3}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Integral):  # of NumPy
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list | tuple):
        return [to_plain(part, f"{name}[{i}]") for i, part in enumerate(value)]
    if isinstance(value, Tensor):
        return {"tensor": value.tolist(), "dtype": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, Distribution):
        return {"distribution": type(value).__name__, **_parameters(value, name)}
    if isinstance(value, type | FunctionType):
        return {"named": _address(value, name)}
    if dataclasses.is_dataclass(value) and _by_fields(type(value)):
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        parts = {field: to_plain(getattr(value, field), f"{name}.{field}".lstrip(".")) for field in fields}
        return {"class": _address(type(value), name), **parts}
    raise ValueError(
        f"{name}: {type(value).__name__} is no data: pass a frozen dataclass of numbers, names and tensors"
    )


def from_plain(value: Any, name: str = "") -> Any:
    """The part that ``to_plain`` was given; lists come back as tuples.

    Raises:
        ValueError: if a class or a function cannot be found, or a constructor refuses the saved values.

    Example:
        >>> from_plain({"class": "bnpgan.priors.PitmanYor", "concentration": 1.0, "discount": 0.3})
        PitmanYor(concentration=1.0, discount=0.3)
    """
    if isinstance(value, list):
        return tuple(from_plain(part, f"{name}[{i}]") for i, part in enumerate(value))
    if not isinstance(value, dict):
        return value
    kind, *_ = value or [""]
    made = _MAKERS.get(kind)
    if made is None:
        raise ValueError(f"{name or 'the recipe'}: {sorted(value)[:3]} is nothing that was noted of a part")
    try:
        return made(value, name)
    except (AttributeError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{name or value[kind]}: it cannot be made from what is noted of it ({error})") from None


def _tensor(value: dict[str, Any], name: str) -> Tensor:
    dtype = getattr(torch, value["dtype"])
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{value['dtype']!r} is no type of numbers")
    return torch.tensor(value["tensor"], dtype=dtype)


def _distribution(value: dict[str, Any], name: str) -> Distribution:
    kind = getattr(torch.distributions, value["distribution"])
    if not (isinstance(kind, type) and issubclass(kind, Distribution)):
        raise TypeError(f"{value['distribution']!r} is no distribution of torch")
    return kind(**{key: from_plain(part, key) for key, part in value.items() if key != "distribution"})


def _named(value: dict[str, Any], name: str) -> Any:
    found = _imported(value["named"])
    if not (isinstance(found, FunctionType) or (isinstance(found, type) and issubclass(found, nn.Module))):
        raise TypeError(f"{value['named']} is neither a function nor a module of networks")
    return found


def _part(value: dict[str, Any], name: str) -> Any:
    kind = _imported(value["class"])
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise TypeError(f"{value['class']} is no dataclass")
    parts = {key: from_plain(part, f"{name}.{key}".lstrip(".")) for key, part in value.items() if key != "class"}
    return kind(**parts)


_MAKERS: dict[str, Callable[[dict[str, Any], str], Any]] = {
    "class": _part,
    "named": _named,
    "tensor": _tensor,
    "distribution": _distribution,
    "float": lambda value, name: float(value["float"]),
}


def _by_fields(kind: type) -> bool:
    # Whether its constructor takes all fields, and needs nothing else.
    fields = {field.name for field in dataclasses.fields(kind) if field.init}
    parameters = signature(kind).parameters
    return fields <= parameters.keys() and all(name in fields for name, p in parameters.items() if p.default is p.empty)


def _parameters(law: Distribution, name: str) -> dict[str, Any]:
    known = [
        key for key in law.arg_constraints if key in vars(law)
    ]  # of two forms, such as probs and logits, the one that was given
    if not known:
        raise ValueError(f"{name}: the parameters of {law} are not known: pass a distribution of torch")
    return {key: to_plain(getattr(law, key), f"{name}.{key}") for key in known}


def _address(thing: Any, name: str) -> str:
    # By the outermost package that has it under its own name, from which users import it.
    words, own = thing.__module__.split("."), thing.__qualname__
    for i in range(1, len(words) + 1):
        module = importlib.import_module(".".join(words[:i]))
        if words[0] != "__main__" and getattr(module, own, None) is thing:
            return f"{'.'.join(words[:i])}.{own}"
    raise ValueError(f"{name or own}: {own} of {thing.__module__} cannot be imported by its name: put it into a module")


def _imported(address: str) -> Any:
    module, _, own = str(address).rpartition(".")
    if not module:
        raise TypeError(f"{address!r} is no name of a class in a module")
    try:
        return getattr(importlib.import_module(module), own)
    except ImportError as error:
        raise TypeError(f"{address} cannot be imported: {error}") from None
