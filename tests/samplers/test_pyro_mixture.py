"""Clusters that a Pyro function describes: found, refused, saved, and nobody's settings touched."""

import pyro
import pytest
import small
import torch
from pyro import distributions as dist
from pyro import poutine
from pyro.infer import Trace_ELBO
from torch.distributions import constraints

from bnpgan import data, metrics
from bnpgan.engine import chunks
from bnpgan.features import Identity
from bnpgan.files import pack_partition, unpack_partition
from bnpgan.samplers import PyroMixture
from bnpgan.samplers.normals import Normals
from bnpgan.samplers.pyro_mixture import log_weights_of
from bnpgan.training import load, train


def spread(mean, std):
    loc = pyro.sample("loc", dist.Normal(mean, 3 * std).to_event(1))
    scale = pyro.sample("scale", dist.LogNormal((std / 10).log(), 1.5).to_event(1))
    return loc, scale


def gaussian(mean, std):
    return dist.Normal(*spread(mean, std)).to_event(1)


def heavy(mean, std):
    return dist.StudentT(3.0, *spread(mean, std)).to_event(1)


def angles(mean, std):
    loc = pyro.sample("loc", dist.VonMises(0.0, 0.01).expand(mean.shape).to_event(1))
    return dist.VonMises(loc, pyro.sample("concentration", dist.Gamma(2.0, 0.1))[:, None]).to_event(1)


def rates(mean, std):
    return dist.Poisson(pyro.sample("rate", dist.Gamma(1.0, 1 / mean).to_event(1))).to_event(1)


def matrices(mean, std):
    """Parameters whose supports are no product of intervals."""
    D = len(mean)
    loc = pyro.sample("loc", dist.MultivariateNormal(mean, torch.diag(9 * std**2)))
    correlation = pyro.sample("correlation", dist.LKJCholesky(D, 2.0))
    scale = pyro.sample("scale", dist.LogNormal((std / 10).log(), 1.5).to_event(1))
    return dist.MultivariateNormal(loc, scale_tril=scale[..., None] * correlation)


def ring(n=300):
    return data.ring(n, std=0.1)


def outliers(n, k=5):
    truth = torch.arange(n) % k
    centres = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 4.0], [-2.0, 8.0], [2.0, 8.0]])
    return centres[truth] + 0.15 * torch.distributions.StudentT(2.0).sample((n, 2)), truth


def agreement(p, truth):
    return metrics.clustering(p.labels, truth)["ari"]


def large(p):
    return int((p.counts >= 0.02 * len(p.labels)).sum())


@pytest.fixture(scope="module")
def fitted():
    torch.manual_seed(0)
    x, truth = ring()
    return x, truth, PyroMixture(gaussian, capacity=12, steps=200).fit(x)


# What it finds.


@pytest.mark.parametrize("seed", [1, 2])
def test_the_ring_is_eight_clusters(seed):
    torch.manual_seed(seed)
    x, truth = ring()
    p = PyroMixture(gaussian, capacity=16, steps=200).fit(x)
    assert agreement(p, truth) > 0.95
    assert large(p) == 8


@pytest.mark.slow
@pytest.mark.parametrize(("component", "make", "clusters"), [(gaussian, ring, 8), (heavy, outliers, 5)])
def test_the_number_of_clusters_is_right_in_nine_of_ten_seeds(component, make, clusters):
    right = 0
    for seed in range(10):
        torch.manual_seed(seed)
        x, _ = make(500)
        right += large(PyroMixture(component).fit(x)) == clusters
    assert right >= 9


def test_heavy_tails_are_no_clusters_where_the_component_has_them():
    x, truth = outliers(300, 3)
    student, normal = (PyroMixture(c, capacity=8, steps=150).fit(x) for c in (heavy, gaussian))
    assert large(student) == 3 < large(normal)
    assert agreement(student, truth) > 0.95


@pytest.mark.parametrize(
    ("component", "make"),
    [
        (angles, lambda z: torch.remainder(torch.tensor([-3.1, 0.0])[z] + 0.3 * torch.randn(len(z)), 6.28) - 3.14),
        (rates, lambda z: torch.poisson(torch.tensor([2.0, 30.0])[z])),
        (matrices, lambda z: torch.tensor([[0.0, 0], [9, 0]])[z] + torch.randn(len(z), 1)),
    ],
)
def test_other_clusters_are_one_function(component, make):
    truth = torch.arange(200) % 2
    x = make(truth).reshape(200, -1)
    x = x + torch.randn_like(x) if component is matrices else x
    p = PyroMixture(component, capacity=3, steps=200).fit(x)
    assert agreement(p, truth) > 0.95
    assert p.components.sample(p.labels).shape == x.shape


def test_the_scale_of_the_data_does_not_matter(fitted):
    x, truth, _ = fitted
    for scale in (1e-6, 1e6):
        assert agreement(PyroMixture(gaussian, capacity=12, steps=200).fit(scale * (x.double() + 3)), truth) > 0.95


# What is learned is the posterior.


