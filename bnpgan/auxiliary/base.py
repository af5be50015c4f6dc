"""The tiers of auxiliary terms: those that only add to the losses, and recognisers, which also read real images."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from bnpgan.features import Networks

__all__ = ["Auxiliary", "NoAuxiliary", "Recogniser"]


class Auxiliary(nn.Module, ABC):
    """Terms that are added to the generator's loss, and maybe to the discriminator's.

    Its own parameters learn with the generator: at the generator's step, at its rate. At each step real images have a
    fake each, made from ``z``, which was drawn for the slots ``c``.
    """

    @abstractmethod
    def generator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """The term of the generator's loss, a scalar; it reaches generator, latent and this, and not the discriminator.

        Args:
            gan: the networks.
            real: images ``(B, ...)``.
            fake: generated images ``(B, ...)``.
            z: latent vectors ``(B, D)`` that they were made from.
            c: their slots ``(B,)``.
        """

    def discriminator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """The term of the discriminator's loss, a scalar; mostly there is none. Fakes and ``z`` are detached."""
        return 0.0


class NoAuxiliary(Auxiliary):
    """No term at all: what most GANs have.

    Example:
        >>> NoAuxiliary().generator(None, None, None, None, None)
        0.0
    """

    def generator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """0."""
        return 0.0


class Recogniser(Auxiliary):
    """A term by which images tell the slot that they were made from; what it says of real ones may be clustered."""

    @abstractmethod
    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """Codes ``(B, D)`` of images ``(B, ...)``; the first columns are the probabilities of the slots."""
