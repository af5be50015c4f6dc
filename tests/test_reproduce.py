"""The papers' small experiments: rows, tables, and what is not run twice."""

import importlib.util
import json
import math
import os
import platform
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from bnpgan import data, recipes
from bnpgan.classifiers import save_classifier, train_classifier
from bnpgan.cli import main
from bnpgan.features import FixedEncoder
from bnpgan.images import images_of
from bnpgan.models import DCGAN
from bnpgan.reproduce import STUDIES, Budget, finished, markdown, run_study, runs, wide
from bnpgan.reproduce.images import CLOTHES, COLOUR, HANDWRITTEN, MIXED
from bnpgan.reproduce.imbalance import imbalance, thinned
from bnpgan.reproduce.plane import coverage
from bnpgan.reproduce.study import Method
from bnpgan.training import load

ROOT = Path(__file__).parent.parent


def test_a_study_leaves_rows_pictures_and_a_table(tmp_path, capsys):
    out = tmp_path / "digits"
    command = ["reproduce", "digits", "--methods", "kmeans-10,sc-gan-10", "--seeds", "2", "--budget", "4"]
    assert main([*command, "--out", str(out), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "**kmeans-10** | 2 |" in shown and "**sc-gan-10** | 2 |" in shown and "gm-gan" not in shown
    rows = json.loads((out / "study.json").read_text())["rows"]
    assert [(row["method"], row["seed"]) for row in rows] == [
        (m, s) for m in ("kmeans-10", "sc-gan-10") for s in (0, 1)
    ]
    for row in rows:
        assert {"commit", "hardware", "threads", "torch", "date", "seconds", "steps", "scores"} <= row.keys()
        assert 0 < row["scores"]["nmi"] <= 1
    assert (out / "sc-gan-10.png").exists() and (out / "table.md").read_text().strip() in shown

    marked = out / "kmeans-10" / "1" / "row.json"
    marked.write_text(json.dumps(json.loads(marked.read_text()) | {"seconds": 12345.0}))
    assert main([*command, "--out", str(out), "--quiet"]) == 0  # nothing is run again
    assert json.loads(marked.read_text())["seconds"] == 12345.0
    assert main([*command[:-1], "5", "--out", str(out), "--quiet"]) == 2
    assert "name another --out" in capsys.readouterr().err
    assert main([*command[:3], "kmeans-20", *command[4:], "--out", str(out), "--quiet"]) == 0
    assert json.loads((out / "study.json").read_text())["command"].count("bnpgan reproduce digits") == 2
    assert main(["reproduce", "imbalance", "--methods", "kmeans-30", "--out", str(out), "--quiet"]) == 2
    assert "has runs of the study digits" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["study.json", "table.md", "kmeans-10.png"])
def test_a_study_writes_over_nothing_that_no_study_has_left(tmp_path, capsys, name):
    (tmp_path / name).write_text("{}")
    command = ["reproduce", "digits", "--methods", "kmeans-10", "--seeds", "1", "--budget", "4", "--quiet"]
    assert main([*command, "--out", str(tmp_path)]) == 2
    assert f"holds {name}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "{}"


@pytest.mark.usefixtures("brief_trainings")
def test_a_run_that_was_stopped_goes_on_to_the_same_scores(tmp_path):
    study = STUDIES["digits"]
    whole = run_study(study, tmp_path / "whole", ["sc-gan-10"], [0], Budget(4), progress=False)
    run_study(study, tmp_path / "parts", ["sc-gan-10"], [0], Budget(4), progress=False)
    (tmp_path / "parts" / "sc-gan-10" / "0" / "row.json").unlink()
    with pytest.raises(ValueError, match="run of steps=4, not 3"):
        run_study(study, tmp_path / "parts", ["sc-gan-10"], [0], Budget(3), progress=False)
    parts = run_study(study, tmp_path / "parts", ["sc-gan-10"], [0], Budget(4), progress=False)
    assert parts[0]["scores"] == whole[0]["scores"]
    assert [row["method"] for row in finished(tmp_path / "parts")] == ["sc-gan-10"]


def test_processes_find_what_one_finds(tmp_path):
    study = STUDIES["digits"]
    one = run_study(study, tmp_path / "one", ["kmeans-10", "kmeans-20"], [0], Budget(4), progress=False)
    two = run_study(study, tmp_path / "two", ["kmeans-10", "kmeans-20"], [0], Budget(4), jobs=2, progress=False)
    assert [row["scores"] for row in one] == [row["scores"] for row in two]


@pytest.mark.usefixtures("brief_trainings")
def test_a_budget_sets_networks_and_ends_a_run_by_the_clock(tmp_path):
    study, out = STUDIES["digits"], tmp_path / "out"
    budget = Budget(1000, minutes=0.001, backbone="dcgan", width=4)
    (row,) = run_study(study, out, ["sc-gan-10"], [0], budget, progress=False)
    assert 0 < row["taken"] < 1000 and (row["steps"], row["width"], row["minutes"]) == (1000, 4, 0.001)
    run = load(out / "sc-gan-10" / "0")
    assert run.gan.recipe.backbone == DCGAN(width=4) and len(run.partition.labels) == 1797
    with pytest.raises(ValueError, match="a run of width=4, not 8"):
        run_study(study, out, ["sc-gan-10"], [0], replace(budget, width=8), progress=False)
    with pytest.raises(ValueError, match="a run of graphs=False, not True"):
        run_study(study, out, ["sc-gan-10"], [0], replace(budget, graphs=True), progress=False)
    before_graphs = {name: value for name, value in row.items() if name != "graphs"}
    (out / "sc-gan-10" / "0" / "row.json").write_text(json.dumps(before_graphs))
    assert run_study(study, out, ["sc-gan-10"], [0], budget, progress=False)[0]["scores"] == row["scores"]
    (out / "sc-gan-10" / "0" / "row.json").unlink()  # killed before it was written, when the time was over already
    (again,) = run_study(study, out, ["sc-gan-10"], [0], budget, progress=False)
    assert again["taken"] == row["taken"] + 1 and again["scores"]["nmi"] > 0


IMAGES = {"mnist": (1, 28, 28), "fashion-mnist": (1, 28, 28), "ablation-k": (1, 28, 28), "hybrid": (1, 32, 32)}
IMAGES |= {"catdog": (3, 64, 64), "stacked-mnist": (3, 28, 28), "cifar10": (3, 32, 32)}


@pytest.mark.parametrize("name", IMAGES)
def test_every_method_on_images_is_built_with_the_same_networks(name):
    for method in STUDIES[name].methods.values():
        if method.make is not None:
            gan = method.make(2400)
            assert gan.recipe.backbone == DCGAN(width=16) and gan.recipe.shape == IMAGES[name]
            assert gan.schedule.penalty.every == 16 and gan.schedule.batch in (63, 64)
            assert not method.supervised or gan.clusterer.capacity >= 2


def test_clusters_of_clothes_are_found_once_in_the_hidden_layer_and_of_digits_in_rounds_in_the_codes():
    x = torch.zeros(2, 1, 28, 28)
    for name, rounds, codes in (("fashion-mnist", 1, False), ("mnist", 14, True)):
        gan = STUDIES[name].methods["mic-gan"].make(2400)
        assert sum(map(gan.schedule.clusters_at, range(2400))) == rounds
        assert (gan.features(gan, x).shape[1] == gan.clusterer.capacity) == codes
        assert (gan.clusterer.component.scatter is not None) == codes  # the hidden layer has other units


@pytest.mark.usefixtures("brief_trainings")
def test_a_study_trains_on_the_bytes_of_its_images_and_judges_what_is_drawn(tmp_path, monkeypatch):
    if not (root := os.environ.get("BNPGAN_DATA")):
        pytest.skip("BNPGAN_DATA is not set: the folder of the images")
    x, truth = (part[::10] for part in STUDIES["hybrid"].load(Path(root)))
    study, budget = replace(STUDIES["hybrid"], load=lambda root: (x, truth)), Budget(2, width=2)  # it is read once
    few = torch.arange(0, len(x), 5)  # a judge that has seen little, in place of one that takes a minute
    net = train_classifier(images_of(x[few], "x")[0], truth[few], epochs=1, width=2, progress=False)
    save_classifier(net, tmp_path / "classifier", {"data": "hybrid", "accuracy": 0.1, "held_out": "nothing"})
    monkeypatch.setattr(runs, "SAMPLES", 300)
    (row,) = run_study(study, tmp_path, ["class-conditional"], [0], budget, data_root=Path(root), progress=False)
    assert row["scores"]["purity"] == 1 and row["taken"] == 2
    assert row["scores"]["frechet_distance"] > 0 and 0 <= row["scores"]["recall"] <= 1 <= row["scores"]["modes"] <= 12


@pytest.mark.usefixtures("brief_trainings")
def test_logo_gan_rc_clusters_what_the_judge_sees(tmp_path, monkeypatch):
    x, truth = (part[:600] for part in data.digits())
    torch.manual_seed(0)
    judge = train_classifier(x, truth, epochs=20, width=8, shift=0, progress=False)
    made = partial(recipes.precomputed_label_gan, image_shape=(1, 8, 8), backbone="mlp", capacity=10, encoder_steps=2)
    way = Method(lambda steps: made())
    methods = {"ae": way, "rc": replace(way, classified=True)}
    known = {"load": lambda root: (x, truth), "judge": lambda out, root: judge}
    study = replace(STUDIES["digits"], methods=methods, **known)
    monkeypatch.setitem(STUDIES, "digits", study)
    monkeypatch.setattr(runs, "SAMPLES", 300)
    ae, rc = run_study(study, tmp_path, ["ae", "rc"], [0], Budget(2), progress=False)
    assert rc["scores"]["purity"] > 0.9 > ae["scores"]["purity"]
    with pytest.raises(ValueError, match="features was made by hand"):
        load(tmp_path / "rc" / "0")
    gan = replace(made(), features=FixedEncoder(judge))
    assert len(load(tmp_path / "rc" / "0", gan=gan).predict(x[:9])) == 9


def test_the_share_of_the_label_gap_is_between_a_plain_gan_and_one_that_is_told_the_classes():
    study = replace(STUDIES["mnist"], columns={"gap": ("gap", ".2f")})
    rows = [
        {"method": method, "seed": 0, "seconds": 1.0, "scores": {"frechet_distance": distance}}
        for method, distance in (("gan", 10.0), ("class-conditional", 6.0), ("sc-gan", 7.0), ("random-labels", 12.0))
    ]
    cells = {line.split("|")[1].strip(): line.split("|")[3].strip() for line in markdown(study, rows, {}).splitlines()}
    assert cells["**sc-gan**"] == "0.75" and cells["**random-labels**"] == "-0.50"
    assert cells["**gan**"] == "0.00" and cells["**class-conditional**"] == "1.00"
    alone = markdown(study, rows[2:], {}).splitlines()[-1]
    assert alone.split("|")[3].strip() == ""


def test_a_study_of_stored_images_reads_them_from_the_root_that_is_named(tmp_path):
    if not (root := os.environ.get("BNPGAN_DATA")):
        pytest.skip("BNPGAN_DATA is not set: the folder of MNIST")
    with pytest.raises(ValueError, match=r"nowhere.*is missing"):
        STUDIES["mnist"].load(tmp_path / "nowhere")
    x, truth = STUDIES["mnist"].load(Path(root))
    assert x.shape == (60_000, 1, 28, 28) and x.dtype == torch.uint8 and truth.bincount().min() == 5421


@pytest.mark.parametrize(
    ("arguments", "told"), [(["--methods", "magic"], "'magic' is not one of"), (["--seeds", "0"], "--seeds must be")]
)
def test_bad_options_are_one_line(arguments, told, capsys):
    assert main(["reproduce", "ring", *arguments]) == 2
    shown = capsys.readouterr().err
    assert told in shown and shown.count("\n") == 1


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_every_method_of_the_plane_is_built_for_its_steps(name):
    for method in STUDIES[name].methods.values():
        gan = method.make(8000)
        assert gan.schedule.decay == 8000 and gan.schedule.betas == (0.0, 0.99)
        assert gan.recipe is not None  # so that its runs can be loaded


def test_coverage_of_exact_samples_and_of_wrong_ones():
    torch.manual_seed(0)
    x, _ = data.ring(50_000)
    scores = coverage(x, data.ring_means(), 0.01)
    assert scores["modes"] == 8 and scores["quality"] == pytest.approx(99.45, abs=0.2)
    assert scores["spread"] == pytest.approx(1, abs=0.02) and scores["reverse_kl"] < 0.0005
    narrow = data.ring_means().repeat(100, 1) + 0.01 + 0.001 * torch.randn(800, 2)  # collapsed, and beside the mean
    assert coverage(narrow, data.ring_means(), 0.01)["spread"] == pytest.approx(0.1, abs=0.02)
    one = coverage(data.ring_means()[:1].repeat(100, 1), data.ring_means(), 0.01)
    assert one["modes"] == 1 and one["reverse_kl"] == pytest.approx(math.log(8))


def test_the_table_sets_ours_between_the_paper_and_exact_samples():
    study = replace(STUDIES["ring"], columns={"modes": ("modes", ".1f"), "reverse_kl": ("KL", ".3f")})
    rows = [
        {"method": "sc-gan", "seed": s, "seconds": 10.0 + s, "scores": {"modes": 8 - s, "reverse_kl": 0.1 * s}}
        for s in (0, 1, 2)
    ]
    lines = markdown(study, rows, {"modes": 8.0, "reverse_kl": 0.0}).splitlines()
    assert lines[2] == "| sc-gan, the paper | | 8.0 | 0.001 | |"
    assert lines[3] == "| **sc-gan** | 3 | 7.0 ± 0.6 | 0.100 ± 0.058 | 11 |"
    assert lines[4] == "| exact samples | | 8.0 | 0.000 | |" and len(lines) == 5
    rows[0]["scores"]["reverse_kl"] = None  # as a file has what was not finite
    lines = markdown(study, rows, {"modes": 8.0, "reverse_kl": None}).splitlines()
    assert lines[3] == "| **sc-gan** | 3 | 7.0 ± 0.6 | 0.150 ± 0.050 | 11 |" and lines[4].endswith("| 8.0 |  | |")


def test_the_document_has_the_tables_of_the_stored_rows():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    document = (ROOT / "docs" / "results.md").read_text()
    assert tables.rewritten(document) == document


def test_every_method_of_every_study_is_built_for_few_steps_and_for_all():
    for study in (study for study in STUDIES.values() if study.name not in IMAGES):
        for name, method in study.methods.items():
            for steps in (2, study.steps) if method.make else ():
                assert method.make(steps).recipe is not None, (study.name, name)


def test_the_warm_up_of_more_slots_is_longer_but_leaves_rounds():
    for slots, warmup in ((10, 5000), (20, 5000), (25, 6000), (30, 7500), (100, 8000)):
        assert HANDWRITTEN.mic_gan(12_000, slots).schedule.warmup == warmup


def test_studies_of_grey_images_set_how_far_slots_lie_apart_and_how_wide_clusters_are():
    torch.manual_seed(0)
    gan, wide = (
        study.mic_gan(12_000) for study in (HANDWRITTEN, replace(HANDWRITTEN, embedding_scale=1.0, scatter=None))
    )
    assert CLOTHES.mic_gan(12_000).recipe.embedding_scale == gan.recipe.embedding_scale == 0.5
    assert gan.clusterer.component.scatter == 0.003 and wide.clusterer.component.scale == 0.1
    assert gan.clusterer.max_points == wide.clusterer.max_points == 5000
    assert (gan.clusterer.sweeps, wide.clusterer.sweeps) == (60, 15)
    narrow, usual = (each.generator.conditioning.table.std().item() for each in (gan, wide))
    assert narrow == pytest.approx(0.5, rel=0.1) and usual == pytest.approx(1, rel=0.1)


@pytest.mark.usefixtures("brief_trainings")
def test_a_study_of_data_trains_each_method_on_its_own(tmp_path):
    study = STUDIES["variance-sensitivity"]
    narrow, wide_ = run_study(study, tmp_path, ["gan-0.0125", "gan-0.4"], [0], Budget(2), progress=False)
    assert narrow["scores"]["modes"] >= 1 and narrow["scores"] != wide_["scores"]
    configs = [json.loads((tmp_path / name / "0" / "config.json").read_text()) for name in ("gan-0.0125", "gan-0.4")]
    assert configs[0]["checksum"] != configs[1]["checksum"]


@pytest.mark.usefixtures("brief_trainings")
def test_runs_in_frames_are_loaded_from_their_directories_and_drawn_in_the_units_of_training(tmp_path):
    study = STUDIES["mixture10"]
    (row,) = run_study(study, tmp_path, ["class-conditional-framed"], [0], Budget(3), progress=False)
    run = load(tmp_path / "class-conditional-framed" / "0")
    x, truth = study.load(None)
    assert torch.equal(run.partition.labels, truth)
    assert (run.sample(1000).mean(0) - x.mean(0) / study.unit).abs().max() < 0.3
    assert row["scores"]["nmi"] == pytest.approx(1)


def test_coverage_of_wide_mixtures_by_exact_samples_and_by_points():
    torch.manual_seed(0)
    for name in ("mixture10", "heavy-tails"):
        exact = STUDIES[name].reference()
        assert exact["modes"] == 12 and exact["spread"] == pytest.approx(1, abs=0.03)
        assert exact["energy"] < 1.5 * exact["energy_floor"]
    mixture = data.wide()
    points = mixture.means[torch.multinomial(mixture.weights, 5000, replacement=True)]
    found = wide.coverage(mixture, points)
    assert found["quality"] == 100 and found["spread"] < 1e-6 and found["reverse_kl"] < 0.01


@pytest.mark.parametrize(("methods", "embedding"), [(CLOTHES, 0.5), (MIXED, 0.5), (COLOUR, 1.0)])
def test_studies_of_unlike_images_cluster_once_in_the_hidden_layer(methods, embedding):
    gan = methods.mic_gan(12_000)
    assert gan.schedule.every is None and gan.schedule.warmup == 8_000
    assert gan.features.head.in_features > gan.clusterer.capacity == gan.features.head.out_features
    assert gan.clusterer.component.scale is None and gan.clusterer.component.weight == 0.1
    assert gan.recipe.embedding_scale == embedding


def test_rare_classes_are_missed_by_clusters_that_stand_for_others():
    truth = torch.tensor([0] * 90 + [1] * 9 + [2])
    assert imbalance(truth, truth) | {"found": 3, "variation": 0.0, "rarest": 1.0} == imbalance(truth, truth)
    scores = imbalance(torch.tensor([0] * 90 + [1] * 10), truth)
    assert scores["found"] == 2 and scores["rarest"] == 0 and scores["variation"] == pytest.approx(0.01)


def test_digits_are_thinned_on_a_geometric_scale():
    x, truth = thinned(*data.digits(), ratio=100)
    assert truth.bincount().tolist() == [174, 104, 63, 37, 22, 13, 8, 5, 3, 2] and len(x) == len(truth)


def test_a_row_tells_processors_of_one_name_apart(monkeypatch):
    core = "processor : 0\ncpu family\t: {family}\nmodel\t\t: 2\nmodel name\t: AMD EPYC: x\n\n"
    arm = "processor : 0\nBogoMIPS : 50\n"
    for text, shown in (
        (core.format(family=26) + core.format(family=25), "AMD EPYC: x (family 26, model 2)"),
        (core.format(family=25).replace("cpu family", "unit"), "AMD EPYC: x"),
        (arm, platform.machine()),
    ):
        monkeypatch.setattr(Path, "read_text", lambda _, text=text: text)
        assert runs.processor() == shown
