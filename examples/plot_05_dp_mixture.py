r"""
A Dirichlet-process mixture finds its clusters, sweep by sweep
==============================================================

**What you see.** Four hundred points around eight centres, all of them in one cluster at first, and a sampler that is
not told how many clusters there are: press play. An ellipse is two standard deviations of a cluster.

**Why.** Each sweep takes every point out once and seats it again, at a table in proportion to how many sit there and
how well it fits, or at a new one. A new table in a good place draws its neighbours over; a table between two groups
loses its guests to both. The log-joint, :math:`\log p(z) + \log p(x \mid z)`, climbs until the chain has found where
the posterior lies, and then wanders.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data, plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs

torch.set_num_threads(1)
plt.rcParams["figure.dpi"] = 72
torch.manual_seed(1)
x, truth = data.ring(400, std=0.12)
start = torch.zeros(len(x), dtype=torch.int64)

# %%
# **The lines that matter.** The label vector is the whole state of a chain; ``chain`` keeps those of all sweeps:

sampler = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(scale=0.05), capacity=20)
chain = sampler.chain(x, n=30, seeds=(1,), labels=start, progress=False)
player = plotting.animate(x, chain, interval=250)
plt.show()

# %%
# The same by hand, and the trace:

labels, joint = start, [float(sampler.log_joint(x, start))]
for _ in range(30):
    labels = sampler.step(x, labels)
    joint.append(float(sampler.log_joint(x, labels)))
figure = plotting.trace({"log joint by hand": joint, "clusters in the animation": chain.trace["clusters"][0]})
print(f"{len(labels.unique())} clusters; log joint from {joint[0]:.0f} to {joint[-1]:.0f}")

# %%
# **To try.** ``scale=0.5``, or none, so that it is learned. A start from ``sampler.init(x)``: what is left to see?
# Two seeds side by side, ``seeds=(1, 2)``.
