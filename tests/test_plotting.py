"""The artists are there, where and how the data says; files are whole; nothing of pyplot is left behind."""

import math

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from PIL import Image

from bnpgan import data, plotting
from bnpgan.components.distributions import Gaussians
from bnpgan.diagnostics import Chains
from bnpgan.partition import Partition
from bnpgan.priors import DirichletProcess, PitmanYor


@pytest.fixture(autouse=True)
def headless():
    with matplotlib.rc_context():
        plt.switch_backend("agg")
        yield
        plt.close("all")


@pytest.fixture
def ax():
    return Figure().subplots()


def fitted(capacity=12):
    # Slot 5 holds three quarters of the points, stretched along 30 degrees; slot 2 the others.
    torch.manual_seed(0)
    labels = torch.tensor([5, 5, 5, 2]).repeat(25)
    covariance = torch.eye(2).repeat(capacity, 1, 1)
    covariance[5] = torch.tensor([[3.25, 0.75 * 3**0.5], [0.75 * 3**0.5, 1.75]])  # variances 4 along, 1 across
    mean = torch.zeros(capacity, 2)
    mean[5] = torch.tensor([8.0, 1.0])
    components = Gaussians(mean, covariance)
    weights = labels.bincount(minlength=capacity) / len(labels)
    return components.sample(labels), Partition(labels, weights.log(), components)


def ellipses(ax):
    return [patch for patch in ax.patches if isinstance(patch, Ellipse)]


def test_colours_do_not_repeat_and_belong_to_the_slot():
    assert len({tuple(colour) for colour in plotting.colours(range(40))}) == 40
    assert np.array_equal(plotting.colours(torch.tensor([[3], [7]]))[1, 0], plotting.colours(7))


def test_mixture_draws_two_standard_deviations_of_each_active_slot(ax):
    x, partition = fitted()
    assert plotting.mixture(x, partition, ax) is ax
    small, large = ellipses(ax)  # slots 2 and 5
    assert tuple(large.center) == (8.0, 1.0)
    assert sorted([large.width, large.height]) == pytest.approx([2 * 2 * 1, 2 * 2 * 2])
    long_axis = large.angle if large.width > large.height else large.angle + 90
    assert long_axis % 180 == pytest.approx(30)
    assert large.get_linewidth() > small.get_linewidth()
    assert large.get_facecolor()[:3] == pytest.approx(plotting.colours(5))
    assert ax.get_title() == "2 clusters" and ax.get_aspect() == 1
    dots = ax.collections[0]
    assert np.allclose(dots.get_offsets(), x) and np.allclose(
        dots.get_facecolors()[:, :3], plotting.colours(partition.labels)
    )


def test_mixture_takes_any_partition_and_counts_in_the_singular(ax):
    x = torch.randn(30, 2)
    plotting.mixture(x.numpy(), Partition.from_labels(x, torch.full((30,), 3), capacity=4), ax)
    assert ax.get_title() == "1 cluster" and len(ellipses(ax)) == 1


def test_mixture_opens_a_figure_that_show_would_show():
    assert plotting.mixture(*fitted()).figure.number in plt.get_fignums()


def test_mixture_wants_the_points_it_was_fitted_to_in_two_dimensions(ax):
    x, partition = fitted()
    with pytest.raises(ValueError, match=r"x has shape \(100, 3\).*project them first"):
        plotting.mixture(torch.zeros(100, 3), partition, ax)
    with pytest.raises(ValueError, match="x has 99 points and partition 100 labels"):
        plotting.mixture(x[1:], partition, ax)
    wide = Partition.from_labels(torch.randn(100, 3), partition.labels, capacity=12)
    with pytest.raises(ValueError, match="partition is of 3-D points"):
        plotting.mixture(x, wide, ax)


@pytest.mark.parametrize("layout", [plotting.principal, plotting.tsne])
def test_embedding_keeps_neighbours_and_numbers_clusters_of_one_per_cent(ax, layout):
    torch.manual_seed(0)
    labels = torch.tensor([4] * 150 + [11] * 149 + [6])
    line = torch.cat([torch.full((150,), -9.0), torch.full((150,), 9.0)])
    features = torch.randn(300, 5) * 0.1
    features[:, 3] = line
    features[:, 1] += torch.randn(300)
    plotting.embedding(features, labels, ax, layout)
    assert {text.get_text() for text in ax.texts} == {"4", "11"}
    drawn = np.asarray(ax.collections[0].get_offsets())
    middles = np.stack([drawn[:150].mean(0), drawn[150:].mean(0)])
    nearest = ((drawn[:, None] - middles) ** 2).sum(2).argmin(1)
    assert (nearest == (np.arange(300) >= 150)).mean() > 0.99
    numbers = {text.get_text(): text.xy for text in ax.texts}
    assert numbers["4"] == pytest.approx(np.median(drawn[:150], axis=0))
    assert ax.get_xlabel() == layout.told


