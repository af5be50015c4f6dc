"""The command line: what each command leaves, and that bad input is one line and exit code 2."""

import json

import numpy as np
import pytest
import small
import torch
from safetensors.torch import load_file

from bnpgan import data
from bnpgan.cli import main
from bnpgan.cli.clusters import MIXTURES

SMALL = ["--backbone", "mlp", "--capacity", "6", "--batch", "16", "--every", "4", "--quiet", "--device", "cpu"]
MIC = [
    "train",
    "mic-gan",
    *SMALL,
    "--warmup",
    "4",
    "--encoder-first-steps",
    "4",
    "--encoder-steps",
    "2",
    "--sweeps",
    "2",
]
KEYS = {"clusters", "nmi", "ari", "purity", "top_purity", "top_mass", "spread", "spread_least"}
KEYS |= {"images_per_second", "clustering_share"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A file of a few digits, and a run on it."""
    folder = tmp_path_factory.mktemp("cli")
    x, truth = small.images()
    np.savez(folder / "digits.npz", images=x.numpy(), labels=truth.numpy())
    assert main([*MIC, "--data", str(folder / "digits.npz"), "--steps", "9", "--out", str(folder / "run")]) == 0
    return folder


def test_train_writes_a_run_directory(digits):
    run = digits / "run"
    assert json.loads((run / "metrics.json").read_text()).keys() >= KEYS
    assert json.loads((run / "config.json").read_text())["recipe"]["shape"] == [1, 8, 8]
    assert load_file(run / "partition.safetensors")["labels"].shape == (120,)
    assert {json.loads(line)["step"] for line in (run / "stats.jsonl").read_text().splitlines()} == {9}
    assert (run / "samples.png").exists() and (run / "clusters.png").exists()


def test_resume_goes_on_and_evaluate_writes_the_same_scores(digits, capsys):
    arguments = [*MIC, "--data", str(digits / "digits.npz"), "--steps", "12", "--out", str(digits / "run")]
    assert main(arguments) == 2
    assert main([*arguments, "--resume", "--baselines"]) == 0
    first = (digits / "run" / "metrics.json").read_text()
    shown = capsys.readouterr().out
    assert "mic-gan" in shown and "k-means on the data, K=10" in shown and "K=20" in shown
    assert main(["evaluate", str(digits / "run")]) == 0
    assert (digits / "run" / "metrics.json").read_text() == first
    np.save(digits / "other.npy", np.zeros((120, 1, 8, 8)))
    assert main(["evaluate", str(digits / "run"), "--data", str(digits / "other.npy")]) == 2
    assert "is not what" in capsys.readouterr().err
    assert main([*arguments[:-3], "9", *arguments[-2:], "--resume"]) == 2
    assert "has taken 12" in capsys.readouterr().err


def test_sample_draws_the_prior_or_one_cluster(digits, capsys):
    run = digits / "run"
    assert main(["sample", str(run), "-n", "9"]) == 0
    assert (run / "sample-seed0.png").exists()
    k = int(load_file(run / "partition.safetensors")["labels"].mode().values)
    out = digits / "samples.npy"
    assert main(["sample", str(run), "--cluster", str(k), "-n", "5", "--out", str(out)]) == 0
    assert np.load(out).shape == (5, 1, 8, 8)
    assert main(["sample", str(run), "--cluster", str(k), "--out", str(out)]) == 2
    assert main(["sample", str(run), "--cluster", "99"]) == 2
    assert "cluster 99 holds no images" in capsys.readouterr().err


def test_sc_gan_trains_on_points(tmp_path, capsys):
    x, truth = small.points()
    np.savez(tmp_path / "ring.npz", x=x.numpy(), labels=truth.numpy())
    arguments = ["train", "sc-gan", *SMALL, "--data", str(tmp_path / "ring.npz"), "--steps", "5"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 0
    assert main(["sample", str(tmp_path / "run")]) == 0
    assert "sc-gan" in capsys.readouterr().out


FILES = [".npy", ".npz", ".csv"]
CLUSTERERS = ["igmm", "crp", "stick-breaking", "slice", "dp-means", "kmeans"]
QUICK = {*((clusterer, ".npy") for clusterer in CLUSTERERS), *(("kmeans", suffix) for suffix in FILES)}
EACH = [
    pytest.param(clusterer, suffix, marks=[] if (clusterer, suffix) in QUICK else [pytest.mark.slow])
    for clusterer in CLUSTERERS
    for suffix in FILES
]


@pytest.mark.usefixtures("brief_starts")
@pytest.mark.parametrize(("clusterer", "suffix"), EACH)
def test_cluster_takes_any_clusterer_and_any_file(tmp_path, capsys, clusterer, suffix):
    x, truth = data.grid(60, side=2)
    file = tmp_path / f"points{suffix}"
    if suffix == ".npy":
        np.save(file, x.numpy())
    elif suffix == ".npz":
        np.savez(file, x=x.numpy(), labels=truth.numpy())
    else:
        np.savetxt(file, x.numpy(), delimiter=",", header="a,b", comments="")
    out = tmp_path / "labels.npy"
    extra = ["--sweeps", "3", "--discount", "0.2"] if clusterer in MIXTURES else []
    extra += ["--split-merge"] if clusterer == "stick-breaking" else []
    picture = tmp_path / "clusters.png"
    arguments = [
        "cluster",
        clusterer,
        str(file),
        "--capacity",
        "4",
        "--out",
        str(out),
        "--picture",
        str(picture),
        *extra,
    ]
    assert main(arguments) == 0
    labels = np.load(out)
    assert labels.shape == (60,) and set(labels) <= set(range(4)) and picture.exists()
    assert ("NMI" in capsys.readouterr().out) == (suffix == ".npz")
    assert main(arguments) == 2


BAD = {
    "unknown data": ["cluster", "kmeans", "nonsense"],
    "unknown command": ["fly"],
    "unknown recipe": ["train", "nonsense"],
    "missing argument": ["train", "mic-gan", "--data", "digits"],
    "not a number": ["train", "mic-gan", "--data", "digits", "--out", "{tmp}/r", "--steps", "many"],
    "no steps": [*MIC, "--data", "digits", "--out", "{tmp}/r", "--steps", "0"],
    "unknown backbone": ["train", "sc-gan", "--data", "digits", "--out", "{tmp}/r", "--steps", "1", "--backbone", "no"],
    "image size": ["train", "sc-gan", "--data", "{tmp}/odd.npy", "--out", "{tmp}/r", "--steps", "1"],
    "negative concentration": ["cluster", "crp", "ring", "--concentration", "-1"],
    "discount": ["cluster", "crp", "ring", "--discount", "1.5"],
    "negative scale": ["cluster", "igmm", "{tmp}/points.npy", "--scale", "-1"],
    "no capacity": ["cluster", "crp", "{tmp}/points.npy", "--capacity", "0"],
    "too few points": ["cluster", "kmeans", "{tmp}/points.npy", "--capacity", "50"],
    "not finite": ["cluster", "crp", "{tmp}/nan.npy"],
    "a pickle": ["cluster", "crp", "{tmp}/pickle.npy"],
    "another ending": ["cluster", "kmeans", "{tmp}/points.npy", "--capacity", "2", "--out", "{tmp}/labels"],
    "no such folder": ["cluster", "kmeans", "{tmp}/points.npy", "--capacity", "2", "--out", "{tmp}/no/labels.npy"],
    "negative capacity": [
        "train",
        "sc-gan",
        "--data",
        "digits",
        "--out",
        "{tmp}/r",
        "--steps",
        "1",
        "--capacity",
        "-1",
    ],
    "negative seed": [*MIC, "--data", "digits", "--out", "{tmp}/r", "--steps", "1", "--seed", "-1"],
    "an outlier": ["cluster", "igmm", "{tmp}/outlier.npy", "--scale", "0.0001", "--capacity", "5"],
    "missing run": ["evaluate", "{tmp}/none"],
    "not a run": ["sample", "{tmp}"],
    "not empty": [*MIC, "--data", "digits", "--out", "{tmp}", "--steps", "1"],
    "resume nothing": [*MIC, "--data", "digits", "--out", "{tmp}/r", "--steps", "1", "--resume"],
    "resume and overwrite": [*MIC, "--data", "digits", "--out", "{tmp}/r", "--steps", "1", "--resume", "--overwrite"],
    "device": [*MIC[:-2], "--data", "digits", "--out", "{tmp}/r", "--steps", "1", "--device", "toaster"],
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case, tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "points.npy", rng.normal(size=(9, 2)))
    np.save(tmp_path / "nan.npy", np.full((9, 2), np.nan))
    np.save(tmp_path / "outlier.npy", np.concatenate([rng.normal(size=(9, 2)), np.full((1, 2), 1e8)]))
    np.save(tmp_path / "odd.npy", rng.uniform(-1, 1, size=(9, 1, 30, 30)))
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}]), allow_pickle=True)
    arguments = [a.replace("{tmp}", str(tmp_path)) for a in BAD[case]]
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    shown = capsys.readouterr()
    assert code == 2
    assert shown.err.startswith("bnpgan: error: ") and shown.err.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_a_path_and_a_square_between_clusters_are_drawn(digits, capsys):
    run = digits / "paths"
    few = [*SMALL, "--data", str(digits / "digits.npz"), "--steps", "2", "--out", str(run)]
    assert main(["train", "sc-gan", *few]) == 0
    labels = load_file(run / "partition.safetensors")["labels"]
    a, b = (str(k) for k in labels.unique().tolist()[:2])
    for slots, shape in (([a, b], (5, 1, 8, 8)), ([a, b, a, b], (25, 1, 8, 8))):
        out = digits / f"{len(slots)}.npy"
        assert main(["sample", str(run), "--between", *slots, "-n", "5", "--out", str(out)]) == 0
        assert np.load(out).shape == shape
        assert main(["sample", str(run), "--between", *slots]) == 0
    assert len(list(run.glob("sample-cluster*.png"))) >= 2
    assert main(["sample", str(run), "--between", a, b, a]) == 2
    assert "two slots or four" in capsys.readouterr().err
    assert main(["sample", str(run), "-n", "0", "--out", str(digits / "x.npy")]) == 2
    assert "n must be a whole number of at least 1" in capsys.readouterr().err
    assert main(["sample", str(run), "--scale", "-1", "--out", str(digits / "x.npy")]) == 2
    assert "scale" in capsys.readouterr().err


def test_classes_are_handed_over_where_a_recipe_needs_them(digits, capsys):
    few = ["--backbone", "mlp", "--batch", "16", "--quiet", "--device", "cpu", "--steps", "2"]
    command = ["train", "class-conditional-gan", *few, "--data", str(digits / "digits.npz")]
    assert main([*command, "--out", str(digits / "classes")]) == 2
    assert "labels: FixedLabels has none" in capsys.readouterr().err
    assert main([*command, "--labels", "--out", str(digits / "classes")]) == 0
    truth = np.load(digits / "digits.npz")["labels"]
    assert (load_file(digits / "classes" / "partition.safetensors")["labels"].numpy() == truth).all()
    np.save(digits / "unknown.npy", np.zeros((120, 1, 8, 8)))
    command[-1] = str(digits / "unknown.npy")
    assert main([*command, "--labels", "--out", str(digits / "none")]) == 2
    assert "has no classes" in capsys.readouterr().err


def test_points_of_a_known_set_are_scored_beside_exact_ones(tmp_path, capsys):
    few = ["--backbone", "mlp", "--batch", "16", "--quiet", "--device", "cpu", "--steps", "2"]
    assert (
        main(["train", "gm-gan", *few, "--classifier-steps", "2", "--data", "ring", "--out", str(tmp_path / "r")]) == 0
    )
    shown = capsys.readouterr().out
    assert "standard deviations apart" in shown and "exact samples" in shown and "98.8" in shown
    scores = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert {"modes", "quality", "reverse_kl", "inverse_purity"} <= scores.keys()


def test_help_names_every_command_and_the_options_of_a_recipe(capsys):
    for arguments, words in (
        (["--help"], ["train", "sample", "cluster", "evaluate", "reproduce"]),
        (["train", "--help"], ["mic-gan", "sc-gan", "infinite Gaussian mixture"]),
        (
            ["train", "mic-gan", "--help"],
            ["--data", "--encoder-steps", "--resume", "larger means fewer", "default: 20"],
        ),
        (["cluster", "--help"], ["stick-breaking", "--discount"]),
        (["train", "sc-gan", "--help"], ["--online", "--no-warm-start", "--no-matching"]),
        (["reproduce", "grid", "--help"], ["--methods", "--budget", "pacgan2"]),
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        shown = " ".join(capsys.readouterr().out.split())
        assert stop.value.code == 0 and all(word in shown for word in words) and "None" not in shown


@pytest.mark.usefixtures("brief_starts")
def test_commands_repeat_under_a_seed(digits, tmp_path):
    command = ["cluster", "igmm", str(digits / "digits.npz"), "--sweeps", "1", "--seed", "4", "--out"]
    for name in ("a", "b"):
        torch.rand(3)
        assert main([*command, str(tmp_path / f"{name}.npy")]) == 0
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
