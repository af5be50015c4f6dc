"""A study: data, methods that are compared on them, and scores."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from bnpgan.classifiers import Classifier
from bnpgan.mixture import MixtureGAN, built
from bnpgan.run import Run

__all__ = ["Budget", "Method", "Scores", "Study"]

Scores = dict[str, float]


@dataclass(frozen=True)
class Budget:
    """What every run of a study is given.

    Args:
        steps: of training.
        minutes: training ends after so many, wherever it is; ``None``: after its steps.
        backbone: name of the networks; ``None``: the study's.
        width: of the networks; ``None``: the study's.
        graphs: whether steps on a GPU are CUDA graphs, where a method allows it.
    """

    steps: int
    minutes: float | None = None
    backbone: str | None = None
    width: int | None = None
    graphs: bool = False

    def given(self, gan: MixtureGAN) -> MixtureGAN:
        """The GAN with the networks and the schedule that are asked for.

        Raises:
            ValueError: if the networks have no such width, or do not take the data.
        """
        gan = gan.scheduled(graphs=self.graphs and not gan.follows)
        recipe = gan.recipe
        if recipe is None or (self.backbone is None and self.width is None):
            return gan
        if self.backbone is not None:
            recipe = replace(recipe, backbone=self.backbone)
        if self.width is not None:
            recipe = replace(recipe, backbone=replace(recipe.networks, width=self.width))
        return built(recipe)


@dataclass(frozen=True)
class Method:
    """One of the methods that a study compares.

    Args:
        make: builds the GAN for a number of training steps; ``None`` for a method without one.
        cluster: labels ``(N,)`` of the data, by a method without a GAN, for a seed.
        supervised: whether training is given the classes, to start from or to keep.
        classified: whether images are clustered in the features of the study's judge, which has learned the classes.
        paper: the scores in the paper, under the names of the study's columns.
        on: the study whose data, unit and scores it is run with, where a study compares data and not methods.
    """

    make: Callable[[int], MixtureGAN] | None = None
    cluster: Callable[[Tensor, int], Tensor] | None = None
    supervised: bool = False
    classified: bool = False
    paper: Scores = field(default_factory=dict)
    on: "Study | None" = None


@dataclass(frozen=True)
class Study:
    """One experiment.

    Args:
        name: of the study.
        load: the data and their classes, from the folder of the data, where one is named.
        methods: by name.
        columns: title and format of each score.
        score: the scores of a run, given the classes of the data.
        score_labels: the scores of labels that were found without a GAN, given the classes.
        steps: of training, for each method.
        unit: data are divided by it before training, and generated points multiplied by it.
        reference: makes the scores of exact samples; empty where the law of the data is not known.
        judge: a classifier of the data, trained into a directory unless it is there, or read from the folder of the
            data: generated images are scored in its features. ``None`` where they are not.
    """

    name: str
    load: Callable[[Path | None], tuple[Tensor, Tensor]]
    methods: dict[str, Method]
    columns: dict[str, tuple[str, str]]
    score: Callable[[Run, Tensor], Scores]
    score_labels: Callable[[Tensor, Tensor], Scores]
    steps: int
    unit: float = 1.0
    reference: Callable[[], Scores] = dict
    judge: Callable[[Path, Path | None], Classifier] | None = None
