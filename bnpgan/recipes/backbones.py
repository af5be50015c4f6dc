"""Backbones by name: a new one is two modules in ``models`` and an entry here."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from bnpgan.models import Conditioning, DCGANGenerator, DCGANTrunk, LeakyLinear, MLPGenerator, MLPTrunk, Trunk

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Backbone:
    """How to build the networks of one kind for data of a shape."""

    generator: Callable[[Shape, Conditioning], nn.Module]
    trunk: Callable[[Shape], Trunk]
    encoder: Callable[[Shape], Trunk]  # a trunk for MIC-GAN's Q, without batch normalisation


BACKBONES = {
    "mlp": Backbone(
        lambda shape, conditioning: MLPGenerator(shape, conditioning, (256, 256), bounded=len(shape) == 3),
        lambda shape: MLPTrunk(shape, (256, 256), LeakyLinear),
        lambda shape: MLPTrunk(shape, (256, 256), LeakyLinear),
    ),
    "maxout": Backbone(  # the papers' networks for 2-D points
        lambda shape, conditioning: MLPGenerator(shape, conditioning, (400, 400, 400, 400), bounded=len(shape) == 3),
        lambda shape: MLPTrunk(shape, (200, 200, 200)),
        lambda shape: MLPTrunk(shape, (256, 256), LeakyLinear),
    ),
    "dcgan": Backbone(
        lambda shape, conditioning: DCGANGenerator(shape, conditioning),
        lambda shape: DCGANTrunk(shape),
        lambda shape: DCGANTrunk(shape, norm=False),
    ),
}


def check_sizes(**sizes: int | None) -> None:
    """Raise a ``ValueError`` unless each size is a whole number of at least 1, or left to the recipe as ``None``."""
    for name, size in sizes.items():
        if size is not None and (not isinstance(size, int) or size < 1):
            raise ValueError(f"{name} must be a whole number of at least 1, got {size}: pass a positive size")


def networks(image_shape: Shape | None, dim: int | None, backbone: str | None) -> tuple[Shape, Backbone]:
    """The shape of the data and the networks for it; a ``ValueError`` names what does not fit."""
    if image_shape is not None and dim is None:
        shape = tuple(image_shape)
        if len(shape) != 3:
            raise ValueError(f"image_shape must be (C, H, W), got {shape}: e.g. (1, 32, 32)")
    elif dim is not None and image_shape is None:
        shape = (dim,)
    else:
        raise ValueError(
            "image_shape and dim: pass image_shape=(C, H, W) for images or dim=D for points, one of the two"
        )
    if min(shape) < 1:
        raise ValueError(f"sizes must be at least 1, got {shape}: pass the shape of the data")
    name = backbone or ("maxout" if len(shape) == 1 else "dcgan")
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r} is unknown: choose one of {', '.join(BACKBONES)}")
    return shape, BACKBONES[name]
