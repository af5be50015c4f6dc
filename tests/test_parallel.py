"""Training in two processes, each with its share of every batch."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import distributed

import bnpgan
from bnpgan import data, parallel
from bnpgan.losses import R1
from bnpgan.models import ResNet
from bnpgan.recipes import MICGAN, Encoder
from bnpgan.samplers import KMeans
from bnpgan.training import load, train

STEPS = 12


def gan():
    """Networks without batch normalisation; two partitions in so many steps."""
    encoder = Encoder(first_steps=2, steps=2)
    recipe = MICGAN(shape=(1, 8, 8), capacity=4, backbone=ResNet(width=2), clusterer=KMeans(4), encoder=encoder)
    torch.manual_seed(0)
    return recipe.build().scheduled(warmup=4, every=4, penalty=R1(1.0, every=2), log=1, batch=16)


def trained(folder, name, steps=STEPS, resume=False):
    x = data.digits()[0][:200]
    return train(gan(), x, steps=steps, out=folder / name, device="cpu", resume=resume, progress=False)


def run_rank(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    init = f"file://{folder}/init"
    distributed.init_process_group("gloo", init_method=init, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    run = trained(folder, "two")
    trained(folder, "parts", 6)
    trained(folder, "parts", resume=True)
    torch.save({"labels": run.partition.labels, "weights": run.gan.generator.state_dict()}, folder / f"{rank}.pt")
    with pytest.raises(ValueError, match="batch must be a multiple of 2"):
        train(gan().scheduled(batch=17), data.digits()[0][:200], steps=1, progress=False)
    parallel.average_ = lambda tensors: None
    trained(folder, "not averaged")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    path = os.pathsep.join([str(Path(bnpgan.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__]
    started = [
        subprocess.Popen([*command, str(rank), str(folder)], env=environment, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    try:
        for process in started:
            _, errors = process.communicate(timeout=200)
            assert process.returncode == 0, errors.decode()
    finally:
        for process in started:
            process.kill()
    trained(folder, "one")
    return folder


def losses(folder, name):
    rows = load(folder / name).history
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    return torch.tensor([[row["loss_d"], row["loss_g"]] for row in rows])


def test_two_processes_have_the_losses_of_one_and_without_averages_have_not(folder):
    torch.testing.assert_close(losses(folder, "two"), losses(folder, "one"), rtol=1e-4, atol=1e-5)
    assert (losses(folder, "not averaged") - losses(folder, "one")).abs().max() > 1e-3


def test_both_end_with_the_same_networks_and_clusters(folder):
    first, second = (torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert torch.equal(first["labels"], second["labels"])
    assert all(torch.equal(first["weights"][name], second["weights"][name]) for name in first["weights"])


def test_a_run_of_two_goes_on_bit_for_bit(folder):
    assert torch.equal(losses(folder, "parts"), losses(folder, "two"))


if __name__ == "__main__":
    run_rank(int(sys.argv[1]), Path(sys.argv[2]))
