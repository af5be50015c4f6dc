r"""
From cluster to cluster
=======================

**What you see.** Four clusters of digits in the corners, and between them images whose cluster is a mixture of the
four, all of one noise.

**Why.** A slot reaches the generator as a row of an embedding, :math:`C_k`, and a generator takes any vector in its
place: :math:`G(z, \sum_k w_k C_k)`. Nobody trained it on mixtures. That they look like digits on the way says that
the network is smooth in what it was told; where the path goes through a shape that no digit has, no cluster lies
between the two.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data, plotting, recipes
from bnpgan.training import train

torch.set_num_threads(1)
torch.manual_seed(0)
x, _ = data.digits()
gan = recipes.sc_gan(image_shape=(1, 8, 8), capacity=12, backbone="mlp", learning_rate=5e-4, penalty=1.0, every=400)
gan = gan.scheduled(average=0.98)  # a short training: the mean of the last fifty steps
run = train(gan, x, steps=1600, progress=False)

# %%
# **The lines that matter.** The four heaviest clusters, and a square between them:

corners = run.partition.counts.argsort(descending=True)[:4].tolist()
square = run.interpolate_four(*corners, n=9)
ax = plotting.images(square.flatten(0, 1), 9, plt.subplots(figsize=(6.5, 6.5), layout="constrained")[1])
ax.set_title(f"between clusters {corners}", fontsize=10)
plt.show()

# %%
# One cluster and one noise, and another noise: this path stays inside the cluster.

a, b = torch.randn(2, run.latent_dim)
t = torch.linspace(0, 1, 9)[:, None]
with torch.no_grad():
    noise, c = (1 - t) * a + t * b, torch.full((9,), corners[0])
    inside = run.averaged["generator"](run.averaged["latent"](c, noise), c)
both = torch.cat([run.interpolate(corners[0], corners[1], 9), inside])
plotting.images(both, 9, plt.subplots(figsize=(6.5, 1.6), layout="constrained")[1])
plt.show()
print(f"mean change between neighbours: {(square[1:] - square[:-1]).abs().mean():.3f} of a range of 2")

# %%
# **To try.** ``bnpgan sample RUN --between 4 16 2 19`` does it from the command line. A path through noise of length
# :math:`\sqrt{d}`: points between two draws of a Gaussian are nearer to its middle than draws are.
