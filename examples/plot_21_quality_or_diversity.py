"""
GM-GAN's dial: quality or diversity, after training
===================================================

**What you see.** Quality against diversity of generated digits, for five scales of the noise; below the digits: a row
for each Gaussian of the latent, three for each scale. No label was used.

**Why.** GM-GAN draws its noise from a mixture of Gaussians, of which each comes to make one kind of image. When it is
trained, their covariances can be scaled: small noise stays near the means and makes typical digits, large noise
unusual ones.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data, metrics, plotting, recipes
from bnpgan.training import train

torch.set_num_threads(1)
torch.manual_seed(0)
x, truth = data.digits()

# %%
# **The lines that matter.** Train once, then turn: ``run.sample(n, scale=s)``.

gan = recipes.gm_gan(image_shape=(1, 8, 8), backbone="mlp", learning_rate=5e-4, penalty=1.0, classifier_steps=600)
run = train(gan, x, steps=1500, progress=False)
found = metrics.clustering(run.partition.labels, truth)
print(f"clusters of the real digits: accuracy {found['accuracy']:.2f}, NMI {found['nmi']:.2f}")

# %%
# A network to see with: the classifier that names the Gaussian, its outputs in units of their usual distance.
scales = [0.05, 0.25, 1.0, 2.0, 4.0]
encoder = run.gan.features.encoder
with torch.no_grad():
    usual = torch.pdist(encoder.eval()(x[:500])).median()


def look(images):
    return 4 * encoder(images) / usual


quality, diversity = [], []
for s in scales:
    made = run.sample(1000, scale=s)
    quality.append(metrics.quality(made, x, look))
    diversity.append(metrics.diversity(made))
    print(f"s = {s:<4}: quality {quality[-1]:.3f}, diversity {diversity[-1]:.3f}")
print(f"real digits: diversity {metrics.diversity(x):.3f}")

plotting.tradeoff(scales, quality, diversity)
rows = [torch.cat([run.sample(3, cluster=k, scale=s) for s in scales]) for k in range(10)]
plotting.images(torch.cat(rows), columns=15)
plt.show()

# %%
# **To try.** ``recipes.supervised_gm_gan``, which is told the classes: does its line lie above?
