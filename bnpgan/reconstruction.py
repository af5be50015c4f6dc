"""Real images as a generator would have made them: what it cannot make, it omits."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.features import evaluating
from bnpgan.images import Images
from bnpgan.models import Trunk
from bnpgan.run import Run

__all__ = ["Inverter", "Reconstruction", "errors", "reconstruct", "train_inverter"]


class Inverter(nn.Module):
    r"""The networks that guess noise and slot of an image: :math:`F`, :math:`F_z(F(x))` and :math:`F_c(F(x))`.

    Args:
        trunk: F.
        latent_dim: of the noise.
        capacity: the number of slots.
    """

    def __init__(self, trunk: Trunk, latent_dim: int, capacity: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.noise, self.slot = nn.Linear(trunk.out_dim, latent_dim), nn.Linear(trunk.out_dim, capacity)


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What came of each image.

    Attributes:
        images: as the generator makes them, ``(n, ...)``.
        noise: that they are made from, ``(n, latent_dim)``.
        slots: likewise, ``(n,)``.
        guessed: mean absolute difference to the real image before the optimisation, ``(n,)``, images in [-1, 1].
        error: likewise after it.
    """

    images: Tensor
    noise: Tensor
    slots: Tensor
    guessed: Tensor
    error: Tensor


def train_inverter(
    run: Run, steps: int = 2000, batch: int = 64, learning_rate: float = 1e-3, trunk: Trunk | None = None
) -> Inverter:
    r"""Train F, :math:`F_c` and :math:`F_z` on generated images to name their slot and their noise.

    .. math:: \min \; E_{c, e} \, \mathrm{CE}(F_c(F(G(e, c))), c) + \| F_z(F(G(e, c))) - e \|^2 / d

    Slots are drawn as in training; everything from torch's ambient generator.

    Args:
        run: whose averaged generator is inverted; it is left as it is.
        steps: of Adam.
        batch: images a step.
        learning_rate: of Adam.
        trunk: F; ``None``: the encoder of the run's backbone.

    Raises:
        ValueError: if ``steps`` or ``batch`` is below 1, or the run has no recipe and there is no trunk.

    References:
        Diverse Image Generation via Self-Conditioned GANs, 2020, section 4.4.1.
    """
    if min(steps, batch) < 1:
        raise ValueError(f"steps and batch must be at least 1, got {steps} and {batch}: pass e.g. 2000 and 64")
    if trunk is None:
        if run.gan.recipe is None:
            raise ValueError("trunk is needed, for the run was composed by hand: pass a Trunk for its images")
        trunk = run.gan.recipe.networks.encoder(run.gan.recipe.shape)
    device = run.partition.labels.device
    inverter = Inverter(trunk, run.latent_dim, run.partition.capacity).to(device).train()
    optimizer = torch.optim.Adam(inverter.parameters(), lr=learning_rate, fused=True)
    for _ in range(steps):
        c = run.slots(batch)
        noise = torch.randn(batch, run.latent_dim, device=device)
        with torch.no_grad(), evaluating(run.averaged):
            made = run.made(c, noise)
        r = inverter.trunk(made)
        loss = F.cross_entropy(inverter.slot(r), c) + F.mse_loss(inverter.noise(r), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return inverter.eval().requires_grad_(False)


def reconstruct(
    run: Run,
    inverter: Inverter,
    images: Images,
    steps: int = 200,
    learning_rate: float = 0.05,
    weight: float = 5e-4,
    batch: int = 256,
) -> Reconstruction:
    r"""Find noise from which the generator makes each image, in the slot that the inverter names.

    .. math:: \min_e \; \| G(e, c) - x \|_1 + \lambda \| F(G(e, c)) - F(x) \|_2^2, \qquad
        c = F_c(F(x)), \; e_0 = F_z(F(x))

    by Adam, each image by itself. The paper gives neither norms' scale; ours are means over pixels and over features.

    Args:
        run: whose averaged generator makes them.
        inverter: of this run.
        images: real images ``(n, ...)`` in [-1, 1].
        steps: of Adam; 0: what the inverter guesses.
        learning_rate: of Adam.
        weight: :math:`\lambda`.
        batch: images at a time.

    Raises:
        ValueError: if there are no images, or ``steps`` or ``batch`` is out of range.

    References:
        Diverse Image Generation via Self-Conditioned GANs, 2020, section 4.4.1.
    """
    if not len(images) or steps < 0 or batch < 1:
        raise ValueError(f"images has {len(images)}, steps is {steps} and batch {batch}: pass images, e.g. 200 and 256")
    found = [_some(run, inverter, part, steps, learning_rate, weight) for part in _parts(images, batch)]
    return Reconstruction(*(torch.cat(part) for part in zip(*found, strict=True)))


def errors(run: Run, found: Reconstruction, labels: Tensor) -> dict[str, dict[str, float]]:
    """A row for all images and for each cluster of ``labels`` ``(n,)``: their number, errors, and slots named right.

    Returns:
        ``images``, ``guessed`` and ``error``, and ``named``, the share whose slot the inverter names as the partition.
    """
    rows = {"all": torch.ones_like(labels, dtype=torch.bool)}
    rows |= {f"cluster {k}": labels == k for k in labels.unique().tolist()}
    right = (found.slots == labels).double()
    return {
        name: {
            "images": int(own.sum()),
            "guessed": found.guessed[own].mean().item(),
            "error": found.error[own].mean().item(),
            "named": right[own].mean().item(),
        }
        for name, own in rows.items()
    }


def _parts(images: Images, batch: int) -> Iterator[Tensor]:
    return (images[i : i + batch] for i in range(0, len(images), batch))


def _some(
    run: Run, inverter: Inverter, x: Tensor, steps: int, learning_rate: float, weight: float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    x = x.to(run.partition.labels.device)

    def off(images: Tensor) -> Tensor:
        return (images - x).abs().flatten(1).mean(1)

    with evaluating(run.averaged):
        with torch.no_grad():
            r = inverter.trunk(x)
            logits = inverter.slot(r)
            unused = logits.new_zeros(logits.shape[1]).masked_fill(~_used(run), -torch.inf)
            c, start = (logits + unused).argmax(1), inverter.noise(r)
            guessed = off(run.made(c, start))
        noise = start.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([noise], lr=learning_rate)
        for _ in range(steps):
            images = run.made(c, noise)
            # Sums over images, so that each is optimised as if it were alone.
            loss = off(images).sum() + weight * (inverter.trunk(images) - r).square().mean(1).sum()
            (noise.grad,) = torch.autograd.grad(loss, [noise])
            optimizer.step()
        with torch.no_grad():
            images = run.made(c, noise)
            return images, noise.detach(), c, guessed, off(images)


def _used(run: Run) -> Tensor:
    # Slots that training has used: all, where it knew no partition.
    every = run.gan.schedule.warmup is None
    return torch.ones_like(run.partition.active) if every else run.partition.active
