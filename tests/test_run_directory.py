"""Around a run: what is overwritten, who trains there, what a checkpoint may say, when it is stopped."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import small
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from test_training import Dies, assert_same_run

from bnpgan import report
from bnpgan.files import append_line, load_tensors, read_json, save_tensors, write_json, write_lines
from bnpgan.losses import NonSaturating
from bnpgan.training import load, train

pytestmark = pytest.mark.usefixtures("plain_pictures")

FILES = (
    *("config.json", "metrics.json", "stats.jsonl", "samples.png", "clusters.png", "report.html"),
    "checkpoint.safetensors",
)


def gan(x, **changes):
    return small.gan("sc_gan", x, **changes)


def work(out, steps=7, x=None, seed=3, **how):
    x = small.points()[0] if x is None else x
    made = how.pop("gan", None) or gan(x, loss=NonSaturating())
    return train(made, x, steps=steps, out=out, seed=seed, progress=False, device="cpu", **how)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of seven steps; tests work on copies."""
    path = tmp_path_factory.mktemp("run") / "run"
    with torch.random.fork_rng():
        work(path)
    return path


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "copy")


def test_what_is_not_finite_is_null_in_json(tmp_path):
    def refused(name):
        raise ValueError(f"{name} is not JSON")

    told = {"a": math.nan, "b": [1.5, -math.inf, (np.float64("inf"), 2)], "c": {"d": "NaN", "e": None, "f": True}}
    kept = {"a": None, "b": [1.5, None, [None, 2]], "c": {"d": "NaN", "e": None, "f": True}}
    write_json(tmp_path / "a.json", told)
    write_lines(tmp_path / "rows.jsonl", [told])
    append_line(tmp_path / "rows.jsonl", told)
    lines = [(tmp_path / "a.json").read_text(), *(tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [json.loads(line, parse_constant=refused) for line in lines] == [kept] * 3
    assert read_json(tmp_path / "a.json") == kept and math.isnan(told["a"])


# What is overwritten.


def test_a_folder_of_a_run_s_name_is_not_taken_over(tmp_path):
    (tmp_path / "grids").mkdir()
    (tmp_path / "grids" / "mine.png").write_text("precious")
    with pytest.raises(ValueError, match="holds grids and no run that bnpgan has written"):
        work(tmp_path, overwrite=True)
    assert os.listdir(tmp_path) == ["grids"] and os.listdir(tmp_path / "grids") == ["mine.png"]


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_run_are_not_overwritten(tmp_path, name):
    (tmp_path / name).write_text('{"mine": 1}')
    (tmp_path / "thesis.tex").write_text("precious")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=f"holds {name} and no run that bnpgan has written"):
        work(tmp_path, overwrite=True)
    assert contents(tmp_path) == before


def test_a_run_is_overwritten_and_what_lies_beside_it_is_not(copy, tmp_path):
    (tmp_path / "elsewhere.png").write_text("precious")
    (copy / "samples.png").unlink()
    (copy / "samples.png").symlink_to(tmp_path / "elsewhere.png")
    (copy / "thesis.tex").write_text("precious")
    work(copy, overwrite=True, seed=4)
    assert json.loads((copy / "config.json").read_text())["seed"] == 4
    assert (copy / "thesis.tex").read_text() == (tmp_path / "elsewhere.png").read_text() == "precious"
    assert sorted(os.listdir(copy)) == sorted([*FILES, "partition.safetensors", "thesis.tex"])


def test_what_commands_made_of_a_run_goes_with_it(copy):
    made = ["generator.pt2", "reconstruction.json", "reconstruction.png", "sample-seed0.png"]
    made += ["sample-cluster3-seed12.png", "sample-cluster3-cluster5-seed0.png"]
    others = [
        "generator.onnx",
        "sample.png",
        "sample-seed0.npy",
        "my-sample-seed0.png",
        "sample-cluster3-seed12.png.txt",
    ]
    shutil.copytree(copy, copy / "best")
    for folder in (copy, copy / "best"):
        for name in (*made, *others):
            (folder / name).write_text("of the old run")
    (copy / "sample-seed1.png").mkdir()
    work(copy, overwrite=True, seed=4)
    assert sorted(os.listdir(copy)) == sorted([*FILES, "partition.safetensors", *others, "best", "sample-seed1.png"])
    assert sorted(os.listdir(copy / "best")) == sorted(others)


def test_a_folder_in_the_place_of_a_file_is_left_alone(copy):
    (copy / "clusters.png").unlink()
    (copy / "clusters.png").mkdir()
    with pytest.raises(ValueError, match=r"holds clusters\.png and no run"):
        work(copy, overwrite=True)


def test_a_run_that_is_overwritten_is_there_until_the_new_one_has_a_checkpoint(copy):
    before = contents(copy)
    with pytest.raises(KeyboardInterrupt):  # in its fourth step, and the first checkpoint comes after five
        work(copy, overwrite=True, seed=4, gan=gan(small.points()[0], loss=Dies(4)))
    assert contents(copy) == before
    with pytest.raises(KeyboardInterrupt):
        work(copy, overwrite=True, seed=4, gan=gan(small.points()[0], loss=Dies(6)))
    assert json.loads((copy / "config.json").read_text())["seed"] == 4 and not (copy / "samples.png").exists()


def killed_at(moment, **how):
    """Train in another process that is killed when it replaces or removes a file for the ``moment``-th time."""
    pid = os.fork()
    if not pid:
        left = [moment]

        def counted(do):
            def wrapped(*arguments, **options):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                return do(*arguments, **options)

            return wrapped

        os.replace, os.unlink = counted(os.replace), counted(os.unlink)
        try:
            work(**how)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("moments", [range(1, 16, 4), pytest.param(range(1, 60), marks=pytest.mark.slow)])
def test_whenever_it_is_killed_the_old_run_is_there_or_the_new_one_goes_on(run, tmp_path, moments):
    work(tmp_path / "new", seed=4)
    old = load_file(run / "checkpoint.safetensors")
    for moment in moments:
        copy = shutil.copytree(run, tmp_path / str(moment))
        code = killed_at(moment, out=copy, seed=4, overwrite=True)
        found = load_file(copy / "checkpoint.safetensors")
        if found.keys() == old.keys() and all(torch.equal(found[name], old[name]) for name in old):
            assert_same_run(copy, run)
            load(copy)
        else:
            work(copy, seed=4, resume=True)
            assert_same_run(copy, tmp_path / "new")
        if not code:
            break
    assert moment > 10


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_run_that_was_killed_before_its_first_file_is_started_again(run, tmp_path, moment):
    assert killed_at(moment, out=tmp_path / "cut") == -signal.SIGKILL
    work(tmp_path / "cut", resume=(tmp_path / "cut" / "config.json").exists())
    assert_same_run(tmp_path / "cut", run)
    assert not [name for name in os.listdir(tmp_path / "cut") if name.startswith(".")]


# Who trains there.


def test_a_second_training_in_the_same_directory_is_refused(copy):
    x, _ = small.points()
    before = contents(copy)
    told = []

    class Second(NonSaturating):
        def generator(self, real, fake, c_real, c_fake):
            for how in ({"resume": True}, {"overwrite": True}, {}):
                try:
                    work(copy, steps=9, **how)
                except ValueError as error:
                    told.append(str(error))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(copy, steps=9, overwrite=True, gan=gan(x, loss=Second()))
    assert ["is in use by another training, process" in message for message in told] == [True] * 3
    assert contents(copy) == before
    work(copy, steps=9, resume=True)


def test_two_that_begin_at_once_in_a_new_directory(tmp_path):
    class Faster(NonSaturating):
        def generator(self, real, fake, c_real, c_fake):
            if not (tmp_path / "run").exists():
                work(tmp_path / "run", steps=2)
            return super().generator(real, fake, c_real, c_fake)

    with pytest.raises(ValueError, match="is not empty"):
        work(tmp_path / "run", gan=gan(small.points()[0], loss=Faster()))
    assert load(tmp_path / "run").history[-1]["step"] == 2


# What may become of the directory.


def test_a_directory_that_is_removed_while_training_is_named(tmp_path):
    class Removes(Dies):
        def generator(self, real, fake, c_real, c_fake):
            if self.step == 3:
                shutil.rmtree(tmp_path / "run")
            return super().generator(real, fake, c_real, c_fake)

    with pytest.raises(OSError, match=r"run/checkpoint\.safetensors cannot be written: .*; no checkpoint was"):
        work(tmp_path / "run", gan=gan(small.points()[0], loss=Removes(99)))


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root can mount a file system")
def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path):
    out = tmp_path / "small"
    out.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", out], capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        work(out / "run")
        before = load_file(out / "run" / "checkpoint.safetensors")
        with (out / "rest").open("wb", buffering=0) as rest, pytest.raises(OSError, match="No space left"):
            while True:
                rest.write(bytes(4096))
        with pytest.raises(OSError, match=r"run/\S+ cannot be written: No space left.*step 7$"):
            work(out / "run", steps=9, resume=True)
        after = load_file(out / "run" / "checkpoint.safetensors")
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert not [name for name in os.listdir(out / "run") if name.startswith(".")]
    finally:
        subprocess.run(["umount", "--lazy", out], check=True)  # what was loaded may be mapped


