"""The loss of a discriminator that gives each image a log-density under each of several Gaussians: MD-GAN's."""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class MixtureDensity:
    r"""Real images are likely under a mixture of Gaussians in the corners of a simplex, generated ones are not.

    .. math::
        L_D = -E \log p(x) - E \log(\lambda - p(G(z))), \quad L_G = -E \log p(G(z)), \quad
        p = \tfrac1N \sum_k N(e; \mu_k, \sigma^2 I), \quad \lambda = \max_e p.

    The outputs are the N log-densities, those of ``SimplexHead``. The generator's term is the one that does not
    saturate where an image is unlikely; that of the minimax game would be :math:`E \log(\lambda - p(G(z)))`.

    Args:
        variance: :math:`\sigma^2`, that of the head.

    Example:
        >>> likely, unlikely = torch.tensor([[0.2, -5.0]]), torch.tensor([[-9.0, -9.0]])
        >>> loss = MixtureDensity()
        >>> loss.discriminator(likely, unlikely, None, None) < loss.discriminator(unlikely, likely - 0.8, None, None)
        tensor(True)

    References:
        "Mixture Density Generative Adversarial Networks", 2019, Eqs. 3 and 5.
    """

    variance: float = 0.25

    def discriminator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps log-densities ``(B, N)`` of real and fake images to the discriminator's loss, a scalar."""
        peak = log_peak(fake.shape[1], self.variance)
        # log(1 - p / lambda). At a maximum of p it is minus infinity, and the difference of two rounded numbers may
        # have either sign: there it is held at 1e-6, which has no gradient.
        below = (peak - log_density(fake)).clamp(min=1e-6)
        return -log_density(real).mean() - peak - torch.log(-torch.expm1(-below)).mean()

    def generator(self, real: Tensor, fake: Tensor, c_real: Tensor | None, c_fake: Tensor | None) -> Tensor:
        """Maps log-densities ``(B, N)`` of fake images to the generator's loss, a scalar."""
        return -log_density(fake).mean()


def log_density(outputs: Tensor) -> Tensor:
    """Log-densities ``(B,)`` under the mixture, from those ``(B, N)`` under each Gaussian."""
    return outputs.logsumexp(1) - math.log(outputs.shape[1])


@cache
def log_peak(corners: int, variance: float) -> float:
    r"""The largest log-density of the mixture of ``corners`` Gaussians, :math:`\log \lambda`.

    By symmetry it is reached on the line from the centre to a corner, at :math:`t \mu_1`. The other corners have
    :math:`\mu_1 \cdot \mu_k = -1 / (N - 1)`.

    Example:
        >>> round(log_peak(2, 0.01), 3), round(math.log(0.5 / (2 * math.pi * 0.01) ** 0.5), 3)
        (0.69, 0.69)
    """
    t = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    own = t.square() - 2 * t + 1
    other = t.square() + 2 * t / (corners - 1) + 1
    likely = torch.logaddexp(-0.5 * own / variance, math.log(corners - 1) - 0.5 * other / variance).max().item()
    return likely - math.log(corners) - 0.5 * (corners - 1) * math.log(2 * math.pi * variance)
