"""What the clusterer sees, and the encoder that learns from the generator."""

from types import SimpleNamespace

import pytest
import small
import torch
from torch import nn

from bnpgan import data, recipes
from bnpgan.features import (
    FixedEncoder,
    FromAutoencoder,
    FromDiscriminator,
    FromEncoder,
    FromRotations,
    Identity,
    evaluating,
)
from bnpgan.features.encoder import shifted, warped
from bnpgan.models import DCGAN, Gaussian, NoFrames
from bnpgan.partition import Partition

K = 4


class Corners(nn.Module):
    """A generator whose slots sit at the corners of a square."""

    def forward(self, z, c):
        return torch.stack([c % 2, c // 2], 1) * 4.0 + 0.1 * z


GAN = SimpleNamespace(generator=Corners(), discriminator=None, latent=Gaussian(2), frames=NoFrames())


def encoder(**options):
    return FromEncoder(nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, K)), K, **options)


def corners():
    c = torch.arange(200) % K
    return GAN.generator(GAN.latent(c), c), c


def test_the_encoder_learns_the_slots_of_generated_images_and_names_real_ones_by_them():
    features = encoder(first_steps=200)
    x, c = corners()
    features.refresh(GAN, x, None)
    y = features(GAN, x)
    assert y.shape == (200, K) and torch.equal(features.suggest(y), c)


def test_real_images_are_made_likelier_where_that_is_asked_for():
    x, c = corners()
    scores = []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        features = encoder(first_steps=60, steps=60, real_weight=weight)
        features.refresh(GAN, x, None)
        y = features(GAN, x).detach()
        partition = Partition.from_labels(y, c, K)
        features.refresh(GAN, x, partition)
        scores.append(float(partition.log_prob(features(GAN, x).detach()).mean()))
    assert scores[1] > scores[0] + 1


def test_slots_are_drawn_by_frequency_once_there_is_a_partition():
    seen = []

    class Watching(Corners):
        def forward(self, z, c):
            seen.append(c)
            return super().forward(z, c)

    x, _ = corners()
    gan = SimpleNamespace(generator=Watching(), discriminator=None, latent=Gaussian(2), frames=NoFrames())
    encoder(steps=5).refresh(gan, x, Partition.from_labels(x, torch.full((200,), 2), K))
    assert torch.cat(seen).unique().tolist() == [2]


def test_a_shift_moves_each_image_by_at_most_so_many_pixels():
    x = torch.rand(300, 2, 5, 5)
    moved = shifted(x, 1)
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    crops = torch.stack([padded[..., i : i + 5, j : j + 5] for i in range(3) for j in range(3)])
    which = (crops == moved).flatten(2).all(2)
    assert bool((which.sum(0) == 1).all()) and bool(which.any(1).all())


def test_the_discriminator_s_features_do_not_depend_on_the_batch_and_leave_its_mode():
    x, _ = small.images()
    gan = small.gan("sc_gan", x)
    features = FromDiscriminator()
    assert torch.allclose(features(gan, x)[:3], features(gan, x[:3]), atol=1e-5)
    assert gan.discriminator.training


def test_given_encoders_are_not_trained():
    net = nn.Linear(4, 3)
    features = FixedEncoder(net)
    assert torch.equal(features(None, torch.ones(2, 4)), net(torch.ones(2, 4)))
    assert not any(p.requires_grad for p in features.parameters()) and features.optimizer is None
    assert torch.equal(Identity()(None, torch.ones(2, 1, 2, 2)), torch.ones(2, 4))


def test_evaluating_puts_the_mode_back_after_an_error():
    net = nn.BatchNorm1d(2).train()
    with pytest.raises(ZeroDivisionError), evaluating(net):
        assert not net.training
        raise ZeroDivisionError
    assert net.training


@pytest.mark.parametrize("bad", [{"steps": 0}, {"first_steps": 0}, {"batch": 0}, {"real_weight": -1.0}, {"shift": -1}])
def test_bad_arguments_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        encoder(**bad)


def test_an_auto_encoder_learns_the_data_and_only_before_the_first_partition():
    x = torch.randn(400, 1) @ torch.randn(1, 6)  # a line in six dimensions: one code says it all
    features = FromAutoencoder(nn.Linear(6, 1), nn.Linear(1, 6), steps=400, learning_rate=1e-2)
    features.refresh(None, x, None)
    with torch.no_grad():
        left = (features.decoder(features(None, x)) - x).square().mean() / x.square().mean()
    assert left < 0.01
    before = features.encoder.weight.clone()
    features.refresh(None, x, Partition.from_labels(x, torch.zeros(400, dtype=torch.int64), 2))
    assert torch.equal(features.encoder.weight, before)


