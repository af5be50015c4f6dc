"""Mixtures of Gaussians with known parameters, and four of them to teach with: hard in four different ways."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Mixture:
    r"""A mixture of Gaussians that is known, :math:`p(x) = \sum_k \pi_k N(x; \mu_k, \Sigma_k)`.

    Args:
        means: :math:`\mu_k`, ``(K, D)``.
        covariances: :math:`\Sigma_k`, ``(K, D, D)``, symmetric and positive definite.
        weights: :math:`\pi_k`, ``(K,)``, positive, up to a factor.

    Raises:
        ValueError: If a shape does not fit, a covariance is not symmetric and positive definite, or a weight is not
            positive.

    Example:
        >>> two = Mixture(torch.tensor([[-3.0], [3.0]]), torch.ones(2, 1, 1), torch.tensor([0.9, 0.1]))
        >>> x, labels = two.sample(1000)
        >>> x.shape, two.log_prob(x).shape
        (torch.Size([1000, 1]), torch.Size([1000]))

    References:
        Pattern Recognition and Machine Learning, 2006, Eq. 9.7.
    """

    means: Tensor
    covariances: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        if self.means.ndim != 2 or 0 in self.means.shape:
            raise ValueError(f"means has shape {tuple(self.means.shape)}: pass (K, D), neither of them 0")
        if not self.means.isfinite().all():
            raise ValueError("means must be finite, got NaN or infinite values: pass the middle of each Gaussian")
        K, D = self.means.shape
        if self.covariances.shape != (K, D, D):
            raise ValueError(
                f"covariances has shape {tuple(self.covariances.shape)}: pass {(K, D, D)}, one for each mean"
            )
        if not torch.allclose(self.covariances, self.covariances.mT) or self._cholesky()[1].any():
            raise ValueError("covariances must be symmetric and positive definite: pass variances, not deviations")
        finite = bool(self.weights.float().sum().isfinite())
        if self.weights.shape != (K,) or not (self.weights > 0).all() or not finite:
            raise ValueError(
                f"weights must be positive and finite, one for each of the {K} means: drop those that have none"
            )

    def sample(self, n: int) -> tuple[Tensor, Tensor]:
        """Draws points ``(n, D)``, float32, and the Gaussian of each, ``(n,)`` int64, from torch's ambient generator.

        Raises:
            ValueError: If ``n`` is less than 1.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}: ask for some points")
        labels = torch.multinomial(self.weights, n, replacement=True)
        noise = torch.randn_like(self.means[labels])
        x = self.means[labels] + (self._cholesky()[0][labels] @ noise[:, :, None])[:, :, 0]
        return x.float(), labels

    def log_prob(self, x: Tensor) -> Tensor:
        """Maps points ``(N, D)`` to log densities ``(N,)``, in the dtype of the means.

        Raises:
            ValueError: If ``x`` has another shape.
        """
        D = self.means.shape[1]
        if x.ndim != 2 or x.shape[1] != D:
            raise ValueError(f"x has shape {tuple(x.shape)}: pass points (N, {D})")
        L = self._cholesky()[0]
        offset = x.to(self.means) - self.means[:, None]  # (K, N, D)
        white = torch.linalg.solve_triangular(L, offset.mT, upper=False)
        log_normaliser = L.diagonal(dim1=1, dim2=2).log().sum(1) + D / 2 * math.log(2 * math.pi)
        log_weights = (self.weights / self.weights.sum()).log()
        return ((log_weights - log_normaliser)[:, None] - white.square().sum(1) / 2).logsumexp(0)

    def _cholesky(self) -> tuple[Tensor, Tensor]:
        return torch.linalg.cholesky_ex(self.covariances)


