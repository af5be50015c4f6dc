"""GM-GAN's two scores, quality and diversity: the scale of the latent covariance trades one for the other.

We did not have the body of the paper; what is uncertain is marked as our reading.
"""

import math

import torch

from bnpgan.metrics.extraction import Extractor, extract_both
from bnpgan.metrics.sizes import Array

_CHUNK = 256  # generated images, or pairs of images, at a time
_WEIGHTS = (
    0.0448,
    0.2856,
    0.3001,
    0.2363,
    0.1333,
)  # of the five scales in MS-SSIM, finest first


def quality(fake: Array, real: Array, extractor: Extractor, a: float = 1.0) -> float:
    r"""How near generated images are to training images, in the features of a classifier.

    The mean of :math:`1 - e^{d^2} / (e^{d^2} + a) = \sigma(\log a - d^2)` over generated images, d the distance to the
    nearest training image. Real images themselves score a / (1 + a). Features have no fixed scale, and where all
    :math:`d^2` are far above :math:`\log a` every score is 0: divide the features by a typical distance first.

    Args:
        fake: Generated images ``(M, ...)``.
        real: Training images ``(N, ...)``.
        extractor: Maps images ``(B, ...)`` to features ``(B, D)``, a classifier's last hidden layer in the paper; it is
            called in evaluation mode, 512 images a call.
        a: Where the score is one half, :math:`d^2 = \log a`; positive.

    Returns:
        Quality in [0, a / (1 + a)]; the higher the better.

    Raises:
        ValueError: If ``a`` is not positive, there are no images, or the features are not finite or not ``(B, D)``.

    Example:
        >>> real, fake = torch.tensor([[0.0], [5.0]]), torch.tensor([[5.0], [100.0]])
        >>> quality(fake, real, torch.nn.Flatten())
        0.25

    References:
        Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images, 2018, the quality score.
    """
    if not 0 < a < math.inf:
        raise ValueError(f"a must be positive, got {a}: pass e.g. 1")
    r, f = extract_both(real, fake, extractor)
    # For large inputs cdist takes a matrix product, which loses digits where d is small: features are float64.
    d = torch.cat([torch.cdist(part, r).amin(1) for part in f.split(_CHUNK)])
    return (math.log(a) - d.square()).sigmoid().mean().item()


def diversity(images: Array) -> float:
    r"""How unlike each other images are: 1 less the mean multi-scale structural similarity (MS-SSIM) of random pairs.

    Our reading: the paper names the score, not the pairs or the scales. Each image is paired with the next one in a
    random circle, from torch's ambient generator. MS-SSIM has a window of 11 pixels and 5 scales, each half the size of
    the one before; small images have less of both. The window is 11, or else the largest odd number of pixels that the
    shorter side holds. There are as many scales S, up to 5, as leave the side, divided by the larger of
    :math:`2^{S-1}` and :math:`(S-1)^2`, at least a window long; their weights are the first S of the standard ones,
    divided by their sum. So 8x8 has one scale of window 7, 28x28 and 32x32 have two of 11, 64x64 has three, 176x176
    all five. Compare at one size only. Negative similarities count as 0.

    Args:
        images: Images ``(N, C, H, W)`` in [-1, 1], at least 2, of 7 pixels or more a side.

    Returns:
        Diversity in [0, 1]: 0 if all images are the same.

    Raises:
        ValueError: If the shape is another, there are fewer than 2 images, or values lie outside [-1, 1].

    Example:
        >>> round(diversity(torch.zeros(5, 1, 8, 8)), 6)
        0.0

    References:
        Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images, 2018, the diversity score;
        Multi-scale structural similarity for image quality assessment, 2003, Eq. 7.
    """
    # Imported here, for it takes a second, for which every command would wait.
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    images = torch.as_tensor(images)
    if images.ndim != 4 or len(images) < 2 or min(images.shape[2:]) < 7:
        raise ValueError(
            f"images has shape {tuple(images.shape)}: pass at least 2 images (N, C, H, W) of 7 pixels or more a side"
        )
    low, high = images.aminmax()
    if not (low >= -1 and high <= 1):  # NaN is refused too
        raise ValueError(f"images run from {low:.3g} to {high:.3g}: scale them to [-1, 1]")
    window, weights = _scales(min(images.shape[2:]))
    order = torch.randperm(len(images), device=images.device)
    similarity = [
        multiscale_structural_similarity_index_measure(
            # From [-1, 1] to [0, 1]: the term for luminance needs brightness above 0.
            (images[i].double() + 1) / 2,
            (images[j].double() + 1) / 2,
            sigma=0.3 * (window // 2),  # torchmetrics sets the window by it: 1.5 for 11 pixels
            kernel_size=window,
            data_range=1.0,
            betas=weights,
            normalize="relu",
            reduction="none",
        )
        for i, j in zip(order.split(_CHUNK), order.roll(1).split(_CHUNK), strict=True)
    ]
    return 1 - torch.cat(similarity).mean().item()


def _scales(side: int) -> tuple[int, tuple[float, ...]]:
    window = min(11, side - 1 + side % 2)
    scales = max(s for s in range(1, 6) if side // max(2 ** (s - 1), (s - 1) ** 2) >= window)
    return window, tuple(weight / sum(_WEIGHTS[:scales]) for weight in _WEIGHTS[:scales])
