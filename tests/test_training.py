"""The loop: exact resume, what it leaves alone, and when it stops."""

import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest
import small
import torch
from safetensors.torch import load_file

from bnpgan import loop, recipes
from bnpgan.features import FromEncoder, Identity
from bnpgan.loop import TRAIN, Training, own_randomness
from bnpgan.losses import R1, GradientPenalty, Hinge, NonSaturating, Wasserstein
from bnpgan.mixture import Schedule
from bnpgan.models import ClusterFrames
from bnpgan.partition import Partition
from bnpgan.samplers import Clusterer, FixedLabels, KMeans, OnlineKMeans, RandomLabels
from bnpgan.training import load, noted, train

pytestmark = pytest.mark.usefixtures("brief_trainings")


class Dies(NonSaturating):
    """A loss that fails, once, in the middle of the step ``at``."""

    def __init__(self, at, how=KeyboardInterrupt):
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "how", how)
        object.__setattr__(self, "step", 0)

    def __deepcopy__(self, memo):
        return self

    def generator(self, real, fake, c_real, c_fake):
        object.__setattr__(self, "step", self.step + 1)
        if self.step == self.at:
            raise self.how
        return super().generator(real, fake, c_real, c_fake)


def rows(path):
    """The statistics without what a clock says."""
    lines = [json.loads(line) for line in (path / "stats.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if "seconds" not in k} for line in lines]


def assert_same_run(a, b):
    for name in ("checkpoint", "partition"):
        first, second = load_file(a / f"{name}.safetensors"), load_file(b / f"{name}.safetensors")
        assert first.keys() == second.keys()
        for key in first:
            assert torch.equal(first[key], second[key]), key
    assert rows(a) == rows(b)


@dataclass(frozen=True)
class Halves(Clusterer):
    """Two slots of those there are, so that MIC-GAN's features are seen in two of their columns."""

    capacity: int
    max_dim: int | None = 8

    def fit(self, x, labels=None):
        return Partition.from_labels(x, 3 * (x[:, 0] > x[:, 0].median()).long(), self.capacity)


VARIANTS = {
    "mic_gan": {},
    "mic_gan, two slots": {"clusterer": Halves(small.CAPACITY)},
    "sc_gan": {},
    "sc_gan, random": {"clusterer": RandomLabels(small.CAPACITY)},
    "sc_gan, some": {"clusterer": KMeans(small.CAPACITY, max_points=50)},
}


@pytest.mark.parametrize("killed_at", [2, 14])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_that_was_killed_ends_where_an_uninterrupted_one_ends(tmp_path, variant, killed_at):
    x, _ = small.points()
    gan = small.gan(variant.split(",")[0], x, **VARIANTS[variant])
    gan = replace(gan, loss=NonSaturating())
    train(gan, x, steps=17, out=tmp_path / "whole", seed=3, progress=False, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(
            replace(gan, loss=Dies(killed_at)), x, steps=17, out=tmp_path / "cut", seed=3, progress=False, device="cpu"
        )
    train(gan, x, steps=17, out=tmp_path / "cut", seed=3, progress=False, device="cpu", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("stops", [(2, 17), (9, 12, 17), (17, 17)])
def test_where_a_run_stopped_leaves_no_trace(tmp_path, stops):
    x, _ = small.images()
    gan = small.gan("mic_gan", x)
    train(gan, x, steps=17, out=tmp_path / "whole", progress=False, device="cpu")
    for i, steps in enumerate(stops):
        train(gan, x, steps=steps, out=tmp_path / "parts", progress=False, device="cpu", resume=i > 0)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


class Kill(BaseException):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_can_be_resumed(tmp_path):
    x, _ = small.points()
    gan = small.gan("mic_gan", x, loss=NonSaturating())
    child = os.fork()
    if not child:
        with suppress(BaseException):
            train(replace(gan, loss=Dies(13, Kill)), x, steps=17, out=tmp_path / "cut", progress=False, device="cpu")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    train(gan, x, steps=17, out=tmp_path / "cut", progress=False, device="cpu", resume=True)
    train(gan, x, steps=17, out=tmp_path / "whole", progress=False, device="cpu")
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_training_leaves_parts_and_ambient_randomness_alone():
    x, _ = small.points()
    gan = small.gan("mic_gan", x)
    before = {name: tensor.clone() for name, tensor in gan.generator.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(gan, x, steps=6, progress=False, device="cpu")
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(before[name], tensor) for name, tensor in gan.generator.state_dict().items())


def test_swapping_the_clusterer_leaves_the_noise_as_it_was(tmp_path):
    x, _ = small.points()
    states = []
    for name, clusterer in small.clusterers(len(x)).items():
        gan = small.gan("sc_gan", x, clusterer=clusterer)
        train(gan, x, steps=9, out=tmp_path / name, progress=False, device="cpu")
        states.append(load_file(tmp_path / name / "checkpoint.safetensors")["rng"])
    assert all(torch.equal(states[0], state) for state in states)


def test_frozen_parameters_stay_as_they_came():
    x, _ = small.points()
    gan = small.gan("sc_gan", x)
    gan.discriminator.trunk.requires_grad_(False)
    run = train(gan, x, steps=3, progress=False, device="cpu")
    trunk = run.gan.discriminator.trunk
    assert not any(p.requires_grad for p in trunk.parameters())
    assert all(torch.equal(a, b) for a, b in zip(trunk.parameters(), gan.discriminator.trunk.parameters(), strict=True))


@dataclass(frozen=True)
class Collapsing(Clusterer):
    """As many clusters as slots at first, one ever after."""

    capacity: int

    def fit(self, x, labels=None):
        spread = torch.arange(len(x)) % self.capacity
        return Partition.from_labels(x, spread if labels is None else torch.zeros_like(spread), self.capacity)


def test_a_collapse_is_reported_and_taken_only_when_it_is_seen_twice():
    x, _ = small.points()
    gan = small.gan("sc_gan", x, clusterer=Collapsing(small.CAPACITY))
    with pytest.warns(UserWarning, match="collapsed from 6 to 1") as warned:
        run = train(gan.scheduled(log=4), x, steps=12, progress=False)
    assert [(row["clusters"], row["kept"]) for row in run.history] == [(6, False), (6, True), (1, False)]
    assert [str(w.message).partition(":")[0] for w in warned] == ["step 4", "step 8"]


def test_a_clusterer_that_sees_some_points_predicts_the_others():
    x, _ = small.points()
    gan = small.gan("sc_gan", x, clusterer=KMeans(small.CAPACITY, max_points=60), features=Identity())
    run = train(gan, x, steps=2, progress=False)
    assert len(run.partition.labels) == len(x)
    assert torch.equal(run.partition.labels, run.partition.predict(x))


class All(FromEncoder):
    """Features that show clusterers every code, those of empty slots as well: a mutant."""

    def columns(self, partition):
        return None


def as_it_is(D, kind=FromEncoder):
    """An encoder that gives back the points ``(N, D)``."""
    linear = torch.nn.Linear(D, D)
    with torch.no_grad():
        linear.weight.copy_(torch.eye(D)), linear.bias.zero_()
    return kind(linear, D)


@pytest.mark.parametrize(("kind", "single", "left"), [(FromEncoder, 0, 4), (FromEncoder, 4, 4), (All, 0, 1)])
def test_large_clusters_do_not_swallow_others_for_the_slots_that_are_empty(kind, single, left):
    """Nor for a few that hold a single point each."""
    torch.manual_seed(0)
    D = small.CAPACITY + 14
    truth = torch.arange(4).repeat_interleave(torch.tensor([1200, 500, 200, 100]))
    x = torch.nn.functional.one_hot(truth, D) + 0.2 * torch.randn(len(truth), D)
    x[:, 4:] = 0.01 * torch.randn(len(truth), D - 4)
    training = Training(recipes.mic_gan(dim=D, backbone="mlp", capacity=D, scale=0.3), x, 0)
    labels = truth.clone()
    labels[:single] = 4 + torch.arange(single)
    training.partition = Partition.from_labels(x, labels, D)
    partition = training.cluster(as_it_is(D, kind))
    assert (partition.counts > 20).sum() == left


@pytest.mark.parametrize("kept", [False, True])
def test_a_run_predicts_by_the_codes_that_its_last_partition_was_found_in(kept):
    """Two slots of each cluster have become one, and the encoder knows it or not."""
    torch.manual_seed(0)
    mode = torch.arange(8).repeat_interleave(100)
    merged = mode % 4
    x = torch.nn.functional.one_hot(merged if kept else mode, 8) + 0.1 * torch.randn(800, 8)
    gan = recipes.mic_gan(dim=8, backbone="mlp", capacity=8)
    training = Training(replace(gan, features=as_it_is(8)), x, 0)
    training.partition, training.kept = gan.clusterer.partition(x, merged), kept
    partition = training.close({}).partition
    assert (partition.predict(x) == merged).all()
    assert (partition.projection is not None) == kept


def test_a_clusterer_that_follows_mini_batches_is_shown_all_features():
    x, _ = small.points()
    gan = small.gan("mic_gan", x, clusterer=OnlineKMeans(small.CAPACITY))
    training = Training(gan, x, 0)
    training.partition = Partition.from_labels(x, torch.arange(len(x)) % 2, small.CAPACITY)
    assert training.columns(gan.features) is None and gan.features.columns(training.partition) is not None
    assert training.cluster(gan.features).projection is None


def test_known_labels_condition_the_gan():
    x, truth = small.images()
    run = train(small.gan("sc_gan", x, clusterer=FixedLabels(truth % small.CAPACITY)), x, steps=3, progress=False)
    assert torch.equal(run.partition.labels, truth % small.CAPACITY)


class Exploding(NonSaturating):
    def discriminator(self, real, fake, c_real, c_fake):
        return super().discriminator(real, fake, c_real, c_fake) * (1e38 if c_real is not None else 1.0) ** 2


# The schedule.


def steps_of(gan, x, steps):
    training = Training(gan, x, 0)
    with own_randomness(x, 0, TRAIN):
        for _ in range(steps):
            training.advance()
    return training


def test_rates_fall_on_a_line_and_the_latent_has_its_own():
    x, _ = small.points()
    gan = small.gan("gm_gan", x, arguments={"latent_rate": 1e-2, "decay": 8})
    training = steps_of(gan, x, 3)  # the rates of step 2
    rates = [g["lr"] for g in training.optimizers["generator"].param_groups]
    assert rates == pytest.approx([2e-4 * 6 / 8, 1e-2 * 6 / 8])
    before = training.gan.latent.means.clone()
    training.step = 8
    training.advance()
    assert torch.equal(training.gan.latent.means, before)  # the rate is 0
    assert steps_of(gan.scheduled(decay=None), x, 3).rates["generator"] == [2e-4, 1e-2]


def test_the_discriminator_takes_so_many_steps_to_one_of_the_generator():
    x, _ = small.points()
    gan = small.gan("sc_gan", x)
    gan = gan.scheduled(discriminator_steps=3)
    training = steps_of(gan, x, 2)
    counts = {n: {int(s["step"]) for s in o.state.values()} for n, o in training.optimizers.items()}
    assert counts["discriminator"] == {6} and counts["generator"] == {2}


def test_labels_that_are_handed_over_start_the_first_partition():
    x, truth = small.points()
    gan = small.gan("sc_gan", x, clusterer=FixedLabels(capacity=small.CAPACITY))
    labels = truth % small.CAPACITY
    run = train(gan, x, steps=3, labels=labels, progress=False)
    assert torch.equal(run.partition.labels, labels)
    with pytest.raises(ValueError, match="FixedLabels has none"):
        train(gan, x, steps=3, progress=False)
    with pytest.raises(ValueError, match="labels"):
        train(gan, x, steps=3, labels=labels + small.CAPACITY, progress=False)


def test_resume_asks_for_the_same_labels(tmp_path):
    x, truth = small.points()
    gan, labels = small.gan("sc_gan", x), truth % small.CAPACITY
    train(gan, x, steps=3, labels=labels, out=tmp_path / "run", progress=False)
    with pytest.raises(ValueError, match="another labels"):
        train(gan, x, steps=6, out=tmp_path / "run", resume=True, progress=False)


@dataclass(frozen=True)
class Backwards(Clusterer):
    """Each time the same clusters, their slots turned by one, whatever it is handed."""

    capacity: int = small.CAPACITY

    def fit(self, x, labels=None):
        handed.append(labels)
        turned = (torch.arange(len(x)) % 3 + len(handed)) % self.capacity
        return Partition.from_labels(x, turned, self.capacity)


handed: list = []


@pytest.mark.parametrize("warm_start", [True, False])
@pytest.mark.parametrize("matching", [True, False])
def test_warm_start_and_matching_can_be_left_out(warm_start, matching):
    handed.clear()
    x, _ = small.points()
    gan = small.gan("sc_gan", x, clusterer=Backwards())
    gan = gan.scheduled(warm_start=warm_start, matching=matching)
    training = steps_of(gan, x, 5)  # rounds at 0 and 4
    assert [labels is not None for labels in handed] == [False, warm_start]
    first = (torch.arange(len(x)) % 3 + 1) % small.CAPACITY
    assert torch.equal(training.partition.labels, first) == matching


@pytest.mark.parametrize("loss", [Hinge(), Wasserstein(), NonSaturating()])
@pytest.mark.parametrize("penalty", [R1(1.0), GradientPenalty(1.0, every=2), None])
def test_every_loss_trains_with_every_penalty(loss, penalty):
    x, _ = small.points()
    gan = small.gan("sc_gan", x, loss=loss)
    run = train(gan.scheduled(penalty=penalty), x, steps=4, progress=False)
    assert bool(run.sample(4).isfinite().all())


# What a run draws.


def test_paths_begin_and_end_at_their_clusters():
    x, _ = small.images()
    run = train(small.gan("sc_gan", x), x, steps=3, progress=False)
    a, b, c, d = run.partition.active.nonzero().flatten().tolist()[:4]

    def one(cluster):
        torch.manual_seed(0)
        return run._draw(torch.tensor([cluster]), torch.randn(1, run.latent_dim))[0]

    torch.manual_seed(0)
    line = run.interpolate(a, b, 5)
    torch.manual_seed(0)
    square = run.interpolate_four(a, b, c, d, 3)
    assert line.shape == (5, *x.shape[1:]) and square.shape == (3, 3, *x.shape[1:])
    for image, cluster in ((line[0], a), (line[-1], b), (square[0, 0], a), (square[0, 2], b), (square[2, 0], c)):
        torch.testing.assert_close(image, one(cluster))
    torch.testing.assert_close(square[2, 2], one(d))
    torch.testing.assert_close(square[0, 1], line[2])
    with pytest.raises(ValueError, match="n must be a whole number of at least 2"):
        run.interpolate_four(a, b, c, d, 1)


def test_gmgan_s_paths_lead_through_its_latent():
    x, _ = small.points()
    run = train(small.gan("gm_gan", x), x, steps=3, progress=False)
    line = run.interpolate(0, 1, 5)
    assert (line[0] - line[-1]).norm() > 0


def test_the_dial_scales_the_noise():
    x, _ = small.points()
    run = train(small.gan("gm_gan", x), x, steps=3, progress=False)
    still = run.sample(20, cluster=0, scale=0.0)
    assert torch.equal(still, still[:1].expand(20, -1))
    widths = [float(run.sample(500, cluster=0, scale=s).std(0).mean()) for s in (0.1, 1.0, 4.0)]
    assert widths == sorted(widths)
    with pytest.raises(ValueError, match="scale"):
        run.sample(3, scale=-1.0)


class Counting(torch.nn.Module):
    """A generator that puts a new tensor in the place of its buffer."""

    def __init__(self, generator):
        super().__init__()
        self.inner = generator
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, z, c):
        self.calls = self.calls + 1
        return self.inner(z, c)


def test_averaged_weights_come_with_the_buffers_as_they_are():
    x, _ = small.points()
    gan = small.gan("sc_gan", x)
    training = Training(replace(gan, generator=Counting(gan.generator)), x, 0)
    for _ in range(3):
        training.advance()
    for kept, new in zip(training.averaged.buffers(), training.maker.buffers(), strict=True):
        assert torch.equal(kept, new)


def test_an_average_forgets_what_nothing_has_trained():
    x, _ = small.points()
    training = Training(small.gan("sc_gan", x, arguments={"average": 0.8, "learning_rate": 1e-2}), x, 0)
    wanted = [weights.detach().clone() for _, weights in training.pairs]
    for decay in [(1 + t) / (10 + t) for t in range(35)] + 2 * [0.8]:
        training.advance()
        wanted = [decay * old + (1 - decay) * weights for old, (_, weights) in zip(wanted, training.pairs, strict=True)]
    for expected, (averaged, _) in zip(wanted, training.pairs, strict=True):
        torch.testing.assert_close(averaged, expected)


def drift(averaged, draw):
    """By how many standard deviations the last normalisation of a generator is off the mean of what it is given."""
    *_, last = (m for m in averaged["generator"].modules() if isinstance(m, torch.nn.BatchNorm1d))
    seen = []
    hook = last.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    draw()
    hook.remove()
    assert last.momentum == 0.1
    return float(((torch.cat(seen).mean(0) - last.running_mean) / torch.cat(seen).std(0)).abs().mean())


def test_averaged_weights_are_normalised_by_statistics_of_their_own(tmp_path, monkeypatch):
    """In a run, with a directory and without, and in what is loaded; those that go along step by step are others."""
    monkeypatch.setattr(Schedule, "average_at", lambda schedule, step: schedule.average)  # lags behind from the start
    x, _ = small.points()
    gan = small.gan("sc_gan", x, arguments={"average": 0.99, "learning_rate": 1e-2})
    runs = [train(gan, x, steps=60, out=out, progress=False) for out in (None, tmp_path)]
    for each in (*runs, load(tmp_path)):
        assert drift(each.averaged, lambda each=each: each.sample(4000)) < 0.1
    training = Training(gan, x, 0)
    for _ in range(60):
        training.advance()
    copied, latent = training.averaged["generator"].eval(), training.averaged["latent"]
    c = training.partition.sample(4000)
    assert drift(training.averaged, lambda: copied(latent(c), c)) > 0.3


# What is refused.


def test_losses_are_checked_now_and_then_where_nothing_else_asks(monkeypatch):
    monkeypatch.setattr(loop, "UNCHECKED", 3)
    x, _ = small.points()
    gan = small.gan("mic_gan", x, loss=Exploding())
    gan = gan.scheduled(warmup=5, every=None)
    with pytest.raises(ValueError, match="not finite at step 5"):
        steps_of(gan, x, 20)


def test_a_loss_that_is_not_finite_stops_training_and_names_the_checkpoint(tmp_path):
    x, _ = small.points()
    gan = small.gan("mic_gan", x, loss=Exploding())
    gan = gan.scheduled(warmup=7)
    with pytest.raises(ValueError, match=r"not finite at step 7; the last good checkpoint is .*step 5"):
        train(gan, x, steps=20, out=tmp_path / "run", progress=False)
    assert load_file(tmp_path / "run" / "checkpoint.safetensors")["generator.conditioning.table"].isfinite().all()
    with pytest.raises(ValueError, match="no checkpoint was written"):
        train(gan, x, steps=20, progress=False)


def test_a_loss_that_is_not_finite_is_named_before_its_features_are_clustered():
    x, _ = small.points()
    gan = small.gan("sc_gan", x)
    gan = gan.scheduled(discriminator_rate=1e30, log=50, save=50)
    with pytest.raises(ValueError, match=r"the loss is not finite at step \d"):
        train(gan, x, steps=50, progress=False)


@pytest.mark.parametrize(
    ("x", "steps", "message"),
    [
        (torch.zeros(5), 1, "x must hold"),
        (torch.zeros(0, 2), 1, "x must hold"),
        (torch.zeros(9, 2, dtype=torch.uint8), 1, "floating point"),
        (torch.full((9, 2), float("nan")), 1, "finite"),
        (torch.full((9, 2), float("inf")), 1, "finite"),
        (torch.full((9, 1, 8, 8), 2.0), 1, r"-1\.\.1"),
        (torch.zeros(9, 3), 1, "generator makes"),
        (torch.zeros(9, 2), 0, "steps"),
    ],
)
def test_bad_input_is_named(x, steps, message):
    with pytest.raises(ValueError, match=message):
        train(small.gan("sc_gan", torch.zeros(2, 2)), x, steps=steps, progress=False)


@pytest.mark.parametrize("name", ["batch", "warmup", "every", "decay", "discriminator_steps", "log", "save"])
def test_counts_of_a_schedule_are_whole(name):
    with pytest.raises(ValueError, match=rf"^{name} must be a whole number of at least \d, got 16.5: "):
        Schedule(**{name: 16.5})
    assert type(getattr(Schedule(**{name: np.uint8(16)}), name)) is int


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 6.25}, "^steps must be a whole number of at least 1, got 6.25: pass"),
        ({"seed": 1.5}, "^seed must be a whole number of at least 0, got 1.5: pass"),
        ({"data": {"source": object()}}, "^data cannot be noted .*object.*: pass a name, a path"),
        ({"truth": torch.zeros(120)}, r"^truth holds torch.float32: pass whole numbers"),
        ({"truth": ["cat"] * 120}, "^truth must hold numbers only"),
        ({"truth": -torch.ones(120).long()}, "^truth holds the class -1: pass 0, 1"),
    ],
)
def test_what_cannot_be_noted_or_counted_is_said_before_the_first_step(tmp_path, arguments, message):
    x, _ = small.points()
    with pytest.raises(ValueError, match=message):
        train(small.gan("sc_gan", x), x, out=tmp_path / "a", progress=False, **{"steps": 3, **arguments})
    assert not (tmp_path / "a").exists()


