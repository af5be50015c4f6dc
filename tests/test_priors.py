"""Priors against sums over every partition, every label vector, and against the moments of known laws."""

import math
from collections import Counter
from itertools import permutations

import pytest
import torch
from exact_posterior import label_vectors, set_partitions
from scipy import stats
from torch.distributions import Geometric

from bnpgan.priors import DirichletProcess, FiniteDirichlet, MixtureOfFiniteMixtures, PitmanYor

PRIORS = [DirichletProcess(0.7), PitmanYor(0.7, 0.4), PitmanYor(2.0, 0.0), FiniteDirichlet(1.5)]
DRAWS = 1_000

every_prior = pytest.mark.parametrize("prior", PRIORS, ids=repr)


def counts_of(z: tuple[int, ...], capacity: int) -> torch.Tensor:
    return torch.bincount(torch.tensor(z), minlength=capacity)


def log_weights(prior, counts: torch.Tensor) -> torch.Tensor:
    return torch.stack([prior.sample_log_weights(counts) for _ in range(DRAWS)])


def mean_and_error(values: torch.Tensor) -> tuple[float, float]:
    """The mean and six standard errors: room for products of weights, which are skewed."""
    return float(values.mean()), 6 * float(values.std()) / math.sqrt(len(values))


# The exchangeable law.


@every_prior
@pytest.mark.parametrize("counts", [[0, 0, 0, 0], [3, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 7]])
def test_predictive_sums_to_one_while_a_slot_is_empty(prior, counts):
    assert float(prior.log_predictive(torch.tensor(counts)).exp().sum()) == pytest.approx(1)


@every_prior
@pytest.mark.parametrize("counts", [[0, 0, 0, 0], [3, 0, 1, 0], [5, 2, 1, 0]])
def test_predictive_is_the_ratio_of_partition_probabilities_and_empty_slots_share_the_new_cluster(prior, counts):
    counts = torch.tensor(counts)
    empty = (counts == 0).sum()
    grown = torch.stack([prior.log_eppf(counts + one) for one in torch.eye(4, dtype=torch.int64)])
    expected = grown - prior.log_eppf(counts) - torch.where(counts == 0, empty, 1).log()
    torch.testing.assert_close(prior.log_predictive(counts), expected)


@pytest.mark.parametrize("gamma", [0.1, 30.0])
def test_more_clusters_than_the_law_of_their_number_expects(gamma):
    """V_N(K) summed without end, at numbers of clusters that Geometric(.5) would not have in 2^150 draws."""
    number, C, M = Geometric(0.5), 200, torch.arange(1, 20_000, dtype=torch.float64)
    prior = MixtureOfFiniteMixtures(gamma, number)

    def log_v(N, K):
        falling = torch.lgamma(M + 1) - torch.lgamma((M - K).clamp(min=0) + 1)
        terms = number.log_prob(M - 1) + falling + torch.lgamma(gamma * M) - torch.lgamma(gamma * M + N)
        return terms[K - 1 :].logsumexp(0)

    totals = torch.tensor([160, 180, 3000])
    _, new = prior.log_urn(torch.arange(2), totals, C)
    for row, N in zip(new, totals.tolist(), strict=True):
        for K in (1, 20, 150):
            expected = math.log(gamma) + log_v(N + 1, K + 1) - log_v(N + 1, K)
            assert float(row[K]) == pytest.approx(float(expected), abs=1e-9)
    counts = torch.cat([torch.full((150,), 2), torch.zeros(50)]).long()
    sizes = 150 * (math.lgamma(gamma + 2) - math.lgamma(gamma))
    assert float(prior.log_eppf(counts)) == pytest.approx(float(log_v(300, 150)) + sizes)
    assert float(prior.log_predictive(counts).exp().sum()) == pytest.approx(1)
    assert prior.sample_log_weights(counts)[:150].isfinite().all() and prior.log_marginal(counts).isfinite()


@every_prior
def test_predictive_of_a_full_house_keeps_the_odds_of_its_slots(prior):
    odds = prior.log_predictive(torch.tensor([4, 2])).exp()
    discount = -prior.concentration / 2 if isinstance(prior, FiniteDirichlet) else prior.discount
    assert float(odds[0] / odds[1]) == pytest.approx((4 - discount) / (2 - discount))


@every_prior
def test_partition_probabilities_sum_to_one(prior):
    total = sum(float(prior.log_eppf(counts_of(z, capacity=6)).exp()) for z in set_partitions(6))
    assert total == pytest.approx(1)


@every_prior
def test_partition_probability_depends_on_block_sizes_only(prior):
    expected = prior.log_eppf(torch.tensor([5, 2, 1, 0]))
    for order in ([5, 1, 2, 0], [0, 1, 2, 5], [2, 0, 5, 1]):
        torch.testing.assert_close(prior.log_eppf(torch.tensor(order)), expected)


@pytest.mark.parametrize("concentration", [0.3, 1.0, 4.0])
def test_dirichlet_process_expects_the_sum_of_its_chances_of_a_new_cluster(concentration):
    prior = DirichletProcess(concentration)
    expected = sum(float(prior.log_eppf(counts_of(z, 6)).exp()) * len(set(z)) for z in set_partitions(6))
    assert expected == pytest.approx(sum(concentration / (concentration + i) for i in range(6)))


