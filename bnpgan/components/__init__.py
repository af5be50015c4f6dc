"""Components: what one cluster looks like.

A :class:`Component` is a conjugate family, prior and likelihood; :class:`Components` is a batch of ``K`` concrete
distributions drawn from it or summarised by it.
"""

from bnpgan.components.base import Component, Stats
from bnpgan.components.distributions import Centroids, Components, Gaussians
from bnpgan.components.normal_inverse_wishart import NormalInverseWishart

__all__ = ["Centroids", "Component", "Components", "Gaussians", "NormalInverseWishart", "Stats"]
