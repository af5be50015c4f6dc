import pytest
import torch
from torch import Tensor

from bnpgan.models import (
    Add,
    Concat,
    Conditioning,
    EveryLayer,
    Gaussian,
    MLPGenerator,
    Modulation,
    Unconditional,
    lookup,
)

CAPACITY, Z_DIM = 5, 3
PARTS = {
    "add": lambda: Add(CAPACITY, Z_DIM),
    "concat": lambda: Concat(CAPACITY, Z_DIM, 4),
    "concat-raw": lambda: Concat(CAPACITY, Z_DIM, 4, normalize=False),
    "unconditional": lambda: Unconditional(Z_DIM),
}


@pytest.fixture(params=PARTS)
def conditioning(request: pytest.FixtureRequest) -> Conditioning:
    return PARTS[request.param]()


@pytest.fixture
def c() -> Tensor:
    return torch.tensor([4, 0, 4, 2])


def one_hot(c: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(c, CAPACITY).float()


def test_out_dim_is_the_width_of_the_result(conditioning, c):
    assert conditioning(torch.randn(4, Z_DIM), c).shape == (4, conditioning.out_dim)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_one_hot_row_is_its_slot(conditioning, c, dtype):
    z = torch.randn(4, Z_DIM)
    torch.testing.assert_close(conditioning(z, one_hot(c).to(dtype)), conditioning(z, c))


def test_add_shifts_z_by_the_row_of_the_table(c):
    add, z = Add(CAPACITY, Z_DIM), torch.randn(4, Z_DIM)
    assert torch.equal(add(z, c), torch.stack([z[i] + add.table[k] for i, k in enumerate(c.tolist())]))


def test_add_mixes_rows_linearly():
    add, z = Add(CAPACITY, Z_DIM), torch.randn(1, Z_DIM)
    row = torch.tensor([[0.25, 0, 0, 0.75, 0]])
    torch.testing.assert_close(add(z, row), z + 0.25 * add.table[0] + 0.75 * add.table[3])


def test_concat_keeps_z_and_appends_the_direction_of_the_embedding(c):
    concat, z = Concat(CAPACITY, Z_DIM, 4), torch.randn(4, Z_DIM)
    h = concat(z, c)
    assert torch.equal(h[:, :Z_DIM], z)
    torch.testing.assert_close(h[:, Z_DIM:].norm(dim=1), torch.ones(4))
    torch.testing.assert_close(h[:, Z_DIM:] * concat.table[c].norm(dim=1, keepdim=True), concat.table[c])


def test_concat_without_normalisation_appends_the_embedding_itself(c):
    concat = Concat(CAPACITY, Z_DIM, 4, normalize=False)
    assert torch.equal(concat(torch.randn(4, Z_DIM), c)[:, Z_DIM:], concat.table[c])


def test_concat_combines_before_it_normalises():
    concat = Concat(CAPACITY, Z_DIM, 4)
    h = concat(torch.randn(1, Z_DIM), torch.tensor([[0.5, 0.5, 0, 0, 0]]))[0, Z_DIM:]
    middle = concat.table[0] + concat.table[1]
    torch.testing.assert_close(h, middle / middle.norm())


@pytest.mark.parametrize("name", ["add", "concat", "concat-raw"])
def test_gradients_reach_the_rows_of_the_used_slots_only(name, c):
    conditioning = PARTS[name]()
    h = conditioning(torch.randn(4, Z_DIM), c)
    (h * torch.randn_like(h)).sum().backward()
    assert (conditioning.table.grad != 0).any(dim=1).tolist() == [True, False, True, False, True]


def test_embeddings_start_standard_normal():
    torch.manual_seed(0)
    for table in (Add(200, 200).table, Concat(200, 2, 200).table):
        # 40,000 draws: five standard errors of the mean and of the variance.
        assert abs(table.mean()) < 5 / 200
        assert abs(table.var() - 1) < 5 * 2**0.5 / 200


@pytest.mark.parametrize(
    "c",
    [
        torch.zeros(4),  # float slots
        torch.zeros(4, dtype=torch.int32),
        torch.zeros(4, CAPACITY, dtype=torch.int64),  # integer rows
        torch.zeros(4, CAPACITY + 1),
        torch.zeros(4, 1, CAPACITY),
    ],
    ids=lambda c: f"{tuple(c.shape)} {c.dtype}",
)
@pytest.mark.parametrize("name", ["add", "concat"])
def test_wrong_forms_of_c_are_refused(name, c):
    with pytest.raises(ValueError, match=r"^c: got shape .*; give \(B,\) int64 slots, or \(B, 5\) float rows"):
        PARTS[name]()(torch.randn(4, Z_DIM), c)


@pytest.mark.parametrize("slot", [-1, CAPACITY])
def test_a_slot_out_of_range_never_wraps_around(slot):
    with pytest.raises(IndexError):
        lookup(torch.randn(CAPACITY, 2), torch.tensor([slot]))


def test_gaussian_latent_is_standard_normal_and_follows_the_ambient_generator():
    latent, c = Gaussian(8), torch.zeros(5000, dtype=torch.int64)
    torch.manual_seed(0)
    z = latent(c)
    assert z.shape == (5000, latent.dim) and z.dtype == torch.float32
    assert abs(z.mean()) < 5 / 200 and abs(z.var() - 1) < 5 * 2**0.5 / 200  # 40,000 draws, five standard errors
    assert not torch.equal(latent(c), z)
    torch.manual_seed(0)
    assert torch.equal(latent(c), z)


def test_gaussian_latent_draws_one_z_per_row_of_weights():
    assert Gaussian(8)(torch.rand(3, CAPACITY)).shape == (3, 8)


def test_a_cluster_conditions_every_layer_where_it_is_asked_to():
    torch.manual_seed(0)
    plain, everywhere = Add(3, 4), EveryLayer(Add(3, 4), 3)
    generator = MLPGenerator((2,), everywhere, widths=(8, 8)).eval()
    tables = [m.table for m in generator.modules() if isinstance(m, Modulation)]
    assert [t.shape for t in tables] == [(3, 16)] * 2
    assert not [m for m in MLPGenerator((2,), plain).modules() if isinstance(m, Modulation)]
    z, c = torch.randn(2, 4), torch.tensor([0, 2])
    with torch.no_grad():
        before = generator(z, c)
        tables[1][2] += 1.0
        after = generator(z, c)
    assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])
    rows = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])
    torch.testing.assert_close(generator(z, rows), after)


def test_a_modulation_scales_and_shifts_channels():
    m = Modulation(2, 2)
    with torch.no_grad():
        m.table[1] = torch.tensor([1.0, 0.0, 0.0, 5.0])
    h = torch.ones(2, 2, 3, 3)
    out = m(h, torch.tensor([0, 1]))
    assert torch.equal(out[0], h[0]) and bool((out[1, 0] == 2).all()) and bool((out[1, 1] == 6).all())


def test_the_scale_of_an_embedding_is_what_slots_lie_apart_at_first():
    torch.manual_seed(0)
    for scale in (0.1, 1.0, 3.0):
        distances = torch.pdist(Add(50, 64, scale=scale).table) / (scale * 128**0.5)
        assert distances.mean().item() == pytest.approx(1, abs=0.03)
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="scale must be positive"):
            Add(3, 4, scale=wrong)


def test_an_embedding_that_is_not_learned_stays():
    assert [p.requires_grad for p in Add(3, 4, learned=False).parameters()] == [False]
