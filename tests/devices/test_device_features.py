"""Features of images on a device: what they see, learn and name is there."""

import warnings
from types import SimpleNamespace

import pytest
import small
import torch
from places import assert_on, assert_same, moved
from pretended_gpu import PretendedGPU
from torch import nn

from bnpgan.components import NormalInverseWishart
from bnpgan.features import FixedEncoder, FromAutoencoder, FromDiscriminator, FromEncoder, FromRotations, Identity
from bnpgan.features.encoder import shifted
from bnpgan.graphs import in_graphs
from bnpgan.models import DCGANTrunk, Gaussian, NoFrames
from bnpgan.partition import Partition
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import StickBreaking

K = 4


class Corners(nn.Module):
    """A generator whose slots sit at the corners of a square."""

    def forward(self, z, c):
        return torch.stack([c % 2, c // 2], 1) * 4.0 + 0.1 * z


class Stripes(nn.Module):
    """A generator of images, in each slot another column."""

    def forward(self, z, c):
        columns = torch.arange(8, device=c.device) == c[:, None]
        return (columns.float() + 0.1 * z[:, :1])[:, None, None].expand(-1, 1, 8, -1)


GAN = SimpleNamespace(generator=Corners(), discriminator=None, latent=Gaussian(2), frames=NoFrames())
STRIPES = SimpleNamespace(**{**vars(GAN), "generator": Stripes()})


def encoder(**options):
    return FromEncoder(nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, K)), K, **options)


def corners(device):
    c = torch.arange(100, device=device) % K
    return GAN.generator(GAN.latent(c), c), c


def images():
    return torch.rand(6, 1, 8, 8) * 2 - 1


FEATURES = {
    "Identity": Identity,
    "FromDiscriminator": FromDiscriminator,
    "FixedEncoder": lambda: FixedEncoder(DCGANTrunk((1, 8, 8), width=4)),
    "FromEncoder": lambda: FromEncoder(DCGANTrunk((1, 8, 8), 4, norm=False), K, head=nn.Linear(32, K)),
    "FromAutoencoder": lambda: FromAutoencoder(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), nn.Sequential(nn.Linear(3, 64), nn.Unflatten(1, (1, 8, 8)))
    ),
    "FromRotations": lambda: FromRotations(DCGANTrunk((1, 8, 8), 4, norm=False)),
}


@pytest.mark.parametrize("name", FEATURES)
def test_features_are_those_of_the_cpu(gpu, name):
    x, features = images().double(), FEATURES[name]().double()
    gan = SimpleNamespace(discriminator=small.gan("sc_gan", images()).discriminator.double(), frames=NoFrames())
    with torch.no_grad():
        here = features(gan, x)
        gan.discriminator.to(gpu.device)
        there = features.to(gpu.device)(gan, x.to(gpu.device))
    assert_on(gpu.device, there)
    assert_same(there, here)


def test_an_encoder_learns_the_slots_on_the_device(gpu):
    x, c = corners(gpu.device)
    features = encoder(first_steps=80, learning_rate=1e-2).to(gpu.device)
    features.refresh(GAN, x, None)
    y = features(GAN, x)
    assert_on(gpu.device, y, features.suggest(y))
    assert (features.suggest(y) == c).float().mean() > 0.95
    assert_on(gpu.device, list(features.optimizer.state.values()))


def test_an_encoder_follows_a_partition_on_the_device(gpu):
    x, c = corners(gpu.device)
    features = encoder(steps=3, real_weight=1.0).to(gpu.device)
    before = features.encoder[0].weight.detach().clone()
    features.refresh(GAN, x, Partition.from_labels(features(GAN, x).detach(), c, K))
    after = features.encoder[0].weight.detach()
    assert_on(gpu.device, after)
    assert not torch.equal(before, after)


class Looked(FromRotations):
    """Features whose loss lets the host look at it."""

    def loss(self, x):
        value = super().loss(x)
        return value if bool(value.detach() > 0) else -value


