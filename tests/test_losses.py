import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bnpgan.losses import (
    R1,
    R2,
    GANLoss,
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
from bnpgan.losses.density import log_peak
from bnpgan.models import Discriminator, MaskedHead, Maxout, MLPTrunk, ScalarHead, SimplexHead


def test_non_saturating_is_binary_cross_entropy():
    loss: GANLoss = NonSaturating()
    real, fake, c = torch.randn(7), torch.randn(7), torch.zeros(7, dtype=torch.int64)
    bce = F.binary_cross_entropy_with_logits
    one, zero = torch.ones(7), torch.zeros(7)
    torch.testing.assert_close(loss.discriminator(real, fake, c, c), bce(real, one) + bce(fake, zero))
    torch.testing.assert_close(loss.generator(real, fake, c, c), bce(fake, one))
    assert loss.generator(real, fake, None, None) == loss.generator(fake, fake, c, c)


def test_non_saturating_stays_finite_and_keeps_the_generators_gradient():
    fake = torch.tensor([-1e4], requires_grad=True)  # a discriminator that is sure
    loss = NonSaturating().generator(fake, fake, None, None)
    loss.backward()
    assert loss.item() == 1e4 and fake.grad.item() == -1


def test_hinge_by_hand():
    loss: GANLoss = Hinge()
    real = torch.tensor([2.0, 0.25, -1.0], requires_grad=True)
    fake = torch.tensor([-2.0, -0.25, 1.0], requires_grad=True)
    value = loss.discriminator(real, fake, None, None)
    assert value.item() == pytest.approx(2 * (0 + 0.75 + 2) / 3)
    value.backward()
    third = 1 / 3
    assert real.grad.tolist() == pytest.approx([0, -third, -third])  # nothing beyond the margin
    assert fake.grad.tolist() == pytest.approx([0, third, third])
    assert loss.generator(real, fake, None, None).item() == pytest.approx(1.25 / 3)


def test_wasserstein_by_hand():
    loss: GANLoss = Wasserstein()
    real, fake = torch.tensor([2.0, 5.0, -1.0]), torch.tensor([-2.0, 0.5, 3.0], requires_grad=True)
    assert loss.discriminator(real, fake, None, None).item() == -2 + 0.5
    value = loss.generator(real, fake, None, None)
    value.backward()
    assert value.item() == -0.5 and fake.grad.tolist() == pytest.approx([-1 / 3] * 3)


def test_relativistic_judges_pairs_by_their_difference():
    loss: GANLoss = Relativistic()
    real, fake = torch.randn(7, requires_grad=True), torch.randn(7, requires_grad=True)
    margins = real - fake
    d, g = loss.discriminator(real, fake, None, None), loss.generator(real.detach(), fake, None, None)
    torch.testing.assert_close(d, F.binary_cross_entropy_with_logits(margins, torch.ones(7)))
    torch.testing.assert_close(g, F.binary_cross_entropy_with_logits(margins, torch.zeros(7)))
    torch.testing.assert_close(loss.discriminator(real + 9, fake + 9, None, None), d)  # outputs have no zero
    g.backward()
    torch.testing.assert_close(fake.grad, -margins.detach().sigmoid() / 7)
    for wrong in ((torch.zeros(3, 5), torch.zeros(3, 5)), (torch.zeros(3), torch.zeros(2))):
        with pytest.raises(ValueError, match=r"^real: got outputs of shape .*: use a discriminator"):
            loss.discriminator(*wrong, None, None)


def test_one_against_all_is_binary_cross_entropy_summed_over_classes():
    loss: GANLoss = OneAgainstAll()
    real, fake = torch.randn(7, 5), torch.randn(7, 5)
    c_real, c_fake = torch.randint(5, (7,)), torch.randint(5, (7,))

    def bce(logits: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none").sum(1).mean()

    of_real, none = bce(real, F.one_hot(c_real, 5)), torch.zeros(7, 5)
    torch.testing.assert_close(loss.discriminator(real, fake, c_real, c_fake), of_real + bce(fake, none))
    torch.testing.assert_close(loss.generator(real, fake, c_real, c_fake), bce(fake, F.one_hot(c_fake, 5)))


def test_one_against_all_stays_finite_and_exact():
    logits = torch.tensor([[1e4, -2.0]], requires_grad=True)  # sure of its class: nothing of the other may be lost
    loss = OneAgainstAll().generator(logits, logits, None, torch.tensor([0]))
    assert loss.item() == pytest.approx(math.log1p(math.exp(-2)))
    loss = OneAgainstAll().generator(logits, -logits, None, torch.tensor([0]))
    loss.backward()
    assert loss.item() == pytest.approx(1e4, rel=1e-3) and logits.grad[0, 0] == 1


def test_real_classes_is_cross_entropy_with_a_class_for_fakes():
    loss: GANLoss = RealClasses()
    real, fake = torch.randn(7, 6), torch.randn(7, 6)
    c_real, c_fake = torch.randint(5, (7,)), torch.randint(5, (7,))
    d = F.cross_entropy(real, c_real) + F.cross_entropy(fake, torch.full((7,), 5))
    torch.testing.assert_close(loss.discriminator(real, fake, c_real, c_fake), d)
    torch.testing.assert_close(loss.generator(real, fake, c_real, c_fake), F.cross_entropy(fake, c_fake))


@pytest.mark.parametrize("loss", [OneAgainstAll(), RealClasses()])
def test_losses_over_classes_name_what_they_miss(loss):
    outputs, c = torch.zeros(3, 5), torch.tensor([0, 1, 2])
    with pytest.raises(ValueError, match=r"^c_real is None: .*; set warmup to 0"):
        loss.discriminator(outputs, outputs, None, None)
    with pytest.raises(ValueError, match=r"^c_fake is None: .*; set warmup to 0"):
        loss.generator(outputs, outputs, None, None)
    for wrong in (torch.zeros(3), torch.zeros(2, 5)):
        with pytest.raises(ValueError, match=r"^real: got outputs of shape .*; use a discriminator"):
            loss.discriminator(wrong, outputs, c, c)
        with pytest.raises(ValueError, match=r"^fake: got outputs of shape .*; use a discriminator"):
            loss.generator(outputs, wrong, c, c)


@pytest.mark.parametrize(("loss", "outputs"), [(OneAgainstAll(), 5), (RealClasses(), 6)])
def test_a_class_without_an_output_is_refused(loss, outputs):
    with pytest.raises(RuntimeError, match="out of bounds"):
        loss.generator(*torch.zeros(2, 1, outputs), None, torch.tensor([5]))


def test_r1_of_a_linear_critic_is_the_squared_norm_of_its_weights():
    discriminator = Discriminator(torch.nn.Flatten(), ScalarHead(12))
    weight = discriminator.head.linear.weight
    for x in (torch.randn(5, 3, 2, 2), torch.randn(1, 12)):
        torch.testing.assert_close(R1()(discriminator, x, x, None), 10 * weight.square().sum())


def test_r1_is_the_penalty_of_the_condition():
    discriminator, c = Discriminator(torch.nn.Flatten(), MaskedHead(6, capacity=3)), torch.tensor([2, 0, 2])
    norms = discriminator.head.linear.weight.square().sum(1)
    x = torch.randn(3, 6)
    torch.testing.assert_close(R1(weight=0.5)(discriminator, x, x, c), 0.5 * (2 * norms[2] + norms[0]) / 3)
    torch.testing.assert_close(R1(weight=0.5)(discriminator, x, x, None), 0.5 * norms[3])


def test_r2_is_r1_of_the_fakes_and_penalties_add_up():
    discriminator = Discriminator(MLPTrunk((2,), widths=(8, 8), block=Maxout), MaskedHead(8, capacity=3))
    real, fake, c = torch.randn(5, 2), torch.randn(5, 2), torch.tensor([0, 2, 1, 1, 0])
    r1, r2 = R1(3.0, every=4), R2(2.0, every=4)
    of_fakes = r2(discriminator, real, fake, c)
    torch.testing.assert_close(of_fakes, R1(2.0, every=4)(discriminator, fake, real, c))
    both = Penalties((r1, r2))
    assert both.every == 4
    torch.testing.assert_close(both(discriminator, real, fake, c), r1(discriminator, real, fake, c) + of_fakes)
    for parts in ((), (R1(), R2(every=2))):
        with pytest.raises(ValueError, match=r"^parts: "):
            Penalties(parts)


def test_r1_averages_over_images():
    # D = |x|^2 / 2 has gradient x.
    def critic(x: Tensor, c: Tensor | None) -> Tensor:
        return x.square().sum(1) / 2

    x = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    assert R1(weight=1.0)(critic, x, x + 1, None).item() == (25 + 1) / 2


@pytest.mark.parametrize("every", [1, 4, 16])
def test_lazy_r1_keeps_its_mean_over_steps(every):
    discriminator, x = Discriminator(torch.nn.Flatten(), ScalarHead(3)), torch.randn(4, 3)
    lazy = R1(weight=2.0, every=every)
    calls = [lazy(discriminator, x, x, None) for step in range(16) if step % every == 0]
    torch.testing.assert_close(sum(calls) / 16, R1(weight=2.0)(discriminator, x, x, None))


@pytest.mark.parametrize("penalty", [R1(), R2(), Penalties((R1(), R2())), GradientPenalty()])
def test_penalties_train_the_discriminator_and_leave_the_images_alone(penalty):
    discriminator = Discriminator(MLPTrunk((2,), widths=(8, 8), block=Maxout), ScalarHead(8)).double()
    real, fake = torch.randn(5, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64, requires_grad=True)

    def value() -> Tensor:
        torch.manual_seed(1)  # the same points on the lines
        return penalty(discriminator, real, fake, None)

    value().backward()
    assert not real.requires_grad and real.grad is None and fake.grad is None
    # The gradient of the penalty against its finite difference, in one weight of the head.
    weight, epsilon = discriminator.head.linear.weight, 1e-6
    i = weight.grad.abs().argmax()
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[0, i] += sign * epsilon
        values.append(value().item())
        with torch.no_grad():
            weight[0, i] -= sign * epsilon
    assert math.isclose((values[0] - values[1]) / (2 * epsilon), weight.grad[0, i].item(), rel_tol=1e-5)


@pytest.mark.parametrize("every", [1, 5])
def test_gradient_penalty_of_a_linear_critic_is_in_closed_form(every):
    for shape in ((5, 3, 2, 2), (1, 12)):
        discriminator = Discriminator(torch.nn.Flatten(), ScalarHead(12))
        for length in (0.25, 3.0):  # it is two-sided
            with torch.no_grad():
                discriminator.head.linear.weight.mul_(length / discriminator.head.linear.weight.norm())
            value = GradientPenalty(weight=2.0, every=every)(discriminator, *torch.randn(2, *shape), None)
            torch.testing.assert_close(value, torch.tensor(2 * every * (length - 1) ** 2))


def test_gradient_penalty_is_of_the_condition_and_of_points_between_the_images():
    seen = []

    def critic(x: Tensor, c: Tensor | None) -> Tensor:
        seen.append((x.detach(), c))
        return x.flatten(1).square().sum(1) / 2  # the gradient is x

    real, fake, c = torch.randn(400, 2, 3), torch.randn(400, 2, 3), torch.arange(400)
    value = GradientPenalty(weight=1.0)(critic, real, fake, c)
    ((x, condition),) = seen
    t = (x - real) / (fake - real)
    one = t[:, :1, :1]
    torch.testing.assert_close(t, one.expand_as(t), atol=1e-2, rtol=0)  # one for each image: differences may be small
    assert condition is c and one.min() > -1e-2 and one.max() < 1.01
    assert abs(one.mean() - 1 / 2) < 4 * math.sqrt(1 / 12 / 400) and abs(one.var() - 1 / 12) < 0.02
    torch.testing.assert_close(value, (x.flatten(1).norm(dim=1) - 1).square().mean())


def test_gradient_penalty_of_a_flat_critic_has_a_finite_gradient():
    slope = torch.zeros(2, requires_grad=True)
    value = GradientPenalty(weight=3.0)(lambda x, c: x @ slope, *torch.randn(2, 4, 2), None)
    value.backward()
    assert value == 3 and slope.grad.isfinite().all()


def test_gradient_penalty_refuses_images_that_do_not_pair():
    with pytest.raises(ValueError, match=r"^fake: got shape \(1, 2\), but real has \(3, 2\); pass a fake for each"):
        GradientPenalty()(lambda x, c: x.sum(1), torch.zeros(3, 2), torch.zeros(1, 2), None)


@pytest.mark.parametrize("penalty", [R1, R2, GradientPenalty])
@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_penalties_refuse_a_bad_weight(penalty, weight):
    with pytest.raises(ValueError, match=r"^weight: got .*; use 0 for no penalty"):
        penalty(weight=weight)


@pytest.mark.parametrize("penalty", [R1, R2, GradientPenalty])
@pytest.mark.parametrize("every", [0, -3])
def test_penalties_refuse_a_bad_interval(penalty, every):
    with pytest.raises(ValueError, match=r"^every: got .*; use 1 for a penalty at every step"):
        penalty(every=every)


@pytest.mark.parametrize("penalty", [R1, R2, GradientPenalty])
def test_penalties_may_weigh_nothing(penalty):
    discriminator = Discriminator(torch.nn.Flatten(), ScalarHead(2))
    assert penalty(weight=0)(discriminator, torch.randn(3, 2), torch.randn(3, 2), None) == 0


def test_a_one_sided_penalty_is_of_long_gradients_only():
    real, fake = torch.randn(2, 4, 2)
    short, long = (lambda x, c: 0.5 * x[:, 0]), (lambda x, c: 3 * x[:, 0])
    one, two = GradientPenalty(10.0, one_sided=True), GradientPenalty(10.0)
    assert (one(short, real, fake, None).item(), two(short, real, fake, None).item()) == (0.0, 2.5)
    assert one(long, real, fake, None).item() == two(long, real, fake, None).item() == 40.0


@pytest.mark.parametrize("corners", [2, 3, 10])
@pytest.mark.parametrize("variance", [0.25, 0.6])
def test_the_mixture_of_a_simplex_is_nowhere_above_its_peak(corners, variance):
    torch.manual_seed(0)
    means = SimplexHead(1, corners).corners.double()
    e = (means.repeat(20, 1) + 0.3 * torch.randn(20 * corners, corners - 1, dtype=torch.float64)).requires_grad_()

    def log_density():
        normal = torch.distributions.Normal(means, variance**0.5)
        return normal.log_prob(e[:, None]).sum(2).logsumexp(1) - math.log(corners)

    optimizer = torch.optim.Adam([e], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        (-log_density().sum()).backward()
        optimizer.step()
    assert log_density().max().item() == pytest.approx(log_peak(corners, variance), abs=1e-4)


def test_mixture_density_by_hand_and_at_a_peak():
    real = torch.tensor([[math.log(0.5), math.log(0.25)]], requires_grad=True)
    peak = log_peak(2, 0.25)
    fake = torch.tensor([[peak - 1.0, peak - 1.0]], requires_grad=True)  # exp(-1) of the peak
    value = MixtureDensity().discriminator(real, fake, None, None)
    assert value.item() == pytest.approx(-math.log(0.375) - peak - math.log(1 - math.exp(-1)), abs=1e-6)
    assert MixtureDensity().generator(real, fake, None, None).item() == pytest.approx(1 - peak, abs=1e-6)
    value.backward()
    assert bool((real.grad < 0).all()) and bool((fake.grad > 0).all())  # real likelier, fakes less likely
    at_peak = torch.full((3, 2), peak + 1e-7, requires_grad=True)
    value = MixtureDensity().discriminator(real, at_peak, None, None)
    value.backward()
    assert bool(value.isfinite()) and bool(at_peak.grad.isfinite().all())
