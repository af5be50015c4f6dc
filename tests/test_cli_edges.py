"""The command line at its edges: how data are read, options without effect, sizes beyond memory, and being stopped."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import small
from PIL import Image
from safetensors import safe_open

from bnpgan import limits
from bnpgan.cli import main

ROOT = Path(__file__).parent.parent
SMALL = ["--backbone", "mlp", "--capacity", "3", "--batch", "8", "--quiet", "--device", "cpu"]


def said(capsys, *words, code=2):
    """What a command says: its error if it fails, its output else."""
    try:
        found = main([str(word) for word in words])
    except SystemExit as stop:
        found = stop.code
    shown = capsys.readouterr()
    assert found == code, shown
    if code:
        assert shown.err.count("\n") == 1
    return shown.err if code else shown.out


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three classes of colour pictures of several sizes."""
    folder = tmp_path_factory.mktemp("photos")
    for k, name in enumerate(("class 2", "class 10", "ape")):
        (folder / name).mkdir()
        for i in range(4):
            size = (9 + i, 12, 3)
            Image.fromarray(np.full(size, 60 * k + i, np.uint8)).save(folder / name / f"{i}.png")
    return folder


def test_a_folder_is_resized_and_its_classes_name_slots(photos, tmp_path, capsys):
    out = tmp_path / "run"
    given = ["--size", "8", "--crop", "--mirror"]
    train = ["train", "class-conditional-gan", *SMALL, "--data", photos, "--labels", "--out", out]
    assert "is 12x10, but 0.png is 12x9: resize" in said(capsys, *train, "--steps", "3")
    said(capsys, *train, *given, "--steps", "3", code=0)
    config = json.loads((out / "config.json").read_text())
    assert config["names"] == ["ape", "class 2", "class 10"] and config["points"] == 24
    assert config["data"] == {"source": str(photos), "size": 8, "crop": "center", "mirror": True}
    said(capsys, "sample", out, "--cluster", "class 10", "-n", "2", code=0)
    assert (out / "sample-cluster2-seed0.png").exists()
    told = said(capsys, "sample", out, "--cluster", "cow")
    assert "--cluster 'cow' is no class of this run, which has ape, class 2, class 10" in told
    said(capsys, "evaluate", out, code=0)  # reads the folder as it was read
    assert "is not what" in said(capsys, "evaluate", out, "--data", photos, "--size", "10")
    for option, told in ((["--limit", "5"], "--limit"), (["--size", "10"], "--size"), (["--no-header"], "--header")):
        assert f"error: {told} has no effect: without --data" in said(capsys, "evaluate", out, *option)
    assert "--between 'cow' is no class" in said(capsys, "sample", out, "--between", "cow", "ape")


def test_the_best_is_scored_in_what_is_known_before_training(photos, tmp_path, capsys):
    given = ["--data", photos, "--size", "8", "--steps", "6", "--save", "3", "--out", tmp_path / "run"]
    train = ["train", "sc-gan", *SMALL, *given, "--best"]
    assert "--best: extractor typo is not known: pass pixels" in said(capsys, *train, "typo")
    assert not (tmp_path / "run").exists()
    said(capsys, *train, "pixels", code=0)
    found = json.loads((tmp_path / "run" / "best" / "metrics.json").read_text())
    assert found["Frechet distance in pixels, 12 images"] >= 0 and len(found["checkpoints"]) == 2


def test_clusters_are_listed_with_the_class_that_they_hold_most_of(photos, capsys):
    told = said(capsys, "cluster", "kmeans", photos, "--size", "8", "--capacity", "3", code=0)
    assert all(f"100% {name}" in told for name in ("ape", "class 2", "class 10"))


