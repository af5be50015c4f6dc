r"""
A sampler stepped by hand against its enumerated posterior
==========================================================

**What you see.** The 20 likeliest partitions of five points: grey bars are their exact posterior, dots how often a
sampler visited them. Above a sampler that is right; below one with an error planted in it.

**Why.** Five points have 52 partitions: few enough to write down the posterior of each, :math:`p(z \mid x) \propto
EPPF(z) \prod_k m(x_k)`. A sampler that forgets to share the mass of a new cluster among the empty slots opens too
many. On real data nobody would see it.
"""

from collections import Counter

import matplotlib.pyplot as plt
import torch

from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM

torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.tensor([[-2.0], [-1.4], [0.1], [1.2], [1.9]], dtype=torch.float64)
family, prior = NormalInverseWishart(mean=torch.zeros(1), scale=0.5, kappa=0.3, nu=3.0), DirichletProcess(1.0)


def partitions(labels=(0,)):
    return [labels] if len(labels) == 5 else [p for k in range(max(labels) + 2) for p in partitions((*labels, k))]


class Unshared(DirichletProcess):  # a planted error: each empty slot gets all of the mass of a new cluster
    def log_predictive(self, counts):
        return super().log_predictive(counts) + (counts == 0) * (counts == 0).sum().clamp(min=1).log()


# %%
# **The lines that matter.** Prior times evidence of every partition, and normalise:
states = partitions()
log_prior = torch.stack([prior.log_eppf(torch.bincount(torch.tensor(z))) for z in states])
log_likelihood = torch.stack([family.log_marginal(family.stats(x, torch.tensor(z), 5)).sum() for z in states])
exact = (log_prior + log_likelihood).softmax(0)
order = exact.argsort(descending=True)[:20]
axes = plt.subplots(2, 1, figsize=(9, 6), sharex=True, sharey=True, layout="constrained")[1]
for ax, (name, law) in zip(axes, {"exact sampler": prior, "mass not shared": Unshared(1.0)}.items(), strict=True):
    sampler, labels, visits = IGMM(law, family, capacity=6), torch.zeros(5, dtype=torch.int64), Counter()
    for _ in range(1500):
        labels = sampler.step(x, labels)
        names = list(dict.fromkeys(labels.tolist()))  # slots in order of appearance
        visits[tuple(map(names.index, labels.tolist()))] += 1
    found = torch.tensor([visits[z] / 1500 for z in states])
    ax.bar(range(20), exact[order], color="#cccccc")
    ax.plot(found[order], "o")
    print(ax.set_title(f"{name}: total variation {(found - exact).abs().sum() / 2:.3f}").get_text())
axes[1].set_xticks(range(20), ["".join(map(str, states[i])) for i in order], rotation=90)
plt.show()

# %%
# **To try.** ``bnpgan.testing.check_sampler(sampler)`` does this and seven more tests. Plant an error of your own.
