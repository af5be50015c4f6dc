"""What holds for every conjugate family, by the mathematics: marginals, predictives, statistics, posterior draws."""

import math
from itertools import pairwise

import pytest
import torch
from families import CASES, assert_same_stats, each_case, each_law, empty, followed, gaussian

from bnpgan.components import DirichletCategorical
from bnpgan.engine import chunks

# Conjugacy.


@each_case
def test_predictive_is_the_ratio_of_marginals(case):
    x, new = case.points(7), case.points(1)
    labels = torch.tensor([0, 0, 1, 0, 0, 1, 0])  # slot 2 is empty
    before = case.family.stats(x, labels, 3)
    predictive = case.family.log_predictive(before, new[0])
    for k in range(3):
        after = case.family.stats(torch.cat([x, new]), torch.cat([labels, torch.tensor([k])]), 3)
        ratio = case.family.log_marginal(after)[k] - case.family.log_marginal(before)[k]
        torch.testing.assert_close(predictive[k], ratio)


@each_case
def test_a_point_given_all_others_is_out_of_its_own_slot_alone(case):
    x, labels = case.points(6), torch.tensor([0, 0, 1, 0, 1, 1])  # slot 2 is empty
    given = case.family.log_predictive_given_others(case.family.stats(x, labels, 3), x, labels)
    for i in range(6):
        rest = torch.arange(6) != i
        others, all_points = (case.family.stats(x[some], labels[some], 3) for some in (rest, rest | True))
        expected = case.family.log_predictive(all_points, x[i])
        expected[labels[i]] = case.family.log_predictive(others, x[i])[labels[i]]
        torch.testing.assert_close(given[i], expected)


@each_case
@pytest.mark.parametrize("shape", [(), (4,), (2, 4)])
def test_predictive_keeps_the_leading_axes_of_its_points(case, shape):
    stats = case.family.stats(case.points(5), torch.tensor([0, 1, 1, 0, 0]), 3)
    new = case.points(math.prod(shape))
    together = case.family.log_predictive(stats, new.view(*shape, -1))
    assert together.shape == (*shape, 3)
    torch.testing.assert_close(together.view(-1, 3), torch.stack([case.family.log_predictive(stats, y) for y in new]))


@each_case
def test_marginal_is_the_product_of_predictives_in_any_order(case):
    x, zeros = case.points(6), torch.zeros(6, dtype=torch.int64)
    whole = case.family.log_marginal(case.family.stats(x, zeros, 1))[0]
    for order in (range(6), [3, 1, 5, 0, 4, 2]):
        stats, total = empty(case), 0.0
        for i in order:
            total += case.family.log_predictive(stats, x[i])[0]
            case.family.add_(stats, 0, x[i])
        torch.testing.assert_close(total, whole)
        torch.testing.assert_close(case.family.log_marginal(stats)[0], whole)


@each_case
def test_marginal_of_an_empty_slot_is_one(case):
    marginal = case.family.log_marginal(case.family.stats(case.points(3), torch.tensor([1, 1, 1]), 3))
    torch.testing.assert_close(marginal[[0, 2]], torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12)
    assert marginal[1] < -0.1


# Sufficient statistics.


@each_case
def test_statistics_count_the_points(case):
    assert case.family.stats(case.points(5), torch.tensor([0, 2, 0, 2, 2]), 4).n.tolist() == [2, 0, 3, 0]


@each_case
def test_adding_a_point_is_counting_it_from_the_start(case):
    x, labels = case.points(6), torch.tensor([0, 1, 0, 1, 0, 1])
    stats = case.family.stats(x[:5], labels[:5], 3)
    case.family.add_(stats, 1, x[5])
    assert_same_stats(stats, case.family.stats(x, labels, 3))


@each_case
@pytest.mark.parametrize("k", [0, 2], ids=["occupied", "empty"])
def test_adding_then_removing_a_point_changes_nothing(case, k):
    x, labels = case.points(5), torch.tensor([0, 1, 0, 1, 0])
    stats = case.family.stats(x, labels, 3)
    new = case.points(1)[0]
    case.family.add_(stats, k, new)
    case.family.add_(stats, k, new, sign=-1)
    assert_same_stats(stats, case.family.stats(x, labels, 3))


@each_case
def test_a_slot_that_empties_holds_the_prior_again(case):
    x = case.points(3)
    stats, fresh = case.family.stats(x, torch.zeros(3, dtype=torch.int64), 2), empty(case, 2)
    for y in x:
        case.family.add_(stats, 0, y, sign=-1)
    assert_same_stats(stats, fresh, rtol=1e-14, atol=1e-14)


