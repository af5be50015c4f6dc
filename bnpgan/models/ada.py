"""Adaptive discriminator augmentation: the discriminator sees changed images, the more often the more it overfits."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import pi
from typing import Any

import torch
from torch import Tensor, nn


class Adaptive(nn.Module, ABC):
    """A module of a discriminator that follows, while it is trained, how the discriminator judges real images."""

    @abstractmethod
    def adapt(self, real: Tensor) -> None:
        """Take note of the discriminator's outputs for the real images of a step, one row for each."""


@dataclass(frozen=True)
class ADA:
    """What images are changed by before the discriminator judges them, and how the probability of that is found.

    Each change happens to an image with probability p, on its own. What would make one cluster look like another must
    be left out: mirrored and turned digits are other digits, or none.

    Attributes:
        flips: left and right are exchanged, or not.
        turns: by 0, 90, 180 or 270 degrees.
        shifts: by whole pixels, up to an eighth of the side each way.
        scales: larger or smaller, as a whole and in width against height.
        rotations: by any angle.
        colours: brightness, contrast and, of three channels, saturation.
        target: what p is moved for: the mean sign of the outputs for real images, 0 for a discriminator that has not
            learned them by heart, 1 for one that has.
        length: images in which p could go from 0 to 1.

    Raises:
        ValueError: if nothing is changed, ``target`` is not between -1 and 1, or ``length`` is below 1.

    Example:
        >>> ADA(flips=True).around(nn.Identity()).changed(torch.ones(2, 3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])

    References:
        "Training Generative Adversarial Networks with Limited Data", 2020, section 3 and appendix B.
    """

    flips: bool = False
    turns: bool = False
    shifts: bool = True
    scales: bool = True
    rotations: bool = False
    colours: bool = True
    target: float = 0.6
    length: int = 500_000

    def __post_init__(self) -> None:
        if not (self.flips or self.turns or self.shifts or self.scales or self.rotations or self.colours):
            raise ValueError("flips to colours are all off: leave one on, or pass no ADA")
        if not -1 < self.target < 1:
            raise ValueError(f"target must be between -1 and 1, got {self.target}: pass e.g. 0.6")
        if self.length < 1:
            raise ValueError(f"length must be at least 1 image, got {self.length}: pass e.g. 500_000")

    def around(self, discriminator: nn.Module) -> "Augmented":
        """The discriminator, with images changed in training before it judges them."""
        return Augmented(discriminator, self)


