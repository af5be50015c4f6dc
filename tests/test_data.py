"""The 2-D sets have the papers' moments; every file kind comes back as it was written, every bad one says why."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from bnpgan import data


@pytest.mark.parametrize(
    ("draw", "means", "std"), [(data.ring, data.ring_means(), 0.01), (data.grid, data.grid_means(), 0.05)]
)
def test_sets_have_their_moments(draw, means, std):
    torch.manual_seed(0)
    x, labels = draw(20_000)
    assert x.shape == (20_000, 2) and x.dtype == torch.float32 and labels.dtype == torch.int64
    offset = x - means[labels]
    assert offset.std().item() == pytest.approx(std, rel=0.03)
    assert offset.mean().abs() < 4 * std / 200
    share = labels.bincount(minlength=len(means)) / len(labels)
    assert (share - 1 / len(means)).abs().max() < 0.02


def test_means_are_the_papers():
    half = 0.5**0.5
    assert torch.allclose(data.ring_means()[:3], torch.tensor([[1.0, 0.0], [half, half], [0.0, 1.0]]), atol=1e-6)
    assert sorted(map(tuple, data.grid_means().tolist())) == [(a, b) for a in range(-4, 5, 2) for b in range(-4, 5, 2)]


def test_sets_follow_the_ambient_generator():
    torch.manual_seed(3)
    first, again = data.ring(10)[0], data.ring(10)[0]
    torch.manual_seed(3)
    assert torch.equal(first, data.ring(10)[0]) and not torch.equal(first, again)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: data.ring(0), "n"),
        (lambda: data.ring(5, modes=0), "modes"),
        (lambda: data.grid(0), "n"),
        (lambda: data.grid(5, side=0), "side"),
    ],
)
def test_sets_name_a_bad_argument(call, name):
    with pytest.raises(ValueError, match=f"^{name} must be at least 1"):
        call()


@pytest.mark.parametrize("wrong", [{"std": math.nan}, {"std": -1.0}, {"std": math.inf}, {"spacing": math.inf}])
def test_sets_name_a_length_that_is_none(wrong):
    with pytest.raises(ValueError, match=rf"^({next(iter(wrong))}|radius or spacing) .* finite.*: pass"):
        data.grid(5, **wrong)


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_load_draws_the_same_set_and_leaves_the_ambient_generator(name):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    x, labels = data.load(name)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(8)
    y, again = data.load(name)
    assert torch.equal(x, y) and torch.equal(labels, again) and x.shape == (100_000, 2)


def test_load_digits():
    x, labels = data.load("digits")
    assert x.shape == (1797, 1, 8, 8) and x.dtype == torch.float32 and labels.dtype == torch.int64
    assert (x.min(), x.max()) == (-1, 1) and labels.bincount().min() > 170


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def scaled(array):
    return torch.from_numpy(array).float() / 127.5 - 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f8", np.int64, np.uint8])
def test_npy_points_stay_as_they_are(tmp_path, dtype):
    points = np.array([[0, 200], [3, 4], [5, 6]], dtype=dtype)
    np.save(tmp_path / "a.npy", points)
    x, labels = data.load(tmp_path / "a.npy")
    single = dtype in (np.float32, np.uint8)
    assert labels is None and x.dtype == (torch.float32 if single else torch.float64) and x.tolist() == points.tolist()


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((5, 6, 7), None),
        ((5, 6, 7, 1), (0, 3, 1, 2)),
        ((5, 6, 7, 3), (0, 3, 1, 2)),
        ((5, 3, 6, 7), (0, 1, 2, 3)),
        ((5, 1, 6, 3), (0, 1, 2, 3)),
        ((5, 2, 6, 7), (0, 1, 2, 3)),
    ],
)
def test_npy_bytes_become_nchw(tmp_path, shape, order):
    array = pixels(*shape)
    np.save(tmp_path / "a.npy", array)
    x, _ = data.load(str(tmp_path / "a.npy"))
    expected = scaled(array)[:, None] if order is None else scaled(array).permute(order)
    assert torch.equal(x, expected) and x.is_contiguous()


def test_float_images_keep_their_range_or_are_stretched(tmp_path):
    unit = np.random.default_rng(0).random((4, 1, 5, 5))
    np.save(tmp_path / "unit.npy", unit)
    np.save(tmp_path / "signed.npy", 2 * unit - 1)
    np.save(tmp_path / "last.npy", unit.reshape(4, 5, 5, 1))
    signed, _ = data.load(tmp_path / "signed.npy")
    assert torch.allclose(signed, torch.from_numpy(2 * unit - 1).float())
    assert torch.allclose(data.load(tmp_path / "unit.npy")[0], signed)
    assert torch.allclose(data.load(tmp_path / "last.npy")[0], signed)


@pytest.mark.parametrize("key", ["images", "features", "x", "data", "whatever"])
@pytest.mark.parametrize("label", ["labels", "label", "y", None])
def test_npz_finds_its_arrays(tmp_path, key, label):
    array, classes = pixels(4, 6, 6), np.array([3, 0, 3, 1], dtype=np.uint8)
    np.savez(tmp_path / "a.npz", **{key: array}, **({label: classes} if label else {}))
    x, labels = data.load(tmp_path / "a.npz")
    assert torch.equal(x, scaled(array)[:, None])
    assert labels is None if label is None else labels.tolist() == [3, 0, 3, 1] and labels.dtype == torch.int64


@pytest.mark.parametrize(
    "text", ["1,2\n3,-4e1\n", "a,b\n1,2\n3,-40\n", "\ufeffa,b\n\n1, 2\n3,-40", "# note\n1,2\n3,-40\n"]
)
def test_csv(tmp_path, text):
    (tmp_path / "a.CSV").write_text(text, encoding="utf-8")
    x, labels = data.load(tmp_path / "a.CSV")
    assert x.tolist() == [[1, 2], [3, -40]] and x.dtype == torch.float64 and labels is None


def test_csv_of_one_column(tmp_path):
    (tmp_path / "a.csv").write_text("1\n2\n")
    assert data.load(tmp_path / "a.csv")[0].tolist() == [[1], [2]]


@pytest.mark.parametrize("ending", ["png", "bmp", "webp", "PNG"])
def test_flat_folder_of_grey_images(tmp_path, ending):
    arrays = pixels(3, 6, 5)
    for k, array in enumerate(arrays):
        Image.fromarray(array).save(tmp_path / f"{k}.{ending}", **({"lossless": True} if ending == "webp" else {}))
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.warns(UserWarning, match=r"left out notes\.txt, which is no picture"):
        x, labels = data.load(tmp_path)
    assert labels is None
    # WebP has no grey: its pictures are read as colour, all channels alike.
    assert x.shape[1] == (3 if ending == "webp" else 1)
    assert torch.equal(x[:, :1], scaled(arrays)[:, None])


def test_sub_folders_are_labels_and_one_colour_image_makes_all_rgb(tmp_path):
    grey, colour = pixels(6, 5), pixels(6, 5, 3)
    for folder in ("dog", "cat/deeper"):
        (tmp_path / folder).mkdir(parents=True)
    Image.fromarray(grey).save(tmp_path / "dog" / "a.png")
    Image.fromarray(colour).save(tmp_path / "cat" / "deeper" / "b.png")
    x, labels = data.load(tmp_path)
    assert labels.tolist() == [0, 1]
    assert torch.equal(x, torch.stack([scaled(colour).permute(2, 0, 1), scaled(grey).expand(3, 6, 5)]))


def test_jpeg(tmp_path):
    for ending in ("jpg", "jpeg"):
        Image.fromarray(np.full((8, 8), 255, dtype=np.uint8)).save(tmp_path / f"a.{ending}")
    assert data.load(tmp_path)[0].tolist() == torch.ones(2, 1, 8, 8).tolist()


def write_npy(array):
    return lambda path: np.save(path.with_suffix(".npy"), array)


def write_npz(**arrays):
    return lambda path: np.savez(path.with_suffix(".npz"), **arrays)


def write_text(suffix, text):
    return lambda path: path.with_suffix(suffix).write_text(text)


def write_folder(**sizes):
    def write(path):
        path.mkdir()
        for name, size in sizes.items():
            file = path / f"{name.replace('__', '/')}.png"
            file.parent.mkdir(exist_ok=True)
            Image.new("L", size).save(file)

    return write


def write_raw(name, content):
    def write(path):
        path.mkdir()
        (path / name).write_bytes(content)

    return write


def write_deep(path):
    path.mkdir()
    Image.fromarray(np.full((4, 4), 60_000, dtype=np.uint16)).save(path / "a.png")


points = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_text(".txt", "1,2"), r"cannot read '.txt' files: save it as one of .bin, .csv, .npy, .npz"),
        (write_npy(np.array([{}, []], dtype=object)), r"[Oo]bject arrays.*numpy.save"),
        (write_npy(np.zeros((0, 2))), r"is empty, shape \(0, 2\): store at least one"),
        (write_npy(np.array([["a", "b"]])), r"not real numbers: save"),
        (write_npy(points + 1j), r"complex128, not real numbers"),
        (write_npy(points * np.nan), r"NaN, infinite or too large values: drop"),
        (write_npy(points + np.inf), r"NaN, infinite or too large values: drop"),
        (write_npy(points + 1e300), r"NaN, infinite or too large values: drop"),
        (write_npy(np.zeros(5)), r"shape \(5,\): store points \(N, D\) or images"),
        (write_npy(np.zeros((2, 1, 4, 4, 1))), r"store points \(N, D\) or images"),
        (write_npy(np.full((2, 4, 4), 256.0)), r"run from 256 to 256, .*: scale images to \[0, 1\]"),
        (write_npy(np.full((2, 4, 4), -1.5)), r"run from -1.5 to -1.5, .*: scale images"),
        (write_npy(np.full((2, 4, 4), np.nan)), r"NaN"),
        (write_npy(np.full((2, 4, 4), 2000, dtype=np.uint16)), r"run from 2e\+03 to 2e\+03, .*store 0..255 as uint8"),
        (
            write_npy(np.zeros((2, 8, 8, 4), dtype=np.uint8)),
            r"looks like channels last: store images as \(N, C, H, W\)",
        ),
        (write_text(".npy", ""), r"numpy.save"),
        (write_text(".npy", "not an array"), r"numpy.save"),
        (write_text(".npz", ""), r"numpy.savez"),
        (write_text(".npz", "not an archive"), r"numpy.savez"),
        (write_npz(), r"which one is the data is not clear.*numpy.savez"),
        (write_npz(a=points, b=points), r"arrays \['a', 'b'\], and which one.*numpy.savez"),
        (write_npz(labels=np.zeros(3, dtype=int)), r"which one is the data"),
        (write_npz(x=np.array([{}], dtype=object)), r"[Oo]bject arrays"),
        (write_npz(x=points, labels=np.zeros(2, dtype=int)), r"labels are int64 of shape \(2,\): .* each of 3 rows"),
        (write_npz(x=points, labels=np.zeros((3, 1), dtype=int)), r"labels are int64 of shape \(3, 1\)"),
        (write_npz(x=points, labels=np.zeros(3)), r"labels are float64"),
        (write_text(".csv", ""), r"is empty"),
        (write_text(".csv", "a,b\n"), r"is empty"),
        (write_text(".csv", "1,2\n3\n"), r"as many on every line"),
        (write_text(".csv", "1,2\n3,x\n"), r"numbers separated by commas"),
        (write_text(".csv", "1,oops\n3,4\n"), r"numbers separated by commas"),
        (write_text(".csv", "1,\n3,4\n"), r"row 1, column 1 is missing"),
        (write_text(".csv", "1,nan\n3,4\n"), r"row 1, column 1 is missing"),
        (write_folder(), r"holds no image: put .*\.png"),
        (write_folder(a=(4, 5), b=(6, 5)), r"b\.png: is 6x5, but a\.png is 4x5: resize"),
        (write_folder(a=(4, 4), c__b=(4, 4)), r"images beside sub-folders: put every image in a sub-folder"),
        (write_raw("a.png", b""), r"a\.png: .*save it again"),
        (write_raw("a.jpg", b"no picture"), r"a\.jpg: .*save it again"),
        (write_deep, r"a\.png: has more than 8 bits.*save it again"),
    ],
)
def test_load_says_what_is_wrong_where_and_what_to_do(tmp_path, write, message):
    write(tmp_path / "given")
    (path,) = tmp_path.iterdir()
    with pytest.raises(ValueError, match=message) as caught:
        data.load(path)
    assert str(caught.value).startswith(f"source {path}")


def test_truncated_files(tmp_path):
    np.save(tmp_path / "a.npy", pixels(50, 8, 8))
    np.savez(tmp_path / "a.npz", x=pixels(50, 8, 8))
    (tmp_path / "f").mkdir()
    Image.fromarray(pixels(40, 40)).save(tmp_path / "f" / "a.png")
    for name in ("a.npy", "a.npz", "f/a.png"):
        file = tmp_path / name
        file.write_bytes(file.read_bytes()[:-300])
        with pytest.raises(ValueError, match=r"^source .*: (write|save) it"):
            data.load(file if "/" not in name else file.parent)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(
        ValueError, match=r"^source 'rnig' is no file.*anisotropic, .*digits, fashion-mnist, grid, .*mnist, .*unequal"
    ):
        data.load("rnig")
