"""The drill that waits for a GPU is rehearsed on the CPU, so that it does not rot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "gpu.py"
STAGES = ["tests", "exactness", "ceilings", "samplers", "training", "graphs", "rows"]


def drill(out, *words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), "--device", "cpu", "--out", str(out), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.slow  # the whole drill in small, a minute; what can go wrong around its stages is below
def test_every_stage_finds_something_and_the_table_can_be_read(tmp_path):
    done = drill(tmp_path)
    assert done.returncode == 0, done.stderr
    for name in STAGES:
        found = json.loads((tmp_path / f"{name}.json").read_text())
        assert found["ended"] is None and found["rows"], found
        assert not [
            row for row in found["rows"] if "failed" in row or row.get("failures") or row.get("passed") is False
        ]
        assert f"{name}: " in done.stdout
    table = (tmp_path / "table.txt").read_text()
    assert done.stdout.endswith(table) and 2000 < len(table.encode()) < 10_000
    assert (tmp_path / "digits" / "mic-gan.png").exists()


def test_a_stage_that_has_no_time_does_not_stop_the_next(tmp_path):
    done = drill(tmp_path, "--stages", "exactness,ceilings", "--minutes", "0.5", "--most", "exactness=4")
    assert done.returncode == 0, done.stderr
    stage = json.loads((tmp_path / "exactness.json").read_text())
    said = stage["ended"] or stage["rows"][-1]["failed"]  # a busy machine has to stop it before it says so itself
    assert ("out of time" in said or "stopped after" in said) and said[:60] in done.stdout
    assert "product, fp64" in done.stdout


def test_a_stage_that_is_not_there_is_named(tmp_path):
    done = drill(tmp_path, "--stages", "tests,magic")
    assert done.returncode == 2 and "there is no magic" in done.stderr
