"""Small but real parts that several tests share."""

from dataclasses import dataclass, replace

import torch
from sklearn.mixture import BayesianGaussianMixture

from bnpgan import data, recipes
from bnpgan.components import NormalInverseWishart
from bnpgan.models import MLP
from bnpgan.partition import Partition
from bnpgan.priors import DirichletProcess, PitmanYor
from bnpgan.samplers import IGMM, Clusterer, CRPGibbs, FixedLabels, KMeans, RandomLabels, StickBreaking

CAPACITY = 6


@dataclass(frozen=True)
class Foreign(Clusterer):
    """A clusterer from outside the package: scikit-learn's variational DP mixture."""

    capacity: int
    max_dim: int | None = 8

    def fit(self, x, labels=None):
        model = BayesianGaussianMixture(n_components=self.capacity, reg_covar=1e-3, max_iter=20, random_state=0)
        found = model.fit_predict(x.double().numpy())
        return Partition.from_labels(x, torch.as_tensor(found), self.capacity)


def points():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return data.ring(120)


def images():
    x, truth = data.digits()
    return x[:120], truth[:120]


def clusterers(n):
    """One of each clusterer, for ``n`` points."""
    mixture = {"component": NormalInverseWishart(), "capacity": CAPACITY, "sweeps": 2}
    return {
        "crp": CRPGibbs(DirichletProcess(1.0), **mixture),
        "stick-breaking": StickBreaking(PitmanYor(1.0, 0.3), **mixture),
        "igmm": IGMM(DirichletProcess(1.0), **mixture),
        "kmeans": KMeans(CAPACITY, restarts=2),
        "random": RandomLabels(CAPACITY),
        "fixed": FixedLabels(torch.arange(n) % CAPACITY),
        "foreign": Foreign(CAPACITY),
    }


SHORT = {  # arguments that make a recipe's rounds come every few steps
    "mic_gan": {
        **{"capacity": CAPACITY, "every": 4, "warmup": 4, "sweeps": 2},
        **{"encoder_first_steps": 4, "encoder_steps": 2},
    },
    "sc_gan": {"capacity": CAPACITY, "every": 4, "penalty": 1.0},
    "gm_gan": {"capacity": CAPACITY, "z_dim": 4, "full": True, "classifier_steps": 4},
    "supervised_gm_gan": {"capacity": CAPACITY, "z_dim": 4, "each": 2},
    "gan": {},
    "class_conditional_gan": {"capacity": CAPACITY},
    "random_label_gan": {"capacity": CAPACITY},
    "pac_gan": {"pack": 4},
    "precomputed_label_gan": {"capacity": CAPACITY, "encoder_steps": 4},
    "info_gan": {"capacity": CAPACITY},
    "cluster_gan": {"capacity": CAPACITY},
    "deli_gan": {"capacity": CAPACITY, "classifier_steps": 4},
    "dm_gan": {"capacity": CAPACITY},
    "m_gan": {"capacity": CAPACITY},
    "md_gan": {"capacity": CAPACITY},
}


def gan(recipe, x, *, arguments=None, **changes):
    """A recipe for ``x`` whose rounds come every few steps."""
    shape = {"dim": x.shape[1], "backbone": MLP(32)} if x.ndim == 2 else {"image_shape": tuple(x.shape[1:])}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = getattr(recipes, recipe)(batch=16, **shape, **SHORT[recipe], **(arguments or {}))
    schedule = replace(made.schedule, log=3, save=5)
    return replace(made, **{"schedule": schedule, **changes})
