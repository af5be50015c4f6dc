"""The papers' small experiments, from training to tables: what ``bnpgan reproduce`` runs."""

from bnpgan.reproduce.digits import DIGITS
from bnpgan.reproduce.images import ABLATION_K, CATDOG, CIFAR10, FASHION_MNIST, HYBRID, MNIST, STACKED_MNIST
from bnpgan.reproduce.imbalance import IMBALANCE
from bnpgan.reproduce.k_sensitivity import K_SENSITIVITY
from bnpgan.reproduce.plane import GRID, GRID_PAPER, RING, RING_PAPER
from bnpgan.reproduce.runs import finished, run_study
from bnpgan.reproduce.study import Budget, Method, Study
from bnpgan.reproduce.tables import markdown, told
from bnpgan.reproduce.unknown_k import UNKNOWN_K
from bnpgan.reproduce.variance_sensitivity import VARIANCE_SENSITIVITY
from bnpgan.reproduce.wide import HEAVY_TAILS, MIXTURE10

__all__ = ["STUDIES", "Budget", "Method", "Study", "finished", "markdown", "run_study", "told"]

STUDIES = {
    study.name: study
    for study in (
        *(RING, GRID, RING_PAPER, GRID_PAPER, MIXTURE10, HEAVY_TAILS, K_SENSITIVITY, VARIANCE_SENSITIVITY),
        *(DIGITS, UNKNOWN_K, IMBALANCE),
        *(MNIST, FASHION_MNIST, HYBRID, CATDOG, STACKED_MNIST, CIFAR10, ABLATION_K),
    )
}
