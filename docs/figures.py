"""Pictures of the gallery's pages that pyplot does not know: figures that a page holds by a name."""

from typing import Any
from weakref import WeakSet

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

seen: WeakSet[Figure] = WeakSet()


def held(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Writes each figure once, where the page first has it, as a notebook shows the value of a cell.

    It has to come before matplotlib's own scraper, which closes the figures that pyplot knows.
    """
    named = [value for value in block_vars["example_globals"].values() if isinstance(value, Figure)]
    new = [figure for figure in named if figure not in seen and figure.canvas.manager is None]
    seen.update(named)
    paths = [path for _, path in zip(new, block_vars["image_path_iterator"], strict=False)]
    for figure, path in zip(new, paths, strict=True):
        figure.savefig(path)
    titles = (ax.get_title(loc="left") or ax.get_title() for figure in new for ax in figure.axes)
    return figure_rst(paths, gallery_conf["src_dir"], ", ".join(filter(None, titles)))
