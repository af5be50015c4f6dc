"""Components: what one cluster looks like.

A :class:`Component` is a conjugate family, prior and likelihood; :class:`Components` is a batch of ``K`` concrete
distributions drawn from it or summarised by it.
"""

from bnpgan.components.base import Component, Stats
from bnpgan.components.categoricals import Categoricals
from bnpgan.components.dirichlet_categorical import DirichletCategorical
from bnpgan.components.distributions import Centroids, Components, DiagonalGaussians, Gaussians
from bnpgan.components.normal_inverse_gamma import NormalInverseGamma
from bnpgan.components.normal_inverse_wishart import NormalInverseWishart
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.components.spherical_normal import SphericalNormal

__all__ = [
    "Categoricals",
    "Centroids",
    "Component",
    "Components",
    "DiagonalGaussians",
    "DirichletCategorical",
    "Gaussians",
    "NormalInverseGamma",
    "NormalInverseWishart",
    "SemiConjugateNormal",
    "SphericalNormal",
    "Stats",
]
