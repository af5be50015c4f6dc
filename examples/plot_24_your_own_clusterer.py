"""
A clusterer from outside the package
====================================

**What you see.** Digits by cluster, generated on the left and real on the right; the clusters were found by
scikit-learn.

**Why.** Anything that returns labels can drive a mixture GAN. Here a variational Dirichlet-process mixture finds the
digits in the discriminator's features. The training loop matches its slots with the old ones, so that it need not
know of them.
"""

from dataclasses import dataclass, replace

import torch
from sklearn.mixture import BayesianGaussianMixture
from torch import Tensor

from bnpgan import data, metrics, plotting, recipes
from bnpgan.partition import Partition
from bnpgan.samplers import Clusterer
from bnpgan.training import train

# %%
# **The lines that matter.** A clusterer is a frozen dataclass with ``fit``:


@dataclass(frozen=True)
class VariationalMixture(Clusterer):
    """scikit-learn's truncated variational DP mixture."""

    capacity: int
    max_dim: int | None = 16  # the loop reduces wider features by PCA

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """Partition the points; the loop matches the slots with the old ones."""
        model = BayesianGaussianMixture(n_components=self.capacity, max_iter=50, reg_covar=1e-3, random_state=0)
        found = torch.as_tensor(model.fit_predict(x.cpu().double().numpy()), device=x.device)
        return Partition.from_labels(x, found, self.capacity)


torch.set_num_threads(1)  # small networks gain nothing from more, and lose much on a busy machine
torch.manual_seed(0)
x, truth = data.digits()
sc_gan = recipes.sc_gan(image_shape=(1, 8, 8), capacity=15, backbone="mlp", learning_rate=5e-4, penalty=1.0, every=500)
gan = replace(sc_gan, clusterer=VariationalMixture(15))
run = train(gan, x, steps=1500, seed=0, progress=False)

scores = metrics.clustering(run.partition.labels, truth)
print({name: round(value, 3) for name, value in scores.items()})
heavy = run.partition.counts.argsort(descending=True)[: int(run.partition.active.sum())].tolist()
real = [x[run.partition.labels == k][:8] for k in heavy]
fake = [run.sample(8, cluster=k) for k in heavy]
figure = plotting.cluster_grid(real, fake, [f"cluster {k}" for k in heavy])

# %%
# **To try.** ``sklearn.cluster.KMeans``, ``DBSCAN`` with its noise in a slot of its own.
