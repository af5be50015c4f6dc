"""
Three samplers, one posterior
=============================

**What you see.** The same points and the same model under a collapsed sampler, a blocked one and a slice sampler, in
a column each: the log-joint of two chains, the number of clusters, and which points are together.

**Why.** All three are exact, so that once they have run long enough all they say is the same. The collapsed one moves
a point at a time, given all others, with parameters summed out. The blocked one draws weights and parameters and then
moves all points at once, which is fast, and what it draws is of a truncated process. The slice sampler does so
without a truncation, looking only at as many clusters as the slices uncover. The labels of the blocked sampler say
the order of its slots as well, so that its log-joint has another level.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data, plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs, SliceSampler, StickBreaking

torch.set_num_threads(1)
torch.manual_seed(0)
x, _ = data.ring(40, std=0.12)
model = DirichletProcess(1.0), NormalInverseWishart(mean=torch.zeros(2), scale=0.03, kappa=0.05, nu=8.0)

# %%
# **The lines that matter.** A sampler is a prior, a family and a way to move:

samplers = {"collapsed": CRPGibbs(*model), "blocked": StickBreaking(*model, capacity=30), "slice": SliceSampler(*model)}
chains = {name: s.chain(x, n=200, burn_in=100, seeds=(0, 1), progress=False) for name, s in samplers.items()}

# %%
# The picture:

figure, axes = plt.subplots(3, 3, figsize=(11, 9), sharex="row", sharey="row", layout="constrained")
for (above, middle, below), (name, found) in zip(axes.T, chains.items(), strict=True):
    above.plot(found.trace["log_joint"].T, linewidth=0.8)
    above.set_title(f"{name}: {1000 * found.seconds / 600:.1f} ms a sweep")
    plotting.number_of_clusters(found, middle)
    plotting.similarity(found.coclustering(), below)
    print(f"{name}: {found.trace['clusters'].double().mean():.2f} clusters in the mean")
axes[0, 0].set_ylabel("log-joint")
axes[1, 0].set_ylim(0, 0.8)
plt.show()

# %%
# **To try.** Start all from one cluster, ``chain(..., labels=torch.zeros(40, dtype=torch.int64))``, without a
# burn-in: which forgets its start first? ``bnpgan.testing.compare_samplers`` tests whether two samplers have one law.
