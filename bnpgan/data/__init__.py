"""Data: the papers' 2-D sets, mixtures to teach with, digits and clothes, and readers of a person's own files."""

from bnpgan.data.folders import class_names, folder
from bnpgan.data.found import Data
from bnpgan.data.idx import fashion_mnist, mnist
from bnpgan.data.mixtures import Mixture, anisotropic, moons, overlap, unequal, wide
from bnpgan.data.npz import arrays
from bnpgan.data.readers import STORED, TESTED, address, load, read
from bnpgan.data.sets import KNOWN, digits, grid, grid_means, ring, ring_means
from bnpgan.data.tables import table

__all__ = [
    "KNOWN",
    "STORED",
    "TESTED",
    "Data",
    "Mixture",
    "address",
    "anisotropic",
    "arrays",
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
    "read",
    "ring",
    "ring_means",
    "table",
    "unequal",
    "wide",
]
