"""Statistics of normalisation for averaged weights."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["settle_"]

BATCHES = 32  # whose activations a generator is normalised by


def settle_(generator: nn.Module, draw: Callable[[], Tensor]) -> None:
    """Have averaged weights normalise by the statistics of their own activations.

    The running statistics of the weights as they are, which go along with them step by step, are of other activations:
    images by them are bolder or darker than what any generator has learned to draw.

    Args:
        generator: with averaged weights; without batch normalisation it is left as it is.
        draw: has it make a batch.

    References:
        "Large Scale GAN Training for High Fidelity Natural Image Synthesis", 2019, section 3.1 (standing statistics);
        "Averaging Weights Leads to Wider Optima and Better Generalization", 2018, section 3.2.
    """
    normalised = [module for module in generator.modules() if isinstance(module, _BatchNorm)]
    if not normalised:
        return
    momenta, training = [module.momentum for module in normalised], generator.training
    for module in normalised:
        module.reset_running_stats()
        module.momentum = None  # an even mean over the batches
    generator.train()
    with torch.no_grad():
        for _ in range(BATCHES):
            draw()
    generator.train(training)
    for module, momentum in zip(normalised, momenta, strict=True):
        module.momentum = momentum
