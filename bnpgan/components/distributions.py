r"""Batches of concrete distributions: what a partition knows about its clusters.

With :math:`\tilde x = [1, x]` each quadratic form :math:`\tilde x^T M \tilde x` is a dot product with the features
:math:`\phi(x) = (\tilde x_i \tilde x_j)_{i \le j}`, so that the densities of all points under all components are one
matrix product, and sufficient statistics are sums of :math:`\phi`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Self

import torch
from torch import Tensor

CHUNK = 2**22  # numbers held at once in quadratic features


class Components(ABC):
    """A batch of ``K`` distributions over points; a frozen dataclass whose tensors have the leading axis ``K``."""

    mean: Tensor

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-densities ``(N, K)`` of the points ``(N, D)``."""

    @abstractmethod
    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""

    @abstractmethod
    def assign(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """The best slot ``(N,)`` of each point ``(N, D)`` given the log-weights ``(K,)`` of the slots."""

    def permute(self, order: Tensor) -> Self:
        """The same components with slot ``k`` holding what was in ``order[k]``."""
        return type(self)(**{name: tensor[order] for name, tensor in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Gaussians(Components):
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
        weights = gaussian_weights(self.mean - middle, self.covariance).T
        return torch.cat([phi @ weights for phi in quadratic(x - middle)])

    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""
        noise = torch.randn(len(slots), self.mean.shape[1], dtype=self.mean.dtype, device=self.mean.device)
        factor = torch.linalg.cholesky(self.covariance)[slots]
        return self.mean[slots] + torch.einsum("nde,ne->nd", factor, noise)

    def assign(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """The slot ``(N,)`` of the highest posterior probability."""
        return (self.log_prob(x) + log_weights).argmax(1)


@dataclass(frozen=True, eq=False)
class DiagonalGaussians(Components):
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
    def covariance(self) -> Tensor:
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

    def assign(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """The slot ``(N,)`` of the highest posterior probability."""
        return (self.log_prob(x) + log_weights).argmax(1)


@dataclass(frozen=True, eq=False)
class Centroids(Components):
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
    def covariance(self) -> Tensor:
        """The same variances as full matrices ``(K, D, D)``."""
        return self.variance[:, None, None] * torch.eye(self.mean.shape[1]).to(self.mean)

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
        distance = squared_distances(x.to(self.mean.dtype), self.mean)
        return distance.masked_fill(log_weights == -math.inf, math.inf).argmin(1)


def squared_distances(x: Tensor, means: Tensor) -> Tensor:
    """Squared Euclidean distances ``(N, K)`` between rows, by one matrix product around the middle of the means."""
    middle = means.mean(0)
    x, means = x - middle, means - middle
    return torch.addmm((x**2).sum(1, keepdim=True) + (means**2).sum(1), x, means.T, alpha=-2).clamp_(min=0)


def gaussian_weights(mean: Tensor, covariance: Tensor) -> Tensor:
    r"""Weights ``(K, F)`` of the quadratic features in the log-densities of Gaussians ``(K, D)``, ``(K, D, D)``."""
    D = mean.shape[1]
    factor = torch.linalg.cholesky(covariance)
    precision = torch.cholesky_inverse(factor)
    pull = (precision @ mean[..., None]).squeeze(-1)
    form = precision.new_empty(len(mean), D + 1, D + 1)
    form[:, 1:, 1:] = precision
    form[:, 1:, 0] = form[:, 0, 1:] = -pull
    log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    form[:, 0, 0] = (pull * mean).sum(-1) + log_det + D * math.log(2 * math.pi)
    return -0.5 * form_weights(form)


def form_weights(form: Tensor) -> Tensor:
    r"""Weights ``(K, F)`` of the quadratic features in :math:`\tilde x^T M_k \tilde x`, M ``(K, D + 1, D + 1)``."""
    rows, columns = triangle(form.shape[1], form.device)
    return form[:, rows, columns] * twice(form.shape[1], form.device)


@cache
def triangle(size: int, device: torch.device) -> Tensor:
    """Rows and columns ``(2, size (size + 1) / 2)`` of an upper triangle, in the order of the quadratic features."""
    return torch.triu_indices(size, size, device=device)


@cache
def twice(size: int, device: torch.device) -> Tensor:
    """1 on the diagonal and 2 above it, ``(size (size + 1) / 2,)``."""
    rows, columns = triangle(size, device)
    return torch.where(rows == columns, 1.0, 2.0)


def quadratic(x: Tensor) -> Iterator[Tensor]:
    """Features phi(x) = (x~_i x~_j, i <= j), x~ = [1, x], in chunks of rows: ``(n, (D + 1) (D + 2) / 2)``."""
    D = x.shape[1]
    rows = max(1, CHUNK // ((D + 1) * (D + 2) // 2))
    for chunk in x.split(rows):
        yield torch.cat(
            [torch.ones_like(chunk[:, :1]), chunk, *(chunk[:, i:] * chunk[:, i : i + 1] for i in range(D))], 1
        )
