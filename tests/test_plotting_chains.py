"""Pictures of chains show every seed and every draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from bnpgan import plotting
from bnpgan.diagnostics import Chains


def some(n: int = 50) -> Chains:
    torch.manual_seed(0)
    trace = {
        "clusters": torch.randint(3, 6, (2, n)),
        "log_joint": torch.randn(2, n, dtype=torch.float64) - 100,
        "concentration": torch.tensor([0.1, 1.0, 10.0])[torch.randint(3, (2, n))],
        "discount": torch.tensor([0.25, 0.75])[torch.randint(2, (2, n))],
    }
    return Chains(torch.zeros(2, n, 1, dtype=torch.int64), trace, (3, 8), 1.0)


def test_chains_have_a_row_for_each_quantity_and_a_line_for_each_seed():
    chains = some()
    figure = plotting.chains(chains)
    rows = np.array(figure.axes).reshape(-1, 2)
    assert [left.get_title(loc="left") for left, _ in rows] == ["clusters", "log joint", "concentration", "discount"]
    for (left, right), values in zip(rows, chains.trace.values(), strict=True):
        for s in range(2):
            assert np.array_equal(left.lines[s].get_ydata(), values[s])
            assert right.patches[s].get_data().values.sum() == pytest.approx(1)
        assert left.get_ylim() == right.get_ylim()
        assert right.get_xlim()[1] > max(right.patches[s].get_data().values.max() for s in range(2))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["seed 3", "seed 8"]
    assert [left.get_yscale() for left, _ in rows] == ["linear", "linear", "log", "linear"]


def test_values_of_a_grid_have_a_bin_each():
    chains = some()
    shares, edges, _ = plotting.chains(chains).axes[5].patches[1].get_data()
    expected = [(chains.trace["concentration"][1] == value).float().mean() for value in (0.1, 1.0, 10.0)]
    assert shares == pytest.approx(np.array(expected))
    assert edges == pytest.approx([10**-1.5, 10**-0.5, 10**0.5, 10**1.5], rel=1e-6)


def test_one_draw_and_constants_can_be_drawn(tmp_path):
    plotting.save(plotting.chains(some(1)), tmp_path / "a.png")
    constant = Chains(torch.zeros(1, 9, 1), {"clusters": torch.full((1, 9), 4), "a": torch.zeros(1, 9)}, (0,), 1.0)
    plotting.save(plotting.chains(constant), tmp_path / "b.png")
    assert plotting.number_of_clusters(constant).patches[0].get_height() == 1


def test_number_of_clusters_shows_all_draws_and_each_seed():
    clusters = torch.tensor([[2, 2, 2, 5], [2, 5, 5, 5]])
    ax = plotting.number_of_clusters(Chains(torch.zeros(2, 4, 1), {"clusters": clusters}, (3, 8), 1.0))
    bars = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in ax.patches}
    assert bars == {2: 0.5, 3: 0, 4: 0, 5: 0.5}
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.75, 0, 0, 0.25], [0.25, 0, 0, 0.75]]
    assert [line.get_label() for line in ax.lines] == ["seed 3", "seed 8"]


def test_similarity_puts_points_that_are_together_side_by_side():
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 0])
    together = (labels[:, None] == labels).float()
    ax = plotting.similarity(0.8 * together + 0.1 + 0.1 * torch.eye(9))
    shown = np.asarray(ax.images[0].get_array())
    starts = np.flatnonzero(np.diff(shown[0].round(1), prepend=-1))
    assert sorted((shown.round(1)[i] > 0.5).sum() for i in range(9)) == [2, 2, 3, 3, 3, 4, 4, 4, 4]
    assert len(starts) <= 3  # the first point's cluster is in one piece
    changes = sum(shown[i, i + 1] < 0.5 for i in range(8))
    assert changes == 2
    assert ax.images[0].get_clim() == (0, 1)


@pytest.mark.parametrize("n", [1, 2])
def test_similarity_of_hardly_any_points(n):
    assert plotting.similarity(torch.ones(n, n)).images[0].get_array().shape == (n, n)


@pytest.mark.parametrize(
    "matrix",
    [torch.ones(2, 3), torch.ones(3), torch.zeros(2, 2), torch.tensor([[1.0, 0.5], [0.1, 1.0]]), 2 - torch.eye(2)],
    ids=["not square", "vector", "diagonal", "not symmetric", "above 1"],
)
def test_what_is_no_similarity_is_refused(matrix):
    with pytest.raises(ValueError, match=r"^matrix must"):
        plotting.similarity(matrix)


def test_whole_figures_are_unknown_to_pyplot():
    plt.close("all")
    plotting.chains(some())
    assert plt.get_fignums() == []
