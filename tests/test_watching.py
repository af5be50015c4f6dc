"""Callbacks, the best checkpoint, grids, and the page of a run: told as it was, and nothing of training changes."""

import base64
import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import small
import torch

from bnpgan import watching
from bnpgan.callbacks import Callbacks
from bnpgan.cli import main
from bnpgan.metrics import nmi
from bnpgan.models import MLP
from bnpgan.page import curves, sizes
from bnpgan.training import load, train


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A run with callbacks that draw random numbers, what they were told, and a run without."""
    x, truth = small.images()
    out, seen = tmp_path_factory.mktemp("run") / "a", {"log": [], "partition": [], "checkpoint": []}

    def note(name):
        def function(*told):
            torch.rand(7)  # as a callback that samples would
            seen[name].append(told)

        return function

    def score(run):
        best.append((int(run.averaged["generator"].training), float(run.sample(20).mean())))
        return [3.0, 1.0, 2.0, 5.0][len(best) - 1]

    best, gan = [], small.gan("sc_gan", x, arguments={"backbone": MLP(8)})
    watched = [Callbacks(note("log"), note("partition"), note("checkpoint"))]
    watched += [watching.keep_best(score, "score"), watching.grids()]
    run = train(gan, x, steps=17, out=out, truth=truth, callbacks=watched, progress=False)
    return run, out, seen, best, train(gan, x, steps=17, progress=False), truth


def test_they_are_told_and_training_is_as_without(told):
    run, out, seen, _, plain, _ = told
    assert [row["step"] for (row,) in seen["log"]] == [3, 6, 9, 12, 15, 17]
    assert [step for step, _ in seen["partition"]] == [0, 4, 8, 12, 16]
    assert seen["checkpoint"] == [(5, out), (10, out), (15, out), (17, out)]
    assert torch.equal(seen["partition"][-1][1].labels, run.partition.labels)
    for name, weights in run.gan.generator.state_dict().items():
        assert torch.equal(weights, plain.gan.generator.state_dict()[name])


def test_what_they_do_to_what_they_are_told_stays_with_them(tmp_path):
    def spoil(row):
        row["sizes"].clear()
        del row["step"]

    x, _ = small.points()
    gan = small.gan("sc_gan", x)
    spoiled = [Callbacks(on_log=spoil, on_partition=lambda _, found: found.labels.zero_())]
    run = train(gan, x, steps=6, out=tmp_path / "a", progress=False, callbacks=spoiled)
    plain = train(gan, x, steps=6, progress=False)
    assert [(row["step"], row["sizes"]) for row in load(tmp_path / "a").history] == [
        (row["step"], row["sizes"]) for row in plain.history
    ]
    assert torch.equal(run.partition.labels, plain.partition.labels)


def test_rows_have_sizes_and_nmi(told):
    run, out, seen, _, _, truth = told
    rows = [json.loads(line) for line in (out / "stats.jsonl").read_text().splitlines()]
    assert rows == [row for (row,) in seen["log"]] == run.history
    assert all(sum(row["sizes"]) == 120 and len(row["sizes"]) == small.CAPACITY for row in rows)
    assert rows[-1]["nmi"] == pytest.approx(nmi(run.partition.labels, truth))
    assert json.loads((out / "metrics.json").read_text())["nmi"] == pytest.approx(rows[-1]["nmi"])


def test_the_best_is_a_run_of_its_own(told):
    _, out, _, _, _, _ = told
    metrics = json.loads((out / "best" / "metrics.json").read_text())
    assert (metrics["step"], metrics["score"]) == (10, 1.0)
    assert [row["score"] for row in metrics["checkpoints"]] == [3.0, 1.0, 2.0, 5.0]
    assert load(out / "best").history[-1]["step"] == 9 and load(out).history[-1]["step"] == 17


def test_the_best_goes_on_after_scores_that_are_no_numbers_and_after_an_evaluation(tmp_path):
    x, truth = small.points()
    gan, out, scores = small.gan("sc_gan", x), tmp_path / "a", [float("nan"), 2.0, float("inf"), 3.0, 9.0]
    best = watching.keep_best(lambda run: scores.pop(0))
    np.savez(tmp_path / "x.npz", x=x.numpy(), labels=truth.numpy())
    for steps in (15, 20):
        train(gan, x, steps=steps, out=out, progress=False, resume=steps > 15, callbacks=[best])
        assert main(["evaluate", str(out / "best"), "--data", str(tmp_path / "x.npz")]) == 0
    text = (out / "best" / "metrics.json").read_text()
    metrics = json.loads(text, parse_constant=pytest.fail)
    assert (metrics["step"], metrics["score"], "nmi" in metrics) == (10, 2.0, True)
    assert metrics["checkpoints"] == [
        {"step": step, "score": score} for step, score in [(10, 2.0), (15, None), (20, 3.0)]
    ]
    (out / "best" / "metrics.json").write_text("{}")
    train(gan, x, steps=25, out=out, progress=False, resume=True, callbacks=[best])
    assert json.loads((out / "best" / "metrics.json").read_text())["step"] == 25


def test_grids_have_a_row_for_each_cluster(told):
    _, out, _, _, _, _ = told
    assert sorted(path.name for path in (out / "grids").iterdir()) == [f"{n:07d}.png" for n in (5, 10, 15, 17)]


def test_what_belongs_to_a_run_goes_with_it(told, tmp_path):
    x, _ = small.images()
    gan = small.gan("sc_gan", x, arguments={"backbone": MLP(8)})
    train(gan, x, steps=5, out=tmp_path, progress=False, callbacks=[watching.keep_best(lambda run: 0.0)])
    assert (tmp_path / "best" / "checkpoint.safetensors").exists()
    train(gan, x, steps=5, seed=1, out=tmp_path, overwrite=True, progress=False)
    assert not list((tmp_path / "best").iterdir())


class Page(HTMLParser):
    """The tags of a page that are open, and all that refers to somewhere."""

    def __init__(self):
        super().__init__()
        self.stack, self.references = [], []

    def handle_starttag(self, tag, attrs):
        self.references += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in ("polyline", "polygon"):
            return
        while self.stack and self.stack[-1] in ("polyline", "polygon"):
            self.stack.pop()
        assert self.stack.pop() == tag

    def handle_startendtag(self, tag, attrs):
        pass


def test_the_page_holds_all_that_it_shows(told):
    run, out, _, _, _, _ = told
    text = (out / "report.html").read_text()
    page = Page()
    page.feed(text)
    page.close()
    assert not page.stack
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 2 and base64.b64decode(pictures[0]) == (out / "samples.png").read_bytes()
    assert "http" not in re.sub(r'xmlns="http://www.w3.org/2000/svg"', "", text)
    largest = int(run.partition.counts.argmax())
    assert f"<td>cluster {largest}</td><td>{int(run.partition.counts[largest])}</td>" in text
    for heading in ("Losses", "Sizes of clusters", "NMI with the classes", "its classes", "config.json"):
        assert heading in text


def test_drawings_are_to_scale():
    assert 'points="0.0,150.0 320.0,0.0 640.0,75.0"' in curves([0, 5, 10], {"a<b": [0.0, 2.0, 1.0]})
    assert "a&lt;b" in curves([0, 10], {"a<b": [1.0, 1.0]})
    bands = sizes([0, 5, 10], [[], [1, 3], [2, 2]])
    assert 'points="320.0,0.0 640.0,0.0 640.0,75.0 320.0,37.5"' in bands and bands.count("<polygon") == 2


def test_tensorboard_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r"^tensorboard is not installed .*bnpgan\[tensorboard\]"):
        watching.tensorboard(tmp_path)


def test_tensorboard_is_told(tmp_path):
    pytest.importorskip("tensorboard")
    x, _ = small.points()
    train(small.gan("sc_gan", x), x, steps=6, progress=False, callbacks=[watching.tensorboard(tmp_path)])
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("loss_d")] == [3, 6]
    assert events.Histograms("sizes of clusters")


def test_truth_is_a_class_for_each():
    x, _ = small.images()
    gan, truth = small.gan("sc_gan", x, arguments={"backbone": MLP(8)}), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"^truth has shape"):
        train(gan, x, steps=1, truth=truth, progress=False)
