"""Twelve clusters in ten columns, of unequal weight, size and shape: Gaussians, and with heavy tails."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from bnpgan import data, metrics
from bnpgan.data import Mixture
from bnpgan.mixture import MixtureGAN
from bnpgan.models import MLP, NoFrames
from bnpgan.recipes import GAN, ClassConditionalGAN
from bnpgan.reproduce import framed
from bnpgan.reproduce.study import Method, Scores, Study
from bnpgan.run import Run

__all__ = ["HEAVY_TAILS", "MIXTURE10"]

POINTS = 100_000  # of the data, and generated points that are scored
INSIDE = 1000  # points of a mode that are compared with exact ones
SLOTS = 100  # for MIC-GAN's warm-up draws all slots equally often, and the lightest cluster has 2 % of the points
UNIT = 5.0  # about the standard deviation of the data
COLUMNS = {
    "modes": ("modes", ".1f"),
    "quality": ("in the box, %", ".2f"),
    "spread": ("spread", ".2f"),
    "energy": ("energy distance", ".4f"),
    "energy_floor": ("its floor", ".4f"),
    "reverse_kl": ("reverse KL", ".5f"),
    "floor": ("its floor", ".5f"),
    "clusters": ("clusters", ".1f"),
    "nmi": ("NMI", ".3f"),
    "purity": ("purity", ".3f"),
}


def drawn(mixture: Mixture, seed: int) -> tuple[Tensor, Tensor]:
    """Always the same points of a mixture for a seed, with their components; the ambient generator is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return mixture.sample(POINTS)


def coverage(mixture: Mixture, y: Tensor) -> Scores:
    """Scores of points: each is of the mode that it is likeliest from, in the box if within 3 sd along all its axes."""
    modes = mixture.assign(y)
    good = mixture.whitened(y, modes).abs().amax(1) <= 3
    weights = (mixture.weights / mixture.weights.sum()).to(y.device, torch.float64)
    q = modes.bincount(minlength=len(weights)) / len(y)
    kl = torch.special.xlogy(q, q / weights).sum().item()
    true, of_true = drawn(mixture, seed=1)
    inside = metrics.inside_modes(y, modes, true, of_true, INSIDE)
    found = {"modes": len(modes[good].unique()), "quality": 100 * good.double().mean().item()}
    return {**found, **inside, "reverse_kl": kl}


def study(name: str, mixture: Mixture) -> Study:
    """The study of a mixture."""
    K, D = mixture.means.shape

    def score(run: Run, truth: Tensor) -> Scores:
        learned = truth.bincount(minlength=K) / len(truth)
        excess = torch.special.xlogy(learned, learned * mixture.weights.sum() / mixture.weights).sum().item()
        floor = excess + (K - 1) / (2 * POINTS)
        found = coverage(mixture, run.sample(POINTS) * UNIT)
        return {**found, "floor": floor, **metrics.clustering(run.partition.labels, truth)}

    def exact() -> Scores:
        return {**coverage(mixture, mixture.sample(POINTS)[0]), "floor": (K - 1) / (2 * POINTS)}

    return Study(
        name=name,
        load=lambda root: drawn(mixture, 0),
        methods=methods(K, D),
        columns=COLUMNS,
        score=score,
        score_labels=metrics.clustering,
        steps=8000,
        unit=UNIT,
        reference=exact,
    )


def methods(K: int, D: int) -> dict[str, Method]:
    """Mixture GANs in frames, and a class-conditional and a plain GAN with the same steps, rates and batches."""

    def without(kind: type[GAN] | type[ClassConditionalGAN], **parts: object) -> Callable[[int], MixtureGAN]:
        def make(steps: int) -> MixtureGAN:
            plain = framed.recipe(kind, steps, D, frames=NoFrames, backbone=MLP(128), **parts).build()
            return plain.scheduled(warmup=None if kind is GAN else 0, every=None)

        return make

    return {
        "sc-gan-framed": Method(partial(framed.sc_gan, dim=D, capacity=SLOTS)),
        "mic-gan-framed": Method(partial(framed.mic_gan, dim=D, capacity=SLOTS, hidden=True)),
        "dp-gan-framed": Method(partial(framed.dp_gan, dim=D, capacity=SLOTS)),
        "class-conditional-framed": Method(partial(framed.class_conditional_gan, dim=D, capacity=K), supervised=True),
        "class-conditional": Method(without(ClassConditionalGAN, capacity=K), supervised=True),
        "gan": Method(without(GAN)),
    }


MIXTURE10 = study("mixture10", data.wide())
HEAVY_TAILS = study("heavy-tails", data.wide(freedom=4.0))
