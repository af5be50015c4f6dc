"""The ring and the grid: SC-GAN's Table 1."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from bnpgan import data, metrics, recipes
from bnpgan.mixture import MixtureGAN
from bnpgan.models import MLP
from bnpgan.reproduce import framed
from bnpgan.reproduce.rivals import ON_THE_PLANE
from bnpgan.reproduce.study import Method, Scores, Study
from bnpgan.run import Run
from bnpgan.samplers import OnlineKMeans

__all__ = ["GRID", "GRID_PAPER", "RING", "RING_PAPER"]

SAMPLES = 100_000  # generated points that are scored: the noise of counting in reverse KL is then about 1e-4
INSIDE = 1000  # points of a mode that are compared with exact ones: spread is then known to 1 or 2 %
COLUMNS = {
    "modes": ("modes", ".1f"),
    "quality": ("in the box, %", ".2f"),
    "within": ("within 3 sd, %", ".2f"),
    "spread": ("spread", ".2f"),
    "energy": ("energy distance", ".4f"),
    "energy_floor": ("its floor", ".4f"),
    "reverse_kl": ("reverse KL", ".5f"),
    "floor": ("its floor", ".5f"),
    "clusters": ("clusters", ".1f"),
    "nmi": ("NMI", ".3f"),
    "purity": ("purity", ".3f"),
}


COMMON: dict = {"dim": 2, "backbone": "mlp", "learning_rate": 2e-3}


def made(recipe: Callable[..., MixtureGAN], **arguments: object) -> Callable[[int], MixtureGAN]:
    """A recipe with the networks and the rates of all, for so many steps."""
    # Under these betas networks for points settle in thousands of steps, and not in a hundred thousand.
    return lambda steps: recipe(**COMMON, **arguments, decay=steps).scheduled(betas=(0.0, 0.99))


def plane(means: Tensor, std: float, unit: float) -> Callable[[Run, Tensor], Scores]:
    """Scores of generated points against a mixture of round Gaussians, and of the clusters against its modes."""

    def score(run: Run, truth: Tensor) -> Scores:
        found = coverage(run.sample(SAMPLES) * unit, means, std)
        # A GAN of exact clusters, drawn by their frequencies, has the weights of the data: its KL is the floor.
        learned = truth.bincount(minlength=len(means)) / len(truth)
        excess = torch.special.xlogy(learned, learned * len(means)).sum().item()
        floor = excess + (len(means) - 1) / (2 * SAMPLES)
        return {**found, "floor": floor, **metrics.clustering(run.partition.labels, truth)}

    return score


def coverage(y: Tensor, means: Tensor, std: float) -> Scores:
    """Modes, quality in per cent, reverse KL, and how points are spread inside the modes."""
    box, round_ = (metrics.modes(y, means, std, box=box) for box in (True, False))
    nearest = torch.cdist(y, means.to(y)).argmin(1)
    numbers = torch.Generator().manual_seed(0)  # the same exact points for all that is scored
    modes = torch.arange(len(means)).repeat_interleave(INSIDE)
    true = means[modes] + std * torch.randn(len(modes), means.shape[1], generator=numbers)
    inside = metrics.inside_modes(y, nearest, true, modes, INSIDE)
    quality = {"quality": 100 * box["quality"], "within": 100 * round_["quality"]}
    return {"modes": box["modes"], **quality, **inside, "reverse_kl": box["reverse_kl"]}


def exact(sample: Callable[[int], tuple[Tensor, Tensor]], means: Tensor, std: float) -> Callable[[], Scores]:
    """The scores of ``SAMPLES`` points of the true mixture."""

    def score() -> Scores:
        return {**coverage(sample(SAMPLES)[0], means, std), "floor": (len(means) - 1) / (2 * SAMPLES)}

    return score


def papers_methods(study: Study) -> dict[str, Method]:
    """SC-GAN and the GANs beside it with the papers' own networks and rates, for data in their own units."""
    makers: dict[str, Callable[..., MixtureGAN]] = {
        "sc-gan": partial(recipes.sc_gan, every=5000),
        "sc-gan-online": partial(recipes.sc_gan, online=True),
        "gan": recipes.gan,
        "random-labels": recipes.random_label_gan,
    }

    def as_printed(recipe: Callable[..., MixtureGAN]) -> Callable[[int], MixtureGAN]:
        return lambda steps: recipe(dim=2, backbone="maxout", learning_rate=1e-4)

    return {name: Method(as_printed(maker), paper=study.methods[name].paper) for name, maker in makers.items()}


def in_own_units(study: Study, score: Callable[[Run, Tensor], Scores]) -> Study:
    """The study as the released code of SC-GAN has it: its networks, data as they are, 100,000 steps of 100 points.

    The paper speaks of 400 epochs, four times as many.
    """
    methods = papers_methods(study)
    return replace(study, name=f"{study.name}-paper", methods=methods, score=score, unit=1.0, steps=100_000)


