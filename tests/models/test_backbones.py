"""What every backbone for images must do, whatever its networks."""

import re
from dataclasses import replace

import pytest
import small
import torch
from torch import Tensor, nn

from bnpgan import recipes
from bnpgan.models import ADA, BACKBONES, Add, Backbone, Discriminator, EveryLayer, MaskedHead, Modulation, Unmodulated
from bnpgan.models.resnet import ResNetBlock
from bnpgan.run import Run
from bnpgan.training import load, train

pytestmark = pytest.mark.usefixtures("brief_trainings")

K, Z, WIDTH = 5, 6, 4
NARROW = {name: replace(backbone, width=WIDTH) for name, backbone in BACKBONES.items()}
NARROW["sngan, spectral"] = replace(NARROW["sngan"], spectral=True)
CONVOLUTIONAL = [name for name in NARROW if name not in ("mlp", "maxout")]
backbones = pytest.mark.parametrize("backbone", NARROW.values(), ids=NARROW)


def networks(backbone: Backbone, shape: tuple[int, ...]) -> tuple[nn.Module, Discriminator, nn.Module]:
    """A generator of which every layer is conditioned, a discriminator, and an encoder."""
    trunk, encoder = backbone.trunk(shape), backbone.encoder(shape)
    generator = backbone.generator(shape, EveryLayer(Add(K, Z), K))
    return generator, Discriminator(trunk, MaskedHead(trunk.out_dim, K)), encoder


def parameters(*modules: nn.Module) -> dict[str, Tensor]:
    return {f"{i}.{name}": p for i, module in enumerate(modules) for name, p in module.named_parameters()}


@backbones
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28)])
def test_images_in_single_precision_come_out_and_features_of_them(backbone, shape):
    generator, discriminator, encoder = networks(backbone, shape)
    c = torch.tensor([0, 4, 2, 2])
    x = generator(torch.randn(4, Z), c)
    assert x.shape == (4, *shape) and x.dtype == torch.float32 and x.abs().max() <= 1
    features, codes = discriminator.features(x), encoder(x)
    assert features.shape == (4, discriminator.trunk.out_dim) and codes.shape == (4, encoder.out_dim)
    assert discriminator(x, c).shape == discriminator(x).shape == (4,)
    for network in (generator, discriminator, encoder):
        assert {p.dtype for p in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(("before", "after"), [(64, 64), (64, 32), (32, 64)])
def test_a_residual_block_starts_with_both_terms_as_large_as_its_input(before, after):
    block = ResNetBlock(before, after, lambda channels: Unmodulated())
    h = torch.randn(8, before, 16, 16)
    with torch.no_grad():
        whole, shortcut = block(h, None), block.shortcut(h)
    change = 2**0.5 * whole - shortcut
    for part in (whole, shortcut, change):  # the edges, where zeros are added, take some off the change
        assert 0.7 < float(part.var() / h.var()) < 1.3


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("side", [12, 40, 128])
def test_networks_fit_sides_of_few_and_of_many_doublings(name, side):
    generator, discriminator, _ = networks(replace(NARROW[name], width=1), (1, side, side))
    assert discriminator(generator(torch.randn(2, Z), torch.tensor([0, 1]))).shape == (2,)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("shape", [(2,), (1, 32, 28), (1, 30, 30)])
def test_shapes_that_do_not_fit_are_refused(name, shape):
    backbone = NARROW[name]
    told = f"^shape: got {re.escape(str(shape))}, "
    for build in (lambda: backbone.generator(shape, Add(K, Z)), lambda: backbone.trunk(shape)):
        with pytest.raises(ValueError, match=told):
            build()


@backbones
def test_a_row_of_weights_is_a_slot_where_it_has_one_weight(backbone):
    generator, *_ = networks(backbone, (1, 8, 8))
    generator.eval()
    for p in generator.parameters():  # what starts at 0 would hide a difference
        p.data += 0.1 * torch.randn_like(p)
    z, c = torch.randn(3, Z), torch.tensor([0, 4, 2])
    rows = nn.functional.one_hot(c, K).float()
    torch.testing.assert_close(generator(z, rows), generator(z, c))
    assert generator(z, rows.roll(1, 0).lerp(rows, 0.5)).shape == (3, 1, 8, 8)


@backbones
def test_the_cluster_conditions_every_layer(backbone):
    generator, *_ = networks(backbone, (1, 16, 16))
    generator.eval()
    for p in generator.parameters():
        p.data += 0.1 * torch.randn_like(p)
    tables = [m.table for m in generator.modules() if isinstance(m, Modulation)]
    assert len(tables) >= 2
    z, c = torch.randn(2, Z), torch.tensor([0, 3])
    with torch.no_grad():
        before = generator(z, c)
        for table in tables:
            table[3] += 1.0
            after = generator(z, c)
            assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])
            before = after


