"""
A Dirichlet-process mixture finds its clusters, sweep by sweep
==============================================================

Four hundred points around eight centres, and a sampler that is not told how many there are. All points start in one
cluster. Each sweep takes every point out once and seats it again, at a table in proportion to how many sit there and
how well it fits, or at a new one.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from bnpgan import data, plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs

torch.set_num_threads(1)
torch.manual_seed(1)
x, truth = data.ring(400, std=0.12)

# %%
# The label vector is the whole state of the chain, so stepping by hand is a loop.

sampler = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(scale=0.05), capacity=20)
labels = torch.zeros(len(x), dtype=torch.int64)
frames, joint = {0: labels}, [float(sampler.log_joint(x, labels))]
for sweep in range(1, 61):
    labels = sampler.step(x, labels)
    joint.append(float(sampler.log_joint(x, labels)))
    if sweep in (3, 8, 20, 60):
        frames[sweep] = labels

# %%
# One picture for each kept sweep: ellipses at two standard deviations.

figure, axes = plt.subplots(1, len(frames), figsize=(15, 3.7), sharex=True, sharey=True, layout="constrained")
for ax, (sweep, labels) in zip(axes, frames.items(), strict=True):
    partition = sampler.partition(x, labels)
    plotting.mixture(x, partition, ax)
    K = int(partition.active.sum())
    ax.set_title(f"sweep {sweep}: {K} cluster{'s' * (K > 1)}")

out = Path("runs/examples")
out.mkdir(parents=True, exist_ok=True)
plotting.save(figure, out / "dp_mixture.png")
plotting.save(plotting.trace({"log joint": joint}), out / "dp_mixture_trace.png")
print(f"{K} clusters; log joint from {joint[0]:.0f} to {joint[-1]:.0f}")
