"""A posterior of independent Normals that learns by natural gradients: the guide of a Pyro model."""

from typing import Any

import pyro
import torch
from pyro import distributions as dist
from torch import Tensor
from torch.distributions import biject_to
from torch.distributions.constraints import Constraint

Latent = tuple[Constraint, Tensor]
"""The support of a latent variable, and draws from its prior in rows."""

BOUND = 0.3  # most that a step changes, in scales of the mean and in the log of the scale: one draw may be far off


class Normals:
    r"""An independent Normal for each number of the ``K`` values of each latent, on the real line.

    .. math:: u \sim N(m + s \mu, s^2 \sigma^2), \qquad \theta = T(u)

    with :math:`T` the map from the real line to the support of the latent, and :math:`m` and :math:`s` the median and
    the spread of the prior of :math:`u`: in these units learning is the same at every scale of the data. It starts at
    the median of the prior, with a tenth of its spread.

    Args:
        latents: by name, the support of each and draws from its prior.
        capacity: the number of clusters ``K``.

    References:
        Kucukelbir et al., "Automatic differentiation variational inference", 2017.
    """

    def __init__(self, latents: dict[str, Latent], capacity: int) -> None:
        self.capacity = capacity
        self.sites: dict[str, tuple[Any, Tensor, Tensor, Tensor, Tensor]] = {}
        for name, (support, draws) in latents.items():
            to_support = biject_to(support)
            low, middle, high = to_support.inv(draws).quantile(draws.new_tensor([0.16, 0.5, 0.84]), 0)
            mean = middle.new_zeros(capacity, *middle.shape).requires_grad_()
            log_scale = torch.full_like(mean, 0.1).log().requires_grad_()
            self.sites[name] = to_support, middle, (high - low) / 2, mean, log_scale

    @property
    def size(self) -> int:
        """The number of Normals."""
        return sum(mean.numel() for *_, mean, _ in self.sites.values())

    def __call__(self, *args: object) -> None:
        """Sample every latent, as a guide does; the arguments are those of the model."""
        with pyro.plate("clusters", self.capacity):
            for name, (to_support, middle, unit, mean, log_scale) in self.sites.items():
                normal = dist.Normal(middle + unit * mean, unit * log_scale.exp())
                normal = normal.to_event(to_support.domain.event_dim)
                pyro.sample(name, dist.TransformedDistribution(normal, [to_support]))

    def step(self, loss: Tensor, rate: float) -> None:
        r"""A step down the natural gradient of a loss ``()``, the negative of a bound on the evidence.

        .. math:: \mu \leftarrow \mu - \rho \sigma^2 \nabla_\mu, \qquad
            \log \sigma \leftarrow \log \sigma - \rho \nabla_{\log \sigma} / 2

        The loss is an estimate from one draw. So that no single draw does harm, a step moves a mean by at most 0.3 of
        its scale and changes a scale by a factor of at most exp(0.3), and no scale exceeds the spread of the prior.

        References:
            Amari, "Natural gradient works efficiently in learning", 1998 (the Fisher information of a Normal is
            :math:`1 / \sigma^2` for its mean and 2 for the logarithm of its scale).
        """
        parameters = [(mean, log_scale) for *_, mean, log_scale in self.sites.values()]
        gradients = iter(torch.autograd.grad(loss, [p for pair in parameters for p in pair]))
        with torch.no_grad():
            for mean, log_scale in parameters:
                scale = log_scale.exp()
                mean -= scale * (rate * scale * next(gradients)).clamp(-BOUND, BOUND)
                log_scale -= (rate / 2 * next(gradients)).clamp(-BOUND, BOUND)
                log_scale.clamp_(max=0)

    def median(self) -> dict[str, Tensor]:
        """The median of each latent, ``(K, ...)``."""
        with torch.no_grad():
            return {name: to(middle + unit * mean) for name, (to, middle, unit, mean, _) in self.sites.items()}
