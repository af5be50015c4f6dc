"""Distances against closed forms and sums written out; the extractor is used with care."""

import warnings

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from bnpgan import metrics
from bnpgan.metrics.extraction import extract


def network(*shape):
    """A real extractor in training mode, with batch norm and dropout, which would make features depend on the mode."""
    size = int(np.prod(shape))
    net = nn.Sequential(nn.Flatten(), nn.Linear(size, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Softplus())
    net(torch.randn(50, *shape))  # running statistics that differ from a batch's
    return net


def closed_form(a, b):
    a, b = a.double().numpy(), b.double().numpy()
    s, t = np.cov(a.T), np.cov(b.T)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)


def test_frechet_distance_is_scipys_closed_form():
    mix = torch.randn(5, 5)
    for shift in (0.0, 1e7):  # far from the origin uncentred sums would cancel
        real, fake = torch.randn(300, 5).double() + shift, (torch.randn(200, 5) @ mix + 0.5).double() + shift
        assert metrics.frechet_distance(real, fake, nn.Identity()) == pytest.approx(closed_form(real, fake), rel=1e-6)


def test_frechet_distance_of_what_the_network_sees():
    real, fake, net = torch.randn(700, 1, 4, 4), torch.rand(600, 1, 4, 4), network(1, 4, 4)
    value = metrics.frechet_distance(real, fake, net)
    with torch.no_grad():
        net.eval()
        assert value == pytest.approx(closed_form(net(real), net(fake)), rel=1e-4)
    assert metrics.frechet_distance(real, real, net) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_of_fewer_images_than_features():
    real, fake = torch.randn(4, 10), torch.randn(4, 10)  # singular covariances
    value = metrics.frechet_distance(real, fake, nn.Identity())
    assert value == pytest.approx(closed_form(real, fake), rel=1e-3) and value > 0


def test_kernel_distance_is_the_unbiased_sum():
    real, fake = torch.randn(12, 1, 2, 2), torch.rand(12, 1, 2, 2)
    u, v = real.flatten(1).tolist(), fake.flatten(1).tolist()

    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / 4 + 1) ** 3

    n = 12
    within = sum(kernel(w[i], w[j]) for w in (u, v) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    between = sum(kernel(x, y) for x in u for y in v) / n**2
    mean, std = metrics.kernel_distance(real, fake, nn.Flatten(), subsets=3, subset_size=n)
    assert mean == pytest.approx(within - 2 * between) and std == pytest.approx(0, abs=1e-12)


def test_kernel_distance_does_not_depend_on_the_number_of_images():
    # Two draws of one law: 0 on average, at any size; the Frechet distance is not.
    for n in (20, 200):
        values = [metrics.kernel_distance(*torch.randn(2, n, 4), nn.Identity(), 1, n)[0] for _ in range(100)]
        assert abs(np.mean(values)) < 4 * np.std(values) / 10
    mean, std = metrics.kernel_distance(*torch.randn(2, 400, 4), nn.Identity(), 50, 40)
    assert std > 0 and type(mean) is type(std) is float


def test_kernel_distance_warns_of_nothing_and_follows_the_ambient_generator():
    x, y = torch.randn(2, 60, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.manual_seed(1)
        first = metrics.kernel_distance(x, y, nn.Identity(), 5, 20)
        again = metrics.kernel_distance(x, y, nn.Identity(), 5, 20)
        torch.manual_seed(1)
        assert first == metrics.kernel_distance(x, y, nn.Identity(), 5, 20) != again


def test_extraction_is_in_chunks_without_gradients_and_leaves_the_network_as_it_was():
    x, net = torch.randn(1100, 3), network(3)
    net[3].eval()  # a part that was frozen stays so
    before = {key: value.clone() for key, value in net.state_dict().items()}
    sizes = []
    handle = net.register_forward_pre_hook(lambda module, arguments: sizes.append(len(arguments[0])))
    features = extract("x", x, net)
    handle.remove()
    assert sizes == [512, 512, 76] and features.dtype == torch.float64 and not features.requires_grad
    assert [module.training for module in net.modules()] == [True, True, True, True, False, True]
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    torch.testing.assert_close(features, net.eval()(x).detach().double())
    torch.testing.assert_close(extract("x", x, lambda batch: 2 * batch), 2 * x.double())


def test_a_network_that_fails_is_put_back_too():
    net = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(RuntimeError):
        extract("x", torch.zeros(4, 5), net)
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize("distance", [metrics.frechet_distance, metrics.kernel_distance])
def test_distances_name_what_does_not_fit(distance):
    x = torch.randn(1000, 2)
    for arguments, message in [
        ((x[:1], x, nn.Identity()), r"^real holds 1 images, but \d+ are needed: pass more"),
        ((x, x[:1], nn.Identity()), r"^fake holds 1 images, but \d+ are needed: pass more"),
        ((x, x[:, :1], nn.Identity()), r"^extractor gives 2 features of real images and 1 of fake: make"),
        ((x, x, lambda batch: batch.sum(1)), r"^extractor maps real \(512, 2\) to \(512,\): make it give"),
        ((x, x / 0, nn.Identity()), r"^extractor gives NaN or infinite features of fake: look for NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            distance(*arguments)


@pytest.mark.parametrize("score", [metrics.frechet_distance, metrics.neighbourhoods, metrics.quality])
def test_arrays_are_taken_and_shapes_that_differ_are_named(score):
    x, y = np.random.default_rng(0).normal(size=(2, 20, 3))
    assert score(x, y, nn.Identity()) == score(torch.from_numpy(x), torch.from_numpy(y), nn.Identity())
    with pytest.raises(ValueError, match=r"^extractor gives \d features of real .* make them alike.*\(20, 2\)"):
        score(x, y[:, :2], nn.Identity())


@pytest.mark.parametrize(("subsets", "subset_size"), [(0, 10), (1, 1)])
def test_kernel_distance_names_bad_subsets(subsets, subset_size):
    with pytest.raises(ValueError, match=r"^subsets is \d and subset_size \d+: pass at least 1 subset of at least 2"):
        metrics.kernel_distance(torch.zeros(10, 2), torch.zeros(10, 2), nn.Identity(), subsets, subset_size)
