"""Which classes generated images are of, as a classifier names them: modes, and reverse KL."""

import torch
from torch import Tensor

from bnpgan.metrics.sizes import Array

__all__ = ["class_modes"]

_REPEATS = 20  # times that exact samples are drawn


def class_modes(named: Array, frequencies: Array) -> dict[str, float]:
    r"""How many classes there are images of, and how far their frequencies are from the true ones.

    With :math:`q_j` the share of images that are named j and :math:`p_j` the true one, reverse KL is
    :math:`\sum_j q_j \log (q_j / p_j)`. Both depend on the number of images: they come with what as many labels drawn
    from p score on average, from torch's ambient generator.

    Args:
        named: the class of each generated image, ``(n,)``, whole numbers in [0, M).
        frequencies: of the M classes in the data, positive, up to a factor.

    Returns:
        ``modes``, classes with an image; ``reverse_kl``, in nats; ``exact_modes`` and ``exact_reverse_kl``.

    Raises:
        ValueError: If a class is out of range, there are no images, or a frequency is not positive.

    Example:
        >>> class_modes(torch.tensor([0, 1, 1, 0]), torch.ones(2))["reverse_kl"]
        0.0

    References:
        Diverse Image Generation via Self-Conditioned GANs, 2020, section 4.3.
    """
    named, p = torch.as_tensor(named), torch.as_tensor(frequencies).double()
    if p.ndim != 1 or not len(p) or not (p > 0).all():
        raise ValueError("frequencies must be positive, one for each class: leave out classes that the data have not")
    if named.ndim != 1 or not len(named) or not 0 <= int(named.min()) <= int(named.max()) < len(p):
        raise ValueError(f"named holds classes outside 0 .. {len(p) - 1}, or none: pass those of some images")
    p = p / p.sum()

    def score(labels: Tensor) -> tuple[float, float]:
        q = labels.bincount(minlength=len(p)).double() / len(labels)
        return int((q > 0).sum()), torch.xlogy(q, q / p).sum().item()

    modes, kl = score(named.to(p.device))
    exact = [score(torch.multinomial(p, len(named), replacement=True)) for _ in range(_REPEATS)]
    return {
        "modes": modes,
        "reverse_kl": kl,
        "exact_modes": sum(each[0] for each in exact) / _REPEATS,
        "exact_reverse_kl": sum(each[1] for each in exact) / _REPEATS,
    }
