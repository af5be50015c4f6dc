"""How well generated points cover a known mixture, as in the 2-D experiments."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor

Array = Tensor | ArrayLike


def modes(
    samples: Array, means: Array, std: float, box: bool = False, weights: Array | None = None
) -> dict[str, float]:
    r"""How well points cover a known mixture of round Gaussians.

    A point is of high quality if it lies within 3 standard deviations of the nearest mean. With :math:`q_j` the share
    of *all* points nearest to mean :math:`j`, reverse KL is :math:`\sum_j q_j \log (q_j / w_j)`. Report each beside
    what as many exact samples score: of the ring's they are 98.89 % high-quality (99.47 % in the box), and M modes cost
    a KL of about (M - 1) / 2n. Quality alone says little: a generator stuck at one mean has 100 %.

    Args:
        samples: Generated points ``(n, D)``.
        means: The mixture's means ``(M, D)``.
        std: Standard deviation of its components, in the units of ``samples``.
        box: Ask for 3 standard deviations in each coordinate, as the released code of SC-GAN does, not in Euclidean
            distance.
        weights: True weights ``(M,)``, positive, up to a factor; uniform if None.

    Returns:
        ``modes``, the number of means with a high-quality point; ``quality``, the share of such points; ``reverse_kl``,
        in nats.

    Raises:
        ValueError: If a shape does not fit, samples are missing or not finite, or a weight is not positive.

    Example:
        >>> modes([[0.0, 0.1], [0.0, 9.0]], means=[[0.0, 0.0], [5.0, 5.0]], std=1.0)
        {'modes': 1, 'quality': 0.5, 'reverse_kl': 0.0}

    References:
        Diverse Image Generation via Self-Conditioned GANs, 2020, section 4.2.
    """
    x = torch.as_tensor(samples).double()
    mu = torch.as_tensor(means).to(x)
    if x.ndim != 2 or mu.ndim != 2 or x.shape[1] != mu.shape[1] or len(x) == 0 or len(mu) == 0:
        raise ValueError(f"samples {tuple(x.shape)} and means {tuple(mu.shape)} do not fit: pass (n, D) and (M, D)")
    if not x.isfinite().all():
        raise ValueError("samples holds NaN or infinite values: the generator has diverged, lower its learning rate")
    w = torch.ones(len(mu)).to(x) if weights is None else torch.as_tensor(weights).to(x)
    if w.shape != (len(mu),) or not (w > 0).all():
        raise ValueError("weights must be positive, one for each mean: drop the means that have none")

    nearest = torch.cdist(x, mu).argmin(dim=1)
    offset = (x - mu[nearest]).abs()
    good = (offset.amax(dim=1) if box else offset.norm(dim=1)) <= 3 * std
    q = nearest.bincount(minlength=len(mu)).to(x) / len(x)
    return {
        "modes": len(nearest[good].unique()),
        "quality": good.double().mean().item(),
        "reverse_kl": torch.xlogy(q, q * w.sum() / w).sum().item(),
    }
