import re

import pytest
import torch
from torch import nn

from bnpgan.models import Add, Concat, DCGANGenerator, DCGANTrunk, Unconditional

SIDES = [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_goes_there_and_back(side, channels):
    shape = (channels, side, side)
    generator = DCGANGenerator(shape, Add(5, 6), width=2)
    x = generator(torch.randn(3, 6), torch.tensor([0, 4, 2]))
    assert x.shape == (3, *shape) and x.abs().max() <= 1
    for norm in (True, False):
        trunk = DCGANTrunk(shape, width=2, norm=norm)
        assert trunk(x).shape == (3, trunk.out_dim)


def convolutions(layers: nn.Module) -> list[tuple[int, int, tuple[int, ...], tuple[int, ...], object]]:
    return [
        (m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding)
        for m in layers.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]


def test_at_32_the_generator_is_that_of_micgan():
    layers = DCGANGenerator((1, 32, 32), Add(15, 256))
    assert [(type(b.linear), type(b.norm)) for b in layers.blocks] == [(nn.ConvTranspose2d, nn.BatchNorm2d)] * 3
    assert [type(m) for m in (*layers.first, *layers.last)] == [nn.Linear, nn.Unflatten, nn.Conv2d, nn.Tanh]
    assert (layers.first[0].in_features, layers.first[0].out_features) == (256, 512 * 4 * 4)
    up = ((4, 4), (2, 2), (1, 1))
    last = ((3, 3), (1, 1), (1, 1))
    assert convolutions(layers) == [(512, 256, *up), (256, 128, *up), (128, 64, *up), (64, 1, *last)]


@pytest.mark.parametrize("norm", [True, False])
def test_at_32_the_trunk_is_that_of_micgan(norm):
    trunk = DCGANTrunk((1, 32, 32), norm=norm)
    block = [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU] if norm else [nn.Conv2d, nn.LeakyReLU]
    assert [type(m) for m in trunk.layers] == [nn.Conv2d, nn.LeakyReLU, *block * 3, nn.Flatten]
    assert {m.negative_slope for m in trunk.layers if isinstance(m, nn.LeakyReLU)} == {0.2}
    down = ((4, 4), (2, 2), (1, 1))
    widths = [(1, 64), (64, 128), (128, 256), (256, 512)]
    assert convolutions(trunk) == [(*pair, *down) for pair in widths]
    assert trunk.out_dim == 2048


@pytest.mark.parametrize(
    ("side", "s", "n"), [(8, 4, 1), (12, 6, 1), (16, 4, 2), (28, 7, 2), (32, 4, 3), (64, 4, 4), (128, 4, 5)]
)
def test_the_coarsest_grid_has_four_to_seven_cells(side, s, n):
    generator = DCGANGenerator((1, side, side), Unconditional(3), width=2)
    assert generator.first[1].unflattened_size == (2 * 2**n, s, s)
    assert len(convolutions(generator)) == n + 1
    assert len(convolutions(DCGANTrunk((1, side, side), width=2))) == n + 1


@pytest.mark.parametrize(
    ("shape", "problem", "resize"),
    [
        ((1, 32, 28), "not square", (1, 32, 32)),
        ((3, 8, 64), "not square", (3, 64, 64)),
        ((1, 4, 4), "4 is not one of", (1, 8, 8)),
        ((3, 144, 144), "144 is not one of", (3, 128, 128)),
        ((1, 9, 9), "9 is not one of", (1, 10, 10)),
        ((1, 30, 30), "30 is not one of", (1, 32, 32)),
        ((3, 34, 34), "34 is not one of", (3, 32, 32)),
    ],
)
@pytest.mark.parametrize("build", [lambda s: DCGANGenerator(s, Add(5, 6)), DCGANTrunk], ids=["generator", "trunk"])
def test_other_sizes_name_the_nearest_one_that_works(build, shape, problem, resize):
    with pytest.raises(ValueError, match=rf"^shape: .*{problem}.*; resize the images to {re.escape(str(resize))}$"):
        build(shape)


def test_exactly_these_sides_are_taken():
    taken = []
    for side in range(1, 130):
        try:
            DCGANTrunk((1, side, side), width=1)
        except ValueError:
            continue
        taken.append(side)
    assert taken == SIDES


@pytest.mark.parametrize("shape", [(2,), (32, 32), (0, 32, 32)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"^shape: .*give \(C, H, W\) with C >= 1"):
        DCGANTrunk(shape)


def test_the_condition_reaches_the_image_and_its_embedding_learns():
    generator = DCGANGenerator((1, 8, 8), Concat(3, 2, 4), width=16).eval()  # eval: batch norm would mix the batch
    x = generator(torch.randn(1, 2).repeat(2, 1), torch.tensor([0, 2]))
    assert not torch.equal(x[0], x[1])
    x.square().sum().backward()
    assert (generator.conditioning.table.grad != 0).any(dim=1).tolist() == [True, False, True]
