r"""
One sweep of the Chinese restaurant, point by point
===================================================

**What you see.** Four moments of one sweep, in which points come in one after another. Below each are the weights
with which the ringed point chose its table, in the tables' colours; the outlined one was drawn, and it is not always
the largest.

**Why.** A point sits at a table in proportion to how many sit there and how well it fits them, or at a new one in
proportion to the concentration and how likely it is by itself: :math:`p(z_i = k) \propto n_k \, p(x_i \mid x_j : z_j
= k)`. It has to be drawn, and not maximised: a sampler that always took the largest weight would find a partition,
and not how sure it is.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import plotting
from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs

torch.set_num_threads(1)
torch.manual_seed(15)
centres = torch.tensor([[0.0, 0.0], [2.2, 0.4], [1.0, 2.0]])
x = centres[torch.randint(3, (40,))] + 0.45 * torch.randn(40, 2)

# %%
# **The lines that matter.** Without labels ``seatings`` is the first sweep, when nobody sits yet; with labels
# ``step``.

sampler = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(x.mean(0), scale=1.4, kappa=0.02, nu=10.0), capacity=8)
seatings = list(sampler.seatings(x))
tables = [list(dict.fromkeys(s.labels[: s.index].tolist())) for s in seatings]  # in the order in which they opened
# Four moments: the second guest, the last one to open a table, the most torn, and the least likely choice.
opener = max(s.index for s in seatings if s.choice not in tables[s.index])
after = seatings[opener + 1 :]
torn = max(after, key=lambda s: -float(torch.xlogy(s.weights, s.weights).sum())).index
unlikely = min(after, key=lambda s: float(s.weights[s.choice])).index
figure, axes = plt.subplots(2, 4, figsize=(12, 4.6), height_ratios=(3, 1), sharey="row", layout="constrained")
for (above, below), i in zip(axes.T, sorted({1, opener, torn, unlikely}), strict=True):
    s, seated, others = seatings[i], seatings[i].labels >= 0, tables[i]
    above.scatter(*x[~seated].T, s=16, facecolors="none", edgecolors="#cccccc")
    above.scatter(*x[seated].T, s=26, color=plotting.colours(s.labels[seated]), linewidths=0)
    above.scatter(*x[i], s=170, facecolors="none", edgecolors="black", linewidths=1.5)
    above.set(xticks=[], yticks=[], aspect="equal")
    weights = [*s.weights[others].tolist(), 1 - float(s.weights[others].sum())]
    drawn = others.index(s.choice) if s.choice in others else len(others)
    above.set_title(f"point {i + 1} takes table {drawn + 1}" if drawn < len(others) else f"point {i + 1} opens a table")
    bars = below.bar(range(len(weights)), weights, 0.7, color=[*plotting.colours(others), "#dddddd"])
    bars[drawn].set(edgecolor="black", linewidth=1.8)
    below.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
    below.set(xticks=range(len(weights)), xticklabels=[*range(1, len(weights)), "new"], yticks=[], ylim=(0, 1.2))
    below.spines[["top", "right", "left"]].set_visible(False)
    print(f"{above.get_title()}: weights {[round(w, 2) for w in weights]}, the last for a new one")
plt.show()

# %%
# **To try.** A larger ``scale``: wide tables. ``sampler.seatings(x, labels)`` goes on from where a sweep ended.
