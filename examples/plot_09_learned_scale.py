"""
The scale of a cluster is learned, and nothing is tuned
=======================================================

**What you see.** Twenty-five narrow modes in metres and three broad ones in millimetres, clustered by one sampler
that has no setting but its prior; below, what it learned of how wide a cluster is.

**Why.** That width decides more than any other setting how many clusters are found, and every data set has an answer
of its own. By default samplers learn it: the prior mean of a cluster's covariance is a share of a covariance of the
data, the share is one of a grid of values, and each sweep draws it given the labels. So the units of a column do not
matter either.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data, plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import SplitMerge, StickBreaking

torch.set_num_threads(1)
torch.manual_seed(0)
centres = torch.tensor([[0.0, 0.0], [3000.0, 800.0], [900.0, 3200.0]])
broad = centres[torch.randint(3, (600,))] + 400 * torch.randn(600, 2)
narrow, _ = data.grid(1500, std=0.05)

# %%
# **The line that matters.** No number but those of the concentration's own prior:

sampler = SplitMerge(StickBreaking(DirichletProcess(Grid.gamma(1.0, 1.0)), NormalInverseWishart()))
figure, axes = plt.subplots(2, 2, figsize=(9, 7.5), height_ratios=[3, 1], layout="constrained")
for (above, below), (name, x) in zip(axes.T, {"metres": narrow, "millimetres": broad}.items(), strict=True):
    chains = sampler.chain(x, n=40, burn_in=25, seeds=(0,), progress=False)
    shares = chains.trace["factor"].flatten()
    partition = sampler.partition(x, chains.variation_of_information())
    plotting.mixture(x, partition, above)
    K = int(partition.active.sum())
    above.set_title(f"{name}: {K} clusters")
    values = sampler.component.factor.values
    found = torch.isclose(shares, values[:, None]).double().mean(1)
    below.bar(range(len(values)), found, color="#0072b2")
    below.set_xticks(range(0, len(values), 3), [f"{float(v):.0e}" for v in values[::3]])
    below.set_xlabel("a cluster's covariance, as a share of that of the data")
    below.spines[["top", "right"]].set_visible(False)
    print(f"{name}: {K} clusters, share {shares.median():.5f}")
axes[1, 0].set_ylabel("drawn in so many sweeps")

plt.show()

# %%
# **To try.** ``NormalInverseWishart(scale=1.0)`` for both: one cluster of metres, hundreds of millimetres.