@backbones
def test_gradients_reach_all_parameters(backbone):
    generator, discriminator, encoder = networks(backbone, (1, 8, 8))
    named = parameters(generator, discriminator, encoder)
    first = {name: p.detach().clone() for name, p in named.items()}
    optimizer = torch.optim.Adam(named.values(), lr=1e-2)
    c = torch.arange(20) % K
    for judged in (c, None, c):  # several steps, for behind weights that start at 0 a gradient comes only then
        x = generator(torch.randn(20, Z), c)
        loss = (discriminator(x, judged) - 1).square().mean()
        optimizer.zero_grad()
        (loss + encoder(x).square().mean()).backward()
        optimizer.step()
    assert not [name for name, p in named.items() if torch.equal(p, first[name])]


@backbones
def test_in_evaluation_an_image_is_judged_alone_and_always_alike(backbone):
    generator, discriminator, encoder = networks(backbone, (1, 8, 8))
    z, c = torch.randn(6, Z), torch.arange(6) % K
    for _ in range(3):  # whatever follows the batches has something to follow
        encoder(generator(z, c)), discriminator(torch.randn(6, 1, 8, 8), c)
    for network in (generator, discriminator, encoder):
        network.eval()
    x = generator(z, c)
    assert torch.equal(generator(z, c), x)
    torch.testing.assert_close(generator(z[:2], c[:2]), x[:2])
    for judge in (discriminator, discriminator.features, encoder):
        assert torch.equal(judge(x), judge(x))
        torch.testing.assert_close(judge(x[:2]), judge(x)[:2])


@backbones
def test_the_gradient_of_the_gradient_is_there(backbone):
    _, discriminator, _ = networks(backbone, (1, 8, 8))
    discriminator = discriminator.double()
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    slope.square().sum().backward()
    for p in discriminator.trunk.parameters():
        assert p.grad is None or p.grad.isfinite().all()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in discriminator.trunk.parameters())


@backbones
def test_networks_train_in_half_precision(backbone):
    generator, discriminator, _ = networks(backbone, (1, 8, 8))
    judge, c = ADA().around(discriminator), torch.arange(6) % K
    judge.p.fill_(0.5)
    with torch.autocast("cpu", torch.bfloat16):
        output = judge(generator(torch.randn(6, Z), c).float(), c)
    assert output.dtype == torch.float32
    output.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in parameters(generator, judge).values())


@pytest.mark.slow
@backbones
def test_generators_are_exported_for_any_number_of_images(backbone):
    generator, *_ = networks(backbone, (1, 16, 16))
    generator.eval()
    batch = torch.export.Dim("batch", min=2)
    example, shapes = (torch.randn(3, Z), torch.arange(3)), ({0: batch}, {0: batch})
    program = torch.export.export(generator, example, dynamic_shapes=shapes).module()
    z, c = torch.randn(7, Z), torch.arange(7) % K
    torch.testing.assert_close(program(z, c), generator(z, c))


@backbones
def test_twice_the_width_is_more_than_twice_the_weights(backbone):
    wide = replace(backbone, width=8 * backbone.width)
    for build in (lambda b: b.generator((1, 16, 16), Add(K, Z)), lambda b: b.trunk((1, 16, 16))):
        few, many = (sum(p.numel() for p in build(b).parameters()) for b in (backbone, wide))
        assert many > 4 * few
    with pytest.raises(ValueError, match=r"^width must be"):
        replace(backbone, width=0)


def trained(backbone: Backbone, recipe: str, steps: int, **how: object) -> Run:
    x, truth = small.images()
    torch.manual_seed(0)
    few = small.SHORT[recipe] | ({"every_layer": True} if recipe == "mic_gan" else {})
    gan = getattr(recipes, recipe)((1, 8, 8), batch=8, backbone=backbone, **few)
    labels = truth % small.CAPACITY if recipe in ("class_conditional_gan", "supervised_gm_gan") else None
    return train(gan, x, steps=steps, labels=labels, progress=False, **how)


@backbones
def test_training_resumes_bit_for_bit(tmp_path, backbone):
    whole = trained(backbone, "mic_gan", 7)
    trained(backbone, "mic_gan", 5, out=tmp_path)
    parts = trained(backbone, "mic_gan", 7, out=tmp_path, resume=True)
    for other in (parts, load(tmp_path)):
        assert torch.equal(whole.partition.labels, other.partition.labels)
        for a, b in zip(whole.averaged.state_dict().values(), other.averaged.state_dict().values(), strict=True):
            assert torch.equal(a, b)
        assert other.gan.recipe.backbone == backbone and other.gan.by_hand == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("recipe", sorted(recipes.RECIPES.keys() - {"mic_gan"}))
def test_every_recipe_trains_every_backbone(name, recipe):
    run = trained(NARROW[name], recipe, 6)
    assert run.sample(3).shape == (3, 1, 8, 8) and bool(run.sample(3).isfinite().all())
