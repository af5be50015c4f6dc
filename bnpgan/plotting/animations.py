"""Pictures that move: the label vectors of chains, one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

from bnpgan.plotting.figures import INK, Array, colours, numpy, tidy
from bnpgan.plotting.points import counted, ellipse, plane, scatter

if TYPE_CHECKING:
    from bnpgan.diagnostics import Chains

LEAST = 3  # points in a cluster that has an ellipse: two have no spread across


def animate(x: Array, chains: Chains, interval: int = 200) -> FuncAnimation:
    """Shows chains side by side, draw after draw: points in the colours of their slots, and the spread of each cluster.

    An ellipse is two standard deviations of the points of a cluster, drawn where there are three or more.

    Args:
        x: Points ``(N, 2)``.
        chains: What ``Sampler.chain`` returned for them.
        interval: Milliseconds from one draw to the next.

    Returns:
        The animation. Keep it in a variable while it plays; ``.to_jshtml()`` is HTML that plays in a page without a
        server, and ``.save("chain.gif", writer="pillow")`` writes a file.

    Raises:
        ValueError: If the points are not 2-D, or not as many as the chains have labels.
    """
    points, labels = plane("x", x), numpy(chains.labels)
    seeds, draws, N = labels.shape
    if len(points) != N:
        raise ValueError(f"x has {len(points)} points and chains {N} labels: pass the points that the chains are of")
    figure, panels = plt.subplots(
        1, seeds, figsize=(4.2 * seeds, 4.4), layout="constrained", sharex=True, sharey=True, squeeze=False
    )
    dots = [scatter(ax, points, labels[s, 0]) for s, ax in enumerate(panels[0])]
    for ax in panels[0]:
        ax.set_aspect("equal", adjustable="box")
        ax.autoscale_view()  # now, for matplotlib puts it off, and would forget it
        ax.autoscale(False)  # an ellipse may reach beyond the points for a draw
        tidy(ax)

    def draw(t: int) -> list:
        for s, ax in enumerate(panels[0]):
            slots, counts = np.unique(labels[s, t], return_counts=True)
            dots[s].set_color(colours(labels[s, t]).tolist())
            for patch in list(ax.patches):
                patch.remove()
            for k in slots[counts >= LEAST]:
                own = points[labels[s, t] == k]
                ax.add_patch(ellipse(int(k), own.mean(0), np.cov(own.T), len(own) / N))
            ax.set_title(f"seed {chains.seeds[s]}, draw {t + 1}: {counted(len(slots))}", fontsize=10, color=INK)
        return [artist for ax in panels[0] for artist in (*ax.patches, *ax.collections, ax.title)]

    return FuncAnimation(figure, draw, frames=draws, interval=interval)
