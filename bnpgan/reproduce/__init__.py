"""The papers' small experiments, from training to tables: what ``bnpgan reproduce`` runs."""

from bnpgan.reproduce.digits import DIGITS
from bnpgan.reproduce.images import ABLATION_K, FASHION_MNIST, MNIST
from bnpgan.reproduce.plane import GRID, RING
from bnpgan.reproduce.runs import finished, run_study
from bnpgan.reproduce.study import Budget, Method, Study
from bnpgan.reproduce.tables import markdown, told

__all__ = ["STUDIES", "Budget", "Method", "Study", "finished", "markdown", "run_study", "told"]

STUDIES = {study.name: study for study in (RING, GRID, DIGITS, MNIST, FASHION_MNIST, ABLATION_K)}
