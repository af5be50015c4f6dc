"""
SC-GAN on the ring, and its clusterer swapped in one line
=========================================================

**What you see.** The ring in grey, and what three GANs draw, in the colours of their clusters.

**Why.** A conditional GAN learns one mode for each cluster, whoever finds the clusters: k-means in the
discriminator's features, as in the paper; a Pitman-Yor mixture in the same features, which settles on a number by
itself; or nobody (random labels, the control). The networks know no clusterer and the clusterer no network: they meet
in a vector of labels.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
import torch

from bnpgan import data, metrics, plotting, recipes
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import PitmanYor
from bnpgan.samplers import RandomLabels, StickBreaking
from bnpgan.training import train

torch.set_num_threads(1)  # small networks gain nothing from more, and lose much on a busy machine
torch.manual_seed(0)
x, _ = data.ring(5000)
sc_gan = recipes.sc_gan(dim=2, capacity=16, backbone="mlp", learning_rate=1e-3, every=300, average=0.99)
mixture = StickBreaking(PitmanYor(1.0, 0.3), NormalInverseWishart(), capacity=16, sweeps=20, max_points=2000)

# %%
# **The lines that matter.** One part is replaced, nothing else is edited:

gans = {
    "k-means (SC-GAN)": sc_gan,
    "Pitman-Yor mixture": replace(sc_gan, clusterer=mixture),
    "random labels": replace(sc_gan, clusterer=RandomLabels(16)),
}

figure, axes = plt.subplots(1, len(gans), figsize=(12, 4.4), sharex=True, sharey=True, layout="constrained")
for ax, (name, gan) in zip(axes, gans.items(), strict=True):
    run = train(gan, x, steps=1500, seed=0, progress=False)
    c = run.partition.sample(2000)
    made = run.generate(c)
    scores = metrics.modes(made, data.ring_means(), std=0.01)
    ax.scatter(*x[:2000].T, s=30, color="#dddddd", linewidths=0)
    ax.scatter(*made.T, s=3, c=plotting.colours(c), linewidths=0)
    ax.set_aspect("equal")
    K = int(run.partition.active.sum())
    ax.set_title(f"{name}: {K} clusters\n{scores['modes']} of 8 modes, {scores['quality']:.0%} within 3 sd")
    print(f"{name}: {K} clusters, {scores}")

plt.show()

# %%
# **To try.** ``DPMeans(16)``; ``CRPGibbs`` of a Dirichlet process; a clusterer of your own, as in the page that
# writes one.