def test_a_network_learns_to_name_turns_and_only_before_the_first_partition():
    x = data.digits()[0]
    torch.manual_seed(0)
    features = FromRotations(DCGAN(width=8).encoder((1, 8, 8)), steps=300)

    def named():
        with torch.no_grad():
            turned = [features.head(features(None, x[:500].rot90(k, (2, 3)))).argmax(1) == k for k in range(4)]
        return torch.cat(turned).double().mean()

    assert named() < 0.5
    features.refresh(None, x[500:], None)
    assert named() > 0.8  # of digits that it has not seen; by chance 1/4
    before = features.head.weight.clone()
    features.refresh(None, x, Partition.from_labels(x.flatten(1), torch.zeros(len(x), dtype=torch.int64), 2))
    assert torch.equal(features.head.weight, before)
    with pytest.raises(ValueError, match="must be square to be turned"):
        features.refresh(None, x[:, :, :4], None)
    with pytest.raises(ValueError, match="rotations are of images"):
        recipes.precomputed_label_gan(dim=2, rotations=True)


def test_codes_may_come_from_below_the_output():
    torch.manual_seed(0)
    x, truth = corners()
    features = FromEncoder(
        nn.Sequential(nn.Linear(2, 32), nn.ReLU()), K, 300, steps=1, real_weight=1.0, head=nn.Linear(32, K)
    )
    head = features.head.weight.clone()
    features.refresh(GAN, x, None)
    y = features(GAN, x).detach()
    assert y.shape == (200, 32) and torch.equal(features.suggest(y), truth)
    assert not torch.equal(features.head.weight, head)
    features.refresh(GAN, x, Partition.from_labels(y, truth, K))  # the likelihood is that of the codes


def test_codes_of_empty_slots_tell_no_clusters_apart():
    y, truth = torch.randn(200, K), torch.arange(200) % 2
    some, one = (Partition.from_labels(y, labels, K) for labels in (2 * truth, 0 * truth))
    features = encoder()
    assert features.columns(some).tolist() == [True, False, True, False]
    assert features.columns(None) is None and features.columns(one) is None
    below = FromEncoder(nn.Linear(2, 3), K, head=nn.Linear(3, K))  # hidden units belong to no slot
    assert below.columns(some) is None and FixedEncoder(nn.Identity()).columns(some) is None


def test_an_encoder_can_learn_as_a_classifier():
    torch.manual_seed(0)
    x, truth = corners()
    features = FromEncoder(
        nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, K)), K, 300, loss=nn.functional.cross_entropy
    )
    features.refresh(GAN, x, None)
    with torch.no_grad():
        logits = features(GAN, x)
    assert (features.suggest(logits) == truth).float().mean() > 0.95
    assert logits.softmax(1).amax(1).mean() > 0.8 and logits.abs().max() > 1.5  # logits, not one-hot vectors


def test_images_are_warped_about_their_middle_each_in_its_own_way():
    torch.manual_seed(0)
    x = torch.full((400, 1, 9, 9), -1.0)
    x[:, :, 4, 4] = 1.0  # the middle stays where it is, whatever the matrix
    x[:, :, 4, 7] = 1.0
    moved = warped(x, 0.15)
    assert warped(x, 0.0) is x and moved.shape == x.shape and bool((moved >= -1 - 1e-5).all())
    assert torch.allclose(moved[:, 0, 4, 4], torch.ones(400), atol=1e-4)
    away = moved[:, 0, 4, 7]
    assert 0.2 < (away < 0).float().mean() < 0.8 and moved.flatten(1).unique(dim=0).shape[0] == 400


@pytest.mark.parametrize("warp", [0.0, 0.15])
def test_the_encoder_sees_generated_images_warped_where_that_is_asked_for(warp):
    class Bars(nn.Module):
        def forward(self, z, c):
            images = torch.full((len(c), 1, 9, 9), -1.0)
            images[:, :, 4] = 1.0
            return images

    seen = []
    net = nn.Sequential(nn.Flatten(), nn.Linear(81, K))
    net.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    gan = SimpleNamespace(generator=Bars(), discriminator=None, latent=Gaussian(2), frames=NoFrames())
    FromEncoder(net, K, first_steps=2, warp=warp).refresh(gan, torch.zeros(5, 1, 9, 9), None)
    bar = Bars()(None, torch.zeros(1))
    assert (torch.cat(seen) == bar).flatten(1).all(1).all() == (warp == 0)
