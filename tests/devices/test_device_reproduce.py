"""The papers' small experiments on a device."""

import json
from dataclasses import replace

import pytest

from bnpgan import data
from bnpgan.cli import main
from bnpgan.reproduce import STUDIES
from bnpgan.reproduce.plane import coverage
from bnpgan.training import load

pytestmark = pytest.mark.usefixtures("brief_trainings")


def test_points_of_a_device_cover_modes_as_those_of_the_cpu(gpu):
    x, _ = data.ring(2000)
    means, std = data.KNOWN["ring"]
    assert coverage(x.to(gpu.device), means, std) == pytest.approx(coverage(x, means, std))


@pytest.mark.parametrize(("study", "method"), [("ring", "sc-gan-online"), ("digits", "sc-gan-10")])
def test_a_study_is_run_and_scored_on_the_device(gpu, tmp_path, capsys, monkeypatch, study, method):
    x, truth = (part[::20] for part in STUDIES[study].load(None))
    monkeypatch.setitem(STUDIES, study, replace(STUDIES[study], load=lambda root: (x, truth)))
    command = ["reproduce", study, "--methods", method, "--seeds", "1", "--budget", "2", "--device", "cuda"]
    command += ["--graphs"]  # where a method allows it
    assert main([*command, "--out", str(tmp_path), "--quiet"]) == 0
    assert load(tmp_path / method / "0").gan.schedule.graphs == (method != "sc-gan-online")
    assert f"**{method}** | 1 |" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "study.json").read_text())["rows"]
    assert "cores" not in row["hardware"]
    assert 0 <= row["scores"]["nmi"] <= 1
