"""Adversarial losses of a discriminator that gives each image one number."""

from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor


class GANLoss(Protocol):
    """Two scalars to minimise, from the discriminator's outputs.

    Outputs are ``(B,)``, the higher the more real, or, for the losses over classes, ``(B, N)``, one for each class. The
    slots under which images were judged are passed for losses that need them; None before there is a partition.
    """

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Returns the discriminator's loss, a scalar, from its outputs for real and fake images."""
        ...

    def generator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Returns the generator's loss, a scalar, likewise.

        The outputs for real images come without a gradient, from before the discriminator's step: what reads them needs
        no second look at the images. Most losses do not read them.
        """
        ...


@dataclass(frozen=True)
class NonSaturating:
    r"""The non-saturating logistic loss, with :math:`\zeta(t) = \log(1 + e^t)`.

    :math:`L_D = E\,\zeta(-D(x)) + E\,\zeta(D(G(z)))` is the binary cross-entropy; :math:`L_G = E\,\zeta(-D(G(z)))`
    keeps its gradient where the discriminator is sure. The slots are not read.

    Example:
        >>> import torch
        >>> undecided = torch.zeros(4)
        >>> loss = NonSaturating()
        >>> [f"{term(undecided, undecided, None, None):.3f}" for term in (loss.discriminator, loss.generator)]
        ['1.386', '0.693']

    References:
        "Generative Adversarial Nets", 2014, Section 3.
    """

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for real and fake images to the discriminator's loss, a scalar."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for fake images to the generator's loss, a scalar."""
        return F.softplus(-fake).mean()


@dataclass(frozen=True)
class Hinge:
    r"""The hinge loss: the discriminator learns only from images that it has not yet judged right by a margin of 1.

    :math:`L_D = E \max(0, 1 - D(x)) + E \max(0, 1 + D(G(z)))`; :math:`L_G = -E\, D(G(z))`. The slots are not read.

    Example:
        >>> import torch
        >>> loss, outputs = Hinge(), (torch.tensor([0.5, 3.0]), torch.tensor([-2.0, 0.0]), None, None)
        >>> loss.discriminator(*outputs).item(), loss.generator(*outputs).item()
        (0.75, 1.0)

    References:
        "Geometric GAN", 2017, Section 3;
        "Spectral Normalization for Generative Adversarial Networks", 2018, Eqs. 16 and 17.
    """

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for real and fake images to the discriminator's loss, a scalar."""
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for fake images to the generator's loss, a scalar."""
        return -fake.mean()


@dataclass(frozen=True)
class Wasserstein:
    r"""The Wasserstein loss: minus the discriminator's estimate of the distance between the two distributions.

    :math:`L_D = -E\, D(x) + E\, D(G(z))`; :math:`L_G = -E\, D(G(z))`. It is a distance only for a discriminator that is
    held Lipschitz, and unbounded else: train it with ``GradientPenalty``. The slots are not read.

    Example:
        >>> import torch
        >>> loss, outputs = Wasserstein(), (torch.tensor([2.0, 4.0]), torch.tensor([1.0, 0.0]), None, None)
        >>> loss.discriminator(*outputs).item(), loss.generator(*outputs).item()
        (-2.5, -0.5)

    References:
        "Wasserstein Generative Adversarial Networks", 2017, Eq. 2 and Algorithm 1.
    """

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for real and fake images to the discriminator's loss, a scalar."""
        return fake.mean() - real.mean()

    def generator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for fake images to the generator's loss, a scalar."""
        return -fake.mean()


@dataclass(frozen=True)
class Relativistic:
    r"""The relativistic pairing loss: each fake is judged against the real image that stands beside it in the batch.

    :math:`L_D = E\,\zeta(D(G(z)) - D(x))` and :math:`L_G = E\,\zeta(D(x) - D(G(z)))`, with
    :math:`\zeta(t) = \log(1 + e^t)`. A generator that leaves out a mode of the data is at no minimum of it. Only
    differences count, so the outputs have no zero. The paper trains it with both ``R1`` and ``R2``. The slots are not
    read, but the two images of a pair have the same one.

    Raises:
        ValueError: where it is called, if outputs are not ``(B,)``, as many for real as for fake images.

    Example:
        >>> import torch
        >>> loss, outputs = Relativistic(), (torch.tensor([7.0, 5.0]), torch.tensor([7.0, 5.0]), None, None)
        >>> [f"{term(*outputs):.3f}" for term in (loss.discriminator, loss.generator)]
        ['0.693', '0.693']

    References:
        "The relativistic discriminator: a key element missing from standard GAN", 2018;
        "The GAN is dead; long live the GAN! A Modern Baseline GAN", 2024, Eq. 2.
    """

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for pairs of a real and a fake image to the discriminator's loss, a scalar."""
        return F.softplus(-_margins(real, fake)).mean()

    def generator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B,)`` for pairs of a real and a fake image to the generator's loss, a scalar."""
        return F.softplus(_margins(real, fake)).mean()


def _margins(real: Tensor, fake: Tensor) -> Tensor:
    if real.ndim != 1 or real.shape != fake.shape:
        raise ValueError(
            f"real: got outputs of shape {tuple(real.shape)}, and {tuple(fake.shape)} for fake: "
            "use a discriminator that gives each image one number"
        )
    return real - fake
