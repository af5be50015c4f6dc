"""The papers' small experiments, from training to tables: what ``bnpgan reproduce`` runs."""

from bnpgan.reproduce.digits import DIGITS
from bnpgan.reproduce.images import ABLATION_K, CATDOG, CIFAR10, FASHION_MNIST, HYBRID, MNIST, STACKED_MNIST
from bnpgan.reproduce.plane import GRID, RING
from bnpgan.reproduce.runs import finished, run_study
from bnpgan.reproduce.study import Budget, Method, Study
from bnpgan.reproduce.tables import markdown, told

__all__ = ["STUDIES", "Budget", "Method", "Study", "finished", "markdown", "run_study", "told"]

IMAGES = MNIST, FASHION_MNIST, HYBRID, CATDOG, STACKED_MNIST, CIFAR10, ABLATION_K
STUDIES = {study.name: study for study in (RING, GRID, DIGITS, *IMAGES)}
