"""Batches of concrete distributions: what a partition knows about its clusters."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.decompositions import cholesky
from bnpgan.engine.inversion import categorical
from bnpgan.engine.nearest import nearest
from bnpgan.engine.quadratic import gaussian_weights, log_densities, squared_distances
from bnpgan.engine.slots import SINGLE, choose


class Components(ABC):
    """A batch of ``K`` distributions over points; a frozen dataclass whose tensors have the leading axis ``K``."""

    mean: Tensor

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-densities ``(N, K)`` of the points ``(N, D)``."""

    @abstractmethod
    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""

    def draw(self, x: Tensor, log_weights: Tensor) -> Tensor:
        r"""A slot ``(N,)`` for each point ``(N, D)``, :math:`p(k) \propto w_k \, p(x \mid \theta_k)`."""
        rows = rows_at_once(len(log_weights), log_weights)
        return torch.cat([categorical(log_weights + self.log_prob(chunk)) for chunk in x.split(rows)])

    def assign(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """The best slot ``(N,)`` of each point ``(N, D)``: that of the highest posterior probability."""
        rows = rows_at_once(len(log_weights), log_weights)
        return torch.cat([(self.log_prob(chunk) + log_weights).argmax(1) for chunk in x.split(rows)])

    def joined(self, others: Self) -> Self:
        """These components, and the others in the slots behind them."""
        return type(self)(**{name: torch.cat([tensor, vars(others)[name]]) for name, tensor in vars(self).items()})

    def permute(self, order: Tensor) -> Self:
        """The same components with slot ``k`` holding what was in ``order[k]``."""
        return type(self)(**{name: tensor[order] for name, tensor in vars(self).items()})


class Elliptical(ABC):
    """Components that are Gaussians of whatever covariance ``(K, D, D)``."""

    covariance: Tensor


@dataclass(frozen=True, eq=False)
class Gaussians(Components, Elliptical):
    r"""Gaussians :math:`N(\mu_k, \Sigma_k)` with full covariance.

    Args:
        mean: ``(K, D)``.
        covariance: ``(K, D, D)``, positive definite.

    Example:
        >>> g = Gaussians(torch.zeros(3, 2), torch.eye(2).expand(3, 2, 2))
        >>> g.log_prob(torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    mean: Tensor
    covariance: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        r"""Log-densities ``(N, K)``: the matrix product :math:`\phi(x) W`, with no ``N x K x D`` intermediate.

        .. math:: \log N(x \mid \mu, \Sigma) = -\tfrac12 \tilde x^T \begin{pmatrix}
            \mu^T \Lambda \mu + \log |2 \pi \Sigma| & -\mu^T \Lambda \\ -\Lambda \mu & \Lambda \end{pmatrix} \tilde x
        """
        # The quadratic form cancels when x is far from 0 and narrow: work around the middle of the points.
        x = x.to(self.mean.dtype)
        middle = x.detach().mean(0)
        return log_densities(x - middle, gaussian_weights(self.mean - middle, self.covariance))

    def draw(self, x: Tensor, log_weights: Tensor) -> Tensor:
        r"""A slot ``(N,)`` for each point ``(N, D)``, :math:`p(k) \propto w_k \, p(x \mid \theta_k)`.

        In single precision where its rounding cannot have changed the slot, else in double precision.
        """
        uniform = torch.rand(len(x), dtype=self.mean.dtype, device=x.device)
        if len(x) < SINGLE:
            return categorical(self.log_prob(x) + log_weights, uniform)
        return choose(x, self.mean, self.covariance, log_weights, uniform)

    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""
        noise = torch.randn(len(slots), self.mean.shape[1], dtype=self.mean.dtype, device=self.mean.device)
        factor = cholesky(self.covariance)[slots]
        return self.mean[slots] + torch.einsum("nde,ne->nd", factor, noise)

    def assign(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """The slot ``(N,)`` of the highest posterior probability."""
        if len(x) < SINGLE:
            return super().assign(x, log_weights)
        return choose(x, self.mean, self.covariance, log_weights)


@dataclass(frozen=True, eq=False)
class DiagonalGaussians(Components, Elliptical):
    r"""Gaussians :math:`N(\mu_k, diag(\sigma_k^2))`.

    Args:
        mean: ``(K, D)``.
        variance: ``(K, D)``, positive.

    Example:
        >>> g = DiagonalGaussians(torch.zeros(3, 2), torch.ones(3, 2))
        >>> g.log_prob(torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    mean: Tensor
    variance: Tensor

    @property
    def covariance(self) -> Tensor:  # type: ignore[override]  # elsewhere a field
        """The same variances as full matrices ``(K, D, D)``."""
        return torch.diag_embed(self.variance)

    def log_prob(self, x: Tensor) -> Tensor:
        r"""Log-densities ``(N, K)``: one matrix product with the features :math:`[x, x^2]`."""
        # Around the middle of the points, as for full covariances.
        x = x.to(self.mean.dtype)
        middle = x.detach().mean(0)
        x, mean, precision = x - middle, self.mean - middle, 1 / self.variance
        constant = (mean**2 * precision + (2 * math.pi * self.variance).log()).sum(1)
        weights = torch.cat([mean * precision, -0.5 * precision], 1)
        return torch.addmm(-0.5 * constant, torch.cat([x, x**2], 1), weights.T)

    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""
        noise = torch.randn(len(slots), self.mean.shape[1], dtype=self.mean.dtype, device=self.mean.device)
        return self.mean[slots] + self.variance[slots].sqrt() * noise


@dataclass(frozen=True, eq=False)
class Centroids(Components, Elliptical):
    r"""Spherical Gaussians :math:`N(\mu_k, \sigma_k^2 I)` read as centroids: a point goes to the nearest mean.

    Args:
        mean: ``(K, D)``.
        variance: ``(K,)``, :math:`\sigma_k^2` of one coordinate.

    Example:
        >>> c = Centroids(torch.tensor([[0.0], [4.0]]), torch.ones(2))
        >>> c.assign(torch.tensor([[1.0], [3.0]]), torch.zeros(2))
        tensor([0, 1])
    """

    mean: Tensor
    variance: Tensor

    @property
    def covariance(self) -> Tensor:  # type: ignore[override]  # elsewhere a field
        """The same variances as full matrices ``(K, D, D)``."""
        eye = torch.eye(self.mean.shape[1], dtype=self.mean.dtype, device=self.mean.device)
        return self.variance[:, None, None] * eye

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-densities ``(N, K)``."""
        D = x.shape[1]
        return (
            -0.5 * (squared_distances(x.to(self.mean.dtype), self.mean) / self.variance)
            - 0.5 * D * (2 * math.pi * self.variance).log()
        )

    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""
        noise = torch.randn(len(slots), self.mean.shape[1], dtype=self.mean.dtype, device=self.mean.device)
        return self.mean[slots] + self.variance[slots, None].sqrt() * noise

    def assign(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """The slot ``(N,)`` of the nearest mean among those with a weight."""
        return nearest(x.to(self.mean.dtype), self.mean, allowed=log_weights > -math.inf)
