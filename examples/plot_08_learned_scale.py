"""
The scale of a cluster is learned, and nothing is tuned
=======================================================

How wide is a cluster? That setting decides more than any other how many are found, and every data set has an answer of
its own. By default the samplers learn it: the prior mean of a cluster's covariance is a share of the covariance of the
data, the share is one of a grid of values, and each sweep draws it given the labels. Here are twenty-five narrow modes
in metres and three broad ones in millimetres, and one sampler with no setting but its prior, whose concentration is
learned too. It starts from one cluster.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from bnpgan import data, plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import SplitMerge, StickBreaking

torch.set_num_threads(1)
torch.manual_seed(0)
centres = torch.tensor([[0.0, 0.0], [3000.0, 800.0], [900.0, 3200.0]])
broad = centres[torch.randint(3, (600,))] + 400 * torch.randn(600, 2)
narrow, _ = data.grid(1500, std=0.05)

sampler = SplitMerge(StickBreaking(DirichletProcess(Grid.gamma(1.0, 1.0)), NormalInverseWishart()))
figure, axes = plt.subplots(2, 2, figsize=(9, 7.5), height_ratios=[3, 1], layout="constrained")
for (above, below), (name, x) in zip(axes.T, {"metres": narrow, "millimetres": broad}.items(), strict=True):
    chains = sampler.chain(x, n=40, burn_in=25, seeds=(0,), progress=False)
    shares = chains.trace["factor"].flatten()
    partition = sampler.partition(x, chains.variation_of_information())
    plotting.mixture(x, partition, above)
    K = int(partition.active.sum())
    above.set_title(f"{name}: {K} clusters")
    values = sampler.component.factor.values
    found = torch.isclose(shares, values[:, None]).double().mean(1)
    below.bar(range(len(values)), found, color="#0072b2")
    below.set_xticks(range(0, len(values), 3), [f"{float(v):.0e}" for v in values[::3]])
    below.set_xlabel("a cluster's covariance, as a share of that of the data")
    below.spines[["top", "right"]].set_visible(False)
    print(f"{name}: {K} clusters, share {shares.median():.5f}")
axes[1, 0].set_ylabel("drawn in so many sweeps")

out = Path("runs/examples")
out.mkdir(parents=True, exist_ok=True)
plotting.save(figure, out / "learned_scale.png")
