"""What a backbone is: the networks of one kind, for data of any shape that it can take."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from .conditioning import Conditioning
from .heads import Trunk

Shape = tuple[int, ...]
"""Of one datum: ``(D,)`` for points, ``(C, H, W)`` for images."""


@dataclass(frozen=True)
class Backbone(ABC):
    """Networks of one kind and a width; a frozen dataclass, so that a run can note what it was made with.

    Attributes:
        width: of the layers; what it counts a leaf says.
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
        """A trunk for an encoder, such as MIC-GAN's Q: that of the discriminator where a leaf says nothing else."""
        return self.trunk(shape)
