"""Data: the papers' 2-D sets, 8x8 digits, and readers of a person's own files."""

from bnpgan.data.readers import load
from bnpgan.data.sets import digits, grid, grid_means, ring, ring_means

__all__ = ["digits", "grid", "grid_means", "load", "ring", "ring_means"]
