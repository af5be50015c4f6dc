"""Adversarial losses, a discriminator's and a generator's term each, and the penalty on the discriminator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class GANLoss(Protocol):
    """What every adversarial loss is: two scalars to minimise, from the discriminator's outputs.

    Outputs are ``(B,)``, the logits that an image is real. The slots they were judged under come along for losses that
    need them; they are None before there is a partition.
    """

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Returns the discriminator's loss, a scalar, from its outputs for real and fake images."""
        ...

    def generator(self, fake: Tensor, c_fake: Tensor | None) -> Tensor:
        """Returns the generator's loss, a scalar, from the discriminator's outputs for fake images."""
        ...


@dataclass(frozen=True)
class NonSaturating:
    r"""The non-saturating logistic loss, with :math:`\zeta(t) = \log(1 + e^t)`.

    :math:`L_D = E\,\zeta(-D(x)) + E\,\zeta(D(G(z)))` is the binary cross-entropy; :math:`L_G = E\,\zeta(-D(G(z)))`
    keeps its gradient where the discriminator is sure. The slots are not read.

    Example:
        >>> undecided = torch.zeros(4)
        >>> loss = NonSaturating()
        >>> f"{loss.discriminator(undecided, undecided, None, None):.3f} {loss.generator(undecided, None):.3f}"
        '1.386 0.693'

    References:
        "Generative Adversarial Nets", 2014, Section 3.
    """

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for real and fake images to the discriminator's loss, a scalar."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, fake: Tensor, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for fake images to the generator's loss, a scalar."""
        return F.softplus(-fake).mean()


@dataclass(frozen=True)
class R1:
    r"""The gradient penalty on real images, ``weight`` times ``every`` times :math:`E \|\nabla_x D(x, c)\|^2`.

    There is no 1/2: ``weight`` is the paper's :math:`\gamma / 2`, as in the code of both MIC-GAN and SC-GAN. The lazy
    form calls it at every ``every``-th step only; the factor keeps its mean over steps the same.

    Args:
        weight: of the penalty, at least 0.
        every: steps from one call to the next, at least 1; the training loop does the counting.

    Raises:
        ValueError: if ``weight`` is negative or not finite, or ``every`` is below 1.

    Example:
        >>> critic = lambda x, c: 3 * x[:, 0]
        >>> R1(weight=10.0)(critic, torch.randn(4, 2), None).item()
        90.0

    References:
        "Which Training Methods for GANs do actually Converge?", 2018, Eq. 9.
    """

    weight: float = 10.0
    every: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"weight: got {self.weight}, which is not a finite number >= 0; use 0 for no penalty")
        if self.every < 1:
            raise ValueError(f"every: got {self.every}, which is below 1; use 1 for a penalty at every step")

    def __call__(self, discriminator: Callable[[Tensor, Tensor | None], Tensor], x: Tensor, c: Tensor | None) -> Tensor:
        """Maps real images ``(B, ...)`` and their slots ``(B,)``, or None, to a scalar to add to D's loss."""
        x = x.detach().requires_grad_()
        # One image's output does not depend on another image, so the sum's gradient holds each image's own.
        # Batch norm couples them; the papers' code takes the gradient of the sum there too.
        (gradient,) = torch.autograd.grad(discriminator(x, c).sum(), x, create_graph=True)
        return self.weight * self.every * gradient.square().flatten(1).sum(1).mean()
