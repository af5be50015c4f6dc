"""The pretended GPU: planted errors are caught, what is fine passes, and a real GPU thinks the same of both."""

import copy

import numpy as np
import pytest
import torch
from places import assert_on
from pretended_gpu import CUDA, pretended
from torch import nn
from torch.distributions import Gamma

from bnpgan import metrics

N, D, K = 6, 2, 3


def points(device):
    return torch.randn(N, D, device=device)


def put(x, where, values):
    x = x.clone()
    x[where] = values
    return x


ERRORS = {
    "a tensor is made in a step without its device": lambda x: x + torch.arange(N)[:, None],
    "a number of the device meets a vector of the CPU": lambda x: torch.ones(N) * x.sum(),
    "both devices are put together": lambda x: torch.cat([x, torch.ones(1, D)]),
    "a number of the CPU is put beside one of the device": lambda x: torch.stack([x[0, 0], torch.tensor(1.0)]),
    "a number of the CPU is added to a product": lambda x: torch.addmm(torch.tensor(1.0), x, x.T),
    "a sum is kept on the CPU": lambda x: torch.zeros(()).add_(x.sum()),
    "a product is written to the CPU": lambda x: torch.mm(x, x.T, out=torch.empty(N, N)),
    "values of the CPU are put into points": lambda x: put(x, torch.tensor([0, 1]), torch.ones(2, D)),
    "labels of the CPU are put into labels": lambda x: put(x.long(), torch.tensor([0]), torch.ones(1, D).long()),
    "points of the CPU are chosen by labels of the device": lambda x: torch.ones(K)[x.argmax(1)],
    "a mask of the CPU fills in": lambda x: x.masked_fill(torch.ones(N, D, dtype=torch.bool), 0.0),
    "rows are gathered by indices of the CPU": lambda x: x.gather(1, torch.zeros(N, 1, dtype=torch.int64)),
    "sums go to slots of the CPU": lambda x: torch.zeros(K, D).index_add_(0, x.argmax(1), x),
    "tensors of both devices are compared": lambda x: torch.equal(x, x.cpu()),
    "a network is left behind": lambda x: nn.Linear(D, 1)(x),
    "NumPy is handed a tensor": lambda x: x.numpy(),
    "NumPy asks for a tensor": lambda x: np.asarray(x),
    "the device draws by a generator of the CPU": lambda x: torch.rand(3, device=x.device, generator=torch.Generator()),
    "the CPU draws by a generator of the device": lambda x: torch.rand(3, generator=torch.Generator(x.device)),
}
FINE = {
    "a number of the CPU": lambda x: (x + torch.tensor(2.0)) * 3.0,
    "indices of the CPU": lambda x: x[torch.tensor([0, 2])],
    "a mask of the CPU": lambda x: x[torch.arange(N) > 2],
    "a number where indices of the CPU say": lambda x: put(x, torch.tensor([0, 2]), 1.0),
    "a number of the CPU where a mask says": lambda x: put(x, x > 0, torch.tensor(1.0)),
    "a number of the CPU in the place of a column": lambda x: put(x, (slice(None), 0), torch.tensor(1.0)),
    "rows of the CPU in the place of others": lambda x: put(x, slice(0, 2), torch.ones(2, D)),
    "a copy from the CPU": lambda x: torch.zeros_like(x).copy_(torch.ones(N, D)),
    "what is made like it": lambda x: torch.cat([x.new_zeros(1, D), torch.rand_like(x), x.new_tensor([[1.0, 2.0]])]),
    "what is made of its numbers there": lambda x: torch.tensor([x[0, 0], x[1, 1], 2.0], device=x.device),
    "a generator of its own": lambda x: torch.rand(3, device=x.device, generator=torch.Generator(x.device)),
    "a draw from a law": lambda x: Gamma(x.abs() + 1, torch.ones_like(x)).sample(),
    "a default device": lambda x: in_context(x.device),
    "a deep copy": lambda x: copy.deepcopy(x),
}
WAITS = {
    "a number is read": lambda x: float(x[0, 0]),
    "a number is written": lambda x: f"{x[0, 0]:.3f}",
    "all numbers are read": lambda x: x.tolist(),
    "a decision is taken": lambda x: bool((x > 0).all()),
    "numbers are copied into another tensor": lambda x: torch.tensor([x[0, 0], x[1, 1]]),
    "a mask chooses": lambda x: x[x[:, 0] > 0],
    "values of the device are put where a mask says": lambda x: put(x, x > 0, x[0, 0]),
    "what is not zero is found": lambda x: x.nonzero(),
    "values are counted": lambda x: x.argmax(1).bincount(),
    "values that differ are found": lambda x: x.argmax(1).unique(),
    "rows are repeated by numbers of the device": lambda x: x.repeat_interleave(x.argmax(1), 0),
    "a decomposition is checked": lambda x: torch.linalg.cholesky(x.T @ x + torch.eye(D, device=x.device)),
    "a matrix is inverted": lambda x: torch.linalg.inv(x.T @ x + torch.eye(D, device=x.device)),
    "tensors are compared": lambda x: torch.equal(x, x.clone()),
    "a law checks its arguments": lambda x: Gamma(x.abs() + 1, torch.ones_like(x)),
    "a copy is taken": lambda x: x.cpu(),
    "a tensor is sent": lambda x: torch.ones(3).to(x.device),
    "a list is sent": lambda x: torch.tensor([1.0, 2.0], device=x.device),
    "indices of the CPU are sent": lambda x: x[[0, 1]],
}
QUICK = {
    "arithmetic": lambda x: (x @ x.T).softmax(1).cumsum(0).sort(1).values.logsumexp(1) + 1.0,
    "numbers of the CPU": lambda x: torch.where(x > 0, x, 0.0).clamp(min=1e-3).pow(2),
    "indices of the device": lambda x: x[x.argsort(0)[:, 0]].gather(1, x.argmax(1, keepdim=True)),
    "a number where a mask says": lambda x: put(x, x > 0, 0.0),
    "sums by slots": lambda x: x.new_zeros(K, D).index_add_(0, x.argmax(1), x),
    "counts by slots": lambda x: x.new_zeros(K).scatter_add_(0, x.argmax(1), torch.ones_like(x[:, 0])),
    "what is made there": lambda x: torch.arange(3, device=x.device) + torch.full((3,), 2, device=x.device),
    "draws": lambda x: (
        torch.rand_like(x) + torch.randn(N, D, device=x.device) + torch.randperm(N, device=x.device)[:, None]
    ),
    "several of several": lambda x: torch.multinomial(x[:, 0].abs() + 1e-3, 5, replacement=True),
    "a decomposition that nobody checks": lambda x: torch.linalg.cholesky_ex(x.T @ x)[0],
    "shapes": lambda x: x.double().view(-1, 1).repeat(1, 2).repeat_interleave(2, 0)[: len(x)].T.contiguous(),
    "a row in the place of another": lambda x: put(x, slice(0, 1), x[1:2]),
}


