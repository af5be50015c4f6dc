"""A study: data, methods that are compared on them, and scores."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from bnpgan.mixture import MixtureGAN
from bnpgan.run import Run

__all__ = ["Method", "Scores", "Study"]

Scores = dict[str, float]


@dataclass(frozen=True)
class Method:
    """One of the methods that a study compares.

    Args:
        make: builds the GAN for a number of training steps; ``None`` for a method without one.
        cluster: labels ``(N,)`` of the data, by a method without a GAN, for a seed.
        paper: the scores in the paper, under the names of the study's columns.
    """

    make: Callable[[int], MixtureGAN] | None = None
    cluster: Callable[[Tensor, int], Tensor] | None = None
    paper: Scores = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """One experiment.

    Args:
        name: of the study.
        load: the data and their classes.
        methods: by name.
        columns: title and format of each score.
        score: the scores of a run, given the classes of the data.
        score_labels: the scores of labels that were found without a GAN, given the classes.
        steps: of training, for each method.
        unit: data are divided by it before training, and generated points multiplied by it.
        reference: makes the scores of exact samples; empty where the law of the data is not known.
    """

    name: str
    load: Callable[[], tuple[Tensor, Tensor]]
    methods: dict[str, Method]
    columns: dict[str, tuple[str, str]]
    score: Callable[[Run, Tensor], Scores]
    score_labels: Callable[[Tensor, Tensor], Scores]
    steps: int
    unit: float = 1.0
    reference: Callable[[], Scores] = dict