def learned(name, gpu, graphs, real_weight=0.0):
    """Features that have learned before a partition and after one, and when the host waited for them."""
    torch.manual_seed(0)
    x, features = images().to(gpu.device), (FEATURES | {"Looked": looked})[name]().to(gpu.device)
    features.steps = features.first_steps = 5
    features.real_weight, features.shift, features.warp = real_weight, 1, 0.1
    for group in features.optimizer.param_groups:
        group["lr"] = 2**-10  # in single precision too, as a graph has it
    sampler = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(scale=1.0), K, sweeps=0)
    partition = sampler.partition(features(STRIPES, x).detach(), torch.arange(6, device=gpu.device) % K)
    with in_graphs(graphs), gpu.counted() as waits:
        features.refresh(STRIPES, x, None)
        features.refresh(STRIPES, x, partition)
    return features, waits


def looked():
    return Looked(DCGANTrunk((1, 8, 8), 4, norm=False))


def assert_same_weights(gpu, *features):
    close = (
        {"rtol": 0, "atol": 0} if isinstance(gpu, PretendedGPU) else {"rtol": 0.05, "atol": 0.02}
    )  # 20 steps of Adam
    assert_same(*(moved(part.state_dict(), "cpu") for part in features), **close)


@pytest.mark.parametrize("name", ["FromEncoder", "FromAutoencoder", "FromRotations"])
def test_features_that_learn_in_graphs_learn_what_they_do_eagerly(gpu, name):
    (eager, _), (captured, waits) = (learned(name, gpu, graphs) for graphs in (False, True))
    assert_same_weights(gpu, eager, captured)
    assert not waits
    assert [group["capturable"] for group in captured.optimizer.param_groups] == [False]
    captured.to("cpu").optimizer.load_state_dict(captured.optimizer.state_dict())
    captured.refresh(STRIPES, images(), None)  # which an optimiser that is to be captured refuses


def test_a_likelihood_of_real_images_is_never_captured(gpu):
    with warnings.catch_warnings(action="error"):
        (eager, _), (captured, _) = (learned("FromEncoder", gpu, graphs, real_weight=0.5) for graphs in (False, True))
    assert_same_weights(gpu, eager, captured)


def test_features_that_cannot_be_captured_learn_eagerly(gpu):
    eager, _ = learned("Looked", gpu, graphs=False)
    with pytest.warns(UserWarning, match=r"eager steps, for no CUDA graph holds one \(.*stream is capt"):
        captured, _ = learned("Looked", gpu, graphs=True)
    assert_same_weights(gpu, eager, captured)


def test_images_are_shifted_on_the_device(gpu):
    x = images().to(gpu.device)
    there = shifted(x, 1)
    assert_on(gpu.device, there)
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    crops = torch.stack([padded[..., i : i + 8, j : j + 8] for i in range(3) for j in range(3)])
    assert bool((crops == there).flatten(2).all(2).any(0).all())


def test_an_auto_encoder_learns_on_the_device(gpu):
    x = (torch.randn(200, 1) @ torch.randn(1, 6)).to(gpu.device)
    features = FromAutoencoder(nn.Linear(6, 1), nn.Linear(1, 6), steps=150, learning_rate=3e-2).to(gpu.device)
    features.refresh(None, x, None)
    with torch.no_grad():
        left = (features.decoder(features(None, x)) - x).square().mean() / x.square().mean()
    assert float(left) < 0.1


def test_features_that_have_learned_go_back_to_the_cpu_and_on(gpu):
    x, _ = corners(gpu.device)
    features = encoder(first_steps=2, steps=2).to(gpu.device)
    features.refresh(GAN, x, None)
    there = features(GAN, x).detach()
    features.to("cpu")
    assert_same(there, features(GAN, moved(x, "cpu")).detach(), rtol=1e-4, atol=1e-4)
