"""What all classifiers are: features of images, and classes of features."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Channels", "Classifier", "suited"]


class Classifier(nn.Module, ABC):
    """Maps images to features, and features to classes.

    Attributes:
        told: what its features are, for every figure that is measured in them.
        shape: ``(C, H, W)`` of the images that it was trained on; others of as many channels are resized to it.
        classes: how many it knows; 0 for features that name none.
    """

    told: str
    shape: tuple[int, int, int]
    classes: int

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Features ``(B, D)`` of images ``(B, *shape)`` in [-1, 1]."""

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Logits ``(B, classes)`` of features ``(B, D)``."""

    def forward(self, images: Tensor) -> Tensor:
        """Features ``(B, D)`` of images ``(B, C, H, W)`` of any size: this is what an extractor is."""
        if images.shape[2:] != self.shape[1:]:
            images = F.interpolate(images, self.shape[1:], mode="bilinear", antialias=True, align_corners=False)
        return self.features(images)

    def named(self, features: Tensor) -> Tensor:
        """Classes ``(B,)`` of features ``(B, D)``."""
        with torch.no_grad():
            return self.logits(features.to(next(self.parameters()).dtype)).argmax(1)


class Channels(Classifier):
    r"""A classifier of grey images that looks at each channel by itself, as the modes of Stacked MNIST are counted.

    The class of an image is :math:`\sum_i K^{C - i} k_i`, with :math:`k_i` that of channel i of C.

    Args:
        base: the classifier of grey images.
        channels: how many.

    References:
        Diverse Image Generation via Self-Conditioned GANs, 2020, section 4.3.
    """

    def __init__(self, base: Classifier, channels: int) -> None:
        super().__init__()
        self.base, self.channels, self.classes = base, channels, base.classes**channels
        self.shape = (channels, *base.shape[1:])
        self.told = f"{base.told}, of each of {channels} channels by itself"

    def features(self, images: Tensor) -> Tensor:
        """Those of the channels, side by side, ``(B, C D)``."""
        return self.base.features(images.flatten(0, 1)[:, None]).unflatten(0, (-1, self.channels)).flatten(1)

    def logits(self, features: Tensor) -> Tensor:
        """Sums of logits of all combinations, ``(B, K^C)``."""
        total = features.new_zeros(len(features), 1)
        for part in features.chunk(self.channels, 1):
            total = (total[:, :, None] + self.base.logits(part)[:, None]).flatten(1)
        return total


def suited(classifier: Classifier, shape: tuple[int, ...]) -> Classifier:
    """The classifier for images of a shape ``(C, H, W)``: one of grey images looks at each channel.

    Raises:
        ValueError: if it cannot take them.
    """
    if len(shape) != 3:
        raise ValueError(f"extractor takes images, and the data are points of shape {shape}: leave it out")
    if shape[0] == classifier.shape[0]:
        return classifier
    if classifier.shape[0] == 1:
        return Channels(classifier, shape[0])
    raise ValueError(
        f"extractor takes images of {classifier.shape[0]} channels, and these have {shape[0]}: "
        "pass a classifier that was trained on such images"
    )
