"""Metrics: clusters against classes, and samples against a known 2-D mixture.

Everything returned is a plain Python number or a dictionary of them, ready for JSON.
"""

from bnpgan.metrics.mixtures import modes
from bnpgan.metrics.partitions import (
    ari,
    clustering,
    effective_clusters,
    large_clusters,
    matched_accuracy,
    nmi,
    purity,
    top_purity,
)

__all__ = [
    "ari",
    "clustering",
    "effective_clusters",
    "large_clusters",
    "matched_accuracy",
    "modes",
    "nmi",
    "purity",
    "top_purity",
]
