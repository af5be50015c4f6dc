r"""
A density, and how well it is known
===================================

**What you see.** The true density of 200 points, dashed; what a Dirichlet-process mixture says of it, with the band
in which it lies with probability 95 %; and twenty densities drawn from the posterior, each a mixture of its own.

**Why.** A mixture whose clusters nobody believes in is still a flexible density: the number of Gaussians is whatever
the data ask for. Each draw of the chain gives labels; given these, weights and parameters are drawn from their
conditionals, and make one density :math:`f(y) = \sum_k w_k N(y; \mu_k, \Sigma_k)`. The band is of these curves: wide
where there are few points.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import StickBreaking

torch.set_num_threads(1)
torch.manual_seed(0)
variances = torch.tensor([1.0, 0.05, 0.6])[:, None, None]
truth = data.Mixture(torch.tensor([[-2.0], [0.3], [3.0]]), variances, torch.tensor([0.5, 0.2, 0.3]))
x, _ = truth.sample(200)
sampler = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), capacity=30)
chain = sampler.chain(x, n=300, burn_in=100, seeds=(0,), progress=False)
y = torch.linspace(-6, 6.5, 300)[:, None]

# %%
# **The lines that matter.** Given labels, weights and parameters from their exact conditionals, and the density that
# they make:


def density(labels):
    prior, stats = sampler.draw(x, labels)
    log_weights = prior.sample_log_weights(stats.n.long())
    return (log_weights + sampler.component.posterior_sample(stats).log_prob(y.double())).logsumexp(1).exp()


curves = torch.stack([density(labels) for labels in chain.labels[0]])

low, high = curves.quantile(torch.tensor([0.025, 0.975]).double(), dim=0)
true = truth.log_prob(y).exp()
ax = plt.subplots(figsize=(9, 4.6), layout="constrained")[1]
ax.fill_between(y[:, 0], low, high, color="#0072b2", alpha=0.2, linewidth=0, label="95 % band")
ax.plot(y, curves[::15].T, color="#0072b2", linewidth=0.4, alpha=0.6)
ax.plot(y, curves.mean(0), color="#0072b2", linewidth=2, label="posterior mean")
ax.plot(y, true, "--", color="#333333", label="truth")
ax.legend(frameon=False, loc="upper right")
plt.show()
inside = ((low < true) & (true < high)).double().mean()
print(f"{chain.trace['clusters'].double().mean():.1f} clusters; the truth is in the band at {inside:.0%} of the axis")

# %%
# **To try.** 2,000 points. ``plotting.density(x, sampler.fit(x))`` draws the mixture of one draw, in two dimensions
# too.
