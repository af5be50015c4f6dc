"""Several generators in one, and those that share all but their first layer."""

import torch

from bnpgan.models import Bodies, MLPGenerator, OwnLayer, Unconditional

K = 4


def test_each_slot_is_made_by_its_own_body():
    bodies = Bodies(MLPGenerator((2,), Unconditional(3), (8,)) for _ in range(K)).eval()
    z, c = torch.randn(6, 3), torch.tensor([0, 3, 1, 1, 2, 0])
    each = torch.stack([bodies.generators[k](z[i : i + 1], None)[0] for i, k in enumerate(c.tolist())])
    torch.testing.assert_close(bodies(z, c), each)
    rows = torch.full((6, K), 1 / K)
    torch.testing.assert_close(bodies(z, rows), torch.stack([body(z, None) for body in bodies.generators]).mean(0))


def test_bodies_share_nothing_and_generators_of_own_layers_all_but_that():
    z, c = torch.randn(4, 3), torch.tensor([2, 2, 2, 2])
    bodies = Bodies(MLPGenerator((2,), Unconditional(3), (8,)) for _ in range(K))
    bodies(z, c).sum().backward()
    taught = [any(p.grad is not None and p.grad.any() for p in body.parameters()) for body in bodies.generators]
    assert taught == [False, False, True, False]
    shared = MLPGenerator((2,), OwnLayer(K, 3, 5), (8,))
    shared(z, c).sum().backward()
    assert shared.conditioning.table.grad.any(1).tolist() == [False, False, True, False]


def test_an_own_layer_is_a_linear_one_of_the_slot():
    own, z, c = OwnLayer(K, 3, 5), torch.randn(2, 3), torch.tensor([3, 1])
    for i, k in enumerate(c.tolist()):
        weight, bias = own.table[k].view(4, 5)[:3], own.table[k].view(4, 5)[3]
        torch.testing.assert_close(own(z, c)[i], torch.relu(z[i] @ weight + bias))
