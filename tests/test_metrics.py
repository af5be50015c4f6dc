"""Scores against values worked out by hand, and exact samples against the laws of their norms."""

import math

import numpy as np
import pytest
import torch

from bnpgan import data, metrics

# Clusters of 4, 3, 2 and 1 images; classes 0, 1, 2 have 4, 4 and 2.
LABELS = [7, 7, 7, 7, 2, 2, 2, 9, 9, 4]
TRUTH = [0, 0, 0, 1, 1, 1, 2, 0, 2, 1]


def test_purity_and_its_inverse_are_not_swapped():
    assert metrics.purity(LABELS, TRUTH) == pytest.approx((3 + 2 + 1 + 1) / 10)
    assert metrics.inverse_purity(LABELS, TRUTH) == pytest.approx((3 + 2 + 1) / 10)
    # A clustering that splits a class: pure, and not inversely so.
    assert metrics.purity([0, 1, 2, 3], [0, 0, 0, 1]) == 1 and metrics.inverse_purity([0, 1, 2, 3], [0, 0, 0, 1]) == 0.5


def test_splitting_clusters_cannot_lower_purity():
    assert metrics.purity(range(10), TRUTH) == 1.0
    assert metrics.purity([0] * 10, TRUTH) == 0.4
    assert metrics.inverse_purity(range(10), TRUTH) == 0.3 and metrics.inverse_purity([0] * 10, TRUTH) == 1.0


@pytest.mark.parametrize(("n", "pure", "mass"), [(1, 3 / 4, 0.4), (2, 5 / 7, 0.7), (3, 6 / 9, 0.9), (9, 7 / 10, 1.0)])
def test_top_purity_divides_by_the_images_it_kept(n, pure, mass):
    assert metrics.top_purity(LABELS, TRUTH, n) == (pytest.approx(pure), pytest.approx(mass))


def test_nmi_uses_the_arithmetic_mean():
    labels, truth = [0, 0, 1, 2], [0, 0, 1, 1]
    # H(labels) = 1.5 bits, H(truth) = 1 bit, and truth is a function of labels: I = 1 bit.
    assert metrics.nmi(labels, truth) == pytest.approx(2 * 1 / 2.5)


def test_ari_by_counting_pairs():
    # Pairs together in both: 3 + 1 + 0 + 0 = 4; in labels 6 + 3 + 1 = 10; in truth 6 + 6 + 1 = 13; of 45.
    expected = 10 * 13 / 45
    assert metrics.ari(LABELS, TRUTH) == pytest.approx((4 - expected) / ((10 + 13) / 2 - expected))


def test_matched_accuracy_gives_each_class_one_cluster():
    # 7 -> 0 (3), 2 -> 1 (2), 9 -> 2 (1); cluster 4 is left over.
    assert metrics.matched_accuracy(LABELS, TRUTH) == pytest.approx(0.6)
    # A greedy match would take 0 -> 0 (3) and be left with 1 -> 1 (0).
    assert metrics.matched_accuracy([0] * 5 + [1] * 2, [0, 0, 0, 1, 1, 0, 0]) == pytest.approx(4 / 7)


def test_large_clusters_counts_the_boundary():
    labels = [0] * 93 + [1] * 7
    assert metrics.large_clusters(labels, share=0.07) == 2
    assert metrics.large_clusters(labels, share=0.071) == 1
    assert metrics.large_clusters([0] * 199 + [1]) == 1


def test_clustering_collects_plain_numbers():
    scores = metrics.clustering(torch.tensor(LABELS), np.array(TRUTH))
    assert scores == {
        "clusters": 4,
        "nmi": metrics.nmi(LABELS, TRUTH),
        "ari": metrics.ari(LABELS, TRUTH),
        "purity": 0.7,
        "inverse_purity": 0.6,
        "top_purity": pytest.approx(6 / 9),
        "top_mass": 0.9,
        "accuracy": 0.6,
    }
    assert {type(score) for score in scores.values()} == {int, float}


@pytest.mark.parametrize(
    ("labels", "truth", "message"),
    [
        ([0, 1], [0, 1, 1], "labels has 2 entries and truth 3: pass"),
        ([], [], r"labels has shape \(0,\): pass"),
        ([[0], [1]], [0, 1], r"labels has shape \(2, 1\): pass"),
        ([0, 1], [0.0, 1.0], "truth has dtype float64: pass integer"),
        (torch.tensor([True, False]), [0, 1], "labels has dtype bool: pass integer"),
    ],
)
@pytest.mark.parametrize(
    "score",
    [metrics.purity, metrics.inverse_purity, metrics.nmi, metrics.ari, metrics.matched_accuracy, metrics.clustering],
)
def test_scores_name_what_does_not_fit(score, labels, truth, message):
    with pytest.raises(ValueError, match=message):
        score(labels, truth)


