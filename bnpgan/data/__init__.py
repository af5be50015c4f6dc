"""Data: the papers' 2-D sets, mixtures to teach with, digits and clothes, and readers of a person's own files."""

from bnpgan.data.folders import class_names, folder
from bnpgan.data.idx import fashion_mnist, mnist
from bnpgan.data.mixtures import Mixture, anisotropic, moons, overlap, unequal
from bnpgan.data.readers import address, load
from bnpgan.data.sets import KNOWN, digits, grid, grid_means, ring, ring_means
from bnpgan.data.tables import table

__all__ = [
    "KNOWN",
    "Mixture",
    "address",
    "anisotropic",
    "class_names",
    "digits",
    "fashion_mnist",
    "folder",
    "grid",
    "grid_means",
    "load",
    "mnist",
    "moons",
    "overlap",
    "ring",
    "ring_means",
    "table",
    "unequal",
]
