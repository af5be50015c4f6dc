"""Adversarial losses of a discriminator that gives each image one number for each class.

The supervised GM-GAN has such a discriminator. Accounts of it differ, N sigmoids or a softmax over N + 1 outputs: both
are here.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class OneAgainstAll:
    r"""N sigmoids, :math:`D_i(x)` the probability that x is real *and* of class i.

    .. math::
        L_D = -E\Big[\log D_y(x) + \sum_{i \ne y} \log(1 - D_i(x))\Big] - E\sum_i \log(1 - D_i(G(z))), \quad
        L_G = -E\Big[\log D_c(G(z)) + \sum_{i \ne c} \log(1 - D_i(G(z)))\Big].

    The slots are the classes: y of the real image, c of the Gaussian that z came from. The classes are
    summed, not averaged: an undecided discriminator has :math:`L_D = 2 N \log 2`.

    Raises:
        ValueError: where it is called, if slots are None or outputs are not ``(B, N)``.

    Example:
        >>> import torch
        >>> undecided, c = torch.zeros(4, 10), torch.tensor([3, 0, 9, 3])
        >>> f"{OneAgainstAll().discriminator(undecided, undecided, c, c) / 20:.3f}"
        '0.693'

    References:
        "Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images", 2018, the supervised algorithm.
    """

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps logits ``(B, N)`` and the real images' classes ``(B,)`` int64 to the discriminator's loss, a scalar."""
        return _against_all(real, _classes("c_real", c_real, "real", real)) + F.softplus(fake).sum(1).mean()

    def generator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps logits ``(B, N)`` and the fakes' classes ``(B,)`` int64 to the generator's loss, a scalar."""
        return _against_all(fake, _classes("c_fake", c_fake, "fake", fake))


@dataclass(frozen=True)
class RealClasses:
    r"""A softmax over N + 1 outputs: the N classes of real images and, last, the fakes.

    .. math::
        L_D = -E \log p_y(x) - E \log p_{N+1}(G(z)), \quad L_G = -E \log p_c(G(z)), \quad p = \mathrm{softmax}(D).

    The slots are the classes: y of the real image, c of the Gaussian that z came from.

    Raises:
        ValueError: where it is called, if slots are None or outputs are not ``(B, N + 1)``.

    Example:
        >>> import torch
        >>> undecided, c = torch.zeros(4, 11), torch.tensor([3, 0, 9, 3])
        >>> f"{RealClasses().generator(undecided, undecided, c, c):.3f} {torch.tensor(11.0).log():.3f}"
        '2.398 2.398'

    References:
        "Improved Techniques for Training GANs", 2016, Section 5;
        "Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images", 2018, the supervised algorithm.
    """

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B, N + 1)`` and the real images' classes ``(B,)`` int64 to a scalar, D's loss."""
        return _of_class(real, _classes("c_real", c_real, "real", real)) - F.log_softmax(fake, 1)[:, -1].mean()

    def generator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps outputs ``(B, N + 1)`` and the fakes' classes ``(B,)`` int64 to the generator's loss, a scalar."""
        return _of_class(fake, _classes("c_fake", c_fake, "fake", fake))


def _classes(name: str, c: Tensor | None, of: str, outputs: Tensor) -> Tensor:
    # The classes as a column (B, 1), as scatter and gather take them.
    if c is None:
        raise ValueError(f"{name} is None: this loss needs a class for each image; set warmup to 0 and use FixedLabels")
    if outputs.ndim != 2 or c.shape != outputs.shape[:1]:
        raise ValueError(
            f"{of}: got outputs of shape {tuple(outputs.shape)} for {name} of shape {tuple(c.shape)}; "
            "use a discriminator that gives each image one output for each class"
        )
    return c[:, None]


def _against_all(logits: Tensor, c: Tensor) -> Tensor:
    # -log D = softplus(-logit) and -log(1 - D) = softplus(logit): the logit of the image's own class changes its sign.
    signs = logits.new_ones(logits.shape).scatter(1, c, -1)
    return F.softplus(signs * logits).sum(1).mean()


def _of_class(outputs: Tensor, c: Tensor) -> Tensor:
    # Without the last column, so that class N is out of bounds instead of "fake".
    return -F.log_softmax(outputs, 1)[:, :-1].gather(1, c).mean()
