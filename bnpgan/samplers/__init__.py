"""Samplers and other clusterers: how the partition is found. One file per algorithm."""

from bnpgan.samplers.algorithm8 import Algorithm8
from bnpgan.samplers.base import Clusterer, Sampler
from bnpgan.samplers.crp import CRPGibbs
from bnpgan.samplers.dpmeans import DPMeans
from bnpgan.samplers.igmm import IGMM
from bnpgan.samplers.kmeans import KMeans
from bnpgan.samplers.labels import FixedLabels, RandomLabels
from bnpgan.samplers.online_kmeans import OnlineKMeans
from bnpgan.samplers.pyro_mixture import PyroMixture
from bnpgan.samplers.sharded import Sharded
from bnpgan.samplers.slice import SliceSampler
from bnpgan.samplers.split_merge import SplitMerge
from bnpgan.samplers.stick_breaking import StickBreaking
from bnpgan.samplers.wrapper import Wrapper

__all__ = [
    "IGMM",
    "Algorithm8",
    "CRPGibbs",
    "Clusterer",
    "DPMeans",
    "FixedLabels",
    "KMeans",
    "OnlineKMeans",
    "PyroMixture",
    "RandomLabels",
    "Sampler",
    "Sharded",
    "SliceSampler",
    "SplitMerge",
    "StickBreaking",
    "Wrapper",
]
