"""What a backbone is: the networks of one kind, for data of any shape that it can take."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from bnpgan.whole import keep_whole

from .conditioning import Conditioning
from .heads import Trunk

Shape = tuple[int, ...]
"""The shape of one datum: ``(D,)`` of a point, ``(C, H, W)`` of an image."""

# Every side s 2^n whose coarsest grid has s in 4..7 cells: 8, 10, 12, 14, 16, 20, ..., 112, 128.
_SIDES = tuple(side for n in range(1, 6) for side in range(4 << n, 8 << n, 1 << n) if side <= 128)


def grid(shape: Shape) -> tuple[int, int]:
    """Splits the side of a square image into ``(s, n)``: a coarsest grid of s cells, s in 4..7, and n doublings.

    Raises:
        ValueError: if ``shape`` is no square image ``(C, H, W)`` of such a side, 8 to 128 pixels.

    Example:
        >>> grid((1, 28, 28))
        (7, 2)
    """
    if len(shape) != 3 or shape[0] < 1:
        raise ValueError(f"shape: got {shape}, which is not an image; give (C, H, W) with C >= 1")
    channels, height, width = shape
    if height != width or height not in _SIDES:
        side = max(height, width)
        # Of two sides that are equally near the larger one, which keeps the detail.
        nearest = max(_SIDES, key=lambda s: (-abs(s - side), s))
        problem = "which is not square" if height != width else f"but {side} is not one of the sides {_SIDES}"
        raise ValueError(f"shape: got {shape}, {problem}; resize the images to {(channels, nearest, nearest)}")
    n = height.bit_length() - 3
    return height >> n, n


@dataclass(frozen=True)
class Backbone(ABC):
    """Networks of one kind and width; a frozen dataclass, so that a run can save what it was made with.

    Attributes:
        width: of the layers; each leaf says what it counts.
    """

    width: int

    def __post_init__(self) -> None:
        keep_whole(self, "width", 1, "pass e.g. 16")

    @abstractmethod
    def generator(self, shape: Shape, conditioning: Conditioning) -> nn.Module:
        """Maps ``(z, c)`` to data of a shape, through ``conditioning``; images lie in [-1, 1]."""

    @abstractmethod
    def trunk(self, shape: Shape) -> Trunk:
        """Maps data of a shape to features, for the head of a discriminator."""

    def encoder(self, shape: Shape) -> Trunk:
        """A trunk for an encoder, such as MIC-GAN's Q; unless a leaf has another, that of the discriminator."""
        return self.trunk(shape)
