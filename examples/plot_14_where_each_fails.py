"""
k-means, DP-means and a mixture, where each fails
=================================================

**What you see.** Three data sets in rows, three clusterers in columns, and the adjusted Rand index of each: 1 is
right, 0 is chance.

**Why.** k-means, told the true number, cuts space by the nearest mean, so it halves a large cluster and joins small
ones. DP-means opens a cluster where a point lies too far from all: one radius for all clusters, large or small, round
or long. A mixture learns weights and covariances, and the number. It fails where clusters are no Gaussians: it
describes the two moons well, as a density, by several Gaussians each, and none of these is a moon.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data, metrics, plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs, DPMeans, KMeans

torch.set_num_threads(1)
torch.manual_seed(0)
sets = {"unequal": (data.unequal(), 5), "anisotropic": (data.anisotropic(), 4), "moons": (data.moons(), 2)}

# %%
# **The lines that matter.** Three clusterers with one face, ``fit(x)``; only the first is told the number:

mixture = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(), capacity=20)
clusterers = {"k-means": KMeans, "DP-means": lambda K: DPMeans(capacity=20), "mixture": lambda K: mixture}

# %%
# The picture:

figure, axes = plt.subplots(3, 3, figsize=(10, 9), layout="constrained")
for row, (name, (law, K)) in zip(axes, sets.items(), strict=True):
    x, truth = law.sample(800)
    truth = truth // 8 if name == "moons" else truth  # of which each is eight Gaussians
    for ax, (method, clusterer) in zip(row, clusterers.items(), strict=True):
        labels = clusterer(K).fit(x).labels
        ax.scatter(*x.T, s=5, c=plotting.colours(labels), linewidths=0)
        told = f"{len(labels.unique())} clusters, ARI {metrics.ari(labels, truth):.2f}"
        ax.set(xticks=[], yticks=[], aspect="equal")
        ax.set_title(f"{method}: {told}", fontsize=10)
        print(f"{name}, {method}: {told}")
    row[0].set_ylabel(name)
plt.show()

# %%
# **To try.** ``Coarsened()`` as the family: clusters that are only nearly Gaussian. ``bnpgan.combining.combine`` puts
# Gaussians of a mixture together that leave points in doubt. The means of k-means as a start for the mixture:
# ``mixture.fit(x, labels)``.
