"""The rivals of SC-GAN and MIC-GAN in their papers: a recipe each, and its arguments in each study."""

from typing import Any

from bnpgan import recipes
from bnpgan.recipes import Facade

__all__ = ["ON_DIGITS", "ON_THE_PLANE"]

Made = tuple[Facade, dict[str, Any]]

ON_THE_PLANE: dict[str, Made] = {
    "info-gan": (recipes.info_gan, {"capacity": 50, "z_dim": 2}),
    "cluster-gan": (recipes.cluster_gan, {"capacity": 50, "z_dim": 2}),
    "deli-gan": (recipes.deli_gan, {"capacity": 50, "kernels": 10}),
    "dm-gan": (recipes.dm_gan, {"capacity": 30}),  # each step costs as much as that of 30 generators
    "m-gan": (recipes.m_gan, {"capacity": 50}),
    "md-gan": (recipes.md_gan, {"capacity": 10}),  # the more corners, the less of the space is near one
}
ON_DIGITS: dict[str, Made] = {
    "info-gan-10": (recipes.info_gan, {"uniform": 2}),
    "cluster-gan-10": (recipes.cluster_gan, {"learning_rate": 5e-4}),
    "deli-gan-10": (recipes.deli_gan, {"penalty": 1.0}),
    "dm-gan-20": (recipes.dm_gan, {"capacity": 20, "learning_rate": 5e-4}),
    "m-gan-10": (recipes.m_gan, {"learning_rate": 5e-4, "penalty": 1.0}),
    "md-gan-10": (recipes.md_gan, {"learning_rate": 5e-4, "penalty": 1.0}),
}
