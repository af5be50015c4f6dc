"""
Four chains: have they mixed, and what do they say?
===================================================

**What you see.** Three groups of points, one of which may be two. Above the traces of four chains, the number of
clusters in all of them below, and how often each two points are together.

**Why.** Chains agree once they have forgotten how they began: their traces overlap, and R-hat, the spread between
them against that within, comes near 1 (below 1.01 if they run longer than here). One chain alone cannot tell whether
it is stuck.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM

torch.set_num_threads(1)
torch.manual_seed(0)
centres = torch.tensor([[0.0, 0.0], [3.0, 0.5], [1.05, 2.8], [1.95, 2.8]])
x = centres[torch.arange(48) % 4] + 0.4 * torch.randn(48, 2)

# %%
# **The lines that matter.** The concentration has a Gamma prior, as a grid, and is drawn in each sweep with the rest.

family = NormalInverseWishart(scale=0.8, kappa=0.1, nu=8.0)
sampler = IGMM(DirichletProcess(Grid.gamma(1.0, 1.0)), family, capacity=12)
chains = sampler.chain(x, n=150, burn_in=50, thin=2, seeds=(0, 1, 2, 3), progress=False)
print(chains.summary().round(2).to_string())
print("P(K):", {K: round(share, 2) for K, share in chains.number_of_clusters().items()})

# %%
# Small clusters come and go, so that the number is uncertain; which points belong together is much less so.

for name, labels in (("Binder", chains.binder()), ("variation of information", chains.variation_of_information())):
    print(f"best partition by {name}: clusters of {labels.bincount().tolist()}")
figure = plotting.chains(chains)
_, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
plotting.number_of_clusters(chains, left)
plotting.similarity(chains.coclustering(), right)
plt.show()

# %%
# **To try.** ``n=25``: what does R-hat say? ``plotting.prior(sampler.prior, len(x), left)`` lays the prior's law over
# the posterior.