def test_normals_learn_a_conjugate_posterior():
    """Ten points of variance 4 and a prior of variance 1: precision 3.5, in each of two clusters."""
    x = torch.linspace(-1, 3, 10, dtype=torch.float64)

    def model():
        with pyro.plate("clusters", 2):
            loc = pyro.sample("loc", dist.Normal(torch.zeros((), dtype=x.dtype), 1.0))
        pyro.factor("points", dist.Normal(loc, 2.0).log_prob(x[:, None]).sum())

    guide = Normals({"loc": (constraints.real, torch.randn(1000, dtype=x.dtype))}, 2)
    for t in range(300):
        guide.step(Trace_ELBO().differentiable_loss(model, guide), 0.3 * 0.001 ** (t / 300))
    unit, _, log_scale = guide.sites["loc"][2:]
    torch.testing.assert_close(guide.median()["loc"], torch.full((2,), 2.5 / 3.5, dtype=x.dtype), rtol=0, atol=0.05)
    torch.testing.assert_close(
        (unit * log_scale.exp()).detach() * 3.5**0.5, torch.ones_like(unit).expand(2), rtol=0.1, atol=0
    )


def test_mini_batches_weigh_as_much_as_all_points():
    """500 points of variance 9 outweigh a prior of variance 0.09, worth 100 points, five to one."""
    x = 1 + 3 * torch.randn(500, 1, dtype=torch.float64)

    def component(mean, std):
        return dist.Normal(pyro.sample("loc", dist.Normal(0.0 * mean, 0.3).to_event(1)), 3.0).to_event(1)

    p = PyroMixture(component, capacity=1, steps=150, batch=50).partition(x, torch.zeros(500, dtype=torch.int64))
    assert float(vars(p.components)["latent.loc"]) == pytest.approx(float(x.mean()) * 5 / 6, abs=0.08)


def test_weights_follow_the_shares():
    x = torch.cat([torch.randn(90, 1), 50 + torch.randn(30, 1)])
    truth = (x[:, 0] > 25).long()
    p = PyroMixture(gaussian, capacity=3, steps=100).partition(x, truth)
    torch.testing.assert_close(p.log_weights.exp()[:2], torch.tensor([0.75, 0.25]).double(), rtol=0, atol=0.05)


def test_weights_of_sticks_sum_to_one_and_break_what_is_left():
    w = log_weights_of(torch.tensor([0.5, 0.4, 0.2], dtype=torch.float64)).exp()
    torch.testing.assert_close(w, torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64))
    assert log_weights_of(torch.tensor([0.3])).tolist() == [0.0]


# The partition.


def test_labels_are_the_most_probable_slots(fitted):
    x, _, p = fitted
    assert torch.equal(p.predict(x), p.labels)
    assert torch.equal(p.responsibilities(x).argmax(1), p.labels)


def test_components_are_the_function_at_its_parameters(fitted):
    x, _, p = fitted
    tensors = vars(p.components)
    loc, scale = tensors["latent.loc"], tensors["latent.scale"]
    expected = torch.distributions.Normal(loc, scale).log_prob(x[:, None].double()).sum(-1)
    torch.testing.assert_close(p.components.log_prob(x), expected)
    heavy_slot = int(p.counts.argmax())
    torch.testing.assert_close(loc[heavy_slot], p.components.mean[heavy_slot], rtol=0, atol=0.1)
    assert p.components.covariance.shape == (12, 2, 2)


def test_components_sample_from_the_slots_that_are_named(fitted):
    _, _, p = fitted
    slots = p.sample(2_000)
    made = p.components.sample(slots)
    assert (p.predict(made) == slots).double().mean() > 0.97
    k = int(p.counts.argmax())
    scale = vars(p.components)["latent.scale"][k]
    mine = p.components.sample(torch.full((2_000,), k))
    torch.testing.assert_close(mine.std(0), scale, rtol=0.1, atol=0)  # 6 standard errors


def test_permuted_components_are_the_same_ones_elsewhere(fitted):
    x, _, p = fitted
    order = torch.randperm(12)
    torch.testing.assert_close(p.components.permute(order).log_prob(x), p.components.log_prob(x)[:, order])


def test_points_are_scored_in_parts_as_they_are_at_once(fitted, monkeypatch):
    x, _, p = fitted
    whole = p.components.log_prob(x)
    monkeypatch.setattr(chunks, "HELD", 8 * 24 * 7)
    torch.testing.assert_close(p.components.log_prob(x), whole)


# Starts.


def test_a_warm_start_keeps_the_names_of_the_clusters(fitted):
    x, truth, _ = fitted
    names = torch.tensor([7, 2, 11, 0, 4, 9, 5, 1])[truth]
    p = PyroMixture(gaussian, capacity=12, steps=100).fit(x, names)
    assert (p.labels == names).double().mean() > 0.95


def test_a_warm_start_from_one_cluster_finds_the_others(fitted):
    x, truth, _ = fitted
    p = PyroMixture(gaussian, capacity=16, steps=200).fit(x, torch.zeros(len(x), dtype=torch.int64))
    assert agreement(p, truth) > 0.95


