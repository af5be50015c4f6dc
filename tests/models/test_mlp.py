import pytest
import torch
from torch import nn

from bnpgan.models import Concat, LeakyLinear, Maxout, MLPGenerator, MLPTrunk, Unconditional


def test_maxout_is_the_largest_of_its_pieces():
    block, x = Maxout(3, 4, pieces=2), torch.randn(6, 3)
    first, second = block.linear(x).split(4, dim=1)
    assert torch.equal(block(x), torch.where(first > second, first, second))


def test_maxout_has_five_pieces():
    assert Maxout(3, 4).linear.weight.shape == (20, 3)


def test_leaky_linear_keeps_a_fifth_of_what_is_negative():
    block, x = LeakyLinear(3, 4), torch.randn(6, 3)
    u = x @ block[0].weight.T + block[0].bias
    torch.testing.assert_close(block(x), torch.where(u > 0, u, 0.2 * u))


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 5, 4)])
@pytest.mark.parametrize("block", [Maxout, LeakyLinear])
def test_shapes_go_there_and_back(shape, block):
    generator = MLPGenerator(shape, Unconditional(6), widths=(7, 9))
    trunk = MLPTrunk(shape, widths=(7, 5), block=block)
    x = generator(torch.randn(4, 6), torch.tensor([0, 1, 2, 3]))
    assert x.shape == (4, *shape)
    assert trunk.out_dim == 5 and trunk(x).shape == (4, 5)


def test_defaults_are_the_networks_of_scgan_in_2d():
    generator, trunk = MLPGenerator((2,), Concat(50, 2, 32)), MLPTrunk((2,))
    assert [(type(b.linear), type(b.norm)) for b in generator.blocks] == [(nn.Linear, nn.BatchNorm1d)] * 4
    linears = [m for m in generator.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linears] == [(34, 400), *[(400, 400)] * 3, (400, 2)]
    assert [type(m) for m in trunk.layers] == [nn.Flatten, Maxout, Maxout, Maxout]
    assert [(m.linear.in_features, m.linear.out_features) for m in trunk.layers[1:]] == [(2, 1000), *[(200, 1000)] * 2]
    assert trunk.out_dim == 200


def test_only_a_bounded_generator_stays_within_one():
    z, c = torch.randn(64, 4), torch.zeros(64, dtype=torch.int64)
    for bounded in (False, True):
        generator = MLPGenerator((2,), Unconditional(4), widths=(8,), bounded=bounded)
        with torch.no_grad():
            generator.last[0].weight.mul_(100)
        assert (generator(z, c).abs().max() <= 1) == bounded


def test_the_condition_reaches_the_output_and_its_embedding_learns():
    generator = MLPGenerator((2,), Concat(3, 2, 4), widths=(64,)).eval()  # eval: batch norm would mix the batch
    z = torch.randn(1, 2).repeat(2, 1)
    x = generator(z, torch.tensor([0, 2]))
    assert not torch.equal(x[0], x[1])
    x.square().sum().backward()
    assert (generator.conditioning.table.grad != 0).any(dim=1).tolist() == [True, False, True]
