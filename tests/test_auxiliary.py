"""Auxiliary terms: what they teach, whom they reach, and that networks go on from where they stopped."""

from dataclasses import replace

import pytest
import small
import torch

from bnpgan import recipes
from bnpgan.auxiliary import NoAuxiliary, SlotRecogniser
from bnpgan.models import Codes
from bnpgan.training import load, train

K = small.CAPACITY


def terms(gan, x):
    """Both terms of a GAN's auxiliary part, for its own fakes."""
    c = torch.arange(len(x)) % K
    z = gan.latent(c)
    fake = gan.generator(z, c)
    return [term(gan, x, fake, z, c) for term in (gan.auxiliary.generator, gan.auxiliary.discriminator)]


def reached(loss, *parts):
    """For each part, whether the gradient of a loss in it is not zero."""
    found = []
    for part in parts:
        parameters = list(part.parameters())
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        found.append(any(g is not None and bool(g.any()) for g in gradients))
    return found


def told(run, n=500):
    """The share of generated images whose slot the recogniser names."""
    c = torch.arange(n) % run.partition.capacity
    return (run.gan.auxiliary(run.gan, run.generate(c)).argmax(1) == c).float().mean().item()


def test_most_gans_have_no_such_term():
    gan = small.gan("sc_gan", small.points()[0])
    assert isinstance(gan.auxiliary, NoAuxiliary) and terms(gan, small.points()[0]) == [0.0, 0.0]


@pytest.mark.parametrize("recipe", ["info_gan"])
def test_recognisers_reach_generator_and_trunk(recipe):
    x, _ = small.points()
    gan = small.gan(recipe, x)
    to_generator, to_discriminator = terms(gan, x)
    assert reached(to_generator, gan.generator, gan.auxiliary) == [True, True]
    assert reached(to_discriminator, gan.discriminator.trunk) == [True]


def test_infogan_learns_to_show_its_codes():
    x, _ = small.points()
    shown = []
    for weight in (0.0, 1.0):
        arguments = {"weight": weight, "learning_rate": 1e-3, "average": 0.9, "width": 64}
        run = train(small.gan("info_gan", x, arguments=arguments), x, steps=200, progress=False)
        shown.append(told(run))
    assert shown[0] < 0.4 < 0.65 < shown[1]  # by chance 1/6
    labels = run.partition.labels
    assert torch.equal(labels, run.gan.auxiliary(run.gan, x).argmax(1))
    assert len(labels.unique()) > 1


def test_uniform_codes_are_read_from_where_the_latent_puts_them():
    recogniser, latent = SlotRecogniser(8, capacity=K, uniform=2), Codes(K, dim=5, uniform=2)
    z = latent(torch.arange(2000) % K)
    codes = z[:, -K - 2 : -K]
    assert torch.equal(codes, z[:, 5:7]) and z.shape[1] == latent.out_dim
    assert float(codes.abs().max()) <= 1 and codes.var().item() == pytest.approx(1 / 3, abs=0.03)
    recogniser.head.requires_grad_(False)
    recogniser.head.weight.zero_()
    recogniser.head.bias.copy_(torch.tensor([0.0] * K + [1.0] * 2 + [0.0] * 2))  # even slots, means 1, variances 1
    gan = replace(small.gan("gan", small.points()[0]), auxiliary=recogniser)
    gan.discriminator.features = lambda images: torch.zeros(len(images), 8)
    surprise = recogniser.generator(gan, None, z, z, torch.arange(2000) % K)
    nll = 0.5 * (codes - 1).square().sum(1).mean()
    assert surprise.item() == pytest.approx(torch.tensor(float(K)).log().item() + 0.1 * nll.item(), abs=1e-4)


def test_a_term_can_be_put_on_any_gan(tmp_path):
    x, _ = small.points()
    gan = small.gan("sc_gan", x)
    gan = replace(gan, auxiliary=SlotRecogniser(gan.discriminator.trunk.out_dim, K, trunk_weight=1.0))
    assert gan.by_hand == ("auxiliary",)
    whole = train(gan, x, steps=6, progress=False)
    train(gan, x, steps=3, out=tmp_path, progress=False)
    run = train(gan, x, steps=6, out=tmp_path, resume=True, progress=False)
    again = load(tmp_path, gan=gan)
    before = gan.auxiliary.head.weight
    for other in (run, again):
        assert torch.equal(other.gan.auxiliary.head.weight, whole.gan.auxiliary.head.weight)
        assert not torch.equal(other.gan.auxiliary.head.weight, before)


def test_every_recogniser_is_known_by_its_sizes():
    with pytest.raises(ValueError, match="in_dim and capacity"):
        SlotRecogniser(0, 3)
    with pytest.raises(ValueError, match="weights at least 0"):
        SlotRecogniser(4, 3, weight=-1.0)
    assert recipes.info_gan(dim=2, capacity=7).auxiliary.head.out_features == 7 + 4
