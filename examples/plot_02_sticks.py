r"""
Sticks: the weights of the clusters
===================================

**What you see.** Each bar is a stick of length one, broken into the weights of a Dirichlet process; the pieces are in
the order in which they were broken off. Five draws for each of three concentrations, and below the mean weight of the
k-th piece.

**Why.** Break a share :math:`v_1 \sim Beta(1, \alpha)` off, then a share :math:`v_2` of what is left, and so on for
ever: :math:`w_k = v_k \prod_{l<k} (1 - v_l)`. With a small :math:`\alpha` the first pieces take nearly all; with a
large one there are many crumbs. Guests who choose tables by these weights, whoever came before them, follow the law
of the restaurant.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import plotting
from bnpgan.priors import DirichletProcess

torch.manual_seed(0)
pieces, concentrations = 40, (0.5, 2.0, 8.0)

# %%
# **The lines that matter.** Forty sticks, the last of which is all that is left; they sum to one:

draws = {a: [DirichletProcess(a).sample_sticks(pieces) for _ in range(5)] for a in concentrations}
for a, weights in draws.items():
    print(f"concentration {a:g}: the largest weights are {[round(float(w.max()), 2) for w in weights]}")

# %%
# The picture:

figure, axes = plt.subplots(2, 3, figsize=(11, 5.4), height_ratios=(2, 1), sharey="row", layout="constrained")
for (above, below), (a, weights) in zip(axes.T, draws.items(), strict=True):
    for row, w in enumerate(weights):
        left = w.cumsum(0) - w
        above.barh(row, w, left=left, color=plotting.colours(range(pieces)), edgecolor="white", linewidth=0.5)
    above.set(yticks=[], xlim=(0, 1), title=f"concentration {a:g}")
    k = torch.arange(pieces)
    below.plot(k + 1, (a / (1 + a)) ** k / (1 + a), color="#333333", label="expected")
    many = torch.stack([DirichletProcess(a).sample_sticks(pieces) for _ in range(500)])
    below.plot((k + 1)[:-1], many.mean(0)[:-1], ".", color="#0072b2", label="mean of 500 draws")
    below.set(xlabel="piece", xlim=(0, 25))
for ax in axes.flat:
    ax.spines[["top", "right", "left"]].set_visible(False)
axes[1, 0].legend(frameon=False)
plt.show()

# %%
# **To try.** ``PitmanYor(1.0, 0.5).sample_sticks(40)``: how much is left for the last piece? Draw points from the
# weights, ``torch.multinomial(w, 100, replacement=True)``, count how many differ, and compare with the law of tables
# of the first page.