def test_the_partition_of_given_labels_has_these_labels(fitted):
    x, truth, _ = fitted
    jumbled = truth[torch.randperm(len(truth))]
    p = PyroMixture(gaussian, capacity=9, steps=3).partition(x, jumbled)
    assert torch.equal(p.labels, jumbled)
    assert p.log_weights[8] == -torch.inf


# Whose settings are whose.


def test_settings_of_pyro_and_torch_are_left_alone():
    pyro.clear_param_store()
    pyro.param("mine", torch.tensor(3.0))
    x, _ = ring(60)
    PyroMixture(gaussian, capacity=3, steps=3).fit(x).log_prob(x)
    assert list(pyro.get_param_store().keys()) == ["mine"]
    assert torch.get_default_dtype() == torch.float32
    assert poutine.runtime._PYRO_STACK == []
    with pytest.raises(ValueError, match="constraint"):
        dist.Normal(0.0, -1.0)
    with pytest.raises(ZeroDivisionError):
        PyroMixture(lambda mean, std: 1 / 0, steps=3).fit(x)
    assert torch.get_default_dtype() == torch.float32
    pyro.clear_param_store()


def test_gradients_may_be_off(fitted):
    x, truth, _ = fitted
    with torch.no_grad():
        p = PyroMixture(gaussian, capacity=12, steps=150).fit(x, truth)
    assert agreement(p, truth) > 0.95


# What is refused.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("component", 3),
        ("capacity", 0),
        ("concentration", 0.0),
        ("concentration", float("nan")),
        ("steps", 0),
        ("steps", 2.5),
        ("learning_rate", 0.0),
        ("learning_rate", 1.5),
        ("batch", 0),
        ("max_dim", 0),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name} must"):
        PyroMixture(**{"component": gaussian, name: value})


def unshaped(mean, std):
    return dist.Normal(*spread(mean, std))


def shared(mean, std):
    return dist.Normal(mean, std).to_event(1)


def nothing(mean, std):
    spread(mean, std)


def discrete(mean, std):
    k = pyro.sample("k", dist.Bernoulli(0.5))
    return dist.Normal(mean + k[:, None], std).to_event(1)


def optimised(mean, std):
    loc, _ = spread(mean, std)
    return dist.Normal(loc, pyro.param("width", torch.ones(()))).to_event(1)


def plated(mean, std):
    with pyro.plate("dimensions", len(mean), dim=-2):
        loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
    return dist.Normal(loc.T, 1.0).to_event(1)


@pytest.mark.parametrize("component", [unshaped, shared, nothing, discrete, optimised, plated])
def test_components_of_another_form_are_refused(component):
    with pytest.raises(ValueError, match=r"^component must (return|sample)"):
        PyroMixture(component, capacity=3, steps=3).fit(torch.randn(10, 2))
    pyro.clear_param_store()


def test_points_outside_the_support_are_refused():
    with pytest.raises(ValueError, match=r"^x must lie in the support"):
        PyroMixture(rates, capacity=3, steps=3).fit(torch.tensor([[1.0], [2.5]]))


@pytest.mark.filterwarnings("ignore:Encountered NaN")
def test_densities_that_are_not_finite_are_refused():
    def component(mean, std):
        loc, scale = spread(mean, std)
        return dist.Normal(loc, scale * torch.nan if loc.requires_grad else scale, validate_args=False).to_event(1)

    with pytest.raises(ValueError, match=r"^component must give finite densities"):
        PyroMixture(component, capacity=3, steps=3).fit(torch.randn(10, 2))


# Saved and trained with.


def test_a_partition_comes_back_from_its_tensors(fitted):
    x, _, p = fitted
    PyroMixture(heavy)  # another function does not stand in for this one
    tensors, meta = pack_partition(p)
    assert meta == {"components": "Pyro[gaussian]"}
    again = unpack_partition(tensors, meta)
    assert torch.equal(again.predict(x), p.labels)
    torch.testing.assert_close(again.log_prob(x), p.log_prob(x))
    with pytest.raises(ValueError, match="import the module"):
        unpack_partition(tensors, {"components": "Pyro[unheard_of]"})


def test_it_trains_is_saved_resumed_and_loaded(tmp_path):
    x, _ = small.points()
    clusterer = PyroMixture(gaussian, capacity=small.CAPACITY, steps=8)
    gan = small.gan("sc_gan", x, clusterer=clusterer, features=Identity())
    train(gan, x, steps=2, out=tmp_path / "cut", progress=False, device="cpu")
    resumed = train(gan, x, steps=5, out=tmp_path / "cut", progress=False, device="cpu", resume=True)
    whole = train(gan, x, steps=5, progress=False, device="cpu")
    assert torch.equal(resumed.partition.labels, whole.partition.labels)
    loaded = load(tmp_path / "cut", gan=gan)
    assert torch.equal(loaded.partition.labels, resumed.partition.labels)
    assert torch.equal(loaded.predict(x[:20]), resumed.predict(x[:20]))
