"""How one comes in: imports, help, what is printed of what comes back."""

import subprocess
import sys

import small
import torch

import bnpgan
from bnpgan.components import NormalInverseWishart
from bnpgan.partition import Partition
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import CRPGibbs
from bnpgan.training import train


def imported(script):
    """The modules that a fresh interpreter has imported at the end."""
    told = f"{script}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_parts_are_imported_when_they_are_looked_at():
    assert not {"torch", "numpy"} & imported("import bnpgan")
    assert "bnpgan.samplers.igmm" in imported("import bnpgan\nassert bnpgan.samplers.IGMM and bnpgan.training.train")
    assert {"samplers", "training", "recipes"} <= set(dir(bnpgan))
    for name in bnpgan._PARTS:
        assert getattr(bnpgan, name).__name__ == f"bnpgan.{name}"


def test_version_and_help_wait_for_no_torch():
    for word in ("--version", "--help"):
        assert "torch" not in imported(f"from bnpgan.cli import main\ntry: main(['{word}'])\nexcept SystemExit: pass")


def test_an_editable_install_is_a_path():
    assert bnpgan.__file__ and not any("__editable__" in type(finder).__module__ for finder in sys.meta_path)


def test_what_comes_back_is_printed_in_a_line():
    x, _ = small.points()
    partition = Partition.from_labels(x, torch.arange(120) % 3, 6)
    assert repr(partition) == "Partition(120 points, 3 clusters in 6 slots, Centroids)"
    run = train(small.gan("sc_gan", x), x, steps=2, progress=False)
    assert repr(run).startswith("Run(SCGAN, 2 steps, Partition(120 points, ")
    sampler = CRPGibbs(DirichletProcess(1.0), NormalInverseWishart(), capacity=9)
    chains = sampler.chain(x, n=3, seeds=(0, 1), progress=False)
    assert repr(chains) == "Chains(2 seeds, 3 draws of 120 points; clusters, log_joint, factor)"
