"""How weights are drawn where no normalisation follows."""

from math import sqrt
from typing import TypeVar

from torch import nn

LEAK = 0.2
"""Slope of the LeakyReLU below 0."""
GAIN = sqrt(2 / (1 + LEAK**2))
"""Of a layer behind a LeakyReLU, which halves the mean square of its input, or nearly."""
Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def drawn(layer: Layer, gain: float = 1.0) -> Layer:
    """The layer by He's initialisation: outputs with the variance gain^2 times that of the inputs, no bias.

    References:
        "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet Classification", 2015
    """
    nn.init.normal_(layer.weight, 0, gain / sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
