"""Penalties on the gradient of the discriminator in the images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Discriminator = Callable[[Tensor, Tensor | None], Tensor]


class Penalty(Protocol):
    """A scalar that is added to the discriminator's loss at every ``every``-th step."""

    @property
    def every(self) -> int:
        """Steps from one call to the next; the training loop does the counting."""
        ...

    def __call__(self, discriminator: Discriminator, real: Tensor, fake: Tensor, c: Tensor | None) -> Tensor:
        """Maps real and fake images ``(B, ...)`` and their common slots ``(B,)``, or None, to a scalar."""
        ...


@dataclass(frozen=True)
class R1:
    r"""The gradient penalty on real images, ``weight`` times ``every`` times :math:`E \|\nabla_x D(x, c)\|^2`.

    There is no 1/2: ``weight`` is the paper's :math:`\gamma / 2`, as in the code of both MIC-GAN and SC-GAN. With
    ``every`` above 1 it is called only at every such step; the factor keeps its mean over steps the same.

    Args:
        weight: of the penalty, at least 0.
        every: steps from one call to the next, at least 1; the training loop does the counting.

    Raises:
        ValueError: if ``weight`` is negative or not finite, or ``every`` is below 1.

    Example:
        >>> critic = lambda x, c: 3 * x[:, 0]
        >>> real, fake = torch.randn(2, 4, 2)
        >>> R1(weight=10.0)(critic, real, fake, None).item()
        90.0

    References:
        "Which Training Methods for GANs do actually Converge?", 2018, Eq. 9.
    """

    weight: float = 10.0
    every: int = 1

    def __post_init__(self) -> None:
        _check(self.weight, self.every)

    def __call__(self, discriminator: Discriminator, real: Tensor, fake: Tensor, c: Tensor | None) -> Tensor:
        """Maps real images ``(B, ...)`` and their slots ``(B,)``, or None, to a scalar; ``fake`` is not read."""
        return self.weight * self.every * _gradient(discriminator, real, c).square().sum(1).mean()


@dataclass(frozen=True)
class R2:
    r"""The gradient penalty on fake images, ``weight`` times ``every`` times :math:`E \|\nabla_x D(G(z), c)\|^2`.

    As for ``R1``, there is no 1/2, and ``every`` is the factor of lazy calls.

    Args:
        weight: of the penalty, at least 0.
        every: steps from one call to the next, at least 1; the training loop does the counting.

    Raises:
        ValueError: if ``weight`` is negative or not finite, or ``every`` is below 1.

    Example:
        >>> critic = lambda x, c: 3 * x[:, 0]
        >>> real, fake = torch.randn(2, 4, 2)
        >>> R2(weight=10.0)(critic, real, fake, None).item()
        90.0

    References:
        "Which Training Methods for GANs do actually Converge?", 2018, Eq. 10.
    """

    weight: float = 10.0
    every: int = 1

    def __post_init__(self) -> None:
        _check(self.weight, self.every)

    def __call__(self, discriminator: Discriminator, real: Tensor, fake: Tensor, c: Tensor | None) -> Tensor:
        """Maps fake images ``(B, ...)`` and their slots ``(B,)``, or None, to a scalar; ``real`` is not read."""
        return self.weight * self.every * _gradient(discriminator, fake, c).square().sum(1).mean()


@dataclass(frozen=True)
class Penalties:
    """The sum of several penalties, which are called at the same steps.

    Args:
        parts: the penalties.

    Raises:
        ValueError: if there are none, or they are not called at the same steps.

    Example:
        >>> critic = lambda x, c: 3 * x[:, 0]
        >>> real, fake = torch.randn(2, 4, 2)
        >>> Penalties((R1(2.0), R2(1.0)))(critic, real, fake, None).item()
        27.0

    References:
        "The GAN is dead; long live the GAN! A Modern Baseline GAN", 2024, section 2.2 (R1 and R2 together).
    """

    parts: tuple[Penalty, ...]

    def __post_init__(self) -> None:
        if len({part.every for part in self.parts}) != 1:
            raise ValueError(f"parts: got {self.parts}; pass at least one penalty, and give all the same every")

    @property
    def every(self) -> int:
        """Steps from one call to the next."""
        return self.parts[0].every

    def __call__(self, discriminator: Discriminator, real: Tensor, fake: Tensor, c: Tensor | None) -> Tensor:
        """Maps real and fake images ``(B, ...)`` and their common slots ``(B,)``, or None, to a scalar."""
        return torch.stack([part(discriminator, real, fake, c) for part in self.parts]).sum()


@dataclass(frozen=True)
class GradientPenalty:
    r"""WGAN-GP's penalty, ``weight`` times ``every`` times :math:`E (\|\nabla_{\hat x} D(\hat x, c)\| - 1)^2`.

    Each :math:`\hat x = x + t\,(G(z) - x)` lies between a real image and a fake of the same slot, with one
    :math:`t \sim U[0, 1]` for each image from torch's ambient generator. It is two-sided, a gradient shorter than 1
    costs too, unless ``one_sided``. ``every`` is the factor of lazy calls, as for ``R1``. A discriminator must not
    normalise over the batch.

    Args:
        weight: of the penalty, at least 0; the paper has 10.
        every: steps from one call to the next, at least 1; the training loop does the counting.
        one_sided: whether only gradients longer than 1 cost.

    Raises:
        ValueError: if ``weight`` is negative or not finite, or ``every`` is below 1; where it is called, if there are
            not as many fake images as real ones, in the same shape.

    Example:
        >>> critic = lambda x, c: 3 * x[:, 0]
        >>> real, fake = torch.randn(2, 4, 2)
        >>> GradientPenalty(weight=10.0)(critic, real, fake, None).item()
        40.0

    References:
        "Improved Training of Wasserstein GANs", 2017, Eq. 3.
    """

    weight: float = 10.0
    every: int = 1
    one_sided: bool = False

    def __post_init__(self) -> None:
        _check(self.weight, self.every)

    def __call__(self, discriminator: Discriminator, real: Tensor, fake: Tensor, c: Tensor | None) -> Tensor:
        """Maps real and fake images ``(B, ...)`` and their common slots ``(B,)``, or None, to a scalar."""
        if fake.shape != real.shape:
            raise ValueError(
                f"fake: got shape {tuple(fake.shape)}, but real has {tuple(real.shape)}; pass a fake for each real"
            )
        t = torch.rand(len(real), *[1] * (real.ndim - 1), dtype=real.dtype, device=real.device)
        excess = _gradient(discriminator, real.lerp(fake, t), c).norm(dim=1) - 1
        return self.weight * self.every * (excess.relu() if self.one_sided else excess).square().mean()


def _check(weight: float, every: int) -> None:
    if not 0 <= weight < float("inf"):
        raise ValueError(f"weight: got {weight}, which is not a finite number >= 0; use 0 for no penalty")
    if every < 1:
        raise ValueError(f"every: got {every}, which is below 1; use 1 for a penalty at every step")


def _gradient(discriminator: Discriminator, x: Tensor, c: Tensor | None) -> Tensor:
    # (B, ...) -> (B, D), with a graph: the penalty trains the discriminator.
    x = x.detach().requires_grad_()
    # The output for one image does not depend on another, so the gradient of the sum holds that of each image. Under
    # batch normalisation it does depend; the papers' code takes the gradient of the sum there too. Where there is an
    # output for each class it is the gradient of the sum over the classes.
    (gradient,) = torch.autograd.grad(discriminator(x, c).sum(), x, create_graph=True)
    return gradient.flatten(1)
