"""What makes a function a recipe."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from bnpgan.mixture import MixtureGAN


def recipe(make: Callable[..., MixtureGAN]) -> Callable[..., MixtureGAN]:
    """Let what a recipe makes know the recipe's name and arguments, so that a saved run can be built again."""
    signature = inspect.signature(make)

    @wraps(make)
    def noted(*args: Any, **kwargs: Any) -> MixtureGAN:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        gan = make(**bound.arguments)
        arguments = {name: list(v) if isinstance(v, tuple) else v for name, v in bound.arguments.items()}
        object.__setattr__(gan, "recipe", {"name": make.__name__, "arguments": arguments})
        return gan

    return noted
