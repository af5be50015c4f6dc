"""
A component of your own: one function in Pyro
=============================================

**What you see.** Five clusters whose points now and then lie far out, under a mixture of Gaussians and one of
Student's t. A line is where the density of a cluster has fallen to exp(-2) of its peak, for a Gaussian two standard
deviations.

**Why.** A mixture of Gaussians covers the tails with clusters of their own. A Student t has them, but no conjugate
prior, so that nothing can be summed out: written as a function in Pyro it becomes a clusterer by ``PyroMixture``, by
variational inference.
"""

import matplotlib.pyplot as plt
import pyro
import torch
from pyro import distributions as dist

from bnpgan import metrics, plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs, PyroMixture

torch.set_num_threads(1)
torch.manual_seed(2)
angle = 2 * torch.pi * (truth := torch.arange(600) % 5) / 5
x = 2 * torch.stack([angle.sin(), angle.cos()], 1) + 0.15 * dist.StudentT(2.0).sample((600, 2))

# %%
# **The lines that matter.** The function is given mean and deviation of the data, and samples a cluster's parameters.


def student(mean, std):
    loc = pyro.sample("loc", dist.Normal(mean, 3 * std).to_event(1))
    scale = pyro.sample("scale", dist.LogNormal((std / 10).log(), 1.5).to_event(1))
    degrees = pyro.sample("degrees", dist.LogNormal(1.0, 0.5))
    return dist.StudentT(degrees[:, None], loc, scale).to_event(1)


gaussians = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(), capacity=30)
clusterers = {"Gaussians": gaussians, "Student t": PyroMixture(student, capacity=30)}
side = torch.linspace(-4, 4, 200)
figure, axes = plt.subplots(1, 2, figsize=(11, 5.2), sharex=True, sharey=True, layout="constrained")
for ax, (name, clusterer) in zip(axes, clusterers.items(), strict=True):
    partition = clusterer.fit(x)
    ax.scatter(*x.T, s=8, c=plotting.colours(partition.labels), linewidths=0)
    height = partition.components.log_prob(torch.cartesian_prod(side, side)).T.unflatten(1, (200, 200)).mT
    for k in partition.active.nonzero().flatten():
        colour = [0.75 * plotting.colours(k)]
        ax.contour(side, side, height[k] - height[k].max(), levels=[-2], colors=colour, linestyles="solid")
    ari = metrics.clustering(partition.labels, truth)["ari"]
    print(told := f"{name}: {int(partition.active.sum())} clusters, ARI {ari:.2f}")
    ax.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal", title=told)
plt.show()

# %%
# **To try.** Degrees of freedom fixed at 30: as good as Gaussian. A Laplace distribution.