def test_numbers_of_numpy_paths_and_truth_in_two_kinds_are_taken(tmp_path):
    x, y = small.points()
    gan = recipes.sc_gan(dim=2, capacity=np.int64(4), backbone="mlp", width=8).scheduled(log=np.int64(1))
    given = {"steps": np.int64(2), "seed": np.int64(1), "data": {"source": tmp_path / "x.npy"}, "truth": y > 3}
    run = train(gan, x, out=tmp_path / "a", progress=False, **given)
    assert [row["nmi"] >= 0 for row in run.history] == [True, True]
    config = load(tmp_path / "a").config
    assert (config["steps"], config["seed"], config["data"]) == (2, 1, {"source": str(tmp_path / "x.npy")})


def test_a_clusterer_with_more_slots_than_the_networks_is_named():
    x, _ = small.points()
    for recipe in ("mic_gan", "sc_gan"):
        with pytest.raises(ValueError, match="slot 8 of the clusterer's 9"):
            train(small.gan(recipe, x, clusterer=KMeans(9)), x, steps=1, progress=False)


def test_features_that_name_more_slots_than_the_clusterer_has_are_named():
    x, _ = small.images()
    with pytest.raises(ValueError, match=r"the features name slot \d and the clusterer has 1"):
        train(small.gan("mic_gan", x, clusterer=KMeans(1)), x, steps=5, progress=False)


