"""Losses and penalties of outputs on a device: their values and gradients are those of the CPU."""

import copy

import pytest
import torch
from places import assert_on, assert_same, moved
from torch import nn

from bnpgan.losses import (
    R1,
    R2,
    GradientPenalty,
    Hinge,
    MixtureDensity,
    NonSaturating,
    OneAgainstAll,
    Penalties,
    RealClasses,
    Relativistic,
    Wasserstein,
)
from bnpgan.models import DCGANTrunk, Discriminator, MaskedHead, MLPTrunk

B, K = 6, 5
LOSSES = {
    "NonSaturating": (NonSaturating(), (B,)),
    "Hinge": (Hinge(), (B,)),
    "Wasserstein": (Wasserstein(), (B,)),
    "Relativistic": (Relativistic(), (B,)),
    "OneAgainstAll": (OneAgainstAll(), (B, K)),
    "MixtureDensity": (MixtureDensity(), (B, K)),
    "RealClasses": (RealClasses(), (B, K + 1)),
}
PENALTIES = {
    "real": R1(2.0),
    "both": Penalties((R1(2.0), R2(1.0))),
    "between": GradientPenalty(2.0, every=3),
}
TRUNKS = {"mlp": ((2,), lambda: MLPTrunk((2,), (8, 8))), "dcgan": ((1, 8, 8), lambda: DCGANTrunk((1, 8, 8), width=4))}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_the_cpu(gpu, name):
    loss, shape = LOSSES[name]
    here = [torch.randn(shape, dtype=torch.float64) for _ in range(2)]
    there, c = moved(here, gpu.device), torch.arange(B) % K
    for outputs, slots in ((here, c), (there, c.to(gpu.device))):
        for output in outputs:
            output.requires_grad_()
        (loss.discriminator(*outputs, slots, slots) + loss.generator(*outputs, slots, slots)).backward()
    assert_on(gpu.device, loss.generator(*there, None, c.to(gpu.device)), [output.grad for output in there])
    assert_same([output.grad for output in there], [output.grad for output in here])


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_penalties_train_the_discriminator_as_on_the_cpu(gpu, penalty, trunk):
    shape, make = TRUNKS[trunk]
    trunk = make()
    judge, c = Discriminator(trunk, MaskedHead(trunk.out_dim, K)).double(), torch.arange(B) % K
    real = torch.randn(B, *shape, dtype=torch.float64)
    fake = (
        real if isinstance(penalty, GradientPenalty) else real.flip(0)
    )  # between an image and itself there is no chance
    found = []
    for network, device in ((copy.deepcopy(judge).to(gpu.device), gpu.device), (judge, "cpu")):
        value = penalty(network, real.to(device), fake.to(device), c.to(device))
        value.backward()  # the gradient of a gradient
        found.append((value.detach(), [p.grad for p in network.parameters() if p.grad is not None]))
    assert_on(gpu.device, found[0])
    assert found[0][1]
    assert_same(*found)


def test_a_penalty_between_images_draws_on_the_device(gpu):
    judge = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).to(gpu.device)
    real, fake = torch.randn(2, B, 2, device=gpu.device)
    assert_on(gpu.device, GradientPenalty()(lambda x, c: judge(x), real, fake, None))
