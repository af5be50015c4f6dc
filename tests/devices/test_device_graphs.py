"""Steps as CUDA graphs are the eager steps, number by number, and what no graph can hold is named."""

from dataclasses import replace
from functools import partial

import pytest
import small
import torch
from places import assert_same, moved
from pretended_gpu import PretendedGPU
from torch.utils.data import TensorDataset

from bnpgan.images import Items
from bnpgan.loop import TRAIN, Training, own_randomness
from bnpgan.losses import R1, GradientPenalty, NonSaturating
from bnpgan.models import ADA
from bnpgan.recipes import RECIPES, SCGAN
from bnpgan.samplers import OnlineKMeans, RandomLabels
from bnpgan.training import train

EXACT = dict.fromkeys(
    ["generator_rate", "discriminator_rate", "latent_rate"], 2**-10
)  # in single precision too, as graphs have them
slow = partial(pytest.param, marks=pytest.mark.slow)
REDRAWN = {"random_label_gan"}  # their labels are drawn at each step


def trained(gan, x, device, steps=7, **given):
    return train(gan, x, steps=steps, device=device, progress=False, **given)


def told(run):
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in run.history]


def weights(run):
    return moved([run.gan.generator.state_dict(), run.gan.discriminator.state_dict(), run.averaged.state_dict()], "cpu")


def assert_same_runs(gpu, a, b):
    """Exactly, but on a real GPU, where sums are taken in any order."""
    if isinstance(gpu, PretendedGPU):
        assert told(a) == told(b)
        assert_same(weights(a), weights(b), rtol=0, atol=0)
    for first, second in zip(a.history, b.history, strict=True):
        assert first["loss_d"] == pytest.approx(second["loss_d"], abs=0.05)


@pytest.mark.parametrize(
    "recipe", [name if name == "sc_gan" else slow(name) for name in RECIPES if name not in REDRAWN]
)
def test_graphs_of_every_recipe_do_what_eager_steps_do(gpu, recipe):
    x, truth = small.points()
    labels = truth % small.CAPACITY if recipe in ("class_conditional_gan", "supervised_gm_gan") else None
    gan = small.gan(recipe, x).scheduled(**EXACT)
    runs = [trained(gan.scheduled(graphs=graphs), x, gpu.device, labels=labels) for graphs in (False, True)]
    assert_same_runs(gpu, *runs)


VARIANTS = {
    "a lazy penalty": {"penalty": R1(1.0, every=3)},
    "a penalty that draws": {"penalty": GradientPenalty(1.0)},
    "two steps of D": {"discriminator_steps": 2},
    "half precision": {"bf16": True},
}


@pytest.mark.parametrize("variant", [name if name == "a lazy penalty" else slow(name) for name in VARIANTS])
def test_schedules_in_graphs_do_what_they_do_in_eager_steps(gpu, variant):
    if variant == "half precision" and isinstance(gpu, PretendedGPU):
        pytest.skip("autocast asks below Python for a GPU")
    x, _ = small.images()
    gan = small.gan("sc_gan", x, arguments={"width": 4}).scheduled(**EXACT, **{"every": None, **VARIANTS[variant]})
    assert_same_runs(gpu, *(trained(gan.scheduled(graphs=graphs), x, gpu.device) for graphs in (False, True)))


@pytest.mark.slow
def test_augmentation_adapts_in_graphs_and_bytes_are_stretched_there(gpu):
    x = (127.5 * (small.images()[0] + 1)).to(torch.uint8)
    recipe = SCGAN(shape=(1, 8, 8), capacity=small.CAPACITY, ada=ADA(length=50))
    schedule = replace(recipe.schedule, batch=16, every=4, log=3, **EXACT)
    runs = [
        trained(replace(recipe, schedule=replace(schedule, graphs=graphs)), x, gpu.device) for graphs in (False, True)
    ]
    assert_same_runs(gpu, *runs)
    assert float(runs[1].gan.discriminator.p) > 0


