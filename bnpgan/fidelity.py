"""How near a run's images are to real ones, in what an extractor sees: of all clusters, and of each."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bnpgan.images import CHUNK, Images
from bnpgan.metrics import class_modes, extract, frechet_distance, kernel_distance, neighbourhoods
from bnpgan.run import Run

__all__ = ["fidelity"]


def fidelity(
    run: Run,
    images: Images,
    extractor: Callable[[Tensor], Tensor],
    n: int = 10_000,
    neighbours: int = 5,
    named: Callable[[Tensor], Tensor] | None = None,
    frequencies: Tensor | None = None,
    by_cluster: bool = True,
) -> dict[str, dict[str, float]]:
    """Frechet and kernel distance, precision, recall, density and coverage: ``all``, and each cluster by itself.

    Real images are drawn without replacement, slots of generated ones as in training, from torch's ambient generator,
    and each goes through the extractor once, a part at a time. A cluster has a row where more than ``neighbours``
    images of either kind are of it. The Frechet distance is too large for few images, so rows compare with each other
    only at like numbers, which they state.

    Args:
        run: the run.
        images: the training images ``(N, C, H, W)``.
        extractor: maps images ``(B, C, H, W)`` to features ``(B, D)``: state with every figure what it is.
        n: how many generated, and at most so many real images.
        neighbours: k of ``metrics.neighbourhoods``.
        named: maps features to classes ``(B,)``; with ``frequencies``, classes are counted, see
            ``metrics.class_modes``.
        frequencies: of the classes in the data.
        by_cluster: whether clusters have rows.

    Raises:
        ValueError: if ``n`` or ``neighbours`` is out of range, or what the extractor gives is no features.
    """
    device = run.partition.labels.device
    if n <= neighbours:
        raise ValueError(f"n must be above neighbours, {neighbours}, got {n} images: pass e.g. 10000")
    chosen = torch.randperm(len(images), device=device)[:n]
    slots, c = run.partition.labels[chosen], run.slots(n)
    real = torch.cat([extract("real", images[part], extractor) for part in chosen.split(CHUNK)])
    fake = torch.cat([extract("fake", run.generate(part), extractor) for part in c.split(CHUNK)])
    rows = {"all": _scores(real, fake, neighbours)}
    if named is not None and frequencies is not None:
        rows["all"] |= class_modes(torch.cat([named(part) for part in fake.split(CHUNK)]), frequencies)
    for k in run.partition.active.nonzero().flatten().tolist() if by_cluster else ():
        own = real[slots == k], fake[c == k]
        if min(map(len, own)) > neighbours:
            rows[f"cluster {k}"] = _scores(*own, neighbours)
    return rows


def _scores(real: Tensor, fake: Tensor, neighbours: int) -> dict[str, float]:
    seen, fewest = nn.Identity(), min(len(real), len(fake))
    kernel, _ = kernel_distance(real, fake, seen, subsets=20, subset_size=min(1000, fewest))
    return {
        "real": len(real),
        "fake": len(fake),
        "frechet_distance": frechet_distance(real, fake, seen),
        "kernel_distance": kernel,
        **neighbourhoods(real, fake, seen, neighbours),
    }
