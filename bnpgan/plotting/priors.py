"""Pictures of priors: how many clusters they expect before there are data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from bnpgan.plotting.figures import INK, colours, numpy, opened, tidy

if TYPE_CHECKING:
    from bnpgan.priors import Prior

UNSEEN = 1e-4  # of the law, which is left out at its end


def prior(prior: Prior, n: int, ax: Axes | None = None, draws: int = 50, capacity: int | None = None) -> Axes:
    """Draws the law of the number of clusters among ``n`` points as steps, and the shares of some draws as dots.

    It can be laid over a posterior: ``plotting.prior(prior, n, plotting.number_of_clusters(chains))``.

    Args:
        prior: A prior of any tier.
        n: The number of points.
        ax: Where to draw; a new pyplot figure if None.
        draws: Partitions to draw from torch's generator; 0 for the law alone.
        capacity: The number of slots, as in ``prior.number_of_clusters``.

    Returns:
        The axes.

    Example:
        >>> from bnpgan.priors import DirichletProcess
        >>> ax = prior(DirichletProcess(1.0), 3, draws=0)
        >>> ax.patches[-1].get_data().values.round(2)
        array([0.33, 0.5 , 0.17])
    """
    law = numpy(prior.number_of_clusters(n, capacity))
    last = int(np.flatnonzero(law[::-1].cumsum()[::-1] > UNSEEN)[-1])
    K = torch.tensor([int(prior.sample_partition(n, capacity).max()) + 1 for _ in range(draws)], dtype=torch.int64)
    shares = numpy(K.bincount(minlength=n + 1)) / max(draws, 1)
    last = max(last, int(K.max()) if draws else 0)
    ax = opened(ax, 1.6 + 0.3 * min(max(last, 8), 30), 3.2)
    ax.stairs(law[1 : last + 1], np.arange(last + 1) + 0.5, color=INK, linewidth=1.2, label=f"prior, {n} points")
    if draws:
        seen = np.flatnonzero(shares)
        ax.plot(seen, shares[seen], "o", color=colours(3), markersize=4, label=f"{draws} draws of it")
    ax.xaxis.set_major_locator(MaxNLocator(15, integer=True))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("clusters", fontsize=9, color=INK)
    ax.set_title("share", loc="left", fontsize=9, color=INK)
    ax.legend(frameon=False, fontsize=8)
    tidy(ax)
    return ax
