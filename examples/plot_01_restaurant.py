r"""
The Chinese restaurant, and its law of the number of tables
===========================================================

**What you see.** Above, four evenings of 80 guests: a dot for each guest, in the order in which they come and in the
colour of their table, the first table at the bottom. Below, how many tables 80 guests take, for three concentrations:
lines are the law, dots 100 evenings.

**Why.** The next guest sits at a table with probability proportional to the number who sit there, or opens a new one
with probability proportional to the concentration :math:`\alpha`, so the rich get richer. A new table is opened with
probability :math:`\alpha / (\alpha + i)` after :math:`i` guests, whoever sits where: their number is a sum of
independent coin flips, with mean :math:`\sum_i \alpha / (\alpha + i) \approx \alpha \log(1 + n / \alpha)`.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import plotting
from bnpgan.priors import DirichletProcess

torch.manual_seed(3)
guests = 80

# %%
# **The lines that matter.** A partition of the guests, and the exact law of the number of its blocks:

evenings = [DirichletProcess(2.0).sample_partition(guests) for _ in range(4)]
law = DirichletProcess(2.0).number_of_clusters(guests)
mean = float(law @ torch.arange(guests + 1).double())
print(f"tables: {[int(z.max()) + 1 for z in evenings]}; expected {mean:.1f}")

# %%
# The picture:

figure = plt.figure(figsize=(11, 6), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(1, 1.1))
for ax, tables in zip(above.subplots(1, 4, sharex=True, sharey=True), evenings, strict=True):
    ax.scatter(range(1, guests + 1), tables + 1, s=12, c=plotting.colours(tables), linewidths=0)
    ax.set_title(f"{int(tables.max()) + 1} tables", fontsize=10)
    ax.set_xlabel("guest")
    ax.spines[["top", "right"]].set_visible(False)
above.axes[0].set_ylabel("table")
for ax, concentration in zip(below.subplots(1, 3, sharey=True), (0.5, 2.0, 8.0), strict=True):
    plotting.prior(DirichletProcess(concentration), guests, ax, draws=100)
    ax.set_title(f"concentration {concentration:g}", fontsize=10)
plt.show()

# %%
# **To try.** 800 guests: the number of tables grows by :math:`\alpha \log 10 = 4.6` only. ``PitmanYor(2.0, 0.5)`` in
# place of the Dirichlet process. Shuffle the guests of an evening: which law has the partition then? (The same: it is
# exchangeable.)