def test_finite_dirichlet_tends_to_the_dirichlet_process():
    counts = torch.zeros(100_000, dtype=torch.int64)
    counts[:3] = torch.tensor([4, 2, 1])
    torch.testing.assert_close(
        FiniteDirichlet(1.5).log_eppf(counts), DirichletProcess(1.5).log_eppf(counts), rtol=0, atol=1e-3
    )


def test_pitman_yor_without_discount_is_the_dirichlet_process():
    counts = torch.tensor([4, 0, 2, 1])
    for method in ("log_predictive", "log_eppf", "log_marginal"):
        dp, py = getattr(DirichletProcess(1.5), method), getattr(PitmanYor(1.5, 0.0), method)
        torch.testing.assert_close(py(counts), dp(counts))


# The law of the weights of ordered slots.


@every_prior
def test_label_vectors_have_total_probability_one(prior):
    total = sum(float(prior.log_marginal(counts_of(z, capacity=3)).exp()) for z in label_vectors(4, 3))
    assert total == pytest.approx(1)


@every_prior
def test_label_probability_is_the_mean_product_of_the_weights(prior):
    counts = torch.tensor([2, 1, 1])
    mean, error = mean_and_error((log_weights(prior, torch.zeros_like(counts)) * counts).sum(1).exp())
    assert mean == pytest.approx(float(prior.log_marginal(counts).exp()), abs=error)


@every_prior
@pytest.mark.parametrize("counts", [[3, 0, 1], [0, 6, 2]])
def test_weights_given_counts_have_the_mean_that_predicts_the_next_label(prior, counts):
    counts = torch.tensor(counts)
    weights = log_weights(prior, counts).exp()
    for k, one in enumerate(torch.eye(3, dtype=torch.int64)):
        expected = (prior.log_marginal(counts + one) - prior.log_marginal(counts)).exp()
        mean, error = mean_and_error(weights[:, k])
        assert mean == pytest.approx(float(expected), abs=error)


@pytest.mark.parametrize("counts", [[3, 0, 1, 0], [0, 0, 0, 0]])
def test_mean_sticks_are_those_of_ishwaran_and_james(counts):
    alpha, d = 0.7, 0.4
    weights = log_weights(PitmanYor(alpha, d), torch.tensor(counts)).exp()
    rest = 1.0
    for k, n in enumerate(counts[:-1]):
        a, b = 1 - d + n, alpha + (k + 1) * d + sum(counts[k + 1 :])
        mean, error = mean_and_error(weights[:, k])
        assert mean == pytest.approx(rest * a / (a + b), abs=error)
        rest *= b / (a + b)


@every_prior
def test_weights_are_normalised_and_survive_underflow(prior):
    counts = torch.zeros(500, dtype=torch.int64)
    counts[7] = 10**6
    drawn = prior.sample_log_weights(counts)
    assert drawn.dtype == torch.float64
    assert drawn.isfinite().all()
    assert float(drawn.logsumexp(0)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: DirichletProcess(0.0), "concentration"),
        (lambda: DirichletProcess(-1.0), "concentration"),
        (lambda: DirichletProcess(math.nan), "concentration"),
        (lambda: PitmanYor(math.inf, 0.5), "concentration"),
        (lambda: PitmanYor(1.0, 1.0), "discount"),
        (lambda: PitmanYor(1.0, -0.1), "discount"),
        (lambda: PitmanYor(1.0, math.nan), "discount"),
        (lambda: FiniteDirichlet(0.0), "concentration"),
    ],
)
def test_bad_hyper_parameter_is_named(make, name):
    with pytest.raises(ValueError, match=name):
        make()


# The order of the sticks.


@pytest.mark.parametrize(
    "prior", [DirichletProcess(2.0), PitmanYor(0.5, 0.4), PitmanYor(3.0, 0.9), PitmanYor(1.0, 0.99)], ids=repr
)
@pytest.mark.parametrize("counts", [[3, 0, 1, 0], [2, 2, 0, 5, 0], [4]])
def test_blocks_have_sticks_by_their_law(prior, counts):
    """Every order within the slots by its own probability, and all beyond together: 4,000 draws, chi-square."""
    counts, N = torch.tensor(counts), 4_000
    used, C = counts.nonzero().flatten(), len(counts)
    expected = {}
    for slots in permutations(range(C), len(used)):
        placed = torch.zeros(C, dtype=torch.int64)
        placed[list(slots)] = counts[used]
        expected[slots] = N * float(prior.log_order(placed).exp())
    drawn = Counter(tuple(prior.sample_order(counts)[used].tolist()) for _ in range(N))
    assert all(max(slots) == C for slots in drawn.keys() - expected.keys())
    likely = [slots for slots, n in expected.items() if n >= 5]
    seen = [drawn[slots] for slots in likely] + [N - sum(drawn[slots] for slots in likely)]
    law = [expected[slots] for slots in likely] + [N - sum(expected[slots] for slots in likely)]
    if min(law) > 5:
        assert stats.chisquare(seen, law).pvalue > 1e-5


@pytest.mark.parametrize("prior", [PitmanYor(1.0, 0.999), DirichletProcess(1e12), PitmanYor(1e6, 0.9)], ids=repr)
def test_the_walk_along_the_sticks_ends_with_the_slots(prior):
    slots = prior.sample_order(torch.tensor([5, 1, 1] + [0] * 40 + [2] * 10))
    assert int(slots.max()) <= 53
