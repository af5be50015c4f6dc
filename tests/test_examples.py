"""Every example runs as it stands and leaves a picture."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("plot_*.py"))


SLOW = {  # they train several GANs
    "plot_03_swap_the_clusterer",
    "plot_09_a_new_variant",
    "plot_10_quality_or_diversity",
    "plot_11_every_recipe",
}
RUNS = [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem in SLOW)) for path in EXAMPLES]


@pytest.mark.parametrize("path", RUNS)
def test_example(path, tmp_path):
    done = subprocess.run([sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout and any((tmp_path / "runs" / "examples").glob("*.png"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short(path):
    assert len(path.read_text().splitlines()) < 60
