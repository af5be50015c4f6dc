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
    """A class of components for what ``component`` describes; saved files name it, as ``Pyro[...]``."""
    name = getattr(component, "__qualname__", type(component).__qualname__)
    # A file of tensors cannot hold the function, so the class does: to load one, ``files`` looks for the name among
    # the direct subclasses of Components.
    return type(f"Pyro[{name}]", (_Described, Components), {"component": staticmethod(component)})


class _Described:
    """The distribution that the function of the class returns, at given values of what it samples.

    ``latent.*`` are these values; ``data.mean`` and ``data.std`` are the arguments of the function. ``mean`` and
    ``covariance`` are the moments of the points in each slot, for a heavy-tailed distribution may have none.
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
        with x.device if x.device.type != "cpu" else nullcontext():  # entering a device as a context costs time
            yield
    finally:
        torch.set_default_dtype(before)
