"""What a network sees of images: the features that distances are measured in."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from bnpgan.metrics.sizes import Array

Extractor = Callable[[Tensor], Tensor]

_CHUNK = 512  # images in a call of the extractor


def extract(name: str, images: Array, extractor: Extractor) -> Tensor:
    """Maps images to features, 512 at a time, in evaluation mode and without gradients.

    A module is put back as it was. A plain function or a method is called as it is: put its network in evaluation mode
    first.

    Args:
        name: what the caller calls the images, for messages.
        images: images ``(N, ...)``.
        extractor: maps ``(B, ...)`` to features ``(B, D)``.

    Returns:
        Features ``(N, D)``, float64 on the device of ``images``.

    Raises:
        ValueError: if there are no images, or the features are not finite or not ``(B, D)``.

    Example:
        >>> extract("images", torch.zeros(600, 1, 8, 8), nn.Flatten()).shape
        torch.Size([600, 64])
    """
    images = torch.as_tensor(images)
    if not images.ndim or not len(images):
        raise ValueError(f"{name} holds no images: pass at least one")
    modules: Callable[[], Iterable[nn.Module]] = getattr(extractor, "modules", tuple)
    modes = [(module, module.training) for module in modules()]  # modules of one network may be in different modes
    try:
        for module, _ in modes:
            module.training = False
        with torch.no_grad():
            features = [extractor(chunk) for chunk in images.split(_CHUNK)]
    finally:
        for module, training in modes:
            module.training = training
    for part, chunk in zip(features, images.split(_CHUNK), strict=True):
        if part.ndim != 2 or len(part) != len(chunk):
            raise ValueError(
                f"extractor maps {name} {tuple(chunk.shape)} to {tuple(part.shape)}: make it give features (B, D)"
            )
    joined = torch.cat(features).to(images.device, torch.float64)
    if not joined.isfinite().all():
        raise ValueError(f"extractor gives NaN or infinite features of {name}: look for NaN among the images")
    return joined


def extract_both(real: Array, fake: Array, extractor: Extractor) -> tuple[Tensor, Tensor]:
    """The features of real and of generated images ``(N, D)`` and ``(M, D)``, as ``extract`` gives them.

    Raises:
        ValueError: likewise, or if real images have other features than generated ones.
    """
    a, b = extract("real", real, extractor), extract("fake", fake, extractor)
    if a.shape[1] != b.shape[1]:
        shapes = tuple(torch.as_tensor(real).shape), tuple(torch.as_tensor(fake).shape)
        raise ValueError(
            f"extractor gives {a.shape[1]} features of real images and {b.shape[1]} of fake: make them alike in size, "
            f"real is {shapes[0]} and fake {shapes[1]}"
        )
    return a, b
