r"""
MIC-GAN gives up clusters that it does not need
===============================================

**What you see.** MIC-GAN on 8x8 digits, with room for 30 clusters. On the left how many are in use, from round to
round; then the sizes at the end, and what the heaviest ones draw.

**Why.** In the warm-up every slot is used alike, so the generator makes thirty kinds of digits. Then, round by round,
an encoder learns to name the slot of a generated image, is shown the real ones, and a Dirichlet-process mixture
clusters what it says of them. A cluster that draws few images is drawn by few; whose kind another makes as well loses
its images to that one, since the rich get richer. A slot that is empty is not trained any more, and stays empty.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data, metrics, plotting, recipes
from bnpgan.training import train

torch.set_num_threads(1)
torch.manual_seed(0)
x, truth = data.digits()

# %%
# **The lines that matter.** More slots than anybody needs:

gan = recipes.mic_gan(image_shape=(1, 8, 8), capacity=30, backbone="mlp", warmup=800, every=100, learning_rate=1e-3)
run = train(gan, x, steps=1800, progress=False)

# %%
# The picture:

rounds = [(row["step"], row["clusters"]) for row in run.history if row["clusters"]]
heavy = run.partition.counts.argsort(descending=True)
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
left.step(*zip(*rounds, strict=True), where="post")
left.set(xlabel="step", ylabel="clusters in use", ylim=(0, 31))
middle.bar(range(30), run.partition.counts[heavy], color=plotting.colours(heavy))
middle.set(xlabel="cluster, by size", ylabel="images")
plotting.images(torch.cat([run.sample(8, cluster=int(k)) for k in heavy[: run.partition.active.sum()][:12]]), 8, right)
right.set_title("a row for each of the heaviest", fontsize=10)
plt.show()
scores = metrics.clustering(run.partition.labels, truth)
print(f"{rounds[0][1]} clusters, then {rounds[-1][1]}; purity {scores['purity']:.2f}, NMI {scores['nmi']:.2f}")

# %%
# **To try.** ``scale=0.02``: narrow clusters, of which more survive. ``make demo`` trains three times as long. Which
# digits share a cluster? ``x[run.partition.labels == k]``.
