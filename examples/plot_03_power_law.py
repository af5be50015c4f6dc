r"""
Dirichlet process or Pitman-Yor: logarithms and power laws
==========================================================

**What you see.** On the left the number of clusters among the first n points, three draws of each prior; on the right
the sizes of the clusters at the end, the largest first. Both have logarithmic axes, on which a power law is a
straight line.

**Why.** A Pitman-Yor process takes a discount d off the size of each cluster and gives it to the next new one:
:math:`p(k) \propto n_k - d`, and a new one :math:`\propto \alpha + d K`. The more clusters there are, the more come:
:math:`K \sim n^d` in place of :math:`\alpha \log n`, with many clusters of one or two points. Words of a language and
species of a forest are like that; most measurements are not.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import plotting
from bnpgan.priors import DirichletProcess, PitmanYor

torch.manual_seed(0)
n = 2000

# %%
# **The lines that matter.** Clusters are numbered as they appear, so that the largest label so far counts them:

priors = {"Dirichlet": DirichletProcess(5.0), "discount .3": PitmanYor(5.0, 0.3), "discount .6": PitmanYor(5.0, 0.6)}
draws = {name: [prior.sample_partition(n) for _ in range(3)] for name, prior in priors.items()}
growth = {name: [z.cummax(0).values + 1 for z in partitions] for name, partitions in draws.items()}

# %%
# The picture:

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for k, name in enumerate(priors):
    for i, (z, clusters) in enumerate(zip(draws[name], growth[name], strict=True)):
        left.loglog(range(1, n + 1), clusters, color=plotting.colours(k), linewidth=1, label=name if i == 0 else None)
        sizes = z.bincount().sort(descending=True).values
        right.loglog(range(1, len(sizes) + 1), sizes, color=plotting.colours(k), linewidth=1)
    alone = [int((z.bincount() == 1).sum()) for z in draws[name]]
    print(f"{name}: {[int(c[-1]) for c in growth[name]]} clusters, {alone} of them of one point")
left.set(xlabel="points", ylabel="clusters")
right.set(xlabel="rank of the cluster", ylabel="its size")
left.legend(frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# **To try.** ``FiniteDirichlet(5.0)`` and ``MixtureOfFiniteMixtures()`` from ``bnpgan.priors``: the one stops
# growing, the other settles. Give the discount as ``Grid.beta()`` to a sampler, and it is learned.