def moons() -> Mixture:
    r"""Two interleaved half circles, each a chain of 8 long Gaussians: clusters that no single Gaussian fits.

    At :math:`t_j = (j + 1/2) \pi / 8` the first arc has the means :math:`(\cos t_j, \sin t_j)`, the second
    :math:`(1 - \cos t_j, 1/2 - \sin t_j)`; standard deviations are 0.2 along the arc and 0.06 across. Labels name the
    Gaussians: those of the first arc are below 8.

    Returns:
        The mixture, 16 Gaussians in the plane.

    Example:
        >>> x, labels = moons().sample(500)
        >>> arcs = labels // 8
    """
    t = (torch.arange(8, dtype=torch.float64) + 0.5) * (math.pi / 8)
    upper = torch.stack([t.cos(), t.sin()], dim=1)
    means = torch.cat([upper, torch.tensor([1.0, 0.5]).double() - upper])
    # A half turn of the second arc leaves the covariances as they are.
    covariances = _covariances((t + math.pi / 2).tolist(), [(0.2, 0.06)] * 8).repeat(2, 1, 1)
    return Mixture(means, covariances, torch.full((16,), 1 / 16, dtype=torch.float64))


def unequal() -> Mixture:
    """Five round Gaussians, the rarer the smaller: weights from 50 % to 3 %, standard deviations from 1 to 0.05.

    A clusterer that expects clusters of one size cuts the largest up and misses the smallest.

    Returns:
        The mixture, 5 Gaussians in the plane, the heaviest first.

    Example:
        >>> unequal().weights
        tensor([0.5000, 0.2500, 0.1500, 0.0700, 0.0300], dtype=torch.float64)
    """
    means = [[0.0, 0.0], [4.5, 0.5], [2.2, 3.8], [-3.5, 3.0], [-3.2, -3.2]]
    stds = [(std, std) for std in (1.0, 0.5, 0.3, 0.15, 0.05)]
    weights = torch.tensor([0.5, 0.25, 0.15, 0.07, 0.03], dtype=torch.float64)
    return Mixture(torch.tensor(means, dtype=torch.float64), _covariances([0.0] * 5, stds), weights)


def anisotropic() -> Mixture:
    """Four long Gaussians, 6 to 10 times as long as wide, in four directions, two of them crossing.

    Distance to the nearest mean misleads; a full covariance is needed.

    Returns:
        The mixture, 4 Gaussians in the plane of equal weights.

    Example:
        >>> anisotropic().covariances.shape
        torch.Size([4, 2, 2])
    """
    means = torch.tensor([[-2.0, 0.0], [-2.0, 0.0], [2.0, 0.5], [2.4, -0.6]], dtype=torch.float64)
    angles = [math.pi / 4, -math.pi / 4, math.pi / 12, math.pi / 12]
    stds = [(1.0, 0.1), (1.0, 0.1), (0.9, 0.15), (0.9, 0.15)]
    return Mixture(means, _covariances(angles, stds), torch.full((4,), 0.25, dtype=torch.float64))


def overlap() -> Mixture:
    """Three round Gaussians so near to each other that the density has a single peak.

    The true mixture itself gives only 71 % of the points to the Gaussian that drew them: no clusterer does better.

    Returns:
        The mixture, 3 Gaussians in the plane, of standard deviation 1, their means 1.8 apart.

    Example:
        >>> overlap().means.shape
        torch.Size([3, 2])
    """
    angle = torch.arange(3, dtype=torch.float64) * (2 * math.pi / 3) + math.pi / 2
    means = 1.8 / math.sqrt(3) * torch.stack([angle.cos(), angle.sin()], dim=1)
    return Mixture(means, _covariances([0.0] * 3, [(1.0, 1.0)] * 3), torch.full((3,), 1 / 3, dtype=torch.float64))


def _covariances(angles: list[float], stds: list[tuple[float, float]]) -> Tensor:
    # (K, 2, 2): the first standard deviation lies along the angle, anticlockwise from the x axis.
    angle = torch.tensor(angles, dtype=torch.float64)
    axes = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    return axes @ torch.diag_embed(torch.tensor(stds, dtype=torch.float64).square()) @ axes.mT
