"""Recipes: the GAN of each paper, assembled from the same parts.

A recipe takes numbers and names only, so that a run directory can hold what it was made from; for anything else, swap a
part of what it returns with ``dataclasses.replace``.
"""

from typing import Any

from bnpgan.mixture import MixtureGAN
from bnpgan.recipes.backbones import BACKBONES, Backbone
from bnpgan.recipes.gan import class_conditional_gan, gan, random_label_gan
from bnpgan.recipes.gmgan import gm_gan, supervised_gm_gan
from bnpgan.recipes.logogan import precomputed_label_gan
from bnpgan.recipes.micgan import mic_gan
from bnpgan.recipes.pacgan import pac_gan
from bnpgan.recipes.scgan import sc_gan

_ALL = (
    *(mic_gan, sc_gan, gm_gan, supervised_gm_gan),
    *(gan, class_conditional_gan, random_label_gan, pac_gan, precomputed_label_gan),
)
RECIPES = {recipe.__name__: recipe for recipe in _ALL}

__all__ = [
    "BACKBONES",
    "RECIPES",
    "Backbone",
    "build",
    "class_conditional_gan",
    "gan",
    "gm_gan",
    "mic_gan",
    "pac_gan",
    "precomputed_label_gan",
    "random_label_gan",
    "sc_gan",
    "supervised_gm_gan",
]


def build(saved: dict[str, Any]) -> MixtureGAN:
    """The GAN of a name, arguments and changes of the schedule, as ``config.json`` holds them."""
    if saved.get("name") not in RECIPES:
        raise ValueError(f"recipe {saved.get('name')!r} is unknown: choose one of {', '.join(RECIPES)}")
    try:
        gan = RECIPES[saved["name"]](**saved["arguments"])
        changes = {name: tuple(v) if isinstance(v, list) else v for name, v in saved.get("schedule", {}).items()}
        return gan.scheduled(**changes) if changes else gan
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"recipe {saved['name']!r} cannot be built from what is noted of it: {error}") from None
