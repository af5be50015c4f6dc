r"""
Clusters of answers: a categorical mixture
==========================================

**What you see.** A questionnaire: a row for each of 150 people, a column for each of 20 questions, a colour for each
of four answers. On the left as it came in; on the right in the order of the clusters that were found, and what a
cluster answers.

**Why.** The prior does not care what a cluster looks like, so the same sampler runs with another family: here each
question has probabilities of its own in each cluster, :math:`\theta_{kd} \sim Dir(\alpha, ..., \alpha)`, and answers
are independent within one. Then a predictive is a ratio of counts, :math:`(c_{kdv} + \alpha) / (n_k + V \alpha)`,
times one for each question.
"""

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import ListedColormap

from bnpgan import metrics, plotting
from bnpgan.components import DirichletCategorical
from bnpgan.grids import Grid
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import StickBreaking

torch.set_num_threads(1)
torch.manual_seed(1)
truth = torch.multinomial(torch.tensor([0.4, 0.3, 0.2, 0.1]), 150, replacement=True)
habits = torch.distributions.Dirichlet(torch.full((4, 20, 4), 0.7)).sample()
answers = torch.distributions.Categorical(habits[truth]).sample()

# %%
# **The lines that matter.** Another family, and how decided its clusters are is learned:

family = DirichletCategorical(concentration=Grid([0.1, 0.3, 1.0, 3.0]), categories=4)
sampler = StickBreaking(DirichletProcess(1.0), family, capacity=20)
chain = sampler.chain(answers, n=100, burn_in=50, seeds=(0, 1), progress=False)
partition = sampler.partition(answers, chain.variation_of_information())

# %%
# The picture:

colours = ListedColormap(plotting.colours([0, 5, 1, 3]))
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 5), width_ratios=(1, 1, 1.2), layout="constrained")
order = partition.labels.argsort(stable=True)
for ax, rows in ((left, answers), (middle, answers[order])):
    ax.imshow(rows, cmap=colours, aspect="auto", interpolation="nearest")
    ax.set(xlabel="question", xticks=range(0, 20, 5), yticks=[])
left.set_title("as it came in")
middle.set_title(f"{partition.active.sum()} clusters")
for edge in partition.counts[partition.active].cumsum(0)[:-1]:
    middle.axhline(edge - 0.5, color="white", linewidth=3)
likely = partition.components.probabilities[partition.active].max(2)
right.imshow(likely.values, cmap="Greys", vmin=0.25, vmax=1, aspect="auto")
right.set(xlabel="question", xticks=range(0, 20, 5), yticks=[], title="how sure the likeliest answer is, by cluster")
plt.show()
print(f"P(K): {chain.number_of_clusters()}; ARI {metrics.ari(partition.labels, truth):.2f}")

# %%
# **To try.** Five questions in place of twenty. A column of noise: does it do harm?