def test_a_directory_is_never_overwritten_unless_asked(tmp_path):
    x, _ = small.points()
    gan = small.gan("sc_gan", x)
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="not empty"):
        train(gan, x, steps=1, out=tmp_path, progress=False)
    train(gan, x, steps=1, out=tmp_path, progress=False, overwrite=True)
    with pytest.raises(ValueError, match="not empty"):
        train(gan, x, steps=1, out=tmp_path, progress=False)
    assert (tmp_path / "thesis.tex").read_text() == "precious"
    with pytest.raises(ValueError, match="file"):
        train(gan, x, steps=1, out=tmp_path / "thesis.tex", progress=False)
    with pytest.raises(ValueError, match="exclude"):
        train(gan, x, steps=1, out=tmp_path, progress=False, resume=True, overwrite=True)


def test_a_run_that_cannot_start_leaves_what_was_there(tmp_path):
    x, _ = small.points()
    train(small.gan("sc_gan", x), x, steps=2, out=tmp_path / "run", progress=False)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    short = small.gan("sc_gan", x, clusterer=FixedLabels(torch.zeros(7).long(), small.CAPACITY))
    for gan, changes in ((short, {}), (small.gan("sc_gan", x), {"seed": -1})):
        for out, how in (("run", {"overwrite": True}), ("fresh", {})):
            with pytest.raises(ValueError, match=r"labels has 7|seed"):
                train(gan, x, steps=3, out=tmp_path / out, progress=False, **how, **changes)
    with pytest.raises(ValueError, match="has taken 2"):
        train(small.gan("sc_gan", x), x, steps=1, out=tmp_path / "run", progress=False, resume=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    assert not (tmp_path / "fresh").exists()


def test_new_images_go_where_equal_old_ones_went():
    x, _ = small.points()
    for name in ("kmeans", "stick-breaking"):
        gan = small.gan("sc_gan", x, clusterer=small.clusterers(len(x))[name])
        gan = gan.scheduled(every=100, discriminator_rate=1e-3)
        run = train(gan, x, steps=90, progress=False)  # the discriminator has long moved on
        assert (run.predict(x) == run.partition.labels).float().mean() > 0.9
        with pytest.raises(ValueError, match="resize"):
            run.predict(x[:, :1])
        with pytest.raises(ValueError, match="finite"):
            run.predict(x * float("nan"))


def test_each_purpose_draws_from_a_stream_of_its_own():
    drawn = set()
    for key in ((7, 1), (7, 2), *((7, purpose, step) for purpose in (3, 4) for step in (1, 2))):
        with own_randomness(torch.zeros(1), *key):
            drawn.add(tuple(torch.randint(1000, (4,)).tolist()))
    assert len(drawn) == 6


def test_resume_asks_for_the_same_run(tmp_path):
    x, _ = small.points()
    gan = small.gan("sc_gan", x)
    with pytest.raises(ValueError, match="does not exist"):
        train(gan, x, steps=1, out=tmp_path / "run", progress=False, resume=True)
    train(gan, x, steps=2, out=tmp_path / "run", progress=False)
    for changed in ({"seed": 1}, {"x": x[:50]}, {"x": x + 1}):
        with pytest.raises(ValueError, match="was started with another"):
            train(gan, **{"x": x, "steps": 4, "out": tmp_path / "run", "progress": False, "resume": True, **changed})


def test_a_run_from_before_an_option_was_there_goes_on(tmp_path, monkeypatch):
    """The option has its usual value in what is resumed; another value is another run."""
    x, _ = small.points()
    gan = small.gan("gm_gan", x)

    def noted_then(made):
        recipe, missing = noted(made)
        return {name: value for name, value in recipe.items() if name != "weighted"}, missing

    with monkeypatch.context() as then:
        then.setattr("bnpgan.training.noted", noted_then)
        train(gan, x, steps=2, out=tmp_path, progress=False)
    assert "weighted" not in json.loads((tmp_path / "config.json").read_text())["recipe"]
    assert load(tmp_path).gan.recipe.weighted is False
    with pytest.raises(ValueError, match=r"another recipe \(weighted"):
        other = small.gan("gm_gan", x, arguments={"weighted": True})
        train(other, x, steps=4, out=tmp_path, progress=False, resume=True)
    train(gan, x, steps=4, out=tmp_path, progress=False, resume=True)
    assert json.loads((tmp_path / "config.json").read_text())["recipe"]["weighted"] is False


def test_a_run_is_loaded_as_it_was(tmp_path):
    x, _ = small.images()
    gan = small.gan("mic_gan", x, clusterer=Halves(small.CAPACITY))
    run = train(gan, x, steps=9, out=tmp_path, progress=False, device="cpu")
    assert run.partition.projection is not None  # as other slots are empty
    assert load(tmp_path, gan=gan).history == run.history
    again = load(tmp_path)
    assert torch.equal(again.partition.labels, run.partition.labels) and again.history == run.history
    assert torch.equal(again.predict(x), run.predict(x))
    torch.manual_seed(0)
    first = run.sample(4), run.interpolate(*run.partition.labels.unique()[:2].tolist(), 5)
    torch.manual_seed(0)
    second = again.sample(4), again.interpolate(*run.partition.labels.unique()[:2].tolist(), 5)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    for name in ("samples.png", "clusters.png", "config.json", "stats.jsonl", "metrics.json"):
        assert (tmp_path / name).stat().st_size > 0


def test_a_damaged_or_foreign_checkpoint_is_named(tmp_path):
    x, _ = small.points()
    gan = small.gan("mic_gan", x)
    train(gan, x, steps=6, out=tmp_path, progress=False)
    with pytest.raises(ValueError, match="does not match"):
        load(tmp_path, gan=small.gan("sc_gan", x))
    checkpoint = tmp_path / "checkpoint.safetensors"
    whole = checkpoint.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:3], b"", b"\x80\x04pickle"):
        checkpoint.write_bytes(damaged)
        with pytest.raises(ValueError, match="is not a whole checkpoint"):
            load(tmp_path, gan=gan)
        with pytest.raises(ValueError, match="is not a whole checkpoint"):
            train(gan, x, steps=8, out=tmp_path, progress=False, resume=True)
    checkpoint.unlink()
    with pytest.raises(ValueError, match="does not exist"):
        load(tmp_path, gan=gan)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        load(tmp_path, gan=gan)


