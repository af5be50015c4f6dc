"""How much hangs on the number of clusters: the grid with K from 2 to 50, SC-GAN's Fig. 3."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bnpgan import recipes
from bnpgan.mixture import MixtureGAN
from bnpgan.reproduce import framed
from bnpgan.reproduce.plane import GRID
from bnpgan.reproduce.study import Method

__all__ = ["K_SENSITIVITY"]

SIZES = (2, 10, 25, 35, 50)  # fewer than the 25 modes, as many, and more


def sc_gan(steps: int, capacity: int) -> MixtureGAN:
    """SC-GAN with the settings of the grid."""
    return on_the_grid(recipes.sc_gan(dim=2, backbone="mlp", learning_rate=2e-3, every=5000, capacity=capacity), steps)


def m_gan(steps: int, capacity: int) -> MixtureGAN:
    """MGAN, which the figure has beside it, with the same settings."""
    return on_the_grid(recipes.m_gan(dim=2, backbone="mlp", learning_rate=2e-3, capacity=capacity), steps)


def on_the_grid(gan: MixtureGAN, steps: int) -> MixtureGAN:
    """The GAN with the schedule of the grid."""
    return gan.scheduled(decay=steps, betas=(0.0, 0.99))


MAKERS: dict[str, Callable[..., MixtureGAN]] = {
    "sc-gan": sc_gan,
    "sc-gan-framed": framed.sc_gan,
    "mic-gan-framed": framed.mic_gan,
    "m-gan": m_gan,
}
K_SENSITIVITY = replace(
    GRID,
    name="k-sensitivity",
    methods={f"{name}-{K}": Method(partial(make, capacity=K)) for name, make in MAKERS.items() for K in SIZES},
)
