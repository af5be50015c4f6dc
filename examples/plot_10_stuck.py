"""
A chain that is stuck, and how split-merge frees it
===================================================

**What you see.** The 25 modes of a grid, and two chains that start with all points in one cluster: on the left the
number of clusters after each sweep, beside it where each chain stands at the end.

**Why.** A blocked sampler moves each point given the parameters of the clusters that there are. A new cluster would
begin as a draw from the prior, which hardly ever lies on a mode, so that no point goes there; the chain is exact and
would get out, after longer than anybody waits. Split-merge proposes to cut a cluster in two along its own points, or
to join two, and accepts by the Metropolis-Hastings rule: the same posterior, with doors between its modes.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data, plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import SplitMerge, StickBreaking

torch.set_num_threads(1)
torch.manual_seed(0)
x, _ = data.grid(5000)
start = torch.zeros(len(x), dtype=torch.int64)

# %%
# **The lines that matter.** ``SplitMerge`` goes around any sampler:

blocked = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=50)
samplers = {"blocked": blocked, "blocked, with split-merge": SplitMerge(blocked)}
chains = {name: s.chain(x, n=30, seeds=(0,), labels=start, progress=False) for name, s in samplers.items()}

# %%
# The picture:

figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
for k, (ax, (name, found)) in enumerate(zip(axes[1:], chains.items(), strict=True)):
    clusters = [1, *found.trace["clusters"][0].tolist()]
    axes[0].plot(clusters, color=plotting.colours(k), label=name)
    plotting.mixture(x, samplers[name].partition(x, found.labels[0, -1]), ax)
    ax.set_title(f"{name}: {clusters[-1]} cluster{'s' * (clusters[-1] > 1)}", fontsize=10)
    print(f"{name}: {clusters}")
axes[0].set(xlabel="sweep", ylabel="clusters")
axes[0].legend(frameon=False)
axes[0].spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# **To try.** ``sampler.fit(x)`` without labels starts near a mode, and both find 25 clusters at once. The other way
# round: start with ``torch.arange(5000) % 50``, fifty clusters without rhyme or reason. Split-merge around
# ``CRPGibbs``, or ``IGMM``.
