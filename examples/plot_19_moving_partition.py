r"""
SC-GAN's partition, moving with the discriminator
=================================================

**What you see.** The real points of a blurred ring in the colours of their clusters, renewed every 100 steps, and
what the generator draws for each: press play. The title says how many points changed their cluster since the last
frame, and the mutual information with the true modes.

**Why.** SC-GAN clusters in the features of its own discriminator, by k-means. Those of a random network already tell
far modes apart; as the discriminator learns, what it looks at moves, and the borders between clusters with it. Each
k-means starts from the means of the old clusters, so that slot 3 stays slot 3. Nobody tells the discriminator where
the modes are: that borders move does not mean that they come nearer to the truth, as the score says.
"""

from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import torch
from matplotlib.animation import FuncAnimation

from bnpgan import data, metrics, plotting, recipes
from bnpgan.training import train

torch.set_num_threads(1)
torch.manual_seed(0)
x, truth = data.ring(2000, std=0.25)
unit = x.std()

# %%
# **The lines that matter.** The clusterer's features are the discriminator's, and a new partition comes every 100
# steps:

gan = recipes.sc_gan(dim=2, capacity=8, every=100, backbone="mlp", learning_rate=2e-3, average=0.99)
print(type(gan.clusterer).__name__, "in", type(gan.features).__name__)

frames = []  # a run goes on where it stopped, so that each frame is a look at one run
with TemporaryDirectory() as out:
    for steps in range(50, 1250, 100):
        run = train(gan, x / unit, steps=steps, out=out, resume=steps > 50, progress=False)
        c = run.slots(1000)
        frames.append((steps, run.partition.labels, c, run.generate(c) * unit))
figure, panels = plt.subplots(1, 2, figsize=(9, 4.6), dpi=72, sharex=True, sharey=True, layout="constrained")


def draw(frame):
    steps, labels, c, made = frames[frame]
    for ax, points, slots, what in zip(panels, (x, made), (labels, c), ("real", "generated"), strict=True):
        ax.clear()
        ax.scatter(*points.T, s=6, c=plotting.colours(slots), linewidths=0)
        ax.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal", title=what)
    moved = (labels != frames[max(frame - 1, 0)][1]).float().mean()
    figure.suptitle(f"step {steps}: {moved:.1%} changed; NMI {metrics.nmi(labels, truth):.2f}")


player = FuncAnimation(figure, draw, frames=len(frames), interval=500)
plt.show()

# %%
# **To try.** ``std=0.01``: nothing moves. ``warm_start=False, matching=False``, the paper's ablations: all does.
