"""Components that a user's own function describes, in Pyro."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pyro
import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import Distribution

from bnpgan.components.distributions import Components
from bnpgan.engine.chunks import rows_at_once

Description = Callable[[Tensor, Tensor], Distribution]
"""Samples the parameters of a cluster, given mean and standard deviation of the data; returns its distribution."""


def described(component: Description) -> Callable[..., Components]:
    """The class of components that ``component`` describes; files know it by its name, ``Pyro[...]``."""
    name = getattr(component, "__qualname__", type(component).__qualname__)
    # Tensors cannot hold the function, so the class does; files look among the direct subclasses of Components.
    return type(f"Pyro[{name}]", (_Described, Components), {"component": staticmethod(component)})


class _Described:
    """The function of the class, at given values of what it samples.

    ``latent.*`` are these values, ``data.mean`` and ``data.std`` what the function is given; ``mean`` and
    ``covariance`` are the moments of the points in each slot, for a heavy-tailed cluster may have none of its own.
    """

    component: Description
    permute: Callable[[Tensor], "_Described"]

    def __init__(self, **tensors: Tensor) -> None:
        vars(self).update(tensors)

    @property
    def distribution(self) -> Distribution:
        """What the function returns: a distribution of batch shape ``(K,)``."""
        tensors = vars(self)
        latents = {name.removeprefix("latent."): tensor for name, tensor in tensors.items() if "latent." in name}
        mean, std = tensors["data.mean"], tensors["data.std"]
        with numbers_like(mean), pyro.plate("clusters", len(mean)), poutine.condition(data=latents):
            return self.component(mean[0], std[0])

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-densities ``(N, K)`` of the points ``(N, D)``."""
        mean, distribution = vars(self)["data.mean"], self.distribution
        parts = x.to(mean.dtype).split(rows_at_once(mean.numel(), mean))
        return torch.cat([distribution.log_prob(part[:, None]) for part in parts])

    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""
        return self.permute(slots).distribution.sample()


@contextmanager
def numbers_like(x: Tensor) -> Iterator[None]:
    """Inside, the numbers in a user's function become tensors of the type, and on the device, of ``x``."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(x.dtype)
    try:
        with x.device if x.device.type != "cpu" else nullcontext():  # as a context a device costs time
            yield
    finally:
        torch.set_default_dtype(before)