def test_other_arguments_are_checked():
    with pytest.raises(ValueError, match="n must be at least 1"):
        metrics.top_purity(LABELS, TRUTH, 0)
    with pytest.raises(ValueError, match="labels has shape"):
        metrics.large_clusters([])


@pytest.mark.parametrize(
    ("draw", "means", "std"), [(data.ring, data.ring_means(), 0.01), (data.grid, data.grid_means(), 0.05)]
)
def test_exact_samples_reach_their_ceiling(draw, means, std):
    torch.manual_seed(0)
    n = 50_000
    x, _ = draw(n)
    euclidean = 1 - math.exp(-4.5)  # Rayleigh: .9889
    box = math.erf(3 / math.sqrt(2)) ** 2  # .9946
    # Four standard errors of a share of 50,000.
    assert metrics.modes(x, means, std)["quality"] == pytest.approx(euclidean, abs=4 * math.sqrt(0.0110 / n))
    assert metrics.modes(x, means, std, box=True)["quality"] == pytest.approx(box, abs=4 * math.sqrt(0.0054 / n))
    floor = (len(means) - 1) / (2 * n)
    scores = metrics.modes(x, means, std)
    assert scores["modes"] == len(means) and 0 < scores["reverse_kl"] < 4 * floor


def test_a_point_in_the_corner_of_the_box_only():
    corner = [[0.25, 0.25]]
    assert metrics.modes(corner, [[0.0, 0.0]], std=0.1)["quality"] == 0.0
    assert metrics.modes(corner, [[0.0, 0.0]], std=0.1, box=True) == {"modes": 1, "quality": 1.0, "reverse_kl": 0.0}


def test_reverse_kl_counts_poor_points_and_empty_modes():
    means = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    samples = np.array([[0.0, 0.0], [0.1, 0.0], [1.5, 0.0], [4.0, 0.0]])
    scores = metrics.modes(samples, means, std=0.1)
    assert scores["modes"] == 2 and scores["quality"] == 0.75
    assert scores["reverse_kl"] == pytest.approx(0.75 * math.log(0.75 * 3) + 0.25 * math.log(0.25 * 3))
    assert metrics.modes(samples, means[:2], std=0.1, weights=[3, 1])["reverse_kl"] == pytest.approx(0.0)


def test_one_mode_has_perfect_quality_and_the_largest_kl():
    scores = metrics.modes(torch.zeros(10, 2), data.grid_means(), std=0.05)
    assert scores == {"modes": 1, "quality": 1.0, "reverse_kl": pytest.approx(math.log(25))}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(samples=torch.zeros(0, 2)), r"samples \(0, 2\) and means \(8, 2\) do not fit"),
        (dict(samples=torch.zeros(4, 3)), "do not fit: pass"),
        (dict(samples=torch.zeros(4)), "do not fit: pass"),
        (dict(samples=torch.full((4, 2), math.nan)), "samples holds NaN"),
        (dict(samples=torch.zeros(4, 2), weights=[1.0]), "weights must be positive, one for each mean"),
        (dict(samples=torch.zeros(4, 2), weights=[0.0] + [1.0] * 7), "weights must be positive"),
    ],
)
def test_modes_names_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.modes(**arguments, means=data.ring_means(), std=0.01)


def test_exact_modes_are_the_ceiling_and_the_floor():
    means, n, repeats = data.ring_means(), 2500, 200
    scores = metrics.exact_modes(n, means, std=0.01, repeats=repeats)
    assert scores["modes"] == 8
    # Four standard errors: of a share of 2,500 * 200, and of a chi-square with 7 degrees of freedom over 2n.
    assert scores["quality"] == pytest.approx(1 - math.exp(-4.5), abs=4 * math.sqrt(0.0110 / (n * repeats)))
    assert scores["reverse_kl"] == pytest.approx(7 / (2 * n), abs=4 * math.sqrt(2 * 7 / repeats) / (2 * n) + 1e-5)
    box = metrics.exact_modes(n, means, std=0.01, box=True, repeats=repeats)
    assert box["quality"] == pytest.approx(math.erf(3 / math.sqrt(2)) ** 2, abs=4 * math.sqrt(0.0054 / (n * repeats)))


def test_exact_modes_count_what_few_samples_can_reach():
    # Two samples of two modes reach one or both of them, with equal odds; the KL is log 2 or 0.
    scores = metrics.exact_modes(2, [[0.0], [1000.0]], std=1e-3, repeats=2000)
    assert scores["modes"] == pytest.approx(1.5, abs=4 * 0.5 / math.sqrt(2000))
    assert scores["reverse_kl"] == pytest.approx((2 - scores["modes"]) * math.log(2), abs=0.01)


