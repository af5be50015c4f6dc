import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bnpgan.losses import R1, GANLoss, NonSaturating
from bnpgan.models import Discriminator, MaskedHead, Maxout, MLPTrunk, ScalarHead


def test_non_saturating_is_binary_cross_entropy():
    loss: GANLoss = NonSaturating()
    real, fake, c = torch.randn(7), torch.randn(7), torch.zeros(7, dtype=torch.int64)
    bce = F.binary_cross_entropy_with_logits
    one, zero = torch.ones(7), torch.zeros(7)
    torch.testing.assert_close(loss.discriminator(real, fake, c, c), bce(real, one) + bce(fake, zero))
    torch.testing.assert_close(loss.generator(fake, c), bce(fake, one))
    assert loss.generator(fake, None) == loss.generator(fake, c)


def test_non_saturating_stays_finite_and_keeps_the_generators_gradient():
    fake = torch.tensor([-1e4], requires_grad=True)  # a discriminator that is sure
    loss = NonSaturating().generator(fake, None)
    loss.backward()
    assert loss.item() == 1e4 and fake.grad.item() == -1


def test_r1_of_a_linear_critic_is_the_squared_norm_of_its_weights():
    discriminator = Discriminator(torch.nn.Flatten(), ScalarHead(12))
    weight = discriminator.head.linear.weight
    for x in (torch.randn(5, 3, 2, 2), torch.randn(1, 12)):
        torch.testing.assert_close(R1()(discriminator, x, None), 10 * weight.square().sum())


def test_r1_is_the_penalty_of_the_condition():
    discriminator, c = Discriminator(torch.nn.Flatten(), MaskedHead(6, capacity=3)), torch.tensor([2, 0, 2])
    norms = discriminator.head.linear.weight.square().sum(1)
    x = torch.randn(3, 6)
    torch.testing.assert_close(R1(weight=0.5)(discriminator, x, c), 0.5 * (2 * norms[2] + norms[0]) / 3)
    torch.testing.assert_close(R1(weight=0.5)(discriminator, x, None), 0.5 * norms[3])


def test_r1_averages_over_images():
    # D = |x|^2 / 2 has gradient x.
    def critic(x: Tensor, c: Tensor | None) -> Tensor:
        return x.square().sum(1) / 2

    x = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert R1(weight=1.0)(critic, x, None).item() == (25 + 1) / 2


@pytest.mark.parametrize("every", [1, 4, 16])
def test_lazy_r1_keeps_its_mean_over_steps(every):
    discriminator, x = Discriminator(torch.nn.Flatten(), ScalarHead(3)), torch.randn(4, 3)
    lazy = R1(weight=2.0, every=every)
    calls = [lazy(discriminator, x, None) for step in range(16) if step % every == 0]
    torch.testing.assert_close(sum(calls) / 16, R1(weight=2.0)(discriminator, x, None))


def test_r1_trains_the_discriminator_and_leaves_the_images_alone():
    discriminator = Discriminator(MLPTrunk((2,), widths=(8, 8), block=Maxout), ScalarHead(8)).double()
    x = torch.randn(5, 2, dtype=torch.float64)
    R1()(discriminator, x, None).backward()
    assert not x.requires_grad and x.grad is None
    # The gradient of the penalty against its finite difference, in one weight of the head.
    weight, epsilon = discriminator.head.linear.weight, 1e-6
    i = weight.grad.abs().argmax()
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[0, i] += sign * epsilon
        values.append(R1()(discriminator, x, None).item())
        with torch.no_grad():
            weight[0, i] -= sign * epsilon
    assert math.isclose((values[0] - values[1]) / (2 * epsilon), weight.grad[0, i].item(), rel_tol=1e-5)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_r1_refuses_a_bad_weight(weight):
    with pytest.raises(ValueError, match=r"^weight: got .*; use 0 for no penalty"):
        R1(weight=weight)


@pytest.mark.parametrize("every", [0, -3])
def test_r1_refuses_a_bad_interval(every):
    with pytest.raises(ValueError, match=r"^every: got .*; use 1 for a penalty at every step"):
        R1(every=every)


def test_r1_may_weigh_nothing():
    assert R1(weight=0)(Discriminator(torch.nn.Flatten(), ScalarHead(2)), torch.randn(3, 2), None) == 0