@each_case
def test_adding_leaves_what_it_was_made_of(case):
    x, labels = case.points(4), torch.tensor([0, 1, 0, 1])
    stats = case.family.stats(x, labels, 2)
    before = stats.sums.clone()
    for k in range(2):
        case.family.add_(stats, k, x[k])
    assert torch.equal(stats.sums, before)


@each_case
def test_soft_counts_of_one_hot_responsibilities_are_hard_counts(case):
    x, labels = case.points(8), torch.tensor([0, 1, 3, 3, 1, 0, 0, 1])
    one_hot = torch.nn.functional.one_hot(labels, 4).to(x.dtype)
    assert_same_stats(case.family.soft_stats(x, one_hot), case.family.stats(x, labels, 4))


@each_case
def test_soft_counts_are_linear_in_the_responsibilities(case):
    x, r = case.points(8), torch.rand(8, 2, dtype=torch.float64)
    together, apart = case.family.soft_stats(x, r.sum(1, keepdim=True)), case.family.soft_stats(x, r)
    torch.testing.assert_close(together.sums, apart.sums.sum(0, keepdim=True))
    torch.testing.assert_close(together.n, r.sum().view(1))


@each_case
def test_a_point_of_weight_two_is_two_points(case):
    x = case.points(3)
    weights = torch.tensor([[1.0], [2.0], [1.0]], dtype=torch.float64)
    twice = case.family.stats(x[[0, 1, 1, 2]], torch.zeros(4, dtype=torch.int64), 1)
    assert_same_stats(case.family.soft_stats(x, weights), twice)


@each_case
def test_statistics_of_many_chunks_are_those_of_one(case, monkeypatch):
    x, labels = case.points(25), torch.arange(25) % 3
    one_hot = torch.nn.functional.one_hot(labels, 3).to(x.dtype)
    whole = case.family.stats(x, labels, 3)
    for held in ("CACHED", "HELD"):
        monkeypatch.setattr(chunks, held, 8 * 40)  # a few points at a time
    assert_same_stats(case.family.stats(x, labels, 3), whole)
    assert_same_stats(case.family.soft_stats(x, one_hot), whole)


@each_case
def test_statistics_are_sums_of_features(case):
    x, labels = case.points(9), torch.tensor([0, 2, 2, 0, 0, 0, 2, 2, 2])
    stats = case.family.stats(x, labels, 3)
    phi = torch.cat(list(case.family.features(stats, x)))
    assert torch.equal(phi[:, 0], torch.ones(9, dtype=torch.float64))
    torch.testing.assert_close(stats.sums, torch.nn.functional.one_hot(labels, 3).to(x.dtype).T @ phi)
    swapped = case.family.with_sums(stats, stats.sums[[2, 1, 0]])
    assert_same_stats(swapped, case.family.stats(x, 2 - labels, 3))
    assert torch.equal(case.family.draw(swapped).n, swapped.n)


@each_case
def test_natural_weights_of_the_features_give_the_density_at_the_posterior_mean(case):
    x, new = case.points(6), case.points(5)
    stats = case.family.stats(x, torch.tensor([0, 1, 0, 1, 0, 0]), 3)
    phi = torch.cat(list(case.family.features(stats, new)))
    expected = case.family.posterior_mean(stats).log_prob(new)
    torch.testing.assert_close(phi @ case.family.natural(stats).T, expected)


# The posterior of the parameters.


@each_law
def test_mean_density_under_posterior_draws_is_the_predictive(case):
    """20,000 draws, six standard errors, for one point and for two: E[p(y) p(y')] = p(y | x) p(y' | x, y)."""
    R, x, new = 20_000, case.points(6), case.points(8)
    stats = case.family.stats(x, torch.zeros(6, dtype=torch.int64), 1)
    many = case.family.soft_stats(x, torch.ones(6, R, dtype=torch.float64))  # R copies of the slot
    density = case.family.posterior_sample(many).log_prob(new).exp()
    first = case.family.log_predictive(stats, new)[:, 0]
    for i, j in pairwise(range(8)):
        after = case.family.stats(torch.cat([x, new[i : i + 1]]), torch.zeros(7, dtype=torch.int64), 1)
        both = first[i] + case.family.log_predictive(after, new[j])[0]
        for values, expected in ((density[i], first[i].exp()), (density[i] * density[j], both.exp())):
            assert abs(values.mean() - expected) < 6 * values.std() / math.sqrt(R)


