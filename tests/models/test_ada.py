"""Adaptive augmentation: what it changes, its gradients, and how its probability moves."""

from dataclasses import replace

import pytest
import small
import torch
import torch.nn.functional as F
from torch import nn

from bnpgan import recipes
from bnpgan.losses import R1
from bnpgan.models import ADA, DCGAN, Augmented, Discriminator, MaskedHead
from bnpgan.models.ada import _placed
from bnpgan.training import load, train

pytestmark = pytest.mark.usefixtures("brief_trainings")

OFF = ADA(shifts=False, scales=False, colours=True)


def only(**groups: bool) -> Augmented:
    made = replace(OFF, **{"colours": False, **groups}).around(nn.Flatten())
    made.p.fill_(1.0)
    return made


def test_nothing_is_changed_while_the_probability_is_0():
    x = torch.rand(9, 3, 8, 8, dtype=torch.float64)
    everything = ADA(flips=True, turns=True, rotations=True).around(nn.Flatten())
    torch.testing.assert_close(everything.changed(x), x)


def test_flips_and_turns_are_exact_and_of_all_kinds():
    x = torch.rand(1, 2, 8, 8)
    for made, kinds in (
        (only(flips=True), [x, x.flip(3)]),
        (only(turns=True), [x.rot90(i, (2, 3)) for i in range(4)]),
    ):
        found = made.changed(x.expand(60, -1, -1, -1))
        apart = torch.stack([(found - kind).abs().amax((1, 2, 3)) for kind in kinds], 1)
        assert apart.amin(1).max() < 1e-4
        assert apart.argmin(1).unique().tolist() == list(range(len(kinds)))


def test_shifts_are_by_whole_pixels_up_to_an_eighth_and_mirror_at_the_edge():
    x = torch.rand(1, 2, 16, 16)
    padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
    kinds = [padded[:, :, i : i + 16, j : j + 16] for i in range(5) for j in range(5)]
    found = only(shifts=True).changed(x.expand(300, -1, -1, -1))
    apart = torch.stack([(found - kind).abs().amax((1, 2, 3)) for kind in kinds], 1)
    assert apart.amin(1).max() < 1e-5 and len(apart.argmin(1).unique()) == 25


@pytest.mark.parametrize("sides", [(8, 8), (5, 9)])
def test_images_are_read_as_torch_reads_them(sides):
    x, places = torch.rand(4, 3, *sides, dtype=torch.float64), torch.randn(4, 2, 3, dtype=torch.float64)
    H, W = sides
    half = torch.tensor([(W - 1) / 2, (H - 1) / 2], dtype=torch.float64)
    theta = torch.cat([places[:, :, :2] * half / half[:, None], places[:, :, 2:] / half[:, None]], 2)
    grid = F.affine_grid(theta, [4, 3, H, W], align_corners=True)
    expected = F.grid_sample(x, grid, padding_mode="reflection", align_corners=True)
    torch.testing.assert_close(_placed(x, places), expected)


def test_gradients_of_gradients_pass_through():
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    places = torch.randn(2, 2, 3, dtype=torch.float64)
    assert torch.autograd.gradgradcheck(lambda x: _placed(x, places).square(), x)
    trunk = DCGAN(width=2).trunk((3, 8, 8))
    judge = ADA(flips=True, rotations=True).around(Discriminator(trunk, MaskedHead(trunk.out_dim, 4)))
    judge.p.fill_(0.5)
    real, c = torch.rand(6, 3, 8, 8), torch.arange(6) % 4
    R1(1.0)(judge, real, real, c).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in judge.parameters())
    assert trunk.layers[0].weight.grad.abs().sum() > 0


