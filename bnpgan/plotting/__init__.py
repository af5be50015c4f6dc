"""Pictures of points, clusters, images, traces, chains and scores.

``mixture`` and ``embedding`` draw into the axes they are given, or open a pyplot figure, which a notebook or
``plt.show()`` displays. The others build a figure that pyplot does not know: a notebook displays it as a cell's value,
``save`` writes it, and there is no window to open or close, so that a training run cannot fail on its display.

Slot k has the same colour in every picture.
"""

from bnpgan.plotting.chains import chains, number_of_clusters, similarity
from bnpgan.plotting.curves import tradeoff
from bnpgan.plotting.figures import colours, save, trace
from bnpgan.plotting.points import Layout, cluster_scatter, embedding, mixture, principal, tsne
from bnpgan.plotting.tiles import cluster_grid, images

__all__ = [
    "Layout",
    "chains",
    "cluster_grid",
    "cluster_scatter",
    "colours",
    "embedding",
    "images",
    "mixture",
    "number_of_clusters",
    "principal",
    "save",
    "similarity",
    "trace",
    "tradeoff",
    "tsne",
]