@each_law
def test_posterior_draws_have_the_posterior_mean(case):
    """20,000 draws, six standard errors, of every parameter."""
    R, x = 20_000, case.points(6)
    exact = case.family.posterior_mean(case.family.stats(x, torch.zeros(6, dtype=torch.int64), 1))
    drawn = case.family.posterior_sample(case.family.soft_stats(x, torch.ones(6, R, dtype=torch.float64)))
    names = ("mean", "probabilities") if isinstance(case.family, DirichletCategorical) else ("mean", "covariance")
    for name in names:
        values, expected = getattr(drawn, name), getattr(exact, name)[0]
        assert ((values.mean(0) - expected).abs() <= 6 * values.std(0) / math.sqrt(R) + 1e-12).all()


@each_case
def test_each_slot_is_drawn_by_itself(case):
    x = case.points(6)
    drawn = case.family.posterior_sample(case.family.stats(x, torch.tensor([0, 0, 0, 1, 1, 1]), 4))
    assert len(drawn.mean.unique(dim=0)) == 4


@each_law
def test_components_of_a_posterior_have_a_row_for_each_slot(case):
    stats = case.family.stats(case.points(4), torch.tensor([0, 1, 0, 1]), 5)
    for components in (case.family.posterior_mean(stats), case.family.posterior_sample(stats)):
        assert all(isinstance(tensor, torch.Tensor) and len(tensor) == 5 for tensor in vars(components).values())
        assert components.log_prob(case.points(7)).shape == (7, 5)


# One law under three names.


@pytest.mark.parametrize("given", [True, False], ids=["given", "from the data"])
@pytest.mark.parametrize("name", ["NormalInverseGamma", "SphericalNormal"])
def test_gaussian_families_are_one_law_in_one_dimension(name, given):
    x, labels, new = gaussian(1)(9), torch.arange(9) % 3, gaussian(1)(4)
    kinds = [type(CASES[f"{kind}-1D"].family) for kind in ("NormalInverseWishart", name)]
    families = [kind(torch.tensor([0.3]), 0.7, 0.2, 4.5) if given else kind() for kind in kinds]
    one, two = (family.stats(x, labels, 4) for family in families)
    torch.testing.assert_close(one.log_posterior, two.log_posterior, rtol=1e-12, atol=1e-12)
    for family, stats in zip(families, (one, two), strict=True):
        family.add_(stats, 1, x[0])
        family.add_(stats, 2, x[2], sign=-1)
    assert one.prior.factor == two.prior.factor
    for value in ("log_marginal", "log_evidence"):
        pair = [getattr(family, value)(stats) for family, stats in zip(families, (one, two), strict=True)]
        torch.testing.assert_close(*pair, rtol=1e-12, atol=1e-12)
    pair = [family.log_predictive(stats, new) for family, stats in zip(families, (one, two), strict=True)]
    torch.testing.assert_close(*pair, rtol=1e-12, atol=1e-12)
    means = [family.posterior_mean(stats) for family, stats in zip(families, (one, two), strict=True)]
    torch.testing.assert_close(means[0].mean, means[1].mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(means[0].covariance, means[1].covariance, rtol=1e-12, atol=1e-12)


# What was learned from the points is kept by the family that has it fixed.


@each_case
def test_fixed_family_is_the_same_one(case):
    x, labels, new = case.points(6), torch.tensor([0, 0, 1, 1, 1, 0]), case.points(3)
    stats = case.family.stats(x, labels, 3)
    fixed = case.family.fixed(stats)
    again = fixed.stats(x, labels, 3)
    assert type(fixed) is type(case.family)
    assert_same_stats(again, stats)
    torch.testing.assert_close(fixed.log_predictive(again, new), case.family.log_predictive(stats, new))


@each_law
def test_fixed_family_of_other_points_keeps_what_these_have_set(case):
    family = type(case.family)()  # everything from the data
    x = torch.cat([case.points(6), case.points(6).amax(0, keepdim=True)])
    stats = family.stats(x, torch.zeros(7, dtype=torch.int64), 2)
    fixed = family.fixed(stats)
    few = fixed.stats(x[:2], torch.zeros(2, dtype=torch.int64), 2)
    assert fixed.learned == ()
    for name, value in followed(few).items():  # the empty slot shows the prior
        torch.testing.assert_close(value[1], followed(stats)[name][1])