def methods_of(paper: dict[str, Scores]) -> dict[str, Method]:
    """The methods of SC-GAN's Table 1, with the same networks, rates and steps, and what it reports of them."""

    def online(steps: int) -> MixtureGAN:
        # Centroids that forget, and a discriminator whose features move no faster than they follow.
        found = recipes.sc_gan(**COMMON, online=True, decay=steps)
        found = replace(found, clusterer=OnlineKMeans(50, memory=20, max_points=10_000))
        return found.scheduled(betas=(0.0, 0.99), generator_rate=1e-3, discriminator_rate=5e-4)

    def weighted(steps: int) -> MixtureGAN:
        # Weights learn from large batches, and faster than networks, or no Gaussian has left its mode by the end.
        return recipes.gm_gan(
            **(COMMON | {"backbone": MLP(256, normalised=False)}),
            capacity=50,
            z_dim=2,
            spread=30.0,
            weighted=True,
            latent_rate=2e-2,
            batch=500,
            decay=steps,
        ).scheduled(betas=(0.0, 0.99), generator_rate=5e-4)

    def mic_gan(steps: int) -> MixtureGAN:
        return recipes.mic_gan(
            **COMMON,
            capacity=50,
            z_dim=2,
            embedding_dim=32,
            scale=0.01,
            warmup=steps // 2,
            every=max(1, steps // 8),
            penalty=0.003,
            max_points=10_000,
            encoder_first_steps=1500,
            encoder_steps=500,
            average=0.999,
            decay=steps,
        )

    makers = {
        "sc-gan": made(recipes.sc_gan, every=5000),
        "sc-gan-framed": framed.sc_gan,
        "mic-gan-framed": framed.mic_gan,
        "sc-gan-online": made(recipes.sc_gan, online=True),
        "sc-gan-online-memory": online,
        "sc-gan-online-framed": framed.sc_gan_online,
        "mic-gan": mic_gan,
        "gm-gan": made(recipes.gm_gan, capacity=50, z_dim=2, spread=30.0),
        "gm-gan-weighted": weighted,
        "gan": made(recipes.gan),
        "random-labels": made(recipes.random_label_gan),
        "pacgan2": made(recipes.pac_gan, pack=2),
        "pacgan3": made(recipes.pac_gan, pack=3),
        "pacgan4": made(recipes.pac_gan, pack=4),
        **{name: made(recipe, **arguments) for name, (recipe, arguments) in ON_THE_PLANE.items()},
    }
    return {name: Method(make, paper=paper.get(name, {})) for name, make in makers.items()}


def table1(**rows: tuple[float, float, float]) -> dict[str, Scores]:
    """Rows of SC-GAN's Table 1: modes, quality in per cent, reverse KL."""
    titles = ("modes", "quality", "reverse_kl")
    return {name.replace("_", "-"): dict(zip(titles, row, strict=True)) for name, row in rows.items()}


def known(name: str) -> tuple[Tensor, Tensor]:
    """A data set by its name, with its classes."""
    x, truth = data.load(name)
    assert truth is not None
    return x, truth


RING = Study(
    name="ring",
    load=lambda root: known("ring"),
    methods=methods_of(
        table1(
            sc_gan=(8.0, 99.5, 0.0014),
            gan=(6.3, 98.2, 0.45),
            random_labels=(7.9, 96.3, 0.07),
            pacgan2=(7.9, 95.6, 0.07),
            pacgan3=(7.8, 97.7, 0.10),
            pacgan4=(7.8, 95.9, 0.07),
        )
    ),
    columns=COLUMNS,
    score=plane(*data.KNOWN["ring"], 0.5**0.5),
    score_labels=metrics.clustering,
    steps=8000,
    unit=0.5**0.5,
    reference=exact(data.ring, *data.KNOWN["ring"]),
)
GRID = Study(
    name="grid",
    load=lambda root: known("grid"),
    methods=methods_of(
        table1(
            sc_gan=(25.0, 99.5, 0.0063),
            sc_gan_online=(25.0, float("nan"), 0.00122),
            gan=(17.3, 94.8, 0.70),
            random_labels=(16.0, 90.6, 0.57),
            pacgan2=(23.8, 91.3, 0.13),
            pacgan3=(24.6, 94.2, 0.06),
            pacgan4=(24.8, 93.6, 0.04),
        )
    ),
    columns=COLUMNS,
    score=plane(*data.KNOWN["grid"], 8**0.5),
    score_labels=metrics.clustering,
    steps=8000,
    unit=8**0.5,
    reference=exact(data.grid, *data.KNOWN["grid"]),
)
RING_PAPER = in_own_units(RING, plane(*data.KNOWN["ring"], 1.0))
GRID_PAPER = in_own_units(GRID, plane(*data.KNOWN["grid"], 1.0))