def test_sampling_names_a_cluster_that_is_empty():
    x, _ = small.points()
    run = train(
        small.gan("sc_gan", x, clusterer=FixedLabels(torch.zeros(len(x)).long(), 6)), x, steps=1, progress=False
    )
    assert run.sample(3, cluster=0).shape == (3, 2)
    for call in (lambda: run.sample(3, cluster=1), lambda: run.sample(0), lambda: run.interpolate(0, 7, 3)):
        with pytest.raises(ValueError, match=r"holds no images|at least"):
            call()


def test_in_bf16_networks_compute_in_half_precision_and_the_rest_does_not(tmp_path):
    x, _ = small.images()
    gan = small.gan("mic_gan", x)
    half = gan.scheduled(bf16=True, penalty=R1(1.0))
    seen = []
    half.generator.register_forward_hook(lambda _, args, output: seen.append(output.dtype))
    training = Training(half, x, 0)
    real, fake, judged, _, _ = training.batch()
    assert seen[-1] == torch.bfloat16 and fake.dtype == real.dtype == torch.float32
    with training.cast:
        assert training.gan.discriminator(real, judged).dtype == torch.float32
    train(half, x, steps=17, out=tmp_path / "whole", progress=False, device="cpu")
    train(half, x, steps=9, out=tmp_path / "parts", progress=False, device="cpu")
    train(half, x, steps=17, out=tmp_path / "parts", progress=False, device="cpu", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    losses = [row["loss_d"] for row in rows(tmp_path / "whole")]
    train(half.scheduled(bf16=False), x, steps=9, out=tmp_path / "full", progress=False, device="cpu")
    full = [row["loss_d"] for row in rows(tmp_path / "full")]
    assert losses != full and losses[0] == pytest.approx(full[0], abs=0.05)
    with pytest.raises(ValueError, match="another recipe"):
        train(gan, x, steps=20, out=tmp_path / "whole", progress=False, device="cpu", resume=True)


def framed(x, **changes):
    made = recipes.SCGAN(shape=(x.shape[1],), capacity=small.CAPACITY, backbone="mlp", frames=ClusterFrames)
    return replace(made, schedule=replace(made.schedule, batch=16, every=4, log=3, save=5, **changes))


def test_in_frames_units_do_not_matter_and_samples_lie_where_their_clusters_do():
    x, _ = small.points()
    runs = [train(framed(x), unit * x, steps=9, seed=3, progress=False) for unit in (1.0, 1024.0)]
    assert torch.equal(runs[0].partition.labels, runs[1].partition.labels)
    for run, unit in zip(runs, (1.0, 1024.0), strict=True):
        for k in run.partition.active.nonzero().flatten().tolist():
            mine = unit * x[run.partition.labels == k]
            apart = (run.sample(50, cluster=k).mean(0) - mine.mean(0)).abs()
            assert bool((apart <= 3 * mine.std(0, correction=0) + 1e-3 * unit).all())
        a, b = run.partition.counts.topk(2).indices.tolist()
        assert run.interpolate(a, b, 5).shape == (5, 2)


def test_networks_are_shown_real_points_in_the_frame_of_their_slot():
    x, _ = small.points()
    training = Training(framed(50 * x + 7).build(), 50 * x + 7, 3)
    for _ in range(3):
        training.advance()
    real, fake, judged, _, _ = training.batch()
    assert judged is not None and real.shape == fake.shape
    back = training.gan.frames.out(real, judged)
    apart = (back[:, None] - (50 * x + 7)).norm(dim=2)
    assert apart.amin(1).max() < 1e-3  # points of the data, once out of their frames
    assert real.abs().max() < 5 and (real - back).abs().min() > 0


def test_clusters_in_frames_are_found_in_the_frame_of_all_data():
    x, _ = small.points()
    run = train(framed(x), 50 * x + 7, steps=5, seed=3, progress=False)
    whitened = run.gan.frames.into(50 * x + 7, None)
    assert (whitened.T.cov() - torch.eye(2)).abs().max() < 0.05
    assert torch.equal(run.gan.features(run.gan, 50 * x + 7), run.gan.discriminator.features(whitened))


def test_a_gan_that_knows_no_partition_has_one_frame_for_all():
    x, _ = small.points()
    run = train(small.gan("gm_gan", x, arguments={"frames": True}), 50 * x + 7, steps=3, seed=3, progress=False)
    assert torch.equal(run.gan.frames.mean, run.gan.frames.mean[-1:].expand(small.CAPACITY + 1, -1))
    assert run.gan.frames.mean[-1].tolist() == pytest.approx((50 * x + 7).mean(0).tolist(), rel=1e-4)
