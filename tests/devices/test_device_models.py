"""Networks on a device: outputs and gradients are there, and equal to those of the CPU."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from places import assert_on, assert_same, moved
from torch import nn

from bnpgan.models import (
    BACKBONES,
    Add,
    ClassHead,
    Concat,
    DCGANTrunk,
    Discriminator,
    EveryLayer,
    Gaussian,
    GaussianMixture,
    LeakyLinear,
    MaskedHead,
    Maxout,
    MLPGenerator,
    MLPTrunk,
    PackedDiscriminator,
    ProjectionHead,
    ScalarHead,
    SNGANTrunk,
    Unconditional,
)

B, K, D = 6, 5, 4  # images, slots, the size of the noise
IMAGE, POINT = (3, 8, 8), (2,)
CONVOLUTIONAL = [name for name in BACKBONES if name not in ("mlp", "maxout")]
CONDITIONINGS = {
    "Add": lambda: Add(K, D),
    "Add, fixed": lambda: Add(K, D, learned=False),
    "Concat": lambda: Concat(K, D, 3),
    "Unconditional": lambda: Unconditional(D),
    "EveryLayer": lambda: EveryLayer(Concat(K, D, 3, normalize=False), K),
}
GENERATORS = {
    "mlp": lambda conditioning: MLPGenerator(POINT, conditioning, (8, 8)),
    "mlp of images": lambda conditioning: MLPGenerator(IMAGE, conditioning, (8,), bounded=True),
    **{name: partial(replace(BACKBONES[name], width=4).generator, IMAGE) for name in CONVOLUTIONAL},
}
LATENTS = {
    "Gaussian": lambda: Gaussian(D),
    "static": lambda: GaussianMixture(K, D),
    "dynamic": lambda: GaussianMixture(K, D, dynamic=True),
    "full": lambda: GaussianMixture(K, D, dynamic=True, full=True),
}
TRUNKS = {
    "maxout": (POINT, lambda: MLPTrunk(POINT, (8, 8), Maxout)),
    "leaky": (POINT, lambda: MLPTrunk(POINT, (8,), LeakyLinear)),
    **{name: (IMAGE, partial(replace(BACKBONES[name], width=4).trunk, IMAGE)) for name in CONVOLUTIONAL},
    "sngan, spectral": (IMAGE, lambda: SNGANTrunk(IMAGE, width=4, spectral=True)),
    "dcgan without normalisation": (IMAGE, lambda: DCGANTrunk(IMAGE, width=4, norm=False)),
}
HEADS = {
    "scalar": ScalarHead,
    "masked": lambda dim: MaskedHead(dim, K),
    "projection": lambda dim: ProjectionHead(dim, K),
    "classes": lambda dim: ClassHead(dim, K),
}


def slots():
    return torch.arange(B) % K


def noise(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def on_both(module, device, *inputs):
    """Outputs and gradients, in double precision, of a module on the device and of its twin on the CPU."""
    found = []
    for place in (device, "cpu"):
        network = copy.deepcopy(module).double().to(place)
        outputs = network(*moved(inputs, place))
        outputs.square().sum().backward()
        found.append((outputs.detach(), [p.grad for p in network.parameters() if p.grad is not None]))
    return found


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_generators_are_those_of_the_cpu(gpu, generator, conditioning):
    module = GENERATORS[generator](CONDITIONINGS[conditioning]())
    module.train(generator != "stylegan2")  # which draws noise in training
    for c in (slots(), noise(B, K).softmax(1)):
        there, here = on_both(module, gpu.device, noise(B, D), c)
        assert_on(gpu.device, there)
        assert_same(there, here)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_discriminators_are_those_of_the_cpu(gpu, trunk, head):
    shape, make = TRUNKS[trunk]
    trunk = make()
    module = Discriminator(trunk, HEADS[head](trunk.out_dim))
    for c in (slots(), None):
        there, here = on_both(module, gpu.device, noise(B, *shape), c)
        assert_on(gpu.device, there)
        assert_same(there, here)


def test_packs_are_judged_as_on_the_cpu(gpu):
    module = PackedDiscriminator(nn.Sequential(nn.Flatten(), nn.Linear(6 * 64, 4)), ScalarHead(4), pack=2)
    there, here = on_both(module, gpu.device, noise(B, *IMAGE))
    assert_on(gpu.device, there)
    assert_same(there, here)
    assert_on(gpu.device, module.to(gpu.device).features(torch.randn(B, *IMAGE, device=gpu.device)))


@pytest.mark.parametrize("latent", LATENTS)
def test_latents_are_those_of_the_cpu(gpu, latent):
    module, e = LATENTS[latent](), torch.randn(B, D)
    there = copy.deepcopy(module).to(gpu.device)
    for c in (slots(), noise(B, K).softmax(1)):
        z = there(c.to(gpu.device), e.to(gpu.device))
        assert_on(gpu.device, z, there(c.to(gpu.device)))
        assert_same(z.detach(), module(c, e).detach())


def test_several_gaussians_to_a_slot_are_drawn_on_the_device(gpu):
    latent = GaussianMixture(K, D, spread=100.0, std=0.01, each=3).to(gpu.device)
    z = latent(torch.zeros(200, dtype=torch.int64, device=gpu.device))
    assert_on(gpu.device, z)
    assert z.round().unique(dim=0).shape[0] >= 3
    here = GaussianMixture(K, D)
    assert here.separation() == pytest.approx(copy.deepcopy(here).to(gpu.device).separation(), rel=1e-5)
