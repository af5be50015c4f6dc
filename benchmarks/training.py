"""Images a second of the training loop beside a bare one of the same networks, and the time that clustering takes.

    python benchmarks/training.py
    python benchmarks/training.py --rounds 10 --no-runs

SC-GAN on the grid as ``bnpgan reproduce grid`` trains it, MIC-GAN on the digits as ``make demo`` does, and, where
``BNPGAN_DATA`` names the folder that holds them, on MNIST's images as ``bnpgan reproduce mnist`` does, on a thread.
Both loops begin with a partition that has just been made and make none while they are timed. They take turns,
``steps`` at a time, for so many ``rounds``. Ours checks the losses and writes a row of its history every ``log`` steps,
as in any run. The bare loop has the labels of that partition for good, and does in each step what it must: a batch, a
step of the discriminator, one of the generator, averaged weights; networks, fused optimisers and losses are those of
ours. The ratio is the median over rounds, by the clock and by the processor's time, which others disturb less.

Then all but MNIST's are trained once by ``train`` for the steps of their studies: the share of the time that clustering
takes, which is features and k-means or Gibbs sweeps, and what the features learn for it (MIC-GAN's encoder).
"""

import argparse
import copy
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from bnpgan import data, recipes
from bnpgan.features import Features, Networks
from bnpgan.images import Images, images_of
from bnpgan.loop import Training
from bnpgan.losses import R1
from bnpgan.mixture import MixtureGAN
from bnpgan.partition import Partition
from bnpgan.reproduce import STUDIES
from bnpgan.reproduce.runs import circumstances
from bnpgan.training import train

SEED = 0


@dataclass(frozen=True)
class Case:
    """A GAN, how long its study trains it, and on what."""

    name: str
    steps: int
    images: Images
    make: Callable[[int], MixtureGAN]
    run: bool = True


def cases() -> list[Case]:
    grid, mnist = STUDIES["grid"], STUDIES["mnist"]
    sc_gan, mic_gan = grid.methods["sc-gan"].make, mnist.methods["mic-gan"].make
    assert sc_gan is not None and mic_gan is not None
    found = [
        Case("SC-GAN, the grid", grid.steps, grid.load(None)[0] / grid.unit, sc_gan),
        Case(
            "MIC-GAN, the digits",
            5000,
            data.digits()[0],
            lambda steps: recipes.mic_gan(image_shape=(1, 8, 8), backbone="mlp"),
        ),
    ]
    if "BNPGAN_DATA" in os.environ:
        found.append(
            Case("MIC-GAN, MNIST", mnist.steps, images_of(mnist.load(None)[0], "MNIST")[0], mic_gan, run=False)
        )
    return found


class Ours:
    """The loop of ``train``, between two partitions."""

    def __init__(self, gan: MixtureGAN, images: Images) -> None:
        once = gan.scheduled(warmup=0, every=None)
        self.training = Training(once, images, SEED)
        self.training.advance()  # the one with the partition

    @property
    def labels(self) -> Tensor:
        assert self.training.partition is not None
        return self.training.partition.labels.clone()

    def advance(self, steps: int) -> None:
        log = self.training.gan.schedule.log
        for _ in range(steps):
            self.training.advance()
            if self.training.step % log == 0:
                self.training.check()
                self.training.measure()


class Bare:
    """What one would write for one GAN: non-saturating losses, R1 unless its weight is 0, labels that stay."""

    def __init__(self, gan: MixtureGAN, images: Images, labels: Tensor) -> None:
        gan, s = copy.deepcopy(gan), gan.schedule
        self.G, self.D, self.images, self.labels = gan.generator.train(), gan.discriminator.train(), images, labels
        self.batch, self.z_dim, self.decay, self.average = s.batch, int(gan.latent.dim), s.decay, s.average  # type: ignore[arg-type]
        self.penalty = R1(0.0) if s.penalty is None else s.penalty
        self.rates = s.generator_rate, s.discriminator_rate
        self.adam_G = torch.optim.Adam(self.G.parameters(), lr=self.rates[0], betas=s.betas, fused=True)
        self.adam_D = torch.optim.Adam(self.D.parameters(), lr=self.rates[1], betas=s.betas, fused=True)
        self.averaged = copy.deepcopy(self.G).requires_grad_(False)
        self.pairs = list(self.averaged.parameters()), [p.detach() for p in self.G.parameters()]
        self.buffers = list(zip(self.averaged.buffers(), self.G.buffers(), strict=True))
        self.step = 0

    def advance(self, steps: int) -> None:
        G, D = self.G, self.D
        for _ in range(steps):
            if self.decay is not None:
                for adam, rate in zip((self.adam_G, self.adam_D), self.rates, strict=True):
                    adam.param_groups[0]["lr"] = rate * (1 - self.step / self.decay)
            i = torch.randint(len(self.images), (self.batch,), device=self.images.device)
            real, c = self.images[i], self.labels[i]
            fake = G(torch.randn(self.batch, self.z_dim, device=c.device), c)
            loss = F.softplus(-D(real, c)).mean() + F.softplus(D(fake.detach(), c)).mean()
            if self.penalty.weight and self.step % self.penalty.every == 0:
                x = real.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(D(x, c).sum(), x, create_graph=True)
                loss = loss + self.penalty.weight * self.penalty.every * gradient.flatten(1).square().sum(1).mean()
            self.adam_D.zero_grad()
            loss.backward()
            self.adam_D.step()
            D.requires_grad_(False)
            loss = F.softplus(-D(fake, c)).mean()
            self.adam_G.zero_grad()
            loss.backward()
            self.adam_G.step()
            D.requires_grad_(True)
            torch._foreach_lerp_(*self.pairs, 1 - self.average)
            for kept, new in self.buffers:
                kept.copy_(new)
            self.step += 1


