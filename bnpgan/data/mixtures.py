"""Mixtures with known parameters: four of Gaussians to teach with, hard in four ways, and one that is wide."""

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
        freedom: degrees of freedom :math:`\nu`; below infinity the components are Student's t with heavy tails, of
            density :math:`\propto (1 + \delta^2 / \nu)^{-(\nu + D) / 2}` at the distance
            :math:`\delta^2 = (x - \mu_k)^\top \Sigma_k^{-1} (x - \mu_k)`, and of covariance
            :math:`\Sigma_k \nu / (\nu - 2)`.

    Raises:
        ValueError: If a shape does not fit, a covariance is not symmetric and positive definite, or a weight or
            ``freedom`` is not positive.

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
    freedom: float = math.inf

    def __post_init__(self) -> None:
        if not self.freedom > 0:
            raise ValueError(f"freedom must be positive, got {self.freedom}: pass e.g. 4.0, or leave it at infinity")
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
        if self.freedom < math.inf:
            noise = noise / torch.distributions.Chi2(self.freedom).sample((n, 1)).div(self.freedom).sqrt().to(noise)
        x = self.means[labels] + (self._cholesky()[0][labels] @ noise[:, :, None])[:, :, 0]
        return x.float(), labels

    def log_prob(self, x: Tensor) -> Tensor:
        """Maps points ``(N, D)`` to log densities ``(N,)``, in the dtype of the means.

        Raises:
            ValueError: If ``x`` has another shape.
        """
        return self._log_joint(x).logsumexp(0)

    def assign(self, x: Tensor) -> Tensor:
        """The likeliest component ``(N,)`` of points ``(N, D)``.

        Raises:
            ValueError: If ``x`` has another shape.
        """
        return self._log_joint(x).argmax(0)

    def whitened(self, x: Tensor, k: Tensor) -> Tensor:
        r"""Points ``(N, D)`` from the middles of components ``k`` ``(N,)``, :math:`L_k^{-1} (x - \mu_k)`."""
        L, k = self._cholesky()[0].to(x.device), k.to(x.device)
        offset = x.to(L) - self.means.to(L)[k]
        return torch.linalg.solve_triangular(L[k], offset[:, :, None], upper=False).squeeze(2)

    def _log_joint(self, x: Tensor) -> Tensor:
        # (K, N), on the device of the points.
        D = self.means.shape[1]
        if x.ndim != 2 or x.shape[1] != D:
            raise ValueError(f"x has shape {tuple(x.shape)}: pass points (N, {D})")
        L = self._cholesky()[0].to(x.device)
        offset = x.to(L) - self.means.to(L)[:, None]  # (K, N, D)
        squares = torch.linalg.solve_triangular(L, offset.mT, upper=False).square().sum(1)
        scale = L.diagonal(dim1=1, dim2=2).log().sum(1)
        log_weights = (self.weights / self.weights.sum()).log().to(L)
        if self.freedom == math.inf:
            return (log_weights - scale - D / 2 * math.log(2 * math.pi))[:, None] - squares / 2
        nu, both = self.freedom, (self.freedom + D) / 2
        constant = math.lgamma(both) - math.lgamma(nu / 2) - D / 2 * math.log(nu * math.pi)
        return (log_weights - scale + constant)[:, None] - both * (squares / nu).log1p()

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


def wide(components: int = 12, dim: int = 10, freedom: float = math.inf) -> Mixture:
    r"""Gaussians in many columns that differ in all respects: where, how many, how large, of which shape.

    The heaviest has 10 times the weight of the lightest, the widest 10 times the width of the narrowest, and each is 5
    times as long as it is thin, in directions of its own. They do not overlap.

    Args:
        components: How many, at least 2.
        dim: Columns.
        freedom: Degrees of freedom; below infinity they have heavy tails.

    Returns:
        The mixture, always the same for the same arguments.

    Raises:
        ValueError: If ``components`` is less than 2, or ``dim`` less than 1.

    Example:
        >>> x, labels = wide().sample(1000)
        >>> x.shape, wide().means.shape
        (torch.Size([1000, 10]), torch.Size([12, 10]))
    """
    if components < 2 or dim < 1:
        raise ValueError(f"components must be at least 2, dim 1, got {components} and {dim}: pass e.g. 12 and 10")
    drawn = torch.Generator().manual_seed(0)
    k = torch.arange(components, dtype=torch.float64) / (components - 1)
    means = 5 * torch.randn(components, dim, generator=drawn, dtype=torch.float64)
    axes, _ = torch.linalg.qr(torch.randn(components, dim, dim, generator=drawn, dtype=torch.float64))
    # Sizes in another order than weights: the heaviest is neither the widest nor the narrowest.
    size = 10 ** -k[torch.randperm(components, generator=drawn)]
    along = 5 ** (torch.linspace(0.5, -0.5, dim, dtype=torch.float64))
    stds = 0.5 * size[:, None] * along
    covariances = axes @ torch.diag_embed(stds.square()) @ axes.mT
    return Mixture(means, (covariances + covariances.mT) / 2, 10**-k / (10**-k).sum(), freedom)


def _covariances(angles: list[float], stds: list[tuple[float, float]]) -> Tensor:
    # (K, 2, 2): the first standard deviation lies along the angle, anticlockwise from the x axis.
    angle = torch.tensor(angles, dtype=torch.float64)
    axes = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    return axes @ torch.diag_embed(torch.tensor(stds, dtype=torch.float64).square()) @ axes.mT
