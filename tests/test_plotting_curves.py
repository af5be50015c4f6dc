"""The trade-off shows every scale where its scores are."""

import math

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from bnpgan import plotting


def test_tradeoff_has_a_marked_point_for_each_scale_in_order():
    quality, diversity = torch.tensor([0.3, 0.1, 0.4]), [0.6, 0.7, 0.5]
    ax = plotting.tradeoff([1.0, 2.5, 0.25], quality, diversity)
    line, *points = ax.lines
    expected = [(0.5, 0.4), (0.6, 0.3), (0.7, 0.1)]
    assert np.allclose(line.get_xydata(), expected)
    assert sorted(map(tuple, np.concatenate([p.get_xydata() for p in points]).round(6))) == expected
    # Only the scale of training is filled.
    (filled,) = [p for p in points if to_rgb(p.get_markerfacecolor()) != (1, 1, 1)]
    assert filled.get_xydata().round(6).tolist() == [[0.6, 0.3]]
    assert [text.get_text() for text in ax.texts] == ["s = 0.25", "1, as trained", "2.5"]
    assert np.allclose([text.xy for text in ax.texts], expected)
    assert (ax.get_xlabel(), ax.get_title(loc="left")) == ("diversity", "quality")


def test_labels_stay_on_the_picture(tmp_path):
    ax = plotting.tradeoff([0.1, 1.0, 10.0], quality=[0.9, 0.5, 0.0], diversity=[0.1, 0.5, 0.9])
    plotting.save(ax, tmp_path / "a.png")
    whole = ax.figure.bbox
    for text in ax.texts:
        box = text.get_window_extent()
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1 and whole.y0 <= box.y0 < box.y1 <= whole.y1


def test_one_scale_can_be_drawn(tmp_path):
    plotting.save(plotting.tradeoff([1], [0.5], [0.6]), tmp_path / "a.png")


@pytest.mark.parametrize(
    ("scales", "quality", "diversity", "message"),
    [
        ([], [], [], r"^scales must be positive and all different, got \[\]: pass each"),
        ([0.0, 1.0], [0.1, 0.2], [0.1, 0.2], r"^scales must be positive"),
        ([1.0, 1.0], [0.1, 0.2], [0.1, 0.2], r"^scales must be positive and all different"),
        ([1.0, math.nan], [0.1, 0.2], [0.1, 0.2], r"^scales must be positive"),
        ([1.0, 2.0], [0.1], [0.1, 0.2], r"^quality must be 2 finite numbers, got \[0.1\]: pass one for each"),
        ([1.0, 2.0], [0.1, 0.2], [0.1, math.inf], r"^diversity must be 2 finite numbers, got \[0.1, inf\]: pass"),
    ],
)
def test_tradeoff_checks_its_input(scales, quality, diversity, message):
    with pytest.raises(ValueError, match=message):
        plotting.tradeoff(scales, quality, diversity)
