"""A small convolutional classifier, which learns MNIST on a CPU in a few minutes."""

from torch import Tensor, nn

from bnpgan.classifiers.base import Classifier

__all__ = ["Convolutional"]


class Convolutional(Classifier):
    """Three stages of [convolution 3x3, BN, ReLU, halving by the maximum], 64 features, and a linear layer.

    Args:
        shape: ``(C, H, W)`` of an image, of 8 pixels or more a side.
        classes: how many.
        width: channels of the first stage; the others have twice and four times as many.

    Raises:
        ValueError: if a size is out of range.

    Example:
        >>> import torch
        >>> classifier = Convolutional((1, 28, 28), classes=10)
        >>> classifier.named(classifier(torch.zeros(5, 1, 28, 28))).shape
        torch.Size([5])
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int = 16) -> None:
        super().__init__()
        if len(shape) != 3 or min(shape[1:]) < 8 or shape[0] < 1 or classes < 1 or width < 1:
            raise ValueError(
                f"shape {tuple(shape)}, classes {classes} and width {width} must be those of images of 8 pixels or "
                "more, and at least 1: pass e.g. (1, 28, 28), 10 and 16"
            )
        self.shape, self.classes, self.width = (shape[0], shape[1], shape[2]), classes, width
        self.told = "a small convolutional classifier, 64 features"
        layers: list[nn.Module] = []
        channels = shape[0]
        for wider in (width, 2 * width, 4 * width):
            convolution = nn.Conv2d(channels, wider, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(wider), nn.ReLU(), nn.MaxPool2d(2)]
            channels = wider
        cells = (shape[1] // 8) * (shape[2] // 8)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * cells, 64), nn.ReLU())
        self.head = nn.Linear(64, classes)

    def features(self, images: Tensor) -> Tensor:
        """The last hidden layer, ``(B, 64)``."""
        return self.layers(images)

    def logits(self, features: Tensor) -> Tensor:
        """``(B, classes)``."""
        return self.head(features)