def test_rates_fall_in_graphs(gpu):
    x, _ = small.points()
    gan = small.gan("sc_gan", x).scheduled(decay=3, graphs=True, every=None)
    runs = [trained(gan, x, gpu.device, steps=steps) for steps in (3, 5)]  # from the third step on rates are 0
    assert_same(*(moved(dict(run.gan.generator.named_parameters()), "cpu") for run in runs), rtol=0, atol=0)


@pytest.mark.usefixtures("brief_trainings")
def test_a_run_with_graphs_goes_on_as_if_never_stopped(gpu, tmp_path):
    x, _ = small.points()
    gan = small.gan("sc_gan", x).scheduled(graphs=True, penalty=R1(1.0, every=2))
    for steps in (3, 5, 8):
        parts = trained(gan, x, gpu.device, steps=steps, out=tmp_path, resume=steps > 3)
    whole = trained(gan, x, gpu.device, steps=8)
    assert [row["step"] for row in parts.history] == [3, 6, 8]
    if isinstance(gpu, PretendedGPU):
        assert_same(weights(parts), weights(whole), rtol=0, atol=0)
    on_cpu = trained(gan, x, "cpu", steps=9, out=tmp_path, resume=True)  # where steps are taken as ever
    assert on_cpu.history[-1]["step"] == 9


def test_a_step_is_replayed_but_for_the_first_of_each_kind_after_a_partition(gpu):
    x, _ = small.points()
    x = x.to(gpu.device)
    training = Training(small.gan("sc_gan", x).scheduled(graphs=True, every=9, penalty=R1(1.0, every=4)), x, 0)
    eager, descend = [], training.captured.step

    def step(penalised):
        eager.append((training.step, penalised))
        return descend(penalised)

    training.captured.step = step
    with own_randomness(x, 0, TRAIN):
        for n in range(12):
            if n == 8:
                with gpu.counted() as waits:
                    training.advance()
                assert waits.total() == 0
                assert len({tuple(losses.tolist()) for losses in training.losses[-4:]}) == 4  # replays write over none
            else:
                training.advance()
    # Eagerly at first, and captured at the second: the penalty comes at steps 0, 4 and 8, the partition before 0 and 9.
    assert eager == [(0, True), (1, False), (2, False), (4, True), (9, False), (10, False)]


class Reads(NonSaturating):
    """A loss that lets the host look at it."""

    def generator(self, real, fake, c_real, c_fake):
        loss = super().generator(real, fake, c_real, c_fake)
        return loss if bool(loss.detach() > 0) else -loss


def test_a_part_that_reads_a_number_is_named_and_the_device_draws_as_before(gpu):
    x, _ = small.points()
    gan = small.gan("gan", x, loss=Reads()).scheduled(**EXACT)
    before = trained(gan, x, gpu.device)
    with pytest.raises(ValueError, match=r"cannot be captured in a CUDA graph \(.*not permitted when stream is capt"):
        trained(gan.scheduled(graphs=True), x, gpu.device)
    assert_same_runs(gpu, before, trained(gan, x, gpu.device))
    assert torch.rand((), device=gpu.device).isfinite()


@pytest.mark.parametrize("clusterer", [OnlineKMeans(small.CAPACITY), RandomLabels(small.CAPACITY)])
def test_clusterers_that_follow_mini_batches_are_named_on_any_device(clusterer):
    x, _ = small.points()
    gan = small.gan("sc_gan", x, clusterer=clusterer).scheduled(graphs=True)
    with pytest.raises(ValueError, match=f"graphs: {type(clusterer).__name__} follows mini-batches"):
        trained(gan, x, "cpu")


def test_images_that_are_fetched_are_named_on_any_device():
    x, _ = small.images()
    with pytest.raises(ValueError, match="graphs: images are fetched"):
        trained(small.gan("gan", x).scheduled(graphs=True), Items(TensorDataset(x)), "cpu")


def test_on_a_cpu_steps_are_taken_as_ever():
    x, _ = small.points()
    gan = small.gan("sc_gan", x)
    with_graphs, without = (trained(gan.scheduled(graphs=graphs), x, "cpu", steps=5) for graphs in (True, False))
    assert told(with_graphs) == told(without)