def test_embedding_leaves_two_dimensions_alone(ax):
    x = torch.randn(20, 2)
    plotting.embedding(x, torch.zeros(20, dtype=torch.long), ax)
    assert np.allclose(ax.collections[0].get_offsets(), x)


def test_embedding_checks_its_input(ax):
    with pytest.raises(ValueError, match=r"features has shape .*at least 2"):
        plotting.embedding(torch.zeros(4, 1), torch.zeros(4), ax)
    with pytest.raises(ValueError, match="features has 4 rows and labels 3"):
        plotting.embedding(torch.zeros(4, 2), torch.zeros(3), ax)


@pytest.mark.parametrize("channels", [1, 3])
def test_cluster_grid_is_one_exact_mosaic_a_row(channels):
    torch.manual_seed(0)
    real = [torch.randint(0, 256, (n, channels, 8, 8)) for n in (4, 2, 0)]
    fake = [torch.randint(0, 256, (n, channels, 8, 8)) for n in (3, 3, 1)]
    titles = ["cluster 3, 60 %", "cluster 0, 30 %", "cluster 8, 10 %"]
    figure = plotting.cluster_grid([x / 127.5 - 1 for x in real], [x / 127.5 - 1 for x in fake], titles)
    assert [ax.get_ylabel() for ax in figure.axes] == titles
    assert [text.get_text() for text in figure.axes[0].texts] == ["generated", "real"]
    for ax, left, right in zip(figure.axes, fake, real, strict=True):
        (image,) = ax.images
        mosaic = np.asarray(image.get_array())
        # Three tiles and two lines, a gap as wide as a tile, four tiles and three lines.
        assert mosaic.shape == (8, 26 + 8 + 35, 3) and image.get_interpolation() == "nearest"
        blank = np.ones(mosaic.shape[1], dtype=bool)
        for start, tiles in ((0, left), (34, right)):
            for k, tile in enumerate(tiles):
                columns = slice(start + 9 * k, start + 9 * k + 8)
                assert np.array_equal(mosaic[:, columns], tile.expand(3, 8, 8).permute(1, 2, 0))
                blank[columns] = False
        assert (mosaic[:, blank] == 255).all()


def test_cluster_grid_checks_its_input():
    x = torch.zeros(2, 1, 8, 8)
    with pytest.raises(ValueError, match="have 1, 2 and 1 clusters"):
        plotting.cluster_grid([x], [x, x])
    with pytest.raises(ValueError, match="have 1, 1 and 2 clusters"):
        plotting.cluster_grid([x], [x], ["a", "b"])
    with pytest.raises(ValueError, match="have 0, 0 and 0 clusters"):
        plotting.cluster_grid([], [])
    with pytest.raises(ValueError, match=r"real has shape \(2, 2, 8, 8\)"):
        plotting.cluster_grid([torch.zeros(2, 2, 8, 8)], [x])
    with pytest.raises(ValueError, match="several sizes"):
        plotting.cluster_grid([torch.zeros(2, 1, 8, 9)], [x])


def test_cluster_scatter_keeps_the_colours_of_the_slots():
    real, fake = [torch.randn(9, 2), torch.randn(4, 2)], [torch.randn(5, 2), torch.randn(5, 2)]
    figure = plotting.cluster_scatter(real, fake, slots=[6, 1])
    for ax, title, parts in zip(figure.axes, ("generated", "real"), (fake, real), strict=True):
        assert ax.get_title() == title
        assert np.allclose(ax.collections[0].get_offsets(), torch.cat(parts))
        slots = [6] * len(parts[0]) + [1] * len(parts[1])
        assert np.allclose(ax.collections[0].get_facecolors()[:, :3], plotting.colours(slots))
        assert {text.get_text() for text in ax.texts} == {"1", "6"}
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    with pytest.raises(ValueError, match="have 2, 2 and 1 clusters"):
        plotting.cluster_scatter(real, fake, slots=[6])
    with pytest.raises(ValueError, match=r"generated has shape \(5, 3\)"):
        plotting.cluster_scatter(real, [torch.zeros(5, 3), torch.zeros(5, 3)])


