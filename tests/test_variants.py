"""Whatever way a variant was made, its run is noted whole: trained, killed, resumed and loaded without parts."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import small
import torch
from torch import Tensor

from bnpgan import recipes
from bnpgan.components import NormalInverseWishart
from bnpgan.features import Identity
from bnpgan.loop import Training
from bnpgan.losses import GradientPenalty, Hinge, NonSaturating
from bnpgan.mixture import MixtureGAN
from bnpgan.models import ClusterFrames, Concat, MLPGenerator
from bnpgan.partition import Partition
from bnpgan.priors import PitmanYor
from bnpgan.samplers import Clusterer, KMeans, StickBreaking
from bnpgan.training import load, train

pytestmark = pytest.mark.usefixtures("brief_trainings")


@dataclass(frozen=True)
class EveryThird(Clusterer):
    """A clusterer of the user's own, in a module that can be imported."""

    capacity: int
    turn: int = 1

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        return Partition.from_labels(x, (torch.arange(len(x)) + self.turn) % 3, self.capacity)


def recipe() -> recipes.Recipe:
    """Small, with rounds every few steps."""
    made = recipes.SCGAN(shape=(2,), capacity=small.CAPACITY, backbone="mlp")
    return replace(made, schedule=replace(made.schedule, batch=16, every=4, log=3, save=5))


def built() -> MixtureGAN:
    torch.manual_seed(0)
    return recipe().build()


def narrow(**options) -> MixtureGAN:
    torch.manual_seed(0)
    return recipes.mic_gan(dim=2, backbone="mlp", width=16, batch=16, **small.SHORT["mic_gan"], **options)


STICKS = StickBreaking(PitmanYor(1.0, 0.3), NormalInverseWishart(scale=torch.eye(2)), small.CAPACITY, sweeps=2)
WAYS = {
    "a field of the recipe": lambda: replace(recipe(), clusterer=STICKS, loss=Hinge(), features=Identity),
    "replace on the built GAN": lambda: replace(built(), clusterer=STICKS, loss=Hinge(), features=Identity()),
    "scheduled": lambda: built().scheduled(betas=(0.0, 0.9), every=3),
    "another penalty": lambda: built().scheduled(penalty=GradientPenalty(2.0, every=2)),
    "a clusterer of one's own": lambda: replace(built(), clusterer=EveryThird(small.CAPACITY, turn=2)),
    "a width": narrow,
    "frames, a field of the recipe": lambda: replace(recipe(), frames=ClusterFrames),
    "frames, an option": lambda: narrow(frames=True),
}

LOADING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from bnpgan.training import load
for where in sorted(Path(sys.argv[2]).iterdir()):
    run = load(where)
    print(where.name, run.partition.labels.tolist(), list(run.sample(3).shape), run.gan.by_hand)
"""


def killed(way: str, before: int, **how) -> None:
    """Train in a process of its own that is killed before the step of this number."""

    def dying(self: Training) -> None:
        if self.step == before:
            os.kill(os.getpid(), signal.SIGKILL)
        advance(self)

    advance, child = Training.advance, os.fork()
    if not child:
        with suppress(BaseException):
            Training.advance = dying
            train(WAYS[way](), **how)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, way


def test_variants_are_trained_killed_resumed_and_loaded_in_a_fresh_process_without_parts(tmp_path):
    x, _ = small.points()
    told, how = [], {"x": x, "steps": 11, "seed": 3, "progress": False, "device": "cpu"}
    for way in WAYS:
        name = way.replace(" ", "-")
        out = tmp_path / "cut" / name
        killed(way, before=8, out=out, **how)
        train(WAYS[way](), out=out, resume=True, **how)
        whole = train(WAYS[way](), **how)
        again = load(out)
        assert again.gan.recipe == whole.gan.recipe and again.gan.schedule == whole.gan.schedule, way
        for name_, made in (("averaged", lambda run: run.averaged), ("frames", lambda run: run.gan.frames)):
            for a, b in zip(made(whole).state_dict().values(), made(again).state_dict().values(), strict=True):
                assert torch.equal(a, b), (way, name_)
        told.append(f"{name} {whole.partition.labels.tolist()} [3, 2] ()")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    words = [sys.executable, "-c", LOADING, str(Path(__file__).parent), str(tmp_path / "cut")]
    loaded = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.splitlines() == sorted(told)


def test_a_recipe_is_trained_as_it_is_and_draws_its_weights_by_the_seed(tmp_path):
    x, _ = small.points()
    runs = [train(recipe(), x, steps=2, seed=seed, progress=False) for seed in (1, 1, 2)]
    first, same, other = (run.averaged.state_dict().values() for run in runs)
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_parts_that_are_no_data_are_named_and_may_be_passed(tmp_path):
    class Local(NonSaturating):
        pass

    x, _ = small.points()
    by_hand = {
        "generator was made by hand": replace(built(), generator=MLPGenerator((2,), Concat(small.CAPACITY, 2, 32))),
        "Local of": replace(built(), loss=Local()),
        "composed by hand": replace(built(), recipe=None),
    }
    for i, (named, gan) in enumerate(by_hand.items()):
        train(gan, x, steps=2, out=tmp_path / str(i), progress=False)
        with pytest.raises(ValueError, match=named):
            load(tmp_path / str(i))
        assert load(tmp_path / str(i), gan=gan).sample(2).shape == (2, 2)


def test_resuming_another_variant_says_where_they_differ(tmp_path):
    x, _ = small.points()
    train(built(), x, steps=3, out=tmp_path, progress=False)
    for changed, named in (
        (replace(built(), loss=Hinge()), "loss NonSaturating, now Hinge"),
        (built().scheduled(betas=(0.0, 0.5)), "schedule.betas"),
        (replace(built(), clusterer=KMeans(small.CAPACITY, restarts=3)), "clusterer.restarts 10, now 3"),
    ):
        with pytest.raises(ValueError, match=named):
            train(changed, x, steps=5, out=tmp_path, progress=False, resume=True)


def test_the_config_of_a_run_can_be_read_by_a_person(tmp_path):
    x, _ = small.points()
    train(replace(built(), clusterer=STICKS, features=Identity()), x, steps=2, out=tmp_path, progress=False)
    note = json.loads((tmp_path / "config.json").read_text())["recipe"]
    assert note["class"] == "bnpgan.recipes.SCGAN" and note["shape"] == [2] and note["backbone"]["width"] == 256
    assert note["clusterer"]["prior"] == {"class": "bnpgan.priors.PitmanYor", "concentration": 1.0, "discount": 0.3}
