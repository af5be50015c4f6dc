r"""
The concentration: how it moves the number of clusters, and how it is learned
=============================================================================

**What you see.** Grey bars are the posterior of the number of clusters of the same 60 points, and the line is what
the prior expected before it saw them, for three fixed concentrations and one that is learned.

**Why.** The prior's opinion of K is strong: with :math:`\alpha = 0.1` it expects one or two clusters and with 10 more
than fifteen, and the posterior is pulled along. Given as a ``Grid`` the concentration has a prior of its own, and
each sweep draws it from its conditional given the labels, :math:`p(\alpha \mid z) \propto p(\alpha) \, p(z \mid
\alpha)`, which knows the data through the number of clusters only. So what is learned is weak, but the wide prior of
K that results does much less harm.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs

torch.set_num_threads(1)
torch.manual_seed(0)
centres = torch.tensor([[0.0, 0.0], [3.0, 0.5], [1.2, 2.8]])
x = centres[torch.arange(60) % 3] + 0.6 * torch.randn(60, 2)
family = NormalInverseWishart(scale=0.6, kappa=0.1, nu=6.0)

# %%
# **The lines that matter.** A number, or a grid of them with a Gamma prior:

priors = [DirichletProcess(0.1), DirichletProcess(1.0), DirichletProcess(10.0), DirichletProcess(Grid.gamma(1.0, 1.0))]
samplers = [CRPGibbs(prior, family, capacity=40) for prior in priors]
chains = [sampler.chain(x, n=400, burn_in=100, seeds=(0, 1), progress=False) for sampler in samplers]

# %%
# The picture:

figure, axes = plt.subplots(2, 2, figsize=(10, 6.4), sharex=True, sharey=True, layout="constrained")
for ax, prior, found in zip(axes.flat, priors, chains, strict=True):
    plotting.number_of_clusters(found, ax)
    plotting.prior(prior, len(x), ax, draws=0)
    learned = found.trace.get("concentration")
    told = f"{prior.concentration:g}" if learned is None else f"learned, {learned.median():.2f} ({learned.std():.2f})"
    ax.set_title(f"concentration {told}", fontsize=10)
    ax.set_xlim(0.5, 25)
    print(f"concentration {told}: {found.trace['clusters'].double().mean():.1f} clusters in the mean")
plt.show()

# %%
# **To try.** 600 points in place of 60. ``Grid.gamma(2.0, 4.0)``, a Gamma law with mean 1/2. Which of the four
# posteriors changes most if the three centres are moved nearer together?
