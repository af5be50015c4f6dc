"""The base of all features, and those that learn nothing of their own."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from bnpgan.images import CHUNK, Images
from bnpgan.partition import Partition

__all__ = [
    "Features",
    "FixedEncoder",
    "FromDiscriminator",
    "FromOutputs",
    "Identity",
    "Networks",
    "embed",
    "evaluating",
]


class Frames(Protocol):
    """What features may ask of frames, see :class:`~bnpgan.models.Frames`."""

    def out(self, y: Tensor, c: Tensor) -> Tensor:
        """What the generator makes for slots, as images."""

    def into(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Images as networks see them; ``c`` is ``None`` for features, which know no slot."""


class Networks(Protocol):
    """What features may read of a GAN."""

    @property
    def generator(self) -> nn.Module:
        """Maps latent vectors and slots to images."""

    @property
    def discriminator(self) -> nn.Module:
        """Judges images; has ``features``."""

    @property
    def latent(self) -> nn.Module:
        """Draws latent vectors for slots."""

    @property
    def auxiliary(self) -> nn.Module:
        """Terms beside the adversarial loss; a recogniser also maps images to codes."""

    @property
    def frames(self) -> Frames:
        """What the networks see of a cluster."""


class Features(nn.Module, ABC):
    """Maps images to the points that are clustered; owns the networks that it trains for that, and their optimiser.

    Attributes:
        optimizer: of the parameters that ``refresh`` trains; ``None`` where there are none.
    """

    optimizer: torch.optim.Optimizer | None = None

    @abstractmethod
    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """Points ``(B, D)`` for images ``(B, ...)``; keeps no reference to ``gan``."""

    def refresh(self, gan: Networks, images: Images, partition: Partition | None) -> None:
        """Train what the features need, before each new partition; most need nothing.

        Args:
            gan: the networks as they are now.
            images: all training images ``(N, ...)``: a tensor, or what gives one for an index, ``images[i]``.
            partition: the current one; ``None`` before the first.
        """
        return None

    def columns(self, partition: Partition | None) -> Tensor | None:
        """Which features ``(D,)``, bool, tell clusters apart after ``refresh`` with this partition; ``None``: all.

        Clusterers are shown these alone, but for those that follow mini-batches. In a feature that is nearly constant
        the covariance of a cluster is what its prior leaves there, which is less the more points it has: so large
        clusters would swallow the others.
        """
        return None

    def suggest(self, y: Tensor) -> Tensor | None:
        """Labels ``(N,)`` to start the first partition from, where the features ``(N, D)`` themselves suggest some."""
        return None


class Identity(Features):
    """The data themselves, flattened: clustering that knows no network.

    Example:
        >>> Identity()(None, torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 64])
    """

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``(B, ...)`` to ``(B, D)``."""
        return images.flatten(1)


class FromDiscriminator(Features):
    """The last hidden layer of the discriminator, in evaluation mode; it sees images in the frame of all data.

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020, section 3.
    """

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``D.features(x)``, ``(B, D)``."""
        with evaluating(gan.discriminator):
            return gan.discriminator.features(gan.frames.into(images, None))  # type: ignore[operator]  # every discriminator has features


class FromOutputs(Features):
    """The outputs of a discriminator that has one for each slot, in evaluation mode; the largest names the slot.

    References:
        "Mixture Density Generative Adversarial Networks", 2019.
    """

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``D(x)``, ``(B, N)``."""
        with evaluating(gan.discriminator):
            return gan.discriminator(gan.frames.into(images, None), None)

    def suggest(self, y: Tensor) -> Tensor:
        """The slot ``(N,)`` of the largest output."""
        return y.argmax(1)


class FixedEncoder(Features):
    """A given encoder, left as it is.

    Args:
        encoder: maps images ``(B, ...)`` to ``(B, D)``; kept in evaluation mode.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``encoder(x)``, ``(B, D)``."""
        with evaluating(self.encoder):
            return self.encoder(images)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, a module is in evaluation mode; then it is put back as it was."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def embed(features: Features, gan: Networks, images: Images) -> Tensor:
    """Features ``(N, D)`` of all images ``(N, ...)``, a thousand at a time."""
    with torch.no_grad():
        y = features(gan, images[:CHUNK])
        points = y.new_empty(
            len(images), *y.shape[1:]
        )  # written part by part: a concatenation would hold all features twice
        points[:CHUNK] = y
        for i in range(CHUNK, len(images), CHUNK):
            points[i : i + CHUNK] = features(gan, images[i : i + CHUNK])
    return points
