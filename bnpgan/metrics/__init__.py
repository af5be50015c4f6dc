"""Metrics: clusters against classes, samples against a known mixture, images against images in a network's features.

Everything returned is a plain Python number, or a tuple or dictionary of them, ready for JSON.
"""

from bnpgan.metrics.classes import class_modes
from bnpgan.metrics.distances import frechet_distance, kernel_distance
from bnpgan.metrics.extraction import extract
from bnpgan.metrics.inside import energy_distance, inside_modes, spread
from bnpgan.metrics.mixtures import exact_modes, modes
from bnpgan.metrics.neighbourhoods import neighbourhoods
from bnpgan.metrics.partitions import ari, clustering, inverse_purity, matched_accuracy, nmi, purity, top_purity
from bnpgan.metrics.sizes import effective_clusters, large_clusters
from bnpgan.metrics.tradeoff import diversity, quality

__all__ = [
    "ari",
    "class_modes",
    "clustering",
    "diversity",
    "effective_clusters",
    "energy_distance",
    "exact_modes",
    "extract",
    "frechet_distance",
    "inside_modes",
    "inverse_purity",
    "kernel_distance",
    "large_clusters",
    "matched_accuracy",
    "modes",
    "neighbourhoods",
    "nmi",
    "purity",
    "quality",
    "spread",
    "top_purity",
]
