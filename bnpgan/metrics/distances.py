"""Distances between the distributions of real and generated images, in the features of any network.

They are FID and KID only in the features of one Inception network, which is not here: values compare with each other as
long as the extractor, the number of images and the real images stay the same, and with no published FID.
"""

import warnings

import torch
from torch import Tensor, nn

from bnpgan.metrics.extraction import Extractor, extract_both
from bnpgan.metrics.sizes import Array


def frechet_distance(real: Array, fake: Array, extractor: Extractor) -> float:
    r"""The squared Frechet distance between Gaussians fitted to the features of real and generated images.

    :math:`\|\mu_r - \mu_f\|^2 + \mathrm{tr}(\Sigma_r + \Sigma_f - 2 (\Sigma_r \Sigma_f)^{1/2})`, with the unbiased
    covariances. Its estimate is too large, the more so the fewer images: compare at equal numbers, many times D.

    Args:
        real: Real images ``(N, ...)``, at least 2.
        fake: Generated images ``(M, ...)``, at least 2.
        extractor: Maps images ``(B, ...)`` to features ``(B, D)``; it is called in evaluation mode, 512 images a call.

    Returns:
        The distance, at least 0 up to rounding, in squared units of the features.

    Raises:
        ValueError: If there are fewer than 2 images, or the features are not finite or not ``(B, D)``.

    Example:
        >>> import torch
        >>> x = torch.randn(1000, 3)
        >>> f"{frechet_distance(x, x + torch.tensor([2.0, 0.0, 0.0]), nn.Flatten()):.4f}"
        '4.0000'

    References:
        GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, 2017, Eq. 6.
    """
    # Imported here, for it takes a second, for which every command would wait.
    from torchmetrics.image.fid import FrechetInceptionDistance

    a, b = _both(2, real, fake, extractor, "pass more")
    metric = FrechetInceptionDistance(feature=_Given(a.shape[1])).to(a.device)
    # A common shift changes no distance. torchmetrics sums uncentred squares, which lose digits far from 0.
    centre = a.mean(0)
    metric.update(a - centre, real=True)
    metric.update(b - centre, real=False)
    return metric.compute().item()


def kernel_distance(
    real: Array, fake: Array, extractor: Extractor, subsets: int = 100, subset_size: int = 1000
) -> tuple[float, float]:
    r"""The squared maximum mean discrepancy between the features of real and generated images, unbiased.

    :math:`E\,k(r, r') + E\,k(f, f') - 2 E\,k(r, f)` with :math:`k(u, v) = (u^\top v / D + 1)^3`, over random subsets,
    from torch's ambient generator. Unlike the Frechet distance it does not depend on the number of images on average.

    Args:
        real: Real images ``(N, ...)``.
        fake: Generated images ``(M, ...)``.
        extractor: Maps images ``(B, ...)`` to features ``(B, D)``; it is called in evaluation mode, 512 images a call.
        subsets: How many subsets to average over.
        subset_size: Images of either kind in each, at most N and M.

    Returns:
        The mean over the subsets, which may be negative, and their standard deviation, which is not its error: the
        subsets overlap.

    Raises:
        ValueError: If ``subsets`` is less than 1, ``subset_size`` less than 2 or more than there are images, or the
            features are not finite or not ``(B, D)``.

    Example:
        >>> import torch
        >>> x = torch.randn(2, 500, 3)
        >>> mean, std = kernel_distance(*x, nn.Flatten(), subset_size=200)
        >>> abs(mean) < 0.1
        True

    References:
        Demystifying MMD GANs, 2018, section 4.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    if subsets < 1 or subset_size < 2:
        raise ValueError(
            f"subsets is {subsets} and subset_size {subset_size}: pass at least 1 subset of at least 2 images"
        )
    a, b = _both(subset_size, real, fake, extractor, "pass more, or lower subset_size")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all extracted features")
        metric = KernelInceptionDistance(feature=_Given(a.shape[1]), subsets=subsets, subset_size=subset_size)
    metric.update(a, real=True)
    metric.update(b, real=False)
    mean, std = metric.compute()
    return mean.item(), std.item()


class _Given(nn.Identity):
    # torchmetrics asks a network for its number of features; here the features have been extracted already.
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def _both(n: int, real: Array, fake: Array, extractor: Extractor, advice: str) -> tuple[Tensor, Tensor]:
    for name, images in (("real", torch.as_tensor(real)), ("fake", torch.as_tensor(fake))):
        if len(images) < n:
            raise ValueError(f"{name} holds {len(images)} images, but {n} are needed: {advice}")
    return extract_both(real, fake, extractor)
