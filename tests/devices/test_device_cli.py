"""The command line with ``--device cuda``: each command ends well and leaves its files."""

import json

import numpy as np
import pytest
import small
from safetensors.torch import load_file

from bnpgan.cli import main

pytestmark = pytest.mark.usefixtures("brief_trainings")

SMALL = ["--backbone", "mlp", "--batch", "16", "--quiet", "--device", "cuda"]
MIC = ["mic-gan", "--capacity", "6", "--warmup", "2", "--every", "2", "--sweeps", "1"]
MIC += ["--encoder-first-steps", "2", "--encoder-steps", "2"]
FILES = {"config.json", "stats.jsonl", "metrics.json", "checkpoint.safetensors", "partition.safetensors"}
FILES |= {"samples.png", "clusters.png", "report.html"}


def stored(folder, kind):
    """A file of a few images or points with their classes."""
    x, truth = getattr(small, kind)()
    np.savez(folder / f"{kind}.npz", x=x.numpy(), labels=truth.numpy())
    return str(folder / f"{kind}.npz")


def test_images_are_trained_on_resumed_sampled_and_scored(gpu, tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "made.npy"
    command = ["train", *MIC, *SMALL, "--data", stored(tmp_path, "images"), "--out", str(run)]
    assert main([*command, "--steps", "3"]) == 0
    assert main([*command, "--steps", "5", "--resume", "--baselines"]) == 0
    shown = capsys.readouterr()
    assert "mic-gan" in shown.out and "k-means on the data" in shown.out and not shown.err
    assert {path.name for path in run.iterdir()} == FILES
    assert "rng.cuda" in load_file(run / "checkpoint.safetensors")
    assert [json.loads(line)["step"] for line in (run / "stats.jsonl").read_text().splitlines()] == [5]

    slots = load_file(run / "partition.safetensors")["labels"].unique().tolist()
    a, b = slots[0], slots[-1]
    assert main(["sample", str(run), "-n", "4"]) == 0
    assert main(["sample", str(run), "-n", "4", "--cluster", str(a), "--out", str(out)]) == 0
    assert main(["sample", str(run), "-n", "3", "--between", str(a), str(b)]) == 0
    assert np.load(out).shape == (4, 1, 8, 8)
    scores = json.loads((run / "metrics.json").read_text())
    assert main(["evaluate", str(run)]) == 0
    assert json.loads((run / "metrics.json").read_text()) == {  # spreads are of images drawn anew, on the CPU
        name: pytest.approx(score, abs=0.1 if name.startswith("spread") else 0.0) for name, score in scores.items()
    }


def test_points_of_a_known_set_are_scored_beside_exact_ones(gpu, tmp_path, capsys):
    command = ["train", "gm-gan", *SMALL, "--classifier-steps", "1", "--data", "ring", "--steps", "1"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    assert "exact samples" in capsys.readouterr().out
    assert {"modes", "quality", "reverse_kl"} <= json.loads((tmp_path / "run" / "metrics.json").read_text()).keys()


def test_classes_are_handed_over_to_the_device(gpu, tmp_path):
    run, file = tmp_path / "run", stored(tmp_path, "points")
    command = ["train", "class-conditional-gan", *SMALL, "--labels", "--data", file, "--steps", "2", "--out", str(run)]
    assert main(command) == 0
    assert np.array_equal(load_file(run / "partition.safetensors")["labels"].numpy(), np.load(file)["labels"])
    assert main(["sample", str(run), "-n", "9"]) == 0


@pytest.mark.parametrize("clusterer", ["igmm", "stick-breaking", "slice", "dp-means", "kmeans"])
def test_points_are_clustered_beside_a_gpu(gpu, tmp_path, clusterer):
    out, picture = tmp_path / "labels.npy", tmp_path / "clusters.png"
    sweeps = [] if clusterer in ("dp-means", "kmeans") else ["--sweeps", "1"]
    command = ["cluster", clusterer, stored(tmp_path, "points"), "--capacity", "8", *sweeps]
    assert main([*command, "--out", str(out), "--picture", str(picture)]) == 0
    assert np.load(out).shape == (120,) and picture.stat().st_size > 0
