"""Samplers and other clusterers: how the partition is found. One file per algorithm."""

from bnpgan.samplers.base import Clusterer, Sampler
from bnpgan.samplers.crp import CRPGibbs
from bnpgan.samplers.igmm import IGMM
from bnpgan.samplers.kmeans import KMeans
from bnpgan.samplers.labels import FixedLabels, RandomLabels
from bnpgan.samplers.stick_breaking import StickBreaking

__all__ = ["IGMM", "CRPGibbs", "Clusterer", "FixedLabels", "KMeans", "RandomLabels", "Sampler", "StickBreaking"]
