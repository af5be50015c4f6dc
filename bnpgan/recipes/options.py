"""Flat options: how ``mic_gan(scale=0.2)``, and the command line, set fields that lie deep in a recipe.

An option is either the path to a field, which gives it its type, default and explanation, or, for what is no field, a
function that changes the recipe.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, get_args, get_type_hints

import docstring_parser

from bnpgan.losses import R1, R2, Penalties, Relativistic
from bnpgan.mixture import MixtureGAN, Recipe, built
from bnpgan.models import ADA, BACKBONES, ClusterFrames

__all__ = ["At", "Change", "Facade", "Option", "Options", "made", "options_of"]

Kind = type[Recipe]


@dataclass(frozen=True)
class Option:
    """``put(recipe, value)`` is the recipe with the option set, ``kind`` its type, ``told`` its explanation."""

    put: Callable[[Any, Any], Any]
    kind: type
    default: Any
    told: str


class At:
    """An option that sets the field at a path such as ``clusterer.prior.concentration``.

    Args:
        path: names with dots between, from the recipe on.
        others: paths of fields that get the same value.
        told: the explanation; by default that of the field in the docstring of its class.
        default: what is shown as the default; by default the value of the field. ``None`` if it depends on the data.
    """

    def __init__(self, path: str, *others: str, told: str | None = None, default: Any = ...) -> None:
        self.paths, self.told, self.default = (path, *others), told, default

    def of(self, kind: Kind) -> Option:
        """The option of a recipe."""
        *owners, name = self.paths[0].split(".")
        owner: Any = _usual(kind)
        for field in owners:
            owner = getattr(owner, field)
        default = getattr(owner, name) if self.default is ... else self.default
        part: type = type(owner)
        told = self.told or " ".join(_documented(part)[name].split())
        return Option(self.put, _type(part, name), default, told)

    def put(self, recipe: Recipe, value: Any) -> Recipe:
        """The recipe with this value in the fields."""
        for path in self.paths:
            recipe = put(recipe, path, value)
        return recipe


@dataclass(frozen=True)
class Change:
    """An option that is no field: ``put`` changes the recipe. ``default`` may be a function of the usual recipe."""

    put: Callable[[Any, Any], Any]
    kind: type
    default: Any
    told: str

    def of(self, kind: Kind) -> Option:
        """The option of a recipe."""
        default = self.default(_usual(kind)) if callable(self.default) else self.default
        return Option(self.put, self.kind, default, self.told)


Options = dict[str, At | Change]
"""The options of a recipe, by name."""

FIRST: Options = {
    "capacity": At("capacity"),
    "backbone": Change(
        lambda recipe, name: replace(recipe, backbone=name),
        str,
        None,
        f"the networks: {', '.join(BACKBONES)}; by default maxout for points, dcgan for images",
    ),
    "z_dim": At("z_dim", default=None),
}
LAST: Options = {
    "batch": At("schedule.batch"),
    "learning_rate": At(
        "schedule.generator_rate", "schedule.discriminator_rate", told="of generator and discriminator"
    ),
    "penalty": Change(
        lambda recipe, weight: put(recipe, "schedule.penalty", R1(weight, _every(recipe)) if weight else None),
        float,
        lambda recipe: recipe.schedule.penalty.weight if recipe.schedule.penalty else 0.0,
        "weight of the R1 penalty; 0 for none",
    ),
    "penalty_every": Change(
        lambda recipe, every: _lazy(recipe, every),
        int,
        lambda recipe: _every(recipe),
        "steps from one call of the penalty to the next, which is weighed as many times; 16 saves much time",
    ),
    "relativistic": Change(
        lambda recipe, wanted: _relativistic(recipe) if wanted else recipe,
        bool,
        False,
        "the loss of R3GAN, on pairs of a real and a fake image; the penalty is then on fake images as well",
    ),
    "ada": Change(
        lambda recipe, wanted: replace(recipe, ada=ADA() if wanted else None),
        bool,
        False,
        "adaptive augmentation: shifted, scaled and recoloured images for the discriminator, as often as it overfits",
    ),
    "average": At("schedule.average"),
    "bf16": At("schedule.bf16"),
    "graphs": At("schedule.graphs"),
    "decay": At(
        "schedule.decay", told="the step at which learning rates, falling on a line, reach 0; by default they stay"
    ),
    "save": At("schedule.save"),
    "frames": Change(
        lambda recipe, wanted: replace(recipe, frames=ClusterFrames) if wanted else recipe,
        bool,
        False,
        "whether the networks see each point from the middle, and in the units, of its cluster; not for images",
    ),
    "width": Change(
        lambda recipe, width: put(recipe, "backbone.width", width),
        int,
        None,
        "of the networks; by default the usual one of the backbone",
    ),
}


def _every(recipe: Recipe) -> int:
    return recipe.schedule.penalty.every if recipe.schedule.penalty else 1


def _lazy(recipe: Recipe, every: int) -> Recipe:
    if recipe.schedule.penalty is None:
        raise ValueError(f"penalty_every: there is no penalty to call every {every} steps: pass one, or leave this out")
    return put(recipe, "schedule.penalty.every", every)


def _relativistic(recipe: Recipe) -> Recipe:
    penalty: Any = recipe.schedule.penalty  # R1, as the options have it
    both = penalty and Penalties((penalty, R2(penalty.weight, penalty.every)))
    return put(replace(recipe, loss=Relativistic()), "schedule.penalty", both)


@cache
def options_of(kind: Kind) -> dict[str, Option]:
    """All options of a recipe by name, in the order in which they are set."""
    own: Options = kind.options  # type: ignore[attr-defined]
    return {name: option.of(kind) for name, option in {**FIRST, **own, **LAST}.items()}


def made(kind: Kind, shape: tuple[int, ...], given: Mapping[str, Any]) -> Recipe:
    """The recipe for data of a shape with the given options; one that is ``None`` keeps its default."""
    set_first = {name: given[name] for name in ("capacity", "backbone") if given.get(name) is not None}
    recipe = kind(shape=shape, **set_first)
    for name, option in options_of(kind).items():
        if name in given and name not in set_first and not (given[name] is None and option.default is None):
            try:
                recipe = option.put(recipe, given[name])
            except ValueError as error:  # which names the field that the option sets
                told = str(error)
                raise ValueError(told if re.match(rf"{name}\b", told) else f"{name}: {told}") from None
    return recipe


def put(part: Any, path: str, value: Any) -> Any:
    """A part like this one, with another value in the field at a path."""
    name, _, rest = path.partition(".")
    return replace(part, **{name: put(getattr(part, name), rest, value) if rest else value})


class Facade:
    """A function that builds a recipe from flat options: ``mic_gan(image_shape=(1, 28, 28), capacity=20)``.

    Args:
        name: of the function.
        recipe: the class that it builds.
    """

    def __init__(self, name: str, recipe: Kind) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = f"The GAN that :class:`~bnpgan.recipes.{recipe.__name__}` builds, from flat options; see there."
        self.recipe = recipe

    def __call__(self, *args: Any, **kwargs: Any) -> MixtureGAN:
        """The GAN."""
        given = dict(self.__signature__.bind(*args, **kwargs).arguments)
        return built(made(self.recipe, _shape(given.pop("image_shape", None), given.pop("dim", None)), given))

    def __repr__(self) -> str:
        return f"{self.__name__}{self.__signature__}"

    @property
    def __signature__(self) -> inspect.Signature:
        defaults = {"image_shape": None, "dim": None} | {n: o.default for n, o in options_of(self.recipe).items()}
        either = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, either, default=d) for name, d in defaults.items()])


def _shape(image_shape: tuple[int, ...] | None, dim: int | None) -> tuple[int, ...]:
    if (image_shape is None) == (dim is None):
        raise ValueError(
            "image_shape and dim: pass image_shape=(C, H, W) for images or dim=D for points, one of the two"
        )
    if image_shape is not None and len(image_shape) != 3:
        raise ValueError(f"image_shape must be (C, H, W), got {tuple(image_shape)}: e.g. (1, 32, 32)")
    return tuple(image_shape) if image_shape is not None else (dim,)  # type: ignore[return-value]


@cache
def _usual(kind: Kind) -> Recipe:
    # A recipe from which defaults are read: that for images of 32 x 32 pixels.
    return kind(shape=(1, 32, 32))  # type: ignore[call-arg]  # leaves have a capacity


def _type(owner: type, name: str) -> type:
    hint = get_type_hints(owner)[name]
    return next(kind for kind in (hint, *get_args(hint)) if kind in (bool, int, float, str))


@cache
def _documented(owner: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        for told in docstring_parser.parse(base.__doc__ or "").params:
            found |= {name.strip(): told.description or "" for name in told.arg_name.split(",")}
    return found
