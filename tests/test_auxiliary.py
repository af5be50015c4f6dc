"""Auxiliary terms: what they teach, whom they reach, and that networks go on from where they stopped."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import small
import torch

from bnpgan import recipes
from bnpgan.auxiliary import (
    CodeRecogniser,
    MixingWeights,
    NoAuxiliary,
    PriorRecogniser,
    SlotRecogniser,
    SpreadPenalty,
)
from bnpgan.models import Codes, GaussianMixture, Uniform, Weighted
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
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True) if parameters else []
        found.append(any(g is not None and bool(g.any()) for g in gradients))
    return found


def told(run, n=500):
    """The share of generated images whose slot the recogniser names."""
    c = torch.arange(n) % run.partition.capacity
    return (run.gan.auxiliary(run.gan, run.generate(c)).argmax(1) == c).float().mean().item()


def test_most_gans_have_no_such_term():
    gan = small.gan("sc_gan", small.points()[0])
    assert isinstance(gan.auxiliary, NoAuxiliary) and terms(gan, small.points()[0]) == [0.0, 0.0]


@pytest.mark.parametrize("recipe", ["info_gan", "cluster_gan", "dm_gan", "m_gan"])
def test_recognisers_reach_the_generator_and_where_they_say_so_the_trunk(recipe):
    x, _ = small.points()
    gan = small.gan(recipe, x)
    to_generator, to_discriminator = terms(gan, x)
    assert reached(to_generator, gan.generator, gan.auxiliary) == [True, True]
    if recipe in ("info_gan", "m_gan"):
        assert reached(to_discriminator, gan.discriminator.trunk) == [True]
    else:
        assert to_discriminator == 0.0
    assert reached(to_generator, gan.latent) == [recipe == "dm_gan"]


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


def test_clustergan_s_encoder_inverts_the_generator_and_names_its_clusters():
    x, _ = small.points()
    gan = small.gan("cluster_gan", x, arguments={"learning_rate": 2e-3, "average": 0.9, "width": 32, "z_dim": 2})
    run = train(gan, x, steps=120, progress=False)
    assert told(run) > 0.9 > 0.4 > told(train(gan, x, steps=1, progress=False))
    codes = run.gan.auxiliary(run.gan, x)
    assert codes.shape == (len(x), K + 2)
    assert (codes[:, :K].argmax(1) == run.partition.labels).float().mean() > 0.7  # k-means moves some


def test_the_prior_of_dmgan_learns_the_shares_of_real_images():
    x, _ = small.points()
    gan = small.gan("dm_gan", x)
    gan.auxiliary.recogniser.head.weight.data.mul_(10)  # a Q that is sure, of unequal slots
    shares = gan.auxiliary(gan, x).mean(0)
    assert shares.max() > 1.5 / K and shares.min() < 0.5 / K
    found = {}
    for entropy in (0.0, 1000.0):
        prior = PriorRecogniser(gan.auxiliary.recogniser, entropy, decay=1.0)
        gan.latent.logits.data.zero_()
        optimizer = torch.optim.Adam(gan.latent.parameters(), lr=0.1)
        c = torch.arange(len(x)) % K
        z = gan.latent(c)
        fake = gan.generator(z, c).detach()
        for _ in range(300):
            optimizer.zero_grad()
            prior.generator(gan, x, fake, z, c).backward()
            optimizer.step()
        found[entropy] = gan.latent.log_weights().exp()
        assert prior.steps == 300
    assert torch.allclose(found[0.0], shares, atol=0.01)
    assert torch.allclose(found[1000.0], torch.full((K,), 1 / K), atol=0.01)


@pytest.mark.slow
def test_dmgan_gives_two_unequal_modes_unequal_weights():
    torch.manual_seed(0)
    x = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).repeat_interleave(torch.tensor([450, 50]), 0)
    x += 0.05 * torch.randn(500, 2)
    rates = {"learning_rate": 1e-3, "latent_rate": 5e-3, "entropy_decay": 0.99, "average": 0.9}
    gan = recipes.dm_gan(dim=2, backbone="mlp", width=64, capacity=2, **rates)
    run = train(gan, x, steps=1500, progress=False)
    weights = run.averaged["latent"].log_weights().exp()
    assert weights.max() > 0.8 and run.partition.counts.max() > 400
    assert run.slots(1000).bincount(minlength=2).max() > 750


def test_slots_are_drawn_by_learned_weights():
    latent = Weighted(Uniform(3), 4)
    latent.logits.data[1] = float("-inf")
    assert latent.slots(300, 4, torch.device("cpu")).unique().tolist() == [0, 2, 3]
    z = latent(torch.zeros(2000, dtype=torch.int64))
    assert float(z.abs().max()) <= 1 and z.var().item() == pytest.approx(1 / 3, abs=0.03)


def test_the_weights_of_a_latent_mixture_follow_the_gradient_of_the_expected_loss():
    """Of Gaussians that overlap, against the derivative of an integral on a lattice, in units of the standard error."""
    torch.manual_seed(0)
    latent = Weighted(GaussianMixture(3, 1, spread=2.0, dynamic=True).double(), 3).double()
    latent.logits.data.copy_(torch.tensor([0.5, 0.0, -1.0]))
    gan = replace(small.gan("gan", small.points()[0]), latent=latent, discriminator=lambda x, c: x[:, 0].tanh())
    lattice = torch.linspace(-15, 15, 6001, dtype=torch.float64)[:, None]
    density = (latent.log_weights() + latent.latent.log_densities(lattice).detach()).logsumexp(1).exp()
    expected = torch.autograd.grad((-lattice[:, 0].tanh() * density).sum() * 0.005, latent.logits)[0]
    found = []
    for _ in range(400):
        c = latent.slots(64, 3, torch.device("cpu"))
        z = latent(c)
        term = MixingWeights().generator(gan, None, z, z, c)
        found.append(torch.autograd.grad(term, latent.logits)[0])
        assert all(p.grad is None for p in latent.parameters())
    found = torch.stack(found)
    error = found.std(0) / 20
    assert ((found.mean(0) - expected).abs() < 4 * error).all()
    assert (expected.abs() > 8 * error).any()  # the test could tell it from 0


def test_gm_gan_s_weights_learn_the_shares_of_two_unequal_modes():
    """Nine tenths of the data are one mode's, and so is the weight; even weights would give each mode half."""
    torch.manual_seed(0)
    x = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).repeat_interleave(torch.tensor([450, 50]), 0)
    x += 0.05 * torch.randn(500, 2)
    rates = {"learning_rate": 1e-3, "latent_rate": 1e-2, "average": 0.9, "penalty": 0.1}
    arguments = {
        "dim": 2,
        "backbone": "mlp",
        "width": 64,
        "capacity": 2,
        "classifier_steps": 50,
        "z_dim": 2,
        "spread": 9.0,
    }
    run = train(recipes.gm_gan(weighted=True, **arguments, **rates), x, steps=600, progress=False)
    weights = run.averaged["latent"].log_weights().exp()
    right = (run.sample(1000)[:, 0] > 0).float().mean()
    assert weights.max() > 0.75 and right < 0.3


