"""Every example runs as it stands and leaves a picture, or one that moves."""

import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.animation import Animation
from matplotlib.figure import Figure

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("plot_*.py"))
FAST = {"plot_02", "plot_04", "plot_05", "plot_14", "plot_15"}  # of those that take less than three seconds
RUNS = [pytest.param(p, id=p.stem, marks=[] if p.stem[:7] in FAST else [pytest.mark.slow]) for p in EXAMPLES]


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("path", RUNS)
def test_example(path, capsys):
    plt.close("all")
    with plt.rc_context():
        names = runpy.run_path(str(path))
    held = [value for value in names.values() if isinstance(value, Figure)]
    for moving in (value for value in names.values() if isinstance(value, Animation)):
        moving._draw_frame(0)
    drawn = {
        figure for figure in [*held, *map(plt.figure, plt.get_fignums())] if any(ax.has_data() for ax in figure.axes)
    }
    plt.close("all")
    assert capsys.readouterr().out and drawn


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short_and_says_what_it_shows(path):
    text = path.read_text()
    assert len(text.splitlines()) < 60
    for told in ("**What you see.**", "**Why.**", r"\*\*The lines? that matters?\b", "**To try.**"):
        assert re.search(told if "?" in told else re.escape(told), text), told


def test_the_course_is_numbered():
    assert [int(path.name[5:7]) for path in EXAMPLES] == list(range(1, len(EXAMPLES) + 1))
