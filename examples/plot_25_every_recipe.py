"""
Every recipe, side by side
==========================

**What you see.** The papers' mixture GANs and what they are compared with, on the 8x8 digits for some seconds each. A
row is a recipe, a column a cluster, a class or a Gaussian, where it has some.

**Why.** There is one training loop and one set of parts. A recipe says which parts a paper took: who finds the
clusters, in which features, how the generator is told, and what the discriminator is asked. So any two can be
crossed.
"""

import matplotlib.pyplot as plt
import torch

from bnpgan import data, recipes
from bnpgan.training import train

torch.set_num_threads(1)
x, classes = data.digits()
mic_gan = {"capacity": 12, "warmup": 250, "every": 75, "encoder_first_steps": 150, "encoder_steps": 50}
arguments = {
    "mic_gan": mic_gan | {"learning_rate": 1e-3},
    "sc_gan": {"capacity": 10, "every": 200},
    "gm_gan": {"classifier_steps": 150},
    "supervised_gm_gan": {"each": 2},
    **{"gan": {}, "class_conditional_gan": {}},
    "random_label_gan": {"capacity": 10},
    "pac_gan": {},
    "precomputed_label_gan": {"capacity": 10, "encoder_steps": 300},
    **{"info_gan": {}, "cluster_gan": {}},
    "deli_gan": {"classifier_steps": 150},
    "dm_gan": {"width": 64},
    **{"m_gan": {}, "md_gan": {}},
}
shared = {"image_shape": (1, 8, 8), "backbone": "mlp", "learning_rate": 1e-3, "average": 0.99}

# %%
# **The line that matters** is ``getattr(recipes, name)(...)``: they all have one face.

figure, axes = plt.subplots(len(arguments), 10, figsize=(7, 10.5), layout="constrained")
for row, (name, own) in zip(axes, arguments.items(), strict=True):
    torch.manual_seed(0)
    z = {"z_dim": 16} if name != "mic_gan" else {}
    gan = getattr(recipes, name)(**(shared | z | own))
    told = classes if name in ("supervised_gm_gan", "class_conditional_gan") else None
    run = train(gan, x, steps=250, labels=told, progress=False)
    active = run.partition.active.nonzero().flatten()
    c = active[torch.arange(10) % len(active)]
    for ax, image in zip(row, run.generate(c), strict=True):
        ax.imshow(image[0], cmap="gray", vmin=-1, vmax=1)
        ax.set_axis_off()
    row[0].set_title(name, loc="left", fontsize=8, pad=2).set_in_layout(False)
    print(f"{name}: {len(active)} clusters")
plt.show()

# %%
# **To try.** ``bnpgan reproduce digits`` trains each for 5,000 steps and scores it. Cross two: which parts differ?
