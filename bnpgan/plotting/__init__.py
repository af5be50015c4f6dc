"""Pictures of points, clusters, images, traces, chains, priors and scores.

A picture of one panel is drawn into the axes it is given, and returns them, or into those of a new pyplot figure, which
a notebook or ``plt.show()`` displays. ``animate`` opens one, too. Pictures of several panels (``chains``,
``cluster_grid``, ``cluster_scatter``, ``trace``) are figures that pyplot does not know: a notebook displays one as a
cell's value, and there is no window to open or close. ``save`` writes either.

Slot k has the same colour in every picture.
"""

from bnpgan.plotting.animations import animate
from bnpgan.plotting.chains import chains, number_of_clusters, similarity
from bnpgan.plotting.curves import tradeoff
from bnpgan.plotting.figures import colours, save, trace
from bnpgan.plotting.points import Layout, cluster_scatter, density, embedding, mixture, principal, tsne
from bnpgan.plotting.priors import prior
from bnpgan.plotting.tiles import cluster_grid, images, pixels, sheet, sheets

__all__ = [
    "Layout",
    "animate",
    "chains",
    "cluster_grid",
    "cluster_scatter",
    "colours",
    "density",
    "embedding",
    "images",
    "mixture",
    "number_of_clusters",
    "pixels",
    "principal",
    "prior",
    "save",
    "sheet",
    "sheets",
    "similarity",
    "trace",
    "tradeoff",
    "tsne",
]