def test_exact_modes_follow_the_weights_and_the_ambient_generator():
    means, weights = [[0.0], [50.0], [90.0]], [6.0, 3.0, 1.0]
    torch.manual_seed(1)
    scores = metrics.exact_modes(1000, means, std=1.0, weights=weights, repeats=100)
    assert scores["reverse_kl"] == pytest.approx(2 / 2000, rel=0.6)
    assert scores != metrics.exact_modes(1000, means, std=1.0, weights=weights, repeats=100)
    torch.manual_seed(1)
    assert scores == metrics.exact_modes(1000, means, std=1.0, weights=weights, repeats=100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(n=0), "n must be at least 1, got 0: draw"),
        (dict(repeats=0), "repeats must be at least 1, got 0: draw"),
        (dict(means=torch.zeros(3)), r"means has shape \(3,\): pass \(M, D\)"),
        (dict(weights=[1.0, -1.0]), "weights must be positive, one for each mean"),
    ],
)
def test_exact_modes_names_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.exact_modes(**{"n": 5, "means": torch.zeros(2, 2), "std": 0.1, **arguments})


def test_energy_distance_of_shifted_points_and_of_the_same_law():
    x = [[0.0], [1.0]]
    # All pairs by hand: 2 * 5 - 1/2 - 1/2.
    assert metrics.energy_distance(x, [[5.0], [6.0]])[0] == pytest.approx(9.0)
    torch.manual_seed(0)
    scores = [metrics.energy_distance(torch.randn(50, 3), torch.randn(80, 3)) for _ in range(200)]
    distances, floors = torch.tensor(scores).mean(0).tolist()
    assert distances == pytest.approx(floors, rel=0.1)


def test_what_is_wrong_inside_modes_is_seen_in_the_units_of_each():
    torch.manual_seed(0)
    modes = torch.arange(3).repeat(3000)
    units = torch.tensor([[1.0, 0.2], [0.01, 0.02], [30.0, 5.0]])
    centres = torch.tensor([[0.0, 0.0], [5.0, 5.0], [900.0, 0.0]])

    def scores(noise):
        exact = centres[modes] + units[modes] * torch.randn(len(modes), 2)
        return metrics.inside_modes(centres[modes] + units[modes] * noise, modes, exact, modes)

    exact = scores(torch.randn(len(modes), 2))
    assert exact["spread"] == pytest.approx(1, abs=0.03) and exact["energy"] < 2 * exact["energy_floor"]
    narrow = scores(0.5 * torch.randn(len(modes), 2))
    assert narrow["spread_least"] > 0.45 and narrow["spread_most"] < 0.55 and narrow["energy"] > 20 * exact["energy"]
    shifted = scores(torch.randn(len(modes), 2) + 0.5)
    assert shifted["spread"] == pytest.approx(1, abs=0.03) and shifted["energy"] > 20 * exact["energy"]
    two = metrics.inside_modes(torch.zeros(5, 2), torch.ones(5), torch.randn(10, 2), torch.ones(10))
    assert two["spread"] == 0


def test_the_spread_is_that_of_the_law_times_a_factor_whatever_the_units_and_the_place():
    torch.manual_seed(0)
    unequal = torch.tensor([1.0, 5.0, 0.1, 30.0]).reshape(1, 2, 2)
    x, y = torch.randn(2, 4000, 1, 2, 2) * unequal
    assert metrics.spread(x, y) == pytest.approx(1, abs=0.03)
    assert metrics.spread(1e3 + 0.3 * x, y) == pytest.approx(0.3, abs=0.01)
    assert metrics.spread(7 * x.numpy(), 7 * y.numpy()) == pytest.approx(metrics.spread(x, y))
    assert metrics.spread(torch.full((5, 2), 1e6), torch.randn(5, 2)) == 0


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.randn(1, 3), torch.randn(9, 3), "do not fit: pass at least 2"),
        (torch.randn(9, 3), torch.randn(9, 2), "do not fit"),
        (torch.randn(9), torch.randn(9), "do not fit"),
        (torch.randn(9, 3), torch.ones(9, 3), "y holds true points or images that are all alike"),
    ],
)
def test_the_spread_names_what_does_not_fit(x, y, message):
    with pytest.raises(ValueError, match=message):
        metrics.spread(x, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(3, 2), torch.zeros(2), torch.zeros(3, 2), torch.zeros(3)), "one mode for each"),
        ((torch.zeros(3, 2), torch.ones(3), torch.randn(9, 2), torch.zeros(9)), "the same modes"),
        ((torch.zeros(3, 2), torch.zeros(3), torch.randn(2, 2), torch.zeros(2)), "more than the 2 columns"),
    ],
)
def test_inside_modes_names_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.inside_modes(*arguments)
    with pytest.raises(ValueError, match="do not fit"):
        metrics.energy_distance(torch.zeros(3, 2), torch.zeros(3, 1))
