"""What a backbone is: the networks of one kind, for data of any shape that it can take."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from .conditioning import Conditioning
from .heads import Trunk

Shape = tuple[int, ...]
"""The shape of one datum: ``(D,)`` of a point, ``(C, H, W)`` of an image."""


@dataclass(frozen=True)
class Backbone(ABC):
    """Networks of one kind and width; a frozen dataclass, so that a run can save what it was made with.

    Attributes:
        width: of the layers; each leaf says what it counts.
    """

    width: int

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or self.width < 1:
            raise ValueError(f"width must be a whole number of at least 1, got {self.width}: pass e.g. 16")

    @abstractmethod
    def generator(self, shape: Shape, conditioning: Conditioning) -> nn.Module:
        """Maps ``(z, c)`` to data of a shape, through ``conditioning``; images lie in [-1, 1]."""

    @abstractmethod
    def trunk(self, shape: Shape) -> Trunk:
        """Maps data of a shape to features, for the head of a discriminator."""

    def encoder(self, shape: Shape) -> Trunk:
        """A trunk for an encoder, such as MIC-GAN's Q; unless a leaf has another, that of the discriminator."""
        return self.trunk(shape)
