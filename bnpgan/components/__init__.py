"""Components: what one cluster looks like.

A family is a prior and a likelihood, and its class says what it can do: :class:`Drawable`, :class:`Conjugate` or
:class:`ExponentialFamily`; :class:`Component` is any of them. :class:`Components` is a batch of ``K`` concrete
distributions drawn from a family or summarised by it.
"""

from bnpgan.components.base import Component, Conjugate, Drawable, ExponentialFamily, Stats
from bnpgan.components.categoricals import Categoricals
from bnpgan.components.coarsened import Coarsened
from bnpgan.components.dirichlet_categorical import DirichletCategorical
from bnpgan.components.distributions import Centroids, Components, DiagonalGaussians, Gaussians
from bnpgan.components.normal_inverse_gamma import NormalInverseGamma
from bnpgan.components.normal_inverse_wishart import NormalInverseWishart
from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
from bnpgan.components.spherical_normal import SphericalNormal

__all__ = [
    "Categoricals",
    "Centroids",
    "Coarsened",
    "Component",
    "Components",
    "Conjugate",
    "DiagonalGaussians",
    "DirichletCategorical",
    "Drawable",
    "ExponentialFamily",
    "Gaussians",
    "NormalInverseGamma",
    "NormalInverseWishart",
    "SemiConjugateNormal",
    "SphericalNormal",
    "Stats",
]
