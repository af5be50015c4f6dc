"""
A sampler stepped by hand against its enumerated posterior
==========================================================

Five points have 52 partitions: few enough to write down the posterior of each. A Gibbs sampler that is right visits
them in those proportions; one that forgets to share the mass of a new cluster among the empty slots does not.
"""

from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from bnpgan import plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM

torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.tensor([[-2.0], [-1.4], [0.1], [1.2], [1.9]], dtype=torch.float64)
family, prior = NormalInverseWishart(mean=torch.zeros(1), scale=0.5, kappa=0.3, nu=3.0), DirichletProcess(1.0)


def partitions(labels=(0,)):
    """Every partition of the points, as labels in order of appearance."""
    return [labels] if len(labels) == len(x) else [p for k in range(max(labels) + 2) for p in partitions((*labels, k))]


class Unshared(DirichletProcess):
    """A planted error: each empty slot gets all of the mass of a new cluster."""

    def log_predictive(self, counts):
        return super().log_predictive(counts) + (counts == 0) * (counts == 0).sum().clamp(min=1).log()


states = partitions()
log_prior = torch.stack([prior.log_eppf(torch.bincount(torch.tensor(z))) for z in states])
log_likelihood = torch.stack([family.log_marginal(family.stats(x, torch.tensor(z), 5)).sum() for z in states])
exact = (log_prior + log_likelihood).softmax(0)
order = exact.argsort(descending=True)[:20]
figure, axes = plt.subplots(2, 1, figsize=(9, 6), sharex=True, sharey=True, layout="constrained")
for ax, (name, law) in zip(axes, {"exact sampler": prior, "mass not shared": Unshared(1.0)}.items(), strict=True):
    sampler, labels, visits = IGMM(law, family, capacity=6), torch.zeros(5, dtype=torch.int64), Counter()
    for _ in range(4000):
        labels = sampler.step(x, labels)
        names = list(dict.fromkeys(labels.tolist()))  # slots in order of appearance
        visits[tuple(map(names.index, labels.tolist()))] += 1
    found = torch.tensor([visits[z] / 4000 for z in states])
    ax.bar(range(20), exact[order], color="#cccccc", label="enumerated")
    print(told := f"{name}: total variation {(found - exact).abs().sum() / 2:.3f}")
    ax.plot(found[order], "o", label=told)
    ax.legend(frameon=False)
axes[1].set_xticks(range(20), ["".join(map(str, states[i])) for i in order], rotation=90)
axes[1].set_xlabel("partition: the cluster of each of the five points")
out = Path("runs/examples")
out.mkdir(parents=True, exist_ok=True)
plotting.save(figure, out / "exact_posterior.png")
