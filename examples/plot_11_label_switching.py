"""
Label switching, a point estimate, and how far it can be trusted
================================================================

**What you see.** On the left the middle of the points in each slot, draw after draw, in the slot's colour: colours
come and go and change places, for the number of a slot means nothing. Then the partition nearest to all draws, and
the one at the edge of the ball around it that holds 95 % of them: what is in doubt is where these two differ.

**Why.** The posterior is the same under every renumbering of the clusters, so an average of labels, or of the
parameters of slot 3, is an average over nothing. What can be averaged does not depend on names: which points are
together. The estimate is the draw with the least expected variation of information to all draws; the ball around it
that holds 95 % of them says how certain it is.
"""

import matplotlib.pyplot as plt
import torch
from sklearn.metrics import mutual_info_score

from bnpgan import plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs

torch.set_num_threads(1)
torch.manual_seed(4)
x = torch.tensor([[0.0, 0.0], [2.6, 0.0], [1.3, 2.2]])[torch.arange(60) % 3] + 0.6 * torch.randn(60, 2)
sampler = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(scale=0.6, kappa=0.1, nu=6.0), capacity=12)
draws = sampler.chain(x, n=300, burn_in=50, seeds=(0,), progress=False)


def distance(a, b):
    """The variation of information of two partitions, H(a) + H(b) - 2 I(a, b)."""
    return mutual_info_score(a, a) + mutual_info_score(b, b) - 2 * mutual_info_score(a, b)


# %%
# **The lines that matter.** An estimate, and the radius of the ball around it that holds 95 % of the draws:

estimate = draws.variation_of_information()
distances = torch.tensor([distance(estimate, z) for z in draws.labels[0]])
edge = draws.labels[0, (distances - distances.quantile(0.95)).abs().argmin()]
print(f"clusters of {estimate.bincount().tolist()}; 95 % of the draws are within {distances.quantile(0.95):.2f} nats")

# %%
# The picture:

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
for t, z in enumerate(draws.labels[0]):
    for k in z.unique():
        left.plot(t, x[z == k, 0].mean(), ".", markersize=3, color=plotting.colours(k))
left.set(xlabel="draw", ylabel="middle of each slot, first coordinate")
plotting.mixture(x, sampler.partition(x, estimate), middle).set_title("the estimate", fontsize=10)
plotting.mixture(x, sampler.partition(x, edge.unique(return_inverse=True)[1]), right)
right.set_title("at the edge of the ball", fontsize=10)
plt.show()

# %%
# **To try.** ``draws.binder()``, another loss, likes small clusters better. Pull the three centres apart: the ball
# shrinks.
