"""Recipes: the GAN of each paper, assembled from the same parts.

A recipe takes numbers and names only, so that a run directory can hold what it was made from; for anything else, swap a
part of what it returns with ``dataclasses.replace``.
"""

from typing import Any

from bnpgan.mixture import MixtureGAN
from bnpgan.recipes.backbones import BACKBONES, Backbone
from bnpgan.recipes.micgan import mic_gan
from bnpgan.recipes.scgan import sc_gan

__all__ = ["BACKBONES", "RECIPES", "Backbone", "build", "mic_gan", "sc_gan"]

RECIPES = {"mic_gan": mic_gan, "sc_gan": sc_gan}


def build(saved: dict[str, Any]) -> MixtureGAN:
    """The GAN of a name and arguments, as ``config.json`` holds them."""
    if saved.get("name") not in RECIPES:
        raise ValueError(f"recipe {saved.get('name')!r} is unknown: choose one of {', '.join(RECIPES)}")
    try:
        return RECIPES[saved["name"]](**saved["arguments"])
    except (TypeError, KeyError) as error:
        raise ValueError(f"recipe {saved['name']!r} cannot be built from its arguments: {error}") from None
