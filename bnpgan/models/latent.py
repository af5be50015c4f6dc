"""The law of the latent vector given the cluster, ``p(z given c)``."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .conditioning import lookup


class Latent(nn.Module, ABC):
    """A map from standard normal noise to draws of ``p(z given c)``.

    Attributes:
        dim: size of the noise, and of ``z`` unless a leaf says otherwise.
    """

    dim: int

    @abstractmethod
    def place(self, noise: Tensor, c: Tensor) -> Tensor:
        """Maps noise ``(B, dim)`` and ``c``, ``(B,)`` slots or ``(B, capacity)`` rows of weights, to ``z``."""

    def forward(self, c: Tensor, noise: Tensor | None = None) -> Tensor:
        r"""Draws ``z`` ``(B, dim)`` for ``c``, from torch's ambient generator unless the noise is given.

        Noise of variance s in place of 1 is a draw from :math:`N(\mu_c, s \Sigma_c)`; one noise for several ``c`` is
        a path between clusters.
        """
        if noise is None:
            noise = torch.randn(c.shape[0], self.dim, device=c.device)
        return self.place(noise, c)

    def slots(self, n: int, capacity: int, device: torch.device) -> Tensor:
        """Slots ``(n,)`` where there is no partition to draw them from; mostly each is as likely as any other."""
        return torch.randint(capacity, (n,), device=device)


class Gaussian(Latent):
    r"""Draws :math:`z \sim N(0, I)` whatever the cluster.

    Args:
        dim: size of ``z``.

    Example:
        >>> Gaussian(dim=8)(torch.tensor([0, 0, 3])).shape
        torch.Size([3, 8])
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def place(self, noise: Tensor, c: Tensor) -> Tensor:
        """Returns the noise ``(B, dim)``; ``c`` is not read."""
        return noise


