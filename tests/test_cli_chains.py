"""``bnpgan cluster`` by several chains."""

import numpy as np
import pytest

from bnpgan.cli import main


def test_chains_say_how_many_clusters_and_write_the_point_estimate(tmp_path, capsys):
    out = tmp_path / "labels.npy"
    words = ["cluster", "stick-breaking", "ring", "--sweeps", "8", "--capacity", "20", "--out", str(out)]
    main([*words, "--chains", "3"])
    said = capsys.readouterr().out
    assert "3 chains of 8 sweeps, 4 draws of each" in said and "number of clusters" in said
    assert "R-hat" in said and "effective draws" in said and "variation of information" in said
    assert len(np.unique(np.load(out))) == said.count("\ncluster ") == 8
    main([*words, "--chains", "1", "--overwrite"])
    assert "R-hat" not in capsys.readouterr().out and len(np.unique(np.load(out))) == 8


def test_all_slots_in_use_is_a_line(capsys):
    main(["cluster", "igmm", "ring", "--sweeps", "2", "--capacity", "4", "--chains", "2"])
    assert "warning: IGMM: all 4 slots are in use" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--chains", "0"], ["--coarsen", "-3"]])
def test_what_makes_no_sense_is_one_line(words, capsys):
    assert main(["cluster", "igmm", "ring", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
