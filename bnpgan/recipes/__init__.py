"""Recipes: the GAN of each paper, assembled from the same parts.

A recipe is a frozen dataclass of parts that are data, ``MICGAN(shape=(1, 28, 28), capacity=20)``; ``build()`` makes
the networks, ``dataclasses.replace`` a variant, of the recipe or of what it has built. ``mic_gan(...)`` and the others
build one from flat options, as the command line does.
"""

from typing import Any

from bnpgan.mixture import MixtureGAN, Recipe, built
from bnpgan.models import BACKBONES, Backbone
from bnpgan.plain import from_plain
from bnpgan.recipes.clustergan import ClusterGAN
from bnpgan.recipes.deligan import DeliGAN
from bnpgan.recipes.dmgan import DMGAN
from bnpgan.recipes.gan import GAN, ClassConditionalGAN, RandomLabelGAN
from bnpgan.recipes.gmgan import GMGAN, SupervisedGMGAN
from bnpgan.recipes.infogan import InfoGAN
from bnpgan.recipes.logogan import PrecomputedLabelGAN
from bnpgan.recipes.mdgan import MDGAN
from bnpgan.recipes.mgan import MGAN
from bnpgan.recipes.micgan import MICGAN
from bnpgan.recipes.options import Facade, made, options_of
from bnpgan.recipes.pacgan import PacGAN
from bnpgan.recipes.parts import Encoder
from bnpgan.recipes.scgan import SCGAN

mic_gan = Facade("mic_gan", MICGAN)
sc_gan = Facade("sc_gan", SCGAN)
gm_gan = Facade("gm_gan", GMGAN)
supervised_gm_gan = Facade("supervised_gm_gan", SupervisedGMGAN)
gan = Facade("gan", GAN)
class_conditional_gan = Facade("class_conditional_gan", ClassConditionalGAN)
random_label_gan = Facade("random_label_gan", RandomLabelGAN)
pac_gan = Facade("pac_gan", PacGAN)
precomputed_label_gan = Facade("precomputed_label_gan", PrecomputedLabelGAN)
info_gan = Facade("info_gan", InfoGAN)
cluster_gan = Facade("cluster_gan", ClusterGAN)
deli_gan = Facade("deli_gan", DeliGAN)
dm_gan = Facade("dm_gan", DMGAN)
m_gan = Facade("m_gan", MGAN)
md_gan = Facade("md_gan", MDGAN)

RECIPES: dict[str, Facade] = {
    recipe.__name__: recipe
    for recipe in (
        *(mic_gan, sc_gan, gm_gan, supervised_gm_gan),
        *(gan, class_conditional_gan, random_label_gan, pac_gan, precomputed_label_gan),
        *(info_gan, cluster_gan, deli_gan, dm_gan, m_gan, md_gan),
    )
}

__all__ = [
    "BACKBONES",
    "DMGAN",
    "GAN",
    "GMGAN",
    "MDGAN",
    "MGAN",
    "MICGAN",
    "RECIPES",
    "SCGAN",
    "Backbone",
    "ClassConditionalGAN",
    "ClusterGAN",
    "DeliGAN",
    "Encoder",
    "Facade",
    "InfoGAN",
    "PacGAN",
    "PrecomputedLabelGAN",
    "RandomLabelGAN",
    "Recipe",
    "SupervisedGMGAN",
    "build",
    "class_conditional_gan",
    "cluster_gan",
    "deli_gan",
    "dm_gan",
    "gan",
    "gm_gan",
    "info_gan",
    "m_gan",
    "made",
    "md_gan",
    "mic_gan",
    "options_of",
    "pac_gan",
    "precomputed_label_gan",
    "random_label_gan",
    "sc_gan",
    "supervised_gm_gan",
]


def build(saved: dict[str, Any]) -> MixtureGAN:
    """The GAN of a recipe that ``config.json`` holds.

    Raises:
        ValueError: if it is no recipe, or cannot be made from what is noted of it.
    """
    recipe = from_plain(saved)
    if not isinstance(recipe, Recipe):
        raise ValueError(f"the recipe in config.json is none, but {saved}: name the directory of a run")
    return built(recipe)