def test_colours_change_each_image_by_one_affine_function_of_its_values():
    x = torch.rand(200, 1, 4, 4, dtype=torch.float64)
    found = only(colours=True).changed(x)
    slope = (found.amax((1, 2, 3)) - found.amin((1, 2, 3))) / (x.amax((1, 2, 3)) - x.amin((1, 2, 3)))
    shift = (found - slope[:, None, None, None] * x).flatten(1)
    assert shift.std(1).max() < 1e-10
    assert 0.3 < slope.log2().std() < 0.7 and 0.1 < (shift[:, 0] / slope).std() < 0.3
    grey = torch.rand(50, 1, 4, 4).expand(-1, 3, -1, -1)
    torch.testing.assert_close(
        (changed := only(colours=True).changed(grey)), changed[:, :1].expand(-1, 3, -1, -1)
    )  # saturation leaves grey


def test_a_change_happens_with_the_probability():
    made = only(shifts=True)
    made.p.fill_(0.3)
    x = torch.rand(1, 1, 64, 64).expand(1000, -1, -1, -1)
    same = (made.changed(x) - x).abs().amax((1, 2, 3)) < 1e-5
    expected = (1 - 0.3 * 16 / 17) ** 2  # each way on its own, and one shift of 17, about, is by 0
    assert abs(same.float().mean() - expected) < 0.06


def test_the_probability_follows_the_sign_of_the_outputs():
    made = ADA(target=0.5, length=100).around(nn.Flatten())
    for outputs, p in (
        (torch.tensor([3.0] * 8 + [-1.0] * 2), 0.1),  # mean sign 0.6
        (torch.ones(10, 4) * torch.tensor([-1.0, 2.0, -3.0, -1.0]), 0.2),  # one class is sure
        (torch.tensor([9.0] * 7 + [-0.1] * 3), 0.1),  # 0.4
        (-torch.ones(50), 0.0),
        (torch.ones(500), 1.0),
    ):
        made.adapt(outputs)
        assert float(made.p) == pytest.approx(p)


def test_features_and_judgements_in_evaluation_are_of_images_as_they_are():
    trunk = DCGAN(width=2).trunk((1, 8, 8))
    plain = Discriminator(trunk, MaskedHead(trunk.out_dim, 4))
    judge, x, c = ADA(rotations=True).around(plain), torch.rand(5, 1, 8, 8), torch.tensor([0, 3, 2, 1, 0])
    judge.p.fill_(1.0)
    assert not torch.allclose(judge(x, c), plain(x, c))
    assert torch.equal(judge.eval()(x, c), plain(x, c)) and torch.equal(judge.features(x), plain.features(x))


@pytest.mark.parametrize("recipe", ["mic_gan", "sc_gan", "pac_gan"])
def test_it_trains_in_any_recipe_and_resumes_bit_for_bit(tmp_path, recipe):
    x, _ = small.images()

    def run(steps, resume=False, out=tmp_path):
        torch.manual_seed(0)
        gan = getattr(recipes, recipe)((1, 8, 8), batch=8, width=4, **small.SHORT[recipe]).recipe
        gan = replace(gan, ada=ADA(target=-0.9, length=100))
        return train(gan, x, steps=steps, out=out, resume=resume, progress=False)

    whole = run(7, out=None)
    run(5)
    for other in (run(7, resume=True), load(tmp_path)):
        assert other.gan.by_hand == () and other.gan.recipe == whole.gan.recipe
        assert float(other.gan.discriminator.p) == float(whole.gan.discriminator.p) > 0
        ours, theirs = whole.gan.discriminator.state_dict(), other.gan.discriminator.state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours.keys() | theirs.keys())


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: replace(OFF, colours=False), "flips to colours are all off"),
        (lambda: ADA(target=1.0), "target must be between"),
        (lambda: ADA(length=0), "length must be at least 1"),
        (lambda: recipes.SCGAN(shape=(2,), ada=ADA()), "ada changes images"),
        (lambda: recipes.supervised_gm_gan((1, 8, 8), softmax=True, ada=True), "ada goes by the sign"),
    ],
)
def test_what_makes_no_sense_is_refused(make, told):
    with pytest.raises(ValueError, match=told):
        make()
