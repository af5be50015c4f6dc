"""Bilinear resampling of images by two, as StyleGAN2 and R3GAN have it."""

import torch.nn.functional as F
from torch import Tensor


def doubled(h: Tensor) -> Tensor:
    """Maps ``(B, C, H, W)`` to ``(B, C, 2 H, 2 W)``: zeros between, then the filter [1, 3, 3, 1] each way.

    Example:
        >>> import torch
        >>> doubled(torch.tensor([[[[0.0, 4.0]]]]))[0, 0, 0].tolist()
        [0.0, 1.0, 3.0, 4.0]
    """
    return F.interpolate(h, scale_factor=2, mode="bilinear")


def halved(h: Tensor) -> Tensor:
    """Maps ``(B, C, H, W)`` to ``(B, C, H / 2, W / 2)``: the same filter between zeros, then every other value.

    Example:
        >>> import torch
        >>> halved(torch.tensor([0.0, 0, 0, 8, 8, 0, 0, 0]).expand(1, 1, 8, 8))[0, 0, 1].tolist()
        [0.0, 4.0, 4.0, 0.0]
    """
    # [1, 3, 3, 1] / 8 is the mean of the means over four and over two: pools are fast, and take half precision.
    h = (F.avg_pool2d(h, (4, 1), (2, 1), (1, 0)) + F.avg_pool2d(h, (2, 1), (2, 1))) / 2
    return (F.avg_pool2d(h, (1, 4), (1, 2), (0, 1)) + F.avg_pool2d(h, (1, 2), (1, 2))) / 2
