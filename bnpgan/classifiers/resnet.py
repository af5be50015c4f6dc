"""The residual networks of CIFAR-10, with weights from a file."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.classifiers.base import Classifier
from bnpgan.data import arrays

__all__ = ["CIFARResNet"]

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # that images in [0, 1] were normalised with


class CIFARResNet(Classifier):
    """A residual network of 6 n + 2 layers for 32x32 colour images, without parameters in its shortcuts.

    A convolution of 16 channels; three stages of n blocks with 16, 32 and 64 channels, the first block of the second
    and third halving the side, where the shortcut takes every second pixel and pads with zero channels on both sides;
    the mean of each channel: 64 features; and a linear layer to ten classes.

    Args:
        blocks: n, of a stage: 3 for ResNet-20, 9 for ResNet-56.

    Example:
        >>> net = CIFARResNet(blocks=3).eval()
        >>> net(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 64])

    References:
        Deep Residual Learning for Image Recognition, 2015, section 4.2, option A.
    """

    shape, classes = (3, 32, 32), 10
    mean: Tensor
    spread: Tensor

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.told = f"ResNet-{6 * blocks + 2} trained on CIFAR-10, 64 features"
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        widths = (16, 16, 32, 64)
        for stage in (1, 2, 3):
            layers = [Block(widths[stage - 1] if i == 0 else widths[stage], widths[stage]) for i in range(blocks)]
            setattr(self, f"layer{stage}", nn.Sequential(*layers))
        self.linear = nn.Linear(64, 10)
        for name, values in (("mean", MEAN), ("spread", SPREAD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    @classmethod
    def from_file(cls, path: str | Path) -> "CIFARResNet":
        """The network of an ``.npz`` of its weights, named as its modules are, in evaluation mode.

        Raises:
            ValueError: If the file is missing or damaged, or holds other weights.
        """
        path = Path(path)
        if not path.exists():
            raise ValueError(f"{path} is missing: put the weights there, or pass another root (--data-root)")
        weights = {name: torch.from_numpy(np.array(array)) for name, array in arrays(path).items()}
        blocks = 1 + max((int(name.split(".")[1]) for name in weights if name.startswith("layer1.")), default=0)
        net = cls(blocks)
        own = net.state_dict()
        if counted := {name: own[name] for name in own if name.endswith("num_batches_tracked") and name not in weights}:
            weights |= counted
        odd = [name for name in own.keys() | weights.keys() if _shape(own, name) != _shape(weights, name)]
        if odd:
            raise ValueError(f"{path}: {sorted(odd)[0]} does not fit ResNet-{6 * blocks + 2}: put the original there")
        net.load_state_dict(weights)
        return net.eval().requires_grad_(False)

    def features(self, images: Tensor) -> Tensor:
        """The means of the last channels, ``(B, 64)``."""
        h = ((images + 1) / 2 - self.mean) / self.spread
        h = F.relu(self.bn1(self.conv1(h)))
        return self.layer3(self.layer2(self.layer1(h))).mean((2, 3))  # type: ignore[operator]  # modules by name

    def logits(self, features: Tensor) -> Tensor:
        """``(B, 10)``."""
        return self.linear(features)


class Block(nn.Module):
    """Two convolutions beside a shortcut, of every second pixel where the channels grow."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.stride = 1 if before == channels else 2
        self.added = (channels - before) // 2  # zero channels on either side
        self.conv1 = nn.Conv2d(before, channels, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, before, H, W)`` to ``(B, channels, H / stride, W / stride)``."""
        h = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        short = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.added, self.added))
        return F.relu(h + short)


def _shape(tensors: dict[str, Tensor], name: str) -> torch.Size | None:
    return tensors[name].shape if name in tensors else None
