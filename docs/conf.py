"""How Sphinx builds the site: ``make docs``."""

import re
import sys
from importlib.metadata import version as installed
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

HERE = Path(__file__).parent
SOURCE = "https://github.com/bnpgan/bnpgan"
sys.path.insert(0, str(HERE))  # for figures.py

project, author, copyright = "bnpgan", "The bnpgan developers", "the bnpgan developers"
version = release = installed("bnpgan")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "playground.html"]
templates_path = ["_templates"]
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!bnpgan\b).*"),  # what others document: links to it would need a network
    ("py:class", r"bnpgan\..*"),  # types and bases in private modules
]

html_theme = "furo"
html_title = "bnpgan"
html_static_path = ["_static"]
html_css_files = ["house.css"]
html_favicon = "_static/mark.svg"
html_extra_path = [path.name for path in HERE.glob("playground*.html")]
html_show_sphinx = False
html_theme_options = {"source_repository": SOURCE, "source_branch": "main", "source_directory": "docs/"}

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
autosummary_imported_members = True
autosummary_ignore_module_all = False
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("figures.held", "matplotlib"),
    "matplotlib_animations": True,
    "capture_repr": ("_repr_html_",),
    "parallel": 2,
    "abort_on_example_error": True,
    "show_signature": False,
    "write_computation_times": False,
    "remove_config_comments": True,
}


def from_repository(app: Sphinx, name: str, source: list[str]) -> None:
    """Turns links to files of the repository, which hold when a guide is read there, into links of the site."""
    text = re.sub(r"\]\(\.\./examples/(plot_\w+)\.py\)", r"](gallery/\1.rst)", source[0])
    source[0] = re.sub(r"\]\(\.\./", f"]({SOURCE}/blob/main/", text)


def offline(app: Sphinx, doctree: nodes.document) -> None:
    """Takes the icons out that matplotlib's player fetches from elsewhere; house.css has others."""
    for raw in doctree.findall(nodes.raw):
        text = re.sub(r'<link rel="stylesheet"\s+href="https://[^>]*font-awesome[^>]*>', "", raw.astext())
        raw.children = [nodes.Text(text)]


def setup(app: Sphinx) -> None:
    """Hooks into the build."""
    app.connect("source-read", from_repository)
    app.connect("doctree-read", offline)