def test_images_fill_row_by_row():
    x, _ = data.digits()
    (image,) = plotting.images(x[:5], columns=3).images
    mosaic = np.asarray(image.get_array())
    assert mosaic.shape == (17, 26, 3)
    assert np.allclose(mosaic[9:, 9:17, 0], (x[4, 0] + 1) * 127.5, atol=0.51)
    assert (mosaic[9:, 18:] == 255).all()
    assert plotting.images(x[:2]).images[0].get_array().shape == (8, 17, 3)
    with pytest.raises(ValueError, match="at least one of each"):
        plotting.images(x[:0])


def test_trace_has_a_panel_for_each_quantity():
    values = {"log joint": torch.tensor([-3.0, -2.0, -1.0]), "clusters": [1, 2, 2], "gap": [1.0, math.nan, 2.0]}
    figure = plotting.trace(values, xlabel="round")
    assert [ax.get_title(loc="left") for ax in figure.axes] == list(values)
    assert [ax.lines[0].get_ydata()[2] for ax in figure.axes] == [-1.0, 2, 2.0]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "round"]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    with pytest.raises(ValueError, match="values is empty"):
        plotting.trace({})


def test_save_writes_the_file_and_nothing_else(tmp_path, ax):
    plotting.save(plotting.images(torch.zeros(4, 1, 8, 8)), tmp_path / "a.png")
    plotting.save(plotting.mixture(*fitted(), ax), str(tmp_path / "b"))
    plotting.save(plotting.trace({"a": [1.0]}), tmp_path / "c.pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b", "c.pdf"]
    for name in ("a.png", "b"):
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"
    assert (tmp_path / "c.pdf").read_bytes().startswith(b"%PDF")


def test_save_that_fails_leaves_the_old_file(tmp_path):
    (tmp_path / "a.nope").write_text("old")
    figure = plotting.trace({"a": [1.0]})
    with pytest.raises(ValueError, match="nope"):
        plotting.save(figure, tmp_path / "a.nope")
    figure.axes[0].set_title(r"$\nonsense$")  # fails halfway, while drawing
    (tmp_path / "a.png").write_text("old")
    with pytest.raises(ValueError, match="nonsense"):
        plotting.save(figure, tmp_path / "a.png")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.nope": "old", "a.png": "old"}
    with pytest.raises(FileNotFoundError):
        plotting.save(plotting.trace({"a": [1.0]}), tmp_path / "missing" / "a.png")
    assert not (tmp_path / "missing").exists()


def test_whole_figures_are_unknown_to_pyplot():
    x = torch.zeros(2, 1, 8, 8)
    plotting.cluster_grid([x], [x])
    plotting.cluster_scatter([torch.zeros(2, 2)], [torch.zeros(2, 2)])
    plotting.images(x, ax=plotting.sheet(Figure(), x))
    plotting.trace({"a": [1.0, 2.0]})
    assert plt.get_fignums() == []


def one_panel(ax=None):
    x, partition = fitted()
    chains = Chains(partition.labels.expand(1, 3, -1), {"clusters": torch.full((1, 3), 2)}, (0,), 1.0)
    yield plotting.mixture(x, partition, ax)
    yield plotting.density(x, partition, ax)
    yield plotting.embedding(x, partition.labels, ax)
    yield plotting.images(torch.zeros(3, 1, 8, 8), ax=ax)
    yield plotting.tradeoff([1.0, 2.0], [0.4, 0.3], [0.5, 0.6], ax)
    yield plotting.number_of_clusters(chains, ax)
    yield plotting.similarity(torch.eye(3), ax)
    yield plotting.prior(DirichletProcess(1.0), 5, ax)


def test_pictures_of_one_panel_are_drawn_into_the_axes_they_are_given(ax):
    assert all(drawn is ax for drawn in one_panel(ax))
    assert plt.get_fignums() == []


def test_pictures_of_one_panel_open_a_figure_that_show_would_show():
    drawn = list(one_panel())
    assert [ax.figure.number for ax in drawn] == plt.get_fignums() and len({ax.figure for ax in drawn}) == len(drawn)


def test_density_in_the_plane_has_contours_that_hold_the_points(ax):
    x, partition = fitted()
    filled, lines, dots = plotting.density(x, partition, ax).collections
    log_p = partition.log_prob(x)
    held = [(log_p >= level).double().mean().item() for level in lines.levels]
    assert held == pytest.approx([0.95, 0.8, 0.6, 0.4, 0.2], abs=0.011)
    assert filled.levels[:-1] == pytest.approx(lines.levels)
    assert np.allclose(dots.get_offsets(), x)