class Uniform(Latent):
    r"""Draws :math:`z \sim U[-1, 1]^d` whatever the cluster.

    Args:
        dim: d, the size of ``z``.

    Example:
        >>> z = Uniform(dim=8)(torch.tensor([0, 0, 3]))
        >>> z.shape, float(z.abs().max()) <= 1
        (torch.Size([3, 8]), True)
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def place(self, noise: Tensor, c: Tensor) -> Tensor:
        """Maps noise ``(B, dim)`` to ``z``; ``c`` is not read."""
        return uniform(noise)


class Weighted(Latent):
    r"""Any latent, with learned weights of its slots, :math:`r = \mathrm{softmax}(\rho)`, even at first.

    Slots are drawn by these weights where there is no partition. The draw has no gradient: something else must say what
    the weights are to be, such as ``PriorRecogniser`` or ``MixingWeights``.

    Args:
        latent: p(z given c).
        capacity: number of slots.

    Example:
        >>> latent = Weighted(Uniform(dim=8), capacity=2)
        >>> latent.slots(5, 2, "cpu").shape, latent.log_weights().exp().tolist()
        (torch.Size([5]), [0.5, 0.5])

    References:
        "Disconnected Manifold Learning for Generative Adversarial Networks", 2018, section 4.
    """

    def __init__(self, latent: Latent, capacity: int) -> None:
        super().__init__()
        self.latent, self.dim = latent, latent.dim
        self.logits = nn.Parameter(torch.zeros(capacity))

    def place(self, noise: Tensor, c: Tensor) -> Tensor:
        """Maps noise ``(B, dim)`` to the ``z`` of the latent."""
        return self.latent.place(noise, c)

    def slots(self, n: int, capacity: int, device: torch.device) -> Tensor:
        """Slots ``(n,)`` drawn by their weights."""
        return torch.multinomial(self.logits.detach().softmax(0), n, replacement=True)

    def log_weights(self) -> Tensor:
        """The logarithms ``(capacity,)`` of the weights."""
        return self.logits.log_softmax(0)


class Codes(Latent):
    r"""Appends the slot itself to the noise, :math:`z = [\sigma \epsilon, u, e_c]`, with uniform codes between.

    .. math:: \epsilon \sim N(0, I), \qquad u \sim U[-1, 1], \qquad e_c \text{ the one-hot vector of slot } c

    Rows of weights stand where the one-hot vector does.

    Args:
        capacity: number of slots.
        dim: size of :math:`\epsilon`.
        uniform: number of uniform codes.
        std: :math:`\sigma`.

    Attributes:
        dim: size of the noise, without the slots.
        out_dim: size of ``z``.

    Example:
        >>> latent = Codes(capacity=3, dim=1, uniform=1, std=0.1)
        >>> latent(torch.tensor([2]), torch.zeros(1, 2)).tolist()
        [[0.0, 0.0, 0.0, 0.0, 1.0]]

    References:
        "InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets", 2016,
        section 7;
        "ClusterGAN: Latent Space Clustering in Generative Adversarial Networks", 2019, section 3.
    """

    def __init__(self, capacity: int, dim: int, uniform: int = 0, std: float = 1.0) -> None:
        super().__init__()
        self.std, self.sizes = std, (dim, uniform)
        self.dim, self.out_dim = dim + uniform, dim + uniform + capacity
        self.one_hot: Tensor
        self.register_buffer("one_hot", torch.eye(capacity))

    def place(self, noise: Tensor, c: Tensor) -> Tensor:
        """Maps noise ``(B, dim)`` to ``(B, out_dim)``."""
        plain, codes = noise.split(self.sizes, 1)
        return torch.cat([self.std * plain, uniform(codes), lookup(self.one_hot, c)], 1)


class GaussianMixture(Latent):
    r"""GM-GAN's latent: each slot has a Gaussian, or several, of its own.

    .. math:: z = \mu_k + A_k \epsilon, \quad \epsilon \sim N(0, I), \qquad
        \mu_k \sim U[-c, c]^d, \quad A_k = \sigma I \text{ at first}

    Static: means and factors stay as they are. Dynamic: they learn with the generator. Several Gaussians to one slot
    are drawn with equal weights, as the supervised GM-GAN has it where a class has many modes.

    Args:
        capacity: number of slots.
        dim: size of ``z``, d.
        spread: c, half the side of the cube that means are drawn from.
        std: :math:`\sigma`, a standard deviation; accounts of the paper differ on whether the figure is a variance.
        each: Gaussians to a slot.
        dynamic: whether means and factors learn.
        full: whether factors that learn are full matrices; else they are diagonal.

    Raises:
        ValueError: if ``capacity``, ``dim`` or ``each`` is below 1, or ``spread`` or ``std`` is not positive.

    Example:
        >>> latent = GaussianMixture(capacity=10, dim=100, spread=0.1, std=0.15)
        >>> latent(torch.tensor([0, 0, 3])).shape, 5 < latent.separation() < 6
        (torch.Size([3, 100]), True)

    References:
        "Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images", 2018.
    """

    def __init__(
        self,
        capacity: int,
        dim: int,
        spread: float = 1.0,
        std: float = 1.0,
        each: int = 1,
        dynamic: bool = False,
        full: bool = False,
    ) -> None:
        super().__init__()
        if min(capacity, dim, each) < 1:
            raise ValueError(f"capacity, dim and each must be at least 1, got {capacity}, {dim} and {each}: pass sizes")
        if not 0 < min(spread, std) <= max(spread, std) < float("inf"):
            raise ValueError(f"spread and std must be positive, got {spread} and {std}: pass e.g. 1.0 and 1.0")
        self.capacity, self.dim, self.each = capacity, dim, each
        means = spread * (2 * torch.rand(capacity * each, dim) - 1)
        factor = std * (torch.eye(dim) if full and dynamic else torch.ones(dim))
        factors = factor.repeat(capacity * each, *(1 for _ in factor.shape))
        if dynamic:
            self.means, self.factors = nn.Parameter(means), nn.Parameter(factors)
        else:
            self.register_buffer("means", means)
            self.register_buffer("factors", factors)

    def place(self, noise: Tensor, c: Tensor) -> Tensor:
        """Maps noise ``(B, dim)`` to ``z``; where slots have several Gaussians, rows of weights combine the first."""
        means: Tensor = self.means
        factors: Tensor = self.factors
        if c.ndim == 1:
            c = c * self.each + torch.randint(self.each, c.shape, device=c.device)
        else:
            means, factors = means[:: self.each], factors[:: self.each]
        spread = lookup(factors.flatten(1), c).unflatten(1, factors.shape[1:])
        return lookup(means, c) + (spread * noise if spread.ndim == 2 else (spread @ noise[..., None]).squeeze(-1))

    def log_densities(self, z: Tensor) -> Tensor:
        r"""Log-densities ``(B, capacity)`` of ``z`` ``(B, dim)`` under each slot.

        Example:
            >>> latent = GaussianMixture(capacity=2, dim=2)
            >>> latent.log_densities(latent.means).argmax(1)
            tensor([0, 1])
        """
        means: Tensor = self.means
        factors: Tensor = self.factors
        apart = z[:, None] - means
        if factors.ndim == 2:
            noise, log_det = apart / factors, factors.abs().log().sum(1)
        else:
            noise = torch.linalg.solve(factors, apart[..., None]).squeeze(-1)
            log_det = torch.linalg.slogdet(factors).logabsdet
        each = -0.5 * (noise.square().sum(2) + self.dim * math.log(2 * math.pi)) - log_det
        return each.unflatten(1, (self.capacity, self.each)).logsumexp(2) - math.log(self.each)

    def separation(self) -> float:
        r"""Mean distance between two means, in standard deviations of a coordinate.

        It decides whether modes separate. Right after the draw of the means it is :math:`c \sqrt{2 d / 3} / \sigma`
        on average.
        """
        variance = self.factors.detach().flatten(1).square().sum(1) / self.dim
        apart = torch.pdist(self.means.detach())
        return float(apart.mean() / variance.mean().sqrt()) if len(apart) else 0.0


def uniform(noise: Tensor) -> Tensor:
    r"""Standard normal noise as uniform noise in [-1, 1], :math:`2 \Phi(\epsilon) - 1`.

    Example:
        >>> uniform(torch.zeros(2)).tolist()
        [0.0, 0.0]
    """
    return torch.erf(noise / 2**0.5)
