"""
A sampler stepped by hand against its enumerated posterior
==========================================================

Five points have 52 partitions, few enough to write down the posterior of each exactly. A Gibbs sampler that is right
visits them in those proportions; one that forgets to share the mass of a new cluster among the empty slots does not.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from bnpgan import plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import IGMM

x = torch.tensor([[-2.0], [-1.4], [0.1], [1.2], [1.9]], dtype=torch.float64)
component = NormalInverseWishart(mean=torch.zeros(1), scale=0.5, kappa=0.3, nu=3.0)


def partitions(n, labels=(0,)):
    """Every partition of n points, as labels in order of appearance."""
    if len(labels) == n:
        return [labels]
    return [p for k in range(max(labels) + 2) for p in partitions(n, (*labels, k))]


@dataclass(frozen=True)
class Unshared(DirichletProcess):
    """A planted error: each empty slot gets all of the mass of a new cluster."""

    def log_predictive(self, counts):
        shared = super().log_predictive(counts)
        return torch.where(counts > 0, shared, shared + (counts == 0).sum().log())


def frequencies(sampler, sweeps=6000, burn_in=100):
    """How often a chain that starts in one cluster is at each partition."""
    labels, visits = torch.zeros(len(x), dtype=torch.int64), dict.fromkeys(states, 0)
    for sweep in range(burn_in + sweeps):
        labels = sampler.step(x, labels)
        names: dict[int, int] = {}
        if sweep >= burn_in:
            visits[tuple(names.setdefault(k, len(names)) for k in labels.tolist())] += 1 / sweeps
    return torch.tensor([visits[s] for s in states], dtype=torch.float64)


states = partitions(len(x))
prior = DirichletProcess(1.0)
log_p = torch.stack(
    [
        prior.log_eppf(torch.bincount(z)) + component.log_marginal(component.stats(x, z, 5)).sum()
        for z in map(torch.tensor, states)
    ]
)
exact = log_p.softmax(0)
order = exact.argsort(descending=True)[:20]
figure, axes = plt.subplots(2, 1, figsize=(9, 6), sharex=True, sharey=True, layout="constrained")
for ax, (name, law) in zip(axes, {"exact sampler": prior, "mass not shared": Unshared(1.0)}.items(), strict=True):
    found = frequencies(IGMM(law, component, capacity=6))
    distance = 0.5 * float((found - exact).abs().sum())
    ax.bar(range(20), exact[order], width=0.8, color="#cccccc", label="enumerated")
    ax.plot(found[order], "o", color="#a2214b", label=f"{name}: total variation {distance:.3f}")
    ax.set_ylabel("probability")
    ax.legend(frameon=False)
    print(f"{name}: total variation {distance:.3f} from the enumerated posterior")
axes[1].set_xticks(range(20), ["".join(map(str, states[i])) for i in order], rotation=90)
axes[1].set_xlabel("partition: the cluster of each of the five points")
out = Path("runs/examples")
out.mkdir(parents=True, exist_ok=True)
plotting.save(figure, out / "exact_posterior.png")