def test_density_on_a_line_is_a_curve_with_area_one_above_its_parts(ax):
    x = torch.cat([torch.randn(40, 1), torch.randn(20, 1) + 6])
    partition = Partition.from_labels(x, torch.tensor([3] * 40 + [1] * 20), capacity=5)
    first, second, whole = plotting.density(x, partition, ax).lines
    assert np.allclose(first.get_ydata() + second.get_ydata(), whole.get_ydata())
    assert np.trapezoid(whole.get_ydata(), whole.get_xdata()) == pytest.approx(1, abs=0.05)
    assert first.get_color() == pytest.approx(plotting.colours(1))
    with pytest.raises(ValueError, match=r"x has shape \(9, 3\)"):
        plotting.density(torch.zeros(9, 3), partition, ax)


def test_a_prior_is_drawn_as_its_law_and_its_draws(ax):
    torch.manual_seed(0)
    law = PitmanYor(1.0, 0.5).number_of_clusters(12)
    plotting.prior(PitmanYor(1.0, 0.5), 12, ax, draws=40)
    shares, edges, _ = ax.patches[0].get_data()
    assert np.allclose(shares, law[1 : len(shares) + 1]) and edges[:2].tolist() == [0.5, 1.5]
    (dots,) = ax.lines
    assert dots.get_ydata().sum() == pytest.approx(1) and np.allclose(40 * dots.get_ydata() % 1, 0)


def test_an_animation_shows_each_draw_of_each_seed():
    x = torch.randn(10, 2)
    labels = torch.randint(0, 3, (2, 4, 10))
    labels[1, 3] = torch.tensor([2] * 3 + [0] * 2 + [5] * 5)
    moving = plotting.animate(x, Chains(labels, {}, (3, 8), 1.0))
    assert len(list(moving.new_frame_seq())) == 4
    for ax in moving._fig.axes:
        assert ax.get_xlim()[0] < float(x[:, 0].min()) and ax.get_xlim()[1] > float(x[:, 0].max())
        assert ax.get_ylim()[0] < float(x[:, 1].min()) and ax.get_ylim()[1] > float(x[:, 1].max())
    for t in (0, 3):
        moving._draw_frame(t)
        for s, ax in enumerate(moving._fig.axes):
            slots, counts = labels[s, t].unique(return_counts=True)
            (dots,) = ax.collections
            assert np.allclose(dots.get_facecolors()[:, :3], plotting.colours(labels[s, t]))
            assert len(ax.patches) == int((counts >= 3).sum())  # two points have no spread across
            assert ax.get_title() == f"seed {(3, 8)[s]}, draw {t + 1}: {len(slots)} clusters"
    assert tuple(moving._fig.axes[1].patches[1].center) == pytest.approx(x[5:].mean(0).tolist())
    assert "<script" in moving.to_jshtml()
    with pytest.raises(ValueError, match="x has 9 points and chains 10 labels"):
        plotting.animate(x[:9], Chains(labels, {}, (3, 8), 1.0))


@pytest.mark.parametrize("layout", [plotting.principal, plotting.tsne])
def test_embedding_draws_whatever_is_finite(layout):
    x = torch.randn(30, 4, dtype=torch.float64)
    lone = x.clone()
    lone[3, 1] = 1e250
    for odd in (x * 0, x[:1].expand(30, -1), x * 1e-300, x * 1e300, lone, x[:3], (x * 9).long(), x.half() * 1e4):
        axes = plotting.embedding(odd, torch.arange(len(odd)) % 3, Figure().subplots(), layout)
        drawn = np.asarray(axes.collections[0].get_offsets())
        assert drawn.shape == (len(odd), 2) and np.isfinite(drawn).all()


def test_principal_axes_are_those_in_which_points_differ_most(ax):
    x = torch.zeros(9, 3)
    x[:, 1], x[:, 2] = torch.arange(9.0), torch.tensor([1.0, -1, 1, -1, 0, -1, 1, -1, 1])
    drawn = np.asarray(plotting.embedding(x, torch.zeros(9).long(), ax).collections[0].get_offsets())
    assert np.abs(np.diff(drawn[:, 0])) == pytest.approx(np.abs(drawn[1, 0] - drawn[0, 0]), abs=1e-6)


def test_embedding_and_colours_say_what_is_no_slot(ax):
    x = torch.randn(9, 3)
    for labels in (torch.zeros(9), torch.zeros(9, 1).long()):
        with pytest.raises(ValueError, match="labels must be whole numbers"):
            plotting.embedding(x, labels, ax)
    with pytest.raises(ValueError, match="features must be finite"):
        plotting.embedding(x / 0, torch.zeros(9).long(), ax)
    with pytest.raises(ValueError, match="slots holds float64"):
        plotting.colours([0.5])
    assert plotting.colours([]).shape == (0, 3)
