"""
Four chains: have they mixed, and what do they say?
===================================================

Three groups of points, one of which may be two. Chains from four seeds agree once they have forgotten how they began:
their traces overlap, and R-hat, the spread between them against that within, comes near 1 (below 1.01 if they run
longer than here). Together they say how many clusters there are, and which points belong together.
"""

from pathlib import Path

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
# The concentration has a Gamma prior, as a grid, and is drawn in each sweep with the rest.

family = NormalInverseWishart(scale=0.8, kappa=0.1, nu=8.0)
sampler = IGMM(DirichletProcess(Grid.gamma(1.0, 1.0)), family, capacity=12)
chains = sampler.chain(x, n=250, burn_in=50, thin=2, seeds=(0, 1, 2, 3))
print(chains.summary().round(2).to_string())
print("P(K):", {K: round(share, 2) for K, share in chains.number_of_clusters().items()})

# %%
# Small clusters come and go, so that the number is uncertain; which points belong together is much less so.

for name, labels in (("Binder", chains.binder()), ("variation of information", chains.variation_of_information())):
    print(f"best partition by {name}: clusters of {labels.bincount().tolist()}")
out = Path("runs/examples")
out.mkdir(parents=True, exist_ok=True)
plotting.save(plotting.chains(chains), out / "chains.png")
plotting.save(plotting.number_of_clusters(chains), out / "chains_clusters.png")
plotting.save(plotting.similarity(chains.coclustering()), out / "chains_similarity.png")