def test_what_cannot_be_written_to_is_refused_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(tmp_path))  # for root there is no such place
    with pytest.raises(ValueError, match=f"out: {tmp_path} cannot be written to"):
        work(tmp_path / "deep" / "run")


def test_resume_and_overwrite_need_a_directory():
    for how in ("resume", "overwrite"):
        with pytest.raises(ValueError, match=f"^{how}: there is no run"):
            work(None, **{how: True})


# What a checkpoint may say.


def rewritten(path, change=lambda tensors: None, meta=lambda meta: meta):
    """The same file with something else in it, and a checksum that is right."""
    tensors, told = load_tensors(path)
    change(tensors)
    save_tensors(path, tensors, meta(told))


def put(name, tensor):
    return lambda tensors: tensors.__setitem__(name, tensor)


def first(tensors, end):
    return next(name for name in tensors if name.startswith("optimizer.generator") and name.endswith(end))


CHANGES = {
    "moments too short": lambda t: t.__setitem__(first(t, "exp_avg"), torch.zeros(1)),
    "moments of another type": lambda t: t.__setitem__(first(t, "exp_avg"), t[first(t, "exp_avg")].double()),
    "one moment missing": lambda t: t.pop(first(t, "exp_avg")),
    "a step that is a vector": lambda t: t.__setitem__(first(t, "step"), torch.zeros(3)),
    "moments of no parameter": put("optimizer.generator.99.step", torch.zeros(())),
    "a name that is no number": put("optimizer.generator.x.step", torch.zeros(())),
    "weights of another shape": put("generator.conditioning.table", torch.zeros(2, 2)),
    "weights missing": lambda t: t.pop("averaged.generator.conditioning.table"),
    "weights of nothing": put("generator.new", torch.zeros(2)),
    "few labels": put("partition.labels", torch.zeros(3, dtype=torch.int64)),
    "labels outside": put("partition.labels", torch.full((120,), 99)),
    "labels that are numbers": put("partition.labels", torch.zeros(120)),
    "fewer slots": put("partition.log_weights", torch.zeros(2)),
    "components of another shape": put("partition.components.mean", torch.zeros(6, 3, 2)),
    "components with one row": put("partition.components.variance", torch.ones(1)),
    "a component missing": lambda t: t.pop("partition.components.variance"),
    "a component of nothing": put("partition.components.new", torch.zeros(6)),
    "a projection of another shape": lambda t: t.update(
        {"partition.projection.mean": torch.zeros(9), "partition.projection.axes": torch.zeros(2, 2)}
    ),
    "no generator of numbers": lambda t: t.pop("rng"),
    "numbers that none has": lambda t: t["rng"].fill_(255),
    "too few of them": put("rng", torch.zeros(3, dtype=torch.uint8)),
}
METAS = {
    "step": "x",
    "kept": 1,
    "seconds": 5,
    "history": 5,
    "partition": [],
    "a row": {"history": [{"step": "x"}]},
    "no seconds": {"seconds": {}},
    "before the first": {"step": -1},
    "another class": {"partition": {"components": "Gaussians"}},
    "no class": {"partition": {}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_tensors_of_a_checkpoint_are_held_against_the_networks(copy, name):
    rewritten(copy / "checkpoint.safetensors", CHANGES[name])
    with pytest.raises(ValueError, match=r"checkpoint.safetensors does not match this GAN \("):
        work(copy, steps=9, resume=True)


@pytest.mark.parametrize("name", METAS)
def test_what_a_checkpoint_says_of_itself_is_checked(copy, name):
    change = METAS[name] if isinstance(METAS[name], dict) else {name: METAS[name]}
    rewritten(copy / "checkpoint.safetensors", meta=lambda meta: meta | change)
    with pytest.raises(ValueError, match=r"checkpoint.safetensors does not match this GAN \("):
        work(copy, steps=9, resume=True)


@pytest.mark.parametrize("change", ["partition.components.variance", "partition.labels", "features.new"])
def test_a_partition_is_checked_as_well(copy, change):
    name = change.removeprefix("partition.")
    rewritten(copy / "partition.safetensors", put(name, torch.zeros(3)))
    with pytest.raises(ValueError, match=r"partition.safetensors does not match this GAN \("):
        load(copy)


def test_a_flipped_bit_is_seen(copy):
    for name in ("checkpoint.safetensors", "partition.safetensors"):
        whole = (copy / name).read_bytes()
        for place in (-1, len(whole) // 2, 4000 % len(whole), 100):
            flipped = bytearray(whole)
            flipped[place] ^= 4
            (copy / name).write_bytes(flipped)
            with pytest.raises(ValueError, match=f"{name} is not a whole checkpoint"):
                load(copy)
        (copy / name).write_bytes(whole)
    load(copy)


def test_a_checkpoint_without_a_checksum_is_read(copy):
    path = copy / "checkpoint.safetensors"
    with safe_open(path, "pt") as file:
        meta = file.metadata()
    save_file(load_file(path), path, metadata={"bnpgan": meta["bnpgan"]})
    load(copy)


@pytest.mark.parametrize(
    "change", [{"shape": 5}, {"shape": [-1]}, {"shape": [2.5]}, {"points": "x"}, {"seed": None}, {"recipe": "x"}]
)
def test_a_config_that_is_none_is_named(copy, change):
    rewritten(copy / "checkpoint.safetensors", meta=lambda meta: meta | {"config": meta["config"] | change})
    with pytest.raises(ValueError, match="was not written by bnpgan"):
        load(copy)


def test_a_recipe_that_is_none_is_named_by_its_directory(copy):
    def damaged(meta):
        recipe = meta["config"]["recipe"] | {"clusterer": {"clasp": 1}}
        return meta | {"config": meta["config"] | {"recipe": recipe}}

    rewritten(copy / "checkpoint.safetensors", meta=damaged)
    with pytest.raises(ValueError, match=rf"^{copy}: recipe\.clusterer: \['clasp'\] is nothing that was noted"):
        load(copy)


def test_a_run_is_what_its_checkpoint_says_whatever_becomes_of_config_json(copy):
    for text in ("{", "[" * 100_000, "{}"):
        (copy / "config.json").write_text(text)
        load(copy)
    (copy / "checkpoint.safetensors").unlink()
    with pytest.raises(ValueError, match="was not written by bnpgan"):
        load(copy)
    (copy / "config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        load(copy)
    (copy / "config.json").unlink()
    os.mkfifo(copy / "config.json")
    with pytest.raises(ValueError, match="is no file but"):
        load(copy)


# When it is stopped.


class Signals(Dies):
    """Sends a signal to this process in the middle of a step."""

    def __init__(self, at, number):
        super().__init__(at)
        object.__setattr__(self, "number", number)

    def generator(self, real, fake, c_real, c_fake):
        if self.step + 1 == self.at:
            object.__setattr__(self, "step", self.at)
            signal.raise_signal(self.number)
        return super().generator(real, fake, c_real, c_fake)


@pytest.mark.parametrize("at", [1, 3])
def test_ctrl_c_is_heeded_after_the_step_with_a_checkpoint_of_it(run, tmp_path, at):
    x, _ = small.points()
    with pytest.raises(KeyboardInterrupt, match=f"step {at}"):
        work(tmp_path / "cut", gan=gan(x, loss=Signals(at, signal.SIGINT)))
    work(tmp_path / "cut", resume=True)
    assert_same_run(tmp_path / "cut", run)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_is_heeded_at_once(tmp_path):
    class Twice(Dies):
        def generator(self, real, fake, c_real, c_fake):
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
            raise AssertionError

    with pytest.raises(KeyboardInterrupt, match="no checkpoint was written"):
        work(tmp_path / "cut", gan=gan(small.points()[0], loss=Twice(99)))


def test_a_handler_of_the_user_s_may_go_on(run, tmp_path):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(os.path.exists(tmp_path / "whole" / FILES[-1])))
    try:
        work(tmp_path / "whole", gan=gan(small.points()[0], loss=Signals(3, signal.SIGTERM)))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [True]
    assert_same_run(tmp_path / "whole", run)


def test_in_another_thread_signals_are_left_alone(run, tmp_path):
    thread = threading.Thread(target=work, args=(tmp_path / "run",))
    thread.start()
    thread.join()
    assert_same_run(tmp_path / "run", run)


def test_a_loss_that_diverges_is_called_that():
    x, _ = small.points()
    diverging = gan(x).scheduled(discriminator_rate=1e30, log=50, save=50)
    with pytest.raises(ValueError, match=r"training has diverged: the loss is not finite at step \d"):
        work(None, steps=50, gan=diverging)


def test_a_run_that_was_stopped_before_its_first_row_is_scored(tmp_path):
    x, _ = small.points()
    with pytest.raises(KeyboardInterrupt):
        work(tmp_path / "cut", gan=gan(x, loss=Signals(1, signal.SIGINT)))
    assert report.evaluate(load(tmp_path / "cut", gan(x, loss=NonSaturating())), None, {}).keys() == {"clusters"}


def test_names_of_classes_are_kept_and_name_slots(tmp_path):
    x, truth = small.points()
    names = ["ape", "bee", "7", "dog", "eel", "fox"]
    run = work(tmp_path / "run", x=x, labels=truth % small.CAPACITY, names=names, gan=gan(x))
    again = load(tmp_path / "run")
    for one in (run, again):
        assert one.names == names and [one.slot(name) for name in ("ape", "7", "5", 1)] == [0, 2, 5, 1]
        assert one.sample(3, cluster=names[int(truth[0]) % small.CAPACITY]).shape == (3, 2)
        with pytest.raises(ValueError, match=r"cluster 'cow' is no class of this run, which has ape, bee, 7"):
            one.sample(3, cluster="cow")
        a, b = (truth[:2] % small.CAPACITY).tolist()
        assert one.interpolate(names[a], np.int64(b), 3).shape == (3, 2)
        assert one.interpolate_four(names[a], str(b), b, torch.tensor(a), 2).shape == (2, 2, 2)
        with pytest.raises(ValueError, match=r"^b: cluster 'cow' is no class of this run, which has ape"):
            one.interpolate(a, "cow", 3)
    found = work(None, x=x, names=names, gan=gan(x))
    with pytest.raises(ValueError, match="its clusters were found, and are no classes"):
        found.sample(3, cluster="ape")


def test_what_is_no_slot_is_named_in_all_ways_to_sample():
    x, _ = small.points()
    run = work(None, x=x, gan=gan(x))
    k = int(run.partition.labels[0])
    for slot in (torch.tensor(k), np.int64(k), str(k)):
        assert run.sample(np.int64(3), cluster=slot).shape == run.generate([k, k, k]).shape == (3, 2)
    for call, message in (
        (lambda: run.sample(3.0), "^n must be a whole number of at least 1, got 3.0"),
        (lambda: run.sample(3, cluster=1.5), "^cluster 1.5 is no class"),
        (lambda: run.interpolate(k, 9, 3), "^b: cluster 9 holds no images"),
        (lambda: run.generate(torch.tensor([k, 9])), "^c: cluster 9 holds no images"),
        (lambda: run.generate(torch.tensor([0.5])), "^c must be a vector of slots, got torch.float32"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
