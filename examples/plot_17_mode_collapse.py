r"""
Mode collapse, seen on the ring
===============================

**What you see.** Eight modes in grey, and what two GANs draw after 150, 400 and 1,000 steps. Above a plain GAN; below
one that is told the cluster of each point. Colours are the clusters.

**Why.** A plain generator maps one bump of noise onto eight separate ones. Where it piles its points onto the modes
that fool the discriminator just now, modes are missing; where it stretches them over all, bridges are left between.
Told the cluster, the generator has a map for each mode, none of which has to be torn, and the discriminator judges
points of a cluster beside others of it: no mode that has a cluster can be left out.
"""

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import torch

from bnpgan import data, metrics, plotting, recipes
from bnpgan.training import train

torch.set_num_threads(1)
torch.manual_seed(0)
x, _ = data.ring(4000)
unit = x.std()  # networks like data of unit variance

# %%
# **The lines that matter.** The same networks without and with clusters:

shared = {"dim": 2, "backbone": "mlp", "learning_rate": 2e-3, "average": 0.99}
plain, conditional = recipes.gan(**shared), recipes.sc_gan(capacity=16, every=300, **shared)

# %%
# A run goes on where it stopped, so that we can look in between:

figure, axes = plt.subplots(2, 3, figsize=(10, 6.8), sharex=True, sharey=True, layout="constrained")
for row, (name, gan) in zip(axes, {"plain": plain, "by clusters": conditional}.items(), strict=True):
    with TemporaryDirectory() as out:
        for ax, steps in zip(row, (150, 400, 1000), strict=True):
            run = train(gan, x / unit, steps=steps, out=out, resume=steps > 150, progress=False)
            c = run.slots(2000)
            made = run.generate(c) * unit
            scores = metrics.modes(made, data.ring_means(), std=0.01, box=True)
            ax.scatter(*x.T, s=30, color="#dddddd", linewidths=0)
            ax.scatter(*made.T, s=2, c=plotting.colours(c), linewidths=0)
            told = f"{name}, {steps} steps: {scores['modes']} modes\n{scores['quality']:.0%} of the points near one"
            ax.set(aspect="equal", xlim=(-1.5, 1.5), ylim=(-1.5, 1.5))
            ax.set_title(told, fontsize=10)
            print(told.replace("\n", ", "))
plt.show()

# %%
# **To try.** ``recipes.random_label_gan(capacity=16, **shared)``: clusters that mean nothing help nobody.
# ``data.grid(4000)``.
