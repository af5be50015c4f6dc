"""Batches of concrete distributions: what a partition knows about its clusters."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.decompositions import cholesky, inverse
from bnpgan.engine.inversion import categorical
from bnpgan.engine.nearest import nearest
from bnpgan.engine.quadratic import gaussian_form, gaussian_weights, log_densities, squared_distances
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

    def put_(self, k: int, others: Self) -> None:
        """Write the only one of the others into slot ``k``, in place."""
        for name, tensor in vars(self).items():
            tensor[k] = vars(others)[name][0]

    def natural(self, middle: Tensor) -> tuple[Tensor, ...]:
        """What the log-densities are linear in, by slot; they are taken about ``middle`` ``(K, D)``."""
        raise NotImplementedError(f"{type(self).__name__} has no geometric means")

    @classmethod
    def of_natural(cls, middle: Tensor, *natural: Tensor) -> "Components":
        """The components of such numbers, or of means of them: up to a factor for each, see :class:`Scaled`."""
        raise NotImplementedError(f"{cls.__name__} has no geometric means")


@dataclass(frozen=True, eq=False)
class Scaled(Components):
    """Components whose densities are multiplied by a number each, as a geometric mean of densities is.

    Args:
        base: ``K`` components.
        log_scale: ``(K,)``, the logs of the numbers.
    """

    base: Components
    log_scale: Tensor

    @property
    def mean(self) -> Tensor:  # type: ignore[override]  # elsewhere a field
        """That of the components, ``(K, D)``."""
        return self.base.mean

    def log_prob(self, x: Tensor) -> Tensor:
        """Logs ``(N, K)`` of the multiplied densities of the points ``(N, D)``."""
        return self.base.log_prob(x) + self.log_scale

    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""
        return self.base.sample(slots)

    def draw(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """A slot ``(N,)`` for each point ``(N, D)``: multiplied densities are multiplied weights."""
        return self.base.draw(x, log_weights + self.log_scale)

    def assign(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """The best slot ``(N,)`` of each point ``(N, D)``."""
        return self.base.assign(x, log_weights + self.log_scale)

    def joined(self, others: Self) -> Self:
        """These components, and the others in the slots behind them."""
        return type(self)(self.base.joined(others.base), torch.cat([self.log_scale, others.log_scale]))

    def permute(self, order: Tensor) -> Self:
        """The same components with slot ``k`` holding what was in ``order[k]``."""
        return type(self)(self.base.permute(order), self.log_scale[order])

    def put_(self, k: int, others: Self) -> None:
        """Write the only one of the others into slot ``k``, in place."""
        self.base.put_(k, others.base)
        self.log_scale[k] = others.log_scale[0]


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

    def natural(self, middle: Tensor) -> tuple[Tensor, ...]:
        r"""The matrices ``(K, D + 1, D + 1)`` of the quadratic forms of :math:`[1, x - middle]`."""
        return (gaussian_form(self.mean - middle, self.covariance),)

    @classmethod
    def of_natural(cls, middle: Tensor, *natural: Tensor) -> Scaled:
        """The Gaussians of such matrices, which a mean of matrices makes up to a factor."""
        (form,) = natural
        factor = cholesky(form[:, 1:, 1:])
        pull = -form[:, 1:, :1]
        apart = torch.cholesky_solve(pull, factor)
        log_det = -2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        own = (pull * apart).sum((1, 2)) + log_det + (form.shape[1] - 1) * math.log(2 * math.pi)
        gaussians = cls(middle + apart.squeeze(-1), inverse(factor))
        return Scaled(gaussians, -0.5 * (form[:, 0, 0] - own))

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

    def natural(self, middle: Tensor) -> tuple[Tensor, ...]:
        r"""Precisions ``(K, D)``, these times :math:`\mu - middle`, and constants ``(K,)`` of -2 log-densities."""
        precision, apart = 1 / self.variance, self.mean - middle
        constant = (apart**2 * precision + (2 * math.pi * self.variance).log()).sum(1)
        return precision, precision * apart, constant

    @classmethod
    def of_natural(cls, middle: Tensor, *natural: Tensor) -> Scaled:
        """The Gaussians of such numbers, which means of them make up to a factor."""
        precision, pull, constant = natural
        own = (pull**2 / precision + (2 * math.pi / precision).log()).sum(1)
        return Scaled(cls(middle + pull / precision, 1 / precision), -0.5 * (constant - own))

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
