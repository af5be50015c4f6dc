"""Data: the papers' 2-D sets, mixtures to teach with, digits and clothes, and readers of a person's own files."""

from bnpgan.data.idx import fashion_mnist, mnist
from bnpgan.data.mixtures import Mixture, anisotropic, moons, overlap, unequal
from bnpgan.data.readers import load
from bnpgan.data.sets import KNOWN, digits, grid, grid_means, ring, ring_means

__all__ = [
    "KNOWN",
    "Mixture",
    "anisotropic",
    "digits",
    "fashion_mnist",
    "grid",
    "grid_means",
    "load",
    "mnist",
    "moons",
    "overlap",
    "ring",
    "ring_means",
    "unequal",
]