class Augmented(Adaptive):
    r"""A discriminator that judges changed images in training, :math:`D(T(x), c)`, and sees them as they are else.

    T changes an image by chance, real and fake ones alike, and the gradient passes through it. The probability p starts
    at 0; each step moves it up if the mean sign of D over the real images, a measure of how far it has learned them by
    heart, is above the target, and down if it is below. Outputs need a zero: with ``Relativistic`` and ``Wasserstein``
    signs mean nothing. Where there is an output for each class, the largest counts.

    Attributes:
        p: the probability, a buffer.

    Args:
        discriminator: judges images ``(B, C, H, W)``, and may have ``features``.
        changes: what is changed.

    Example:
        >>> from bnpgan.models import DCGAN, Discriminator, ScalarHead
        >>> trunk = DCGAN(width=4).trunk((1, 8, 8))
        >>> augmented = Augmented(Discriminator(trunk, ScalarHead(trunk.out_dim)), ADA(length=100))
        >>> augmented.adapt(torch.ones(20))
        >>> round(float(augmented.p), 6), augmented(torch.zeros(5, 1, 8, 8)).shape
        (0.2, torch.Size([5]))

    References:
        "Training Generative Adversarial Networks with Limited Data", 2020, section 3.
    """

    p: Tensor

    def __init__(self, discriminator: nn.Module, changes: ADA) -> None:
        super().__init__()
        self.discriminator, self.changes = discriminator, changes
        self.register_buffer("p", torch.zeros(()))

    def features(self, x: Tensor) -> Tensor:
        """Maps images ``(B, C, H, W)``, as they are, to the discriminator's features."""
        return self.discriminator.features(x)  # type: ignore[operator]  # a discriminator has them

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Maps images ``(B, C, H, W)``, in training changed ones, and slots to the discriminator's outputs."""
        return self.discriminator(self.changed(x) if self.training else x, c)

    def adapt(self, real: Tensor) -> None:
        """Move p by the outputs ``(B,)`` or ``(B, N)`` for real images; see the class."""
        signs = real.detach().flatten(1).amax(1).sign() if real.ndim > 1 else real.detach().sign()
        step = (signs.mean() - self.changes.target).sign() * (len(real) / self.changes.length)
        self.p.copy_((self.p + step).clamp(0, 1))

    def changed(self, x: Tensor) -> Tensor:
        """Images ``(B, C, H, W)``, each changed by chance; draws come from torch's ambient generator."""
        on = self.changes
        if on.flips or on.turns or on.shifts or on.scales or on.rotations:
            x = _placed(x, self._places(x))
        return self._coloured(x) if on.colours else x

    def _sometimes(self, drawn: Tensor, usual: float) -> Tensor:
        # What was drawn for each image, with probability p; else what leaves it as it is.
        return torch.where(torch.rand(len(drawn), device=drawn.device) < self.p, drawn, usual)

    def _places(self, x: Tensor) -> Tensor:
        # (B, 2, 3): where a pixel is read from, both counted from the middle, by a matrix and a shift for each image.
        B, side, on = len(x), x.shape[-1], self.changes
        like: Any = {"device": x.device, "dtype": x.dtype}
        one = torch.ones(B, **like)
        mirror, wide, high, angle, right, down = one, one, one, 0 * one, 0 * one, 0 * one
        if on.flips:
            mirror = self._sometimes(2 * torch.randint(2, (B,), device=x.device) - one, 1.0)
        if on.turns:
            angle = self._sometimes(pi / 2 * torch.randint(4, (B,), device=x.device) * one, 0.0)
        if on.shifts:
            reach = side / 8
            right, down = (self._sometimes(((2 * torch.rand(B, **like) - 1) * reach).round(), 0.0) for _ in range(2))
        if on.scales:
            whole, ratio = (self._sometimes(torch.exp2(0.2 * torch.randn(B, **like)), 1.0) for _ in range(2))
            wide, high = whole * ratio, whole / ratio
        if on.rotations:
            angle = angle + self._sometimes(pi * (2 * torch.rand(B, **like) - 1), 0.0)
        cos, sin = angle.cos(), angle.sin()
        rows = (mirror * cos / wide, -mirror * sin / wide, -right, sin / high, cos / high, -down)
        return torch.stack(rows, 1).view(B, 2, 3)

    def _coloured(self, x: Tensor) -> Tensor:
        like: Any = {"device": x.device, "dtype": x.dtype}
        bright, contrast, saturation = torch.randn(3, len(x), **like)
        bright = self._sometimes(0.2 * bright, 0.0)[:, None, None, None]
        contrast = self._sometimes(torch.exp2(0.5 * contrast), 1.0)[:, None, None, None]
        saturation = self._sometimes(torch.exp2(saturation), 1.0)[:, None, None, None]
        grey = x.mean(1, keepdim=True)
        return contrast * (grey + saturation * (x - grey) + bright)


def _placed(x: Tensor, places: Tensor) -> Tensor:
    """Images read elsewhere, bilinearly; beyond the edges there are mirror images.

    ``torch.nn.functional.grid_sample`` does the same, but the gradient of its gradient, which R1 needs, is not there.
    """
    B, C, H, W = x.shape
    steps = [torch.arange(size, dtype=x.dtype, device=x.device) - (size - 1) / 2 for size in (H, W)]
    down, right = (of_all.flatten() for of_all in torch.meshgrid(*steps, indexing="ij"))
    across, along, shift = places[..., None].unbind(2)  # (B, 2, 1) each; no matrix product, which autocast would round
    column, row = (across * right + along * down + shift).unbind(1)
    column, row = column + (W - 1) / 2, row + (H - 1) / 2
    left, top = column.floor(), row.floor()
    pixels, read = x.flatten(2), torch.zeros_like(x).flatten(2)
    for dr, of_row in ((0, 1 - (row - top)), (1, row - top)):
        for dc, of_column in ((0, 1 - (column - left)), (1, column - left)):
            index = _mirrored(top + dr, H) * W + _mirrored(left + dc, W)
            read = read + (of_row * of_column)[:, None] * pixels.gather(2, index[:, None].expand(-1, C, -1))
    return read.view(B, C, H, W)


def _mirrored(i: Tensor, size: int) -> Tensor:
    # Whole numbers as indices in [0, size): beyond the ends they run back.
    period = 2 * size - 2
    i = i.long() % period
    return torch.minimum(i, period - i)