def in_context(device):
    with device:
        return torch.ones(3)


def each(cases):
    return pytest.mark.parametrize("case", cases.values(), ids=cases.keys())


@each(ERRORS)
def test_an_error_is_caught(gpu, case):
    x = points(gpu.device)
    with pytest.raises((RuntimeError, TypeError, IndexError)):
        case(x)


@each(FINE)
def test_what_is_fine_passes_and_stays_on_the_device(gpu, case):
    assert_on(gpu.device, case(points(gpu.device)))


@each(WAITS)
def test_a_wait_of_the_host_is_counted(gpu, case):
    x = points(gpu.device)
    case(x)  # what is set up at the first use does not count
    with gpu.counted() as waits:
        case(x)
    assert waits.total() > 0


@each(QUICK)
def test_what_nobody_waits_for_is_not_counted(gpu, case):
    x = points(gpu.device)
    case(x)
    with gpu.counted() as waits:
        case(x)
    assert not waits


def test_a_wait_in_a_loop_over_slots_is_counted_for_each(gpu):
    x = points(gpu.device)
    labels = torch.arange(N, device=gpu.device) % K
    with gpu.counted() as waits:
        torch.stack([x[labels == k].mean(0) for k in range(K)])
    assert waits.total() >= K


def test_a_wait_is_named_by_its_place_in_the_package(gpu):
    labels = torch.arange(N, device=gpu.device)
    with gpu.counted() as waits:
        metrics.effective_clusters(labels)
    assert any("sizes.py:" in place for place in waits)


def test_waits_are_counted_inside_only(gpu):
    x = points(gpu.device)
    float(x.sum())
    with gpu.counted() as waits:
        pass
    float(x.sum())
    assert not waits


def test_what_is_made_of_numbers_of_the_device_is_on_the_cpu(gpu):
    x = points(gpu.device)
    assert torch.tensor([x[0, 0], x[1, 1]]).device.type == "cpu"
    assert torch.zeros(N, D).copy_(x).device.type == "cpu"
    assert torch.zeros_like(x, device="cpu").device.type == x.new_ones(3, device="cpu").device.type == "cpu"
    assert torch.ones(N)[x[:, 0].argmax()].device.type == "cpu"  # a number of the device is read


