"""The number of clusters is not known: the ten digits with 8, 12, 16 and 22 slots, as MIC-GAN's section 4.4."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bnpgan import recipes
from bnpgan.mixture import MixtureGAN
from bnpgan.reproduce.digits import DIGITS
from bnpgan.reproduce.rivals import ON_DIGITS
from bnpgan.reproduce.study import Method

__all__ = ["UNKNOWN_K"]

SIZES = (8, 12, 16, 22)
COMMON: dict = {"image_shape": (1, 8, 8), "backbone": "mlp"}


def mic_gan(steps: int, capacity: int) -> MixtureGAN:
    """MIC-GAN, of which slots may stay empty."""
    return recipes.mic_gan(**COMMON, capacity=capacity, warmup=max(0, steps - 1000))


def sc_gan(steps: int, capacity: int) -> MixtureGAN:
    """SC-GAN, which fills them all."""
    return recipes.sc_gan(**COMMON, capacity=capacity, every=500, learning_rate=5e-4, penalty=1.0, z_dim=32)


def gm_gan(steps: int, capacity: int) -> MixtureGAN:
    """GM-GAN, unsupervised."""
    return recipes.gm_gan(**COMMON, capacity=capacity, learning_rate=5e-4, penalty=1.0)


def rival(name: str) -> Callable[..., MixtureGAN]:
    """A rival of that section with its arguments for the digits; it fills all slots."""
    recipe, arguments = ON_DIGITS[f"{name}-10"]
    return lambda steps, capacity: recipe(**COMMON, **arguments, capacity=capacity)


MAKERS: dict[str, Callable[..., MixtureGAN]] = {
    "mic-gan": mic_gan,
    "sc-gan": sc_gan,
    "gm-gan": gm_gan,
    **{name: rival(name) for name in ("info-gan", "cluster-gan", "deli-gan")},
}
UNKNOWN_K = replace(
    DIGITS,
    name="unknown-k",
    methods={f"{name}-{K}": Method(partial(make, capacity=K)) for name, make in MAKERS.items() for K in SIZES},
)
