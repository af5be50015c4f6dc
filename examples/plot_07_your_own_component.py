"""
A component of your own: one function in Pyro
=============================================

Five clusters whose points now and then lie far out. A mixture of Gaussians has no word for that: it covers the tails
with clusters of their own. A Student t has, but no conjugate prior; so it is written as a function, and ``PyroMixture``
makes a clusterer of it.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pyro
import torch
from pyro import distributions as dist

from bnpgan import metrics, plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs, PyroMixture

torch.set_num_threads(1)
torch.manual_seed(0)
truth = torch.arange(600) % 5
angle = 2 * torch.pi * truth / 5
x = 2 * torch.stack([angle.sin(), angle.cos()], 1) + 0.15 * dist.StudentT(2.0).sample((600, 2))

# %%
# The function is given the mean and the standard deviation of the data. It runs inside a plate of clusters, so that
# each parameter is sampled once for each of them.


def student(mean, std):
    loc = pyro.sample("loc", dist.Normal(mean, 3 * std).to_event(1))
    scale = pyro.sample("scale", dist.LogNormal((std / 10).log(), 1.5).to_event(1))
    degrees = pyro.sample("degrees", dist.LogNormal(1.0, 0.5))
    return dist.StudentT(degrees[:, None], loc, scale).to_event(1)


clusterers = {
    "Gaussians": CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(), capacity=20),
    "Student t": PyroMixture(student, capacity=20),
}
figure, axes = plt.subplots(1, 2, figsize=(11, 5.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, clusterer) in zip(axes, clusterers.items(), strict=True):
    partition = clusterer.fit(x)
    scores = metrics.clustering(partition.labels, truth)
    told = f"{name}: {int(partition.active.sum())} clusters, ARI {scores['ari']:.2f}"
    plotting.mixture(x, partition, ax).set_title(told)
    ax.set(xlim=(-4, 4), ylim=(-4, 4))
    print(told)
print(f"{int((x.abs() > 4).any(1).sum())} of 600 points lie outside the picture")

out = Path("runs/examples")
out.mkdir(parents=True, exist_ok=True)
plotting.save(figure, out / "your_own_component.png")