def test_gradients_go_back_over_devices_and_twice(gpu):
    here = torch.randn(N, D, requires_grad=True)
    there = here.to(gpu.device)
    (gradient,) = torch.autograd.grad(there.pow(3).sum(), there, create_graph=True)
    assert_on(gpu.device, gradient)
    gradient.sum().backward()
    assert here.grad.device.type == "cpu"
    torch.testing.assert_close(here.grad, 6 * here.detach())


def test_networks_are_copied_moved_and_stored(gpu):
    network = nn.Sequential(nn.Linear(D, 4), nn.BatchNorm1d(4)).to(gpu.device)
    other = copy.deepcopy(network)
    assert_on(gpu.device, network.state_dict(), other.state_dict())
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in other.parameters())
    other.load_state_dict(nn.Sequential(nn.Linear(D, 4), nn.BatchNorm1d(4)).state_dict())
    assert_on(gpu.device, other.state_dict(), network(points(gpu.device)))
    assert all(p.device.type == "cpu" for p in other.to("cpu").parameters())


def test_an_optimiser_knows_parameters_that_were_moved_later(gpu):
    network = nn.Linear(D, 1)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    network.to(gpu.device)
    before = network.weight.detach().clone()
    network(points(gpu.device)).sum().backward()
    optimizer.step()
    assert_on(gpu.device, network.weight, network.weight.grad, list(optimizer.state.values()))
    assert not torch.equal(network.weight, before)


def test_an_optimiser_that_remembers_another_device_is_caught(gpu):
    network = nn.Linear(D, 1)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    for place in ("cpu", gpu.device):
        network.to(place)
        network(points(place)).sum().backward()
        if place == "cpu":
            optimizer.step()
            optimizer.zero_grad()
    with pytest.raises((RuntimeError, TypeError)):
        optimizer.step()


def test_random_numbers_of_the_device_follow_a_seed(gpu):
    def drawn():
        return torch.rand(4, device=gpu.device).tolist()

    torch.manual_seed(3)
    first, other = drawn(), drawn()
    here = torch.get_rng_state()
    torch.manual_seed(3)
    assert drawn() == first != other
    assert torch.equal(torch.get_rng_state(), here) and torch.rand(4).tolist() != first  # the CPU has its own
    with torch.random.fork_rng(devices=[gpu.device]):
        torch.manual_seed(9)
        drawn()
    assert drawn() == other
    state = torch.cuda.get_rng_state(gpu.device)
    third = drawn()
    torch.cuda.set_rng_state(state, gpu.device)
    assert drawn() == third


def test_a_generator_has_a_stream_of_its_own(gpu):
    def generator():
        return torch.Generator(gpu.device).manual_seed(5)

    before = torch.cuda.get_rng_state(gpu.device)
    first, second = (torch.rand(4, device=gpu.device, generator=generator()) for _ in range(2))
    assert torch.equal(first, second) and generator().device.type == "cuda"
    assert torch.equal(torch.cuda.get_rng_state(gpu.device), before)
    torch.manual_seed(5)  # starts the ambient one as a seed of its own starts another
    assert torch.equal(torch.rand(4, device=gpu.device), first)


def test_nothing_is_pretended_afterwards():
    available, generator, states = torch.cuda.is_available(), torch.Generator, torch.get_rng_state()
    with pretended() as gpu:
        assert torch.cuda.is_available() and gpu.device == CUDA
        x = points(gpu.device)
    assert (torch.cuda.is_available(), torch.Generator) == (available, generator)
    assert torch.equal(torch.get_rng_state(), states)
    with pytest.raises(RuntimeError, match="outside of pretended"):
        x + 1


def test_a_graph_does_nothing_until_it_is_replayed_and_then_all_of_it_where_it_was(gpu):
    x, total = torch.ones(N, device=gpu.device), torch.zeros(N, device=gpu.device)
    known = {"x": x}

    def step():
        drawn = torch.rand(N, device=gpu.device)
        total.add_(2 * known["x"]).add_(drawn)
        return drawn

    torch.manual_seed(3)
    wanted = [torch.rand(N, device=gpu.device).tolist() for _ in range(2)]
    torch.manual_seed(3)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()
    assert total.tolist() == [0.0] * N
    for drawn in wanted:
        graph.replay()
        assert result.tolist() == drawn
    assert total.tolist() == pytest.approx([4 + a + b for a, b in zip(*wanted, strict=True)])
    known["x"] = torch.zeros(N, device=gpu.device)  # is not looked at, but what is written to the old one is
    x.fill_(10)
    before = total.clone()
    graph.replay()
    assert bool((total - before >= 20).all())


def test_nothing_is_read_while_a_graph_is_captured(gpu):
    x = points(gpu.device)
    with pytest.raises(RuntimeError, match="captur"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        float(x.sum())
