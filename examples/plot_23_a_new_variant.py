"""
A new variant in one line: SC-GAN that learns how many clusters there are
=========================================================================

**What you see.** SC-GAN with too few clusters, with as many as there are modes and with too many; on the right it
learns the number.

**Why.** SC-GAN must be told the number of clusters. In the same features of the discriminator a Dirichlet-process
mixture finds one: one part is swapped, nothing else. It finds more than eight, for the features bend a mode into
several pieces.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
import torch

from bnpgan import data, metrics, plotting, recipes
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import SplitMerge, StickBreaking
from bnpgan.training import train

torch.set_num_threads(1)
torch.manual_seed(0)
x, truth = data.ring(4000)
unit = x.std()


def sc_gan(K):
    gan = recipes.sc_gan(dim=2, capacity=K, backbone="mlp", learning_rate=2e-3, every=400, decay=1200, average=0.99)
    return gan.scheduled(betas=(0.0, 0.99))


# %%
# **The lines that matter.** The new variant:

mixture = SplitMerge(
    StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=30, sweeps=8, max_dim=8, max_points=2000)
)
gans = {"K = 4": sc_gan(4), "K = 8": sc_gan(8), "K = 30": sc_gan(30)}
gans["K learned"] = replace(sc_gan(30), clusterer=mixture)

figure, axes = plt.subplots(1, len(gans), figsize=(13, 3.9), sharex=True, sharey=True, layout="constrained")
for ax, (name, gan) in zip(axes, gans.items(), strict=True):
    run = train(gan, x / unit, steps=1200, progress=False)
    c = run.slots(2000)
    scores = metrics.modes(made := run.generate(c) * unit, data.ring_means(), std=0.01, box=True)
    nmi = metrics.nmi(run.partition.labels, truth)
    ax.scatter(*x[:2000].T, s=30, color="#dddddd", linewidths=0)
    ax.scatter(*made.T, s=3, c=plotting.colours(c), linewidths=0)
    told = f"{name}: {run.partition.active.sum()} clusters, NMI {nmi:.2f}\n{scores['modes']} modes"
    told += f", {scores['quality']:.0%} in the box"
    ax.set(title=told, aspect="equal")
    print(told.replace("\n", "; ") + f"; reverse KL {scores['reverse_kl']:.4f}")
plt.show()

# %%
# **To try.** ``MixtureOfFiniteMixtures()`` as the prior; ``Coarsened()`` as the family: fewer pieces.
