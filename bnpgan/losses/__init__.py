"""Adversarial losses, a discriminator's and a generator's term each, and penalties on the discriminator's gradient."""

from bnpgan.losses.adversarial import GANLoss, Hinge, NonSaturating, Relativistic, Wasserstein
from bnpgan.losses.classes import OneAgainstAll, RealClasses
from bnpgan.losses.density import MixtureDensity
from bnpgan.losses.penalties import R1, R2, GradientPenalty, Penalties, Penalty

__all__ = [
    "R1",
    "R2",
    "GANLoss",
    "GradientPenalty",
    "Hinge",
    "MixtureDensity",
    "NonSaturating",
    "OneAgainstAll",
    "Penalties",
    "Penalty",
    "RealClasses",
    "Relativistic",
    "Wasserstein",
]