def test_mgan_s_generators_come_to_differ():
    x, _ = small.points()
    arguments = {"learning_rate": 1e-3, "average": 0.9, "width": 64, "first_dim": 16, "weight": 0.5}
    run = train(small.gan("m_gan", x, arguments=arguments), x, steps=200, progress=False)
    assert told(run) > 0.5  # by chance 1/6
    noise = torch.randn(1, 2).expand(K, -1)
    same = run.gan.generator(run.gan.latent(torch.arange(K), noise), torch.arange(K))
    assert torch.pdist(same).min() > 0


def test_deligan_s_deviations_are_held_off_zero():
    x, _ = small.points()
    gan = small.gan("deli_gan", x)
    to_generator, to_discriminator = terms(gan, x)
    assert reached(to_generator, gan.latent, gan.generator) == [True, False] and to_discriminator == 0.0
    assert to_generator.item() == pytest.approx(0.1 * 0.8**2)
    with pytest.raises(ValueError, match="weight"):
        SpreadPenalty(-1.0)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: CodeRecogniser(torch.nn.Linear(2, 3), 3, 0, 4), "dim and capacity"),
        (lambda: PriorRecogniser(SlotRecogniser(2, 3), decay=2.0), "decay"),
    ],
)
def test_bad_arguments_of_recognisers_are_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()


def test_the_page_s_terms_are_put_on_gans():
    page = (Path(__file__).parent.parent / "docs" / "rivals.md").read_text()
    made = []
    for code in re.findall(r"```python\n(.*?)```", page, re.S):
        names: dict = {}
        exec(compile(code, "docs/rivals.md", "exec"), names)
        made.append((type(names["gan"].auxiliary), names["gan"].by_hand))
    assert made == [(SlotRecogniser, ("auxiliary",)), (MixingWeights, ())]
    for recipe in ("InfoGAN", "ClusterGAN", "DeliGAN", "DMGAN", "MGAN", "MDGAN"):
        assert f"`{recipe}`, `" in page and issubclass(getattr(recipes, recipe), recipes.Recipe)
