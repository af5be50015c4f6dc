"""What a recogniser, trained with the generator, says of images."""

from torch import Tensor

from bnpgan.features.base import Features, Networks, evaluating

__all__ = ["FromRecogniser"]


class FromRecogniser(Features):
    """The codes of the GAN's recogniser: the slots that images seem to be made from, and maybe more.

    Args:
        capacity: the number of slots; so many first columns of the codes are their probabilities.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """The codes, ``(B, D)``."""
        with evaluating(gan.auxiliary):
            return gan.auxiliary(gan, gan.frames.into(images, None))

    def suggest(self, y: Tensor) -> Tensor:
        """The likeliest slot ``(N,)`` by the codes ``(N, D)``."""
        return y[:, : self.capacity].argmax(1)
