"""Pictures of scores against each other: GM-GAN's trade-off between quality and diversity."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from bnpgan.plotting.figures import INK, Array, colours, numpy, opened, tidy


def tradeoff(scales: Sequence[float], quality: Array, diversity: Array, ax: Axes | None = None) -> Axes:
    r"""Draws the quality and the diversity of images for each scale s of the latent covariance.

    A point is what :math:`z \mid k \sim N(\mu_k, s \Sigma_k)` gives, and bears its s; the line follows s. The scale of
    training, s = 1, is filled. The best place is the upper right corner: a model whose line lies above
    another's is better at every diversity.

    Args:
        scales: The scales s ``(S,)``, positive and all different, in any order.
        quality: ``metrics.quality`` of the images of each, ``(S,)``.
        diversity: ``metrics.diversity`` of the images of each, ``(S,)``.
        ax: Where to draw; a new pyplot figure if None.

    Returns:
        The axes.

    Raises:
        ValueError: If there is no scale, a scale is not positive or is there twice, the numbers differ, or a score is
            not finite.

    Example:
        >>> ax = tradeoff([0.5, 1.0, 2.0], quality=[0.4, 0.3, 0.1], diversity=[0.5, 0.6, 0.7])
        >>> [text.get_text() for text in ax.texts]
        ['s = 0.5', '1, as trained', '2']

    References:
        Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images, 2018, the trade-off between quality and diversity.
    """
    s, x, y = (numpy(values).astype(np.float64) for values in (scales, diversity, quality))
    if s.ndim != 1 or len(s) == 0 or not np.isfinite(s).all() or not (s > 0).all() or len(np.unique(s)) < len(s):
        raise ValueError(f"scales must be positive and all different, got {s.tolist()}: pass each scale once")
    for name, values in (("quality", y), ("diversity", x)):
        if values.shape != s.shape or not np.isfinite(values).all():
            raise ValueError(f"{name} must be {len(s)} finite numbers, got {values.tolist()}: pass one for each scale")
    order = np.argsort(s)
    s, x, y = s[order], x[order], y[order]
    ax = opened(ax, 5.4, 4.2)
    colour = colours(0)
    ax.plot(x, y, color=colour, linewidth=1.4, alpha=0.6)
    trained = s == 1
    for chosen, face in ((trained, colour), (~trained, "white")):
        ax.plot(x[chosen], y[chosen], "o", color=colour, markerfacecolor=face, markersize=6, markeredgewidth=1.4)
    for k, scale in enumerate(s):
        ax.annotate(
            ("s = " if k == 0 else "") + f"{scale:g}" + (", as trained" if scale == 1 else ""),
            (x[k], y[k]),
            xytext=(6, 5),  # points: up and to the right of a line that falls
            textcoords="offset points",
            fontsize=8,
            color=INK,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
    ax.margins(0.12)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.grid(color="#eeeeee")
    ax.set_axisbelow(True)
    ax.set_title("quality", loc="left", fontsize=9, color=INK)
    ax.set_xlabel("diversity", fontsize=9, color=INK)
    tidy(ax)
    return ax