class Timed(Features):
    """Other features, with a clock on what they learn."""

    seconds = 0.0

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features, self.optimizer = features, features.optimizer

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        return self.features(gan, images)

    def refresh(self, gan: Networks, images: Tensor, partition: Partition | None) -> None:
        began = time.perf_counter()
        self.features.refresh(gan, images, partition)
        Timed.seconds += time.perf_counter() - began

    def suggest(self, y: Tensor) -> Tensor | None:
        return self.features.suggest(y)


def speeds(case: Case, steps: int, rounds: int) -> dict:
    """Images a second of both loops, the ratio of ours to the bare one, and a step's processor time: medians."""
    torch.manual_seed(SEED)
    gan = case.make(case.steps)
    ours = Ours(gan, case.images)
    bare = Bare(ours.training.gan, case.images, ours.labels)  # weights in the same layout
    loops = {"bare": bare.advance, "ours": ours.advance}
    clocks = {"clock": time.perf_counter, "processor": time.process_time}
    spent: dict[tuple[str, str], list[float]] = {(name, clock): [] for name in loops for clock in clocks}
    for advance in loops.values():
        advance(50)
    for turn in range(rounds):
        for name in sorted(loops, reverse=turn % 2 == 1):
            began = {clock: now() for clock, now in clocks.items()}
            loops[name](steps)
            for clock, now in clocks.items():
                spent[name, clock].append(now() - began[clock])
    ratios = {
        clock: sorted(b / a for a, b in zip(spent["ours", clock], spent["bare", clock], strict=True))
        for clock in clocks
    }
    return {
        **{name: steps * gan.schedule.batch / median(spent[name, "clock"]) for name in loops},
        "step": median(spent["ours", "processor"]) / steps,
        **{f"ratio_{clock}": median(ratio) for clock, ratio in ratios.items()},
        **{f"quartiles_{clock}": [r[rounds // 4], r[3 * rounds // 4]] for clock, r in ratios.items()},
    }


def whole(case: Case) -> dict:
    """Where the time of a whole run went."""
    torch.manual_seed(SEED)
    gan = case.make(case.steps)
    Timed.seconds = 0.0
    began = time.perf_counter()
    run = train(replace(gan, features=Timed(gan.features)), case.images, steps=case.steps, seed=SEED, progress=False)
    seconds, last = time.perf_counter() - began, run.history[-1]
    return {
        "steps": case.steps,
        "seconds": seconds,
        "images_per_second": case.steps * gan.schedule.batch / seconds,
        "clustering": last["clustering_seconds"] / last["seconds"],
        "features_learn": Timed.seconds / last["seconds"],
    }


def markdown(results: dict) -> str:
    lines = [
        f"`{results['command']}`, commit {results['commit']}, {results['hardware']}, {results['threads']} thread, "
        f"torch {results['torch']}, {results['time']}, load {results['load']:.1f} at the start",
        "",
        "| | ours, images/s | bare loop | ratio (quartiles) | by the processor's time | its ms a step "
        "| whole run, s | images/s | clustering, % | encoder, % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results["rows"].items():
        line = f"| {name} | {row['ours']:,.0f} | {row['bare']:,.0f} |"
        for clock in ("clock", "processor"):
            low, high = row[f"quartiles_{clock}"]
            line += f" {row[f'ratio_{clock}']:.3f} ({low:.3f}, {high:.3f}) |"
        line += f" {1000 * row['step']:.2f} |"
        if "seconds" in row:
            line += f" {row['seconds']:.1f} | {row['images_per_second']:,.0f} | {100 * row['clustering']:.2f} |"
            line += f" {100 * row['features_learn']:.1f} |"
        else:
            line += " | | | |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=50, help="of a loop in each round")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--no-runs", action="store_true", help="no whole runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict = {"command": " ".join(["python", "benchmarks/training.py", *sys.argv[1:]]), **circumstances()}
    results |= {"time": f"{datetime.now():%Y-%m-%d %H:%M}", "load": os.getloadavg()[0], "rows": {}}
    for case in cases():
        results["rows"][case.name] = speeds(case, options.steps, options.rounds)
        if case.run and not options.no_runs:
            results["rows"][case.name] |= whole(case)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "training.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "training.md").write_text(markdown(results))
    print(markdown(results))


if __name__ == "__main__":
    main()
