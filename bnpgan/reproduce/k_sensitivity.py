"""How much hangs on the number of clusters: the grid with K from 2 to 50, SC-GAN's Fig. 3."""

from dataclasses import replace
from functools import partial

from bnpgan import recipes
from bnpgan.reproduce import framed
from bnpgan.reproduce.plane import GRID, made
from bnpgan.reproduce.study import Method

__all__ = ["K_SENSITIVITY"]

SIZES = (2, 10, 25, 35, 50)  # fewer than the 25 modes, as many, and more

K_SENSITIVITY = replace(
    GRID,
    name="k-sensitivity",
    methods={
        **{f"sc-gan-{K}": Method(made(recipes.sc_gan, every=5000, capacity=K)) for K in SIZES},
        **{f"sc-gan-framed-{K}": Method(partial(framed.sc_gan, capacity=K)) for K in SIZES},
        **{f"mic-gan-framed-{K}": Method(partial(framed.mic_gan, capacity=K)) for K in SIZES},
        **{f"m-gan-{K}": Method(made(recipes.m_gan, capacity=K)) for K in SIZES},
    },
)