def test_columns_and_an_index_are_chosen(tmp_path, capsys):
    x, _ = small.points()
    rows = [f"{i},{a},{b},p{i}" for i, (a, b) in enumerate(x.tolist())]
    (tmp_path / "t.csv").write_text("id,x,y,name\n" + "\n".join(rows))
    cluster = ["cluster", "kmeans", tmp_path / "t.csv", "--capacity", "8"]
    assert "row 1, column 'name' holds 'p0'" in said(capsys, *cluster)
    by_name = said(capsys, *cluster, "--columns", "x,y", code=0)
    (tmp_path / "t.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows))
    assert said(capsys, *cluster, "--index", "0", "--no-header", code=0) == by_name
    assert "has no column 'z'" in said(capsys, *cluster, "--columns", "z")


def test_a_run_named_like_a_set_keeps_the_set(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for steps, more in (("2", []), ("3", ["--resume"])):
        train = ["train", "sc-gan", *SMALL, "--data", "digits", "--out", "digits", "--steps", steps]
        said(capsys, *train, *more, code=0)
        assert json.loads(Path("digits/config.json").read_text())["data"] == "digits"


def test_a_run_may_have_names_that_are_slots_too(tmp_path, capsys):
    x, truth = small.images()
    np.savez(tmp_path / "a.npz", x=x.numpy(), y=truth.numpy() % 3)
    run = tmp_path / "run"
    train = ["train", "sc-gan", *SMALL, "--data", tmp_path / "a.npz", "--steps", "2", "--save", "1", "--out", run]
    said(capsys, *train, code=0)
    assert json.loads((run / "config.json").read_text())["recipe"]["schedule"]["save"] == 1
    assert "its clusters were found, and are no classes" in said(capsys, "sample", run, "--cluster", "ape")


def test_classes_below_0_are_told_of_the_data(tmp_path, capsys):
    x, truth = small.images()
    np.savez(tmp_path / "a.npz", x=x.numpy(), y=truth.numpy() - 1)
    train = ["train", "sc-gan", *SMALL, "--steps", "2"]
    for command in (train, [*train, "--labels"], ["classifier"]):
        told = said(capsys, *command, "--data", tmp_path / "a.npz", "--out", tmp_path / "out")
        assert "error: --data: " in told and "a.npz has the class -1: store classes as 0, 1" in told
    assert os.listdir(tmp_path) == ["a.npz"]


WITHOUT_EFFECT = {
    "a sampler's, of k-means": (["cluster", "kmeans", "{p}", "--discount", "0.5"], "--discount has no effect"),
    "split-merge of k-means": (["cluster", "kmeans", "{p}", "--split-merge"], "--split-merge has no effect"),
    "a seed of dp-means": (["cluster", "dp-means", "{p}", "--seed", "1"], "--seed has no effect"),
    "dp-means' own": (["cluster", "igmm", "{p}", "--penalty", "2"], "--penalty has no effect"),
    "a path that begins as an option": (["sample", "out/a"], "error: out/a/config.json does not exist"),
    "nothing to overwrite": (["cluster", "kmeans", "{p}", "--overwrite"], "--overwrite has no effect"),
    "a size of points": (["cluster", "kmeans", "{p}", "--size", "8"], "--size has no effect: it is for images"),
    "columns of a set": (["cluster", "kmeans", "digits", "--columns", "1"], "--columns has no effect: it is for tab"),
    "a header of an array": (
        ["cluster", "kmeans", "{p}", "--header"],
        "--header has no effect: it is for tables, which",
    ),
    "columns of an array": (
        ["cluster", "kmeans", "{p}", "--columns", "0"],
        "--columns has no effect: it is for tables",
    ),
    "a root of no set": (["cluster", "kmeans", "{p}", "--data-root", "."], "--data-root has no effect"),
    "baselines without classes": (
        ["train", "sc-gan", *SMALL, "--data", "{p}", "--steps", "1", "--out", "{p}.r", "--baselines"],
        "--baselines: ",
    ),
}
MEANT = {
    "an option": (["cluster", "igmm", "{p}", "--sweps", "3"], "unknown to bnpgan cluster, did you mean --sweeps?"),
    "an option of a recipe": (
        ["train", "sc-gan", "--data", "{p}", "--steps", "1", "--out", "r", "--capcity", "3"],
        "'--capcity' is unknown to bnpgan train sc-gan, did you mean --capacity?",
    ),
    "a command": (["trian"], "did you mean train?"),
    "a recipe": (["train", "scgan"], "did you mean sc-gan?"),
    "a clusterer": (["cluster", "k-means", "{p}"], "did you mean kmeans?"),
}
RUN = "{p}.run"
WRONG = {
    "a rate that is no number": (
        ["train", "sc-gan", "--learning-rate", "nan"],
        "--learning-rate: generator_rate must be",
    ),
    "a penalty below 0": (["train", "sc-gan", "--penalty", "-1"], "--penalty: weight: got -1.0"),
    "no images": (
        ["evaluate", RUN, "--extractor", "pixels", "--images", "0"],
        "--images must be above neighbours, 5, got",
    ),
    "no neighbours": (
        ["evaluate", RUN, "--extractor", "pixels", "--neighbours", "0"],
        "--neighbours must be at least 1",
    ),
    "no steps of an encoder": (
        ["reconstruct", RUN, "--encoder-steps", "0"],
        "--encoder-steps must be at least 1, got 0",
    ),
    "steps below 0": (["reconstruct", RUN, "--steps", "-1"], "--steps must be at least 0, got -1"),
    "a run that is not there": (["export", RUN], "config.json does not exist: name a run directory"),
    "nothing to look at": (
        ["diversity", RUN, "--classifier", "x", "--of", "1", "--out", "d.png", "-n", "0"],
        "error: -n",
    ),
    "coarsened to nothing": (
        ["cluster", "igmm", "{p}", "--coarsen", "0"],
        "--coarsen must be positive and finite, got 0",
    ),
    "no width": (["classifier", "--data", "{p}", "--out", RUN, "--width", "0"], "--width must be at least 1, got 0"),
    "no minutes": (["reproduce", "ring", "--out", RUN, "--minutes", "nan"], "--minutes must be positive, got nan"),
}
ABSURD = {
    "slots": (["train", "sc-gan", "--backbone", "mlp", "--capacity", str(10**12)], "at most 1,000,000 slots"),
    "slots of a plain GAN": (
        ["train", "gan", "--backbone", "mlp", "--capacity", str(10**12)],
        "at most 1,000,000 slots",
    ),
    "width": (["train", "sc-gan", "--backbone", "mlp", "--width", str(10**9)], "lower capacity, width"),
    "bytes that cannot be counted": (["train", "sc-gan", "--backbone", "mlp", "--width", str(10**18)], "lower cap"),
    "noise": (["train", "mic-gan", "--backbone", "mlp", "--z-dim", str(10**12)], "lower capacity, width or z_dim"),
    "a batch": (["train", "sc-gan", "--backbone", "mlp", "--batch", str(10**12)], "--batch: 1000000000000 images"),
}


@pytest.mark.parametrize("case", [*WITHOUT_EFFECT, *MEANT, *WRONG, *ABSURD])
def test_one_line_names_the_option_and_what_is_wrong(case, tmp_path, capsys):
    np.save(tmp_path / "p.npy", np.random.default_rng(0).normal(size=(30, 2)))
    words, told = (WITHOUT_EFFECT | MEANT | WRONG | ABSURD)[case]
    words = [word.replace("{p}", str(tmp_path / "p.npy")) for word in words]
    if case in ABSURD or (case in WRONG and words[0] == "train"):
        words += ["--data", "digits", "--steps", "1", "--quiet", "--out", str(tmp_path / "r")]
    assert told in said(capsys, *words)
    assert sorted(os.listdir(tmp_path)) == ["p.npy"]


def test_sizes_beyond_memory_are_told_in_units_that_people_read(monkeypatch):
    monkeypatch.setattr(limits, "memory", lambda: 8 * 10**9)
    limits.check_memory(8e9, "it", "lower it")
    with pytest.raises(ValueError, match=r"^it would take 40 TB of memory, and there are 8 GB: lower it$"):
        limits.check_memory(4e13, "it", "lower it")


@pytest.mark.parametrize("unbuffered", ["", "1"])  # where output is held until the end, it fails there once more
def test_labels_are_saved_before_anything_is_printed(tmp_path, unbuffered):
    np.save(tmp_path / "p.npy", np.random.default_rng(0).normal(size=(30, 2)))
    script = "import sys; from bnpgan.cli import main; sys.exit(main())"
    words = ["cluster", "kmeans", "p.npy", "--capacity", "9", "--out", "labels.npy", "--picture", "p.png"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        how = {"cwd": tmp_path, "env": environment, "stdout": full, "stderr": subprocess.PIPE, "text": True}
        done = subprocess.run([sys.executable, "-c", script, *words], **how)
    assert (done.returncode, done.stderr) == (2, "bnpgan: error: [Errno 28] No space left on device\n")
    assert np.load(tmp_path / "labels.npy").shape == (30,) and (tmp_path / "p.png").exists()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["train", "mic-gan", "--help"]])  # of 12,000 letters
def test_help_that_finds_no_room_is_an_error(words, unbuffered):
    script = "import sys; from bnpgan.cli import main; sys.exit(main())"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        how = {"env": environment, "stdout": full, "stderr": subprocess.PIPE, "text": True}
        done = subprocess.run([sys.executable, "-c", script, *words], **how)
    assert (done.returncode, done.stderr) == (2, "bnpgan: error: [Errno 28] No space left on device\n")


def test_a_command_that_is_stopped_when_output_finds_no_room_says_so(tmp_path):
    script = """
import sys
from types import SimpleNamespace
from bnpgan import cli
def run(options):
    print("held")
    raise KeyboardInterrupt
cli._parser = lambda words: SimpleNamespace(parse_args=lambda words, options: setattr(options, "run", run))
sys.exit(cli.main([]))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    with open("/dev/full", "w") as full:
        how = {"cwd": tmp_path, "env": environment, "stdout": full, "stderr": subprocess.PIPE, "text": True}
        done = subprocess.run([sys.executable, "-c", script], **how)
    assert (done.returncode, done.stderr) == (130, "bnpgan: stopped\n")


@pytest.mark.parametrize(("name", "code", "lines"), [("none.npy", 2, 1), ("p.npy", 0, 0)])
def test_a_command_without_a_standard_output_works_or_says_what_was_wrong(tmp_path, name, code, lines):
    np.save(tmp_path / "p.npy", np.random.default_rng(0).normal(size=(30, 2)))
    script = "import sys; from bnpgan.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", script, "cluster", "kmeans", name, "--capacity", "3", "--out", "labels.npy"]
    how = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT)}, "stderr": subprocess.PIPE, "text": True}
    done = subprocess.run(f"{shlex.join(words)} >&-", shell=True, **how)
    assert (done.returncode, done.stderr.count("\n")) == (code, lines)
    assert (tmp_path / "labels.npy").exists() == (code == 0)


# When it is stopped.


def started(folder, *words, script="import sys; from bnpgan.cli import main; sys.exit(main())"):
    how = {"cwd": folder, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script, *words], env=os.environ | {"PYTHONPATH": str(ROOT)}, **how)


def test_a_training_that_is_stopped_says_how_to_go_on(tmp_path):
    np.save(tmp_path / "p.npy", small.points()[0].numpy())
    words = ["train", "sc-gan", *SMALL, "--data", "p.npy", "--out", "run", "--steps", "100000"]
    for number, code, first in ((signal.SIGINT, 130, "config.json"), (signal.SIGTERM, 143, "stats.jsonl")):
        process, began = started(tmp_path, *words), time.time_ns()
        file = tmp_path / "run" / first  # which is written when training begins, or goes on
        while process.poll() is None and not (file.exists() and file.stat().st_mtime_ns > began):
            time.sleep(0.02)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
        assert process.returncode == code and told.count("\n") == 1, told
        assert told.startswith("bnpgan: stopped")
        with safe_open(tmp_path / "run" / "checkpoint.safetensors", "pt") as file:
            step = json.loads(file.metadata()["bnpgan"])["step"]
        assert f"the last good checkpoint is run/checkpoint.safetensors, step {step}; go on with: bnpgan" in told
        words = shlex.split(told.rpartition("go on with: ")[2])[1:]
        assert words[-1] == "--resume" and words.count("--resume") == 1


def test_a_command_that_is_stopped_while_it_is_imported_says_so(tmp_path):
    script = """
import signal, sys
class Stops:
    def find_spec(self, name, *_):
        if name == "torch":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Stops())
from bnpgan.cli import main
main()
"""
    process = started(tmp_path, "cluster", "kmeans", "ring", script=script)
    assert process.communicate(timeout=60) == ("", "bnpgan: stopped\n") and process.returncode == 130
