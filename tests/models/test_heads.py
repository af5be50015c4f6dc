import pytest
import torch
from torch import nn

from bnpgan.models import (
    Discriminator,
    MaskedHead,
    MinibatchTrunk,
    MLPTrunk,
    PackedDiscriminator,
    ProjectionHead,
    ScalarHead,
    SimplexHead,
)

IN_DIM, CAPACITY = 6, 4


def test_masked_head_takes_the_row_of_the_linear_layer():
    head, h, c = MaskedHead(IN_DIM, CAPACITY), torch.randn(5, IN_DIM), torch.tensor([3, 0, 2, 2, 1])
    assert head.linear.weight.shape == (CAPACITY + 1, IN_DIM)
    expected = torch.stack([h[i] @ head.linear.weight[k] + head.linear.bias[k] for i, k in enumerate(c.tolist())])
    torch.testing.assert_close(head(h, c), expected)


def test_masked_head_without_a_condition_takes_the_last_row():
    head, h = MaskedHead(IN_DIM, CAPACITY), torch.randn(5, IN_DIM)
    torch.testing.assert_close(head(h, None), h @ head.linear.weight[-1] + head.linear.bias[-1])


def test_masked_head_trains_the_used_rows_only():
    head, h = MaskedHead(IN_DIM, CAPACITY), torch.randn(3, IN_DIM)
    head(h, torch.tensor([1, 3, 1])).sum().backward()
    assert head.linear.bias.grad.tolist() == [0, 2, 0, 1, 0]
    assert (head.linear.weight.grad != 0).any(dim=1).tolist() == [False, True, False, True, False]


def test_projection_head_adds_the_product_with_the_embedding():
    head, h, c = ProjectionHead(IN_DIM, CAPACITY), torch.randn(5, IN_DIM), torch.tensor([3, 0, 2, 2, 1])
    torch.nn.init.normal_(head.table)
    shared = h @ head.linear.weight[0] + head.linear.bias[0]
    torch.testing.assert_close(head(h, None), shared)
    torch.testing.assert_close(
        head(h, c), shared + torch.stack([h[i] @ head.table[k] for i, k in enumerate(c.tolist())])
    )
    head(h, c).sum().backward()
    assert head.linear.bias.grad.item() == 5
    torch.testing.assert_close(head.table.grad[2], h[2] + h[3])


HEADS = pytest.mark.parametrize("head", [MaskedHead, ProjectionHead])


@HEADS
@pytest.mark.parametrize("slot", [-1, CAPACITY])
def test_a_slot_out_of_range_never_reads_another_logit(head, slot):
    # Slot `capacity` has a column in the linear layer: the unconditional one.
    with pytest.raises((IndexError, RuntimeError)):
        head(IN_DIM, CAPACITY)(torch.randn(1, IN_DIM), torch.tensor([slot]))


@HEADS
@pytest.mark.parametrize(
    "c", [torch.zeros(5), torch.zeros(5, CAPACITY), torch.zeros(4, dtype=torch.int64)], ids=lambda c: f"{c.shape}"
)
def test_heads_refuse_all_but_one_slot_per_image(head, c):
    with pytest.raises(ValueError, match=r"^c: got shape .*one int64 slot for each of the 5 images"):
        head(IN_DIM, CAPACITY)(torch.randn(5, IN_DIM), c)


def test_scalar_head_is_linear_and_ignores_the_condition():
    head, h = ScalarHead(IN_DIM), torch.randn(5, IN_DIM)
    torch.testing.assert_close(head(h, None), h @ head.linear.weight[0] + head.linear.bias[0])
    assert torch.equal(head(h, torch.tensor([0, 1, 2, 3, 0])), head(h, None))


def test_discriminator_is_its_head_on_its_features():
    trunk, head = MLPTrunk((2,), widths=(8, IN_DIM)), MaskedHead(IN_DIM, CAPACITY)
    discriminator, x, c = Discriminator(trunk, head), torch.randn(5, 2), torch.tensor([3, 0, 2, 2, 1])
    assert torch.equal(discriminator.features(x), trunk(x))
    assert torch.equal(discriminator(x, c), head(trunk(x), c))
    assert torch.equal(discriminator(x), head(trunk(x), None))


def test_packs_are_judged_together_and_hold_what_came_together():
    seen = []

    class Trunk(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.flatten(1)

    discriminator = PackedDiscriminator(Trunk(), ScalarHead(2 * 3 * 4), pack=2)
    x = torch.randn(6, 3, 2, 2)
    assert discriminator(x, None).shape == (3,)
    assert torch.equal(seen[0], torch.stack([torch.cat([x[2 * i], x[2 * i + 1]]) for i in range(3)]))
    assert discriminator.features(x).shape == (6, 24)
    assert torch.equal(seen[1][4], torch.cat([x[4], x[4]]))
    with pytest.raises(ValueError, match="multiple of 2"):
        discriminator(x[:5])


@pytest.mark.parametrize("capacity", [2, 3, 10])
def test_a_simplex_head_gives_log_densities_around_equally_far_corners(capacity):
    head, h = SimplexHead(IN_DIM, capacity, variance=0.3), torch.randn(5, IN_DIM)
    corners, e = head.corners, head.linear(h)
    torch.testing.assert_close(corners.norm(dim=1), torch.ones(capacity))
    apart = torch.cdist(corners, corners) + torch.eye(capacity) * (2 * capacity / (capacity - 1)) ** 0.5
    torch.testing.assert_close(apart, torch.full_like(apart, (2 * capacity / (capacity - 1)) ** 0.5))
    expected = torch.distributions.Normal(corners, 0.3**0.5).log_prob(e[:, None]).sum(2)
    torch.testing.assert_close(head(h, None), expected)
    with pytest.raises(ValueError, match="capacity must be at least 2"):
        SimplexHead(IN_DIM, 1)


def test_minibatch_discrimination_sees_a_collapsed_batch():
    trunk = MinibatchTrunk(MLPTrunk((2,), (16,)), kernels=7, dim=3)
    same, apart = torch.ones(5, 2), 10 * torch.randn(5, 2)
    near = trunk(same)[:, -7:]
    assert torch.equal(near, torch.full((5, 7), 4.0)) and trunk.out_dim == 23
    others = trunk(apart)[:, -7:]
    m = trunk.linear(trunk.trunk(apart)).view(5, 7, 3)
    expected = sum(torch.exp(-(m[1] - m[j]).abs().sum(1)) for j in range(5) if j != 1)
    torch.testing.assert_close(others[1], expected, atol=1e-5, rtol=1e-5)
    assert (others < near).all()
