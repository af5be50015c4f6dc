"""Networks: what maps ``(z, c)`` to images, what judges them, and the law of ``z``. They know no clusterer."""

from .ada import ADA, Adaptive, Augmented
from .backbone import Backbone
from .bodies import Bodies
from .conditioning import (
    Add,
    Block,
    Concat,
    Conditioning,
    EveryLayer,
    Modulation,
    OwnLayer,
    Unconditional,
    Unmodulated,
    lookup,
)
from .dcgan import DCGAN, DCGANGenerator, DCGANTrunk
from .frames import ClusterFrames, Frames, NoFrames
from .heads import (
    ClassHead,
    Discriminator,
    MaskedHead,
    MinibatchTrunk,
    PackedDiscriminator,
    ProjectionHead,
    ScalarHead,
    SimplexHead,
    Trunk,
)
from .latent import Codes, Gaussian, GaussianMixture, Latent, Uniform, Weighted
from .mlp import MLP, LeakyLinear, Maxout, MaxoutMLP, MLPGenerator, MLPTrunk
from .r3gan import R3GAN, R3GANGenerator, R3GANTrunk
from .resnet import ResNet, ResNetGenerator, ResNetTrunk
from .sngan import SNGAN, SNGANTrunk
from .stylegan2 import StyleGAN2, StyleGAN2Generator, StyleGAN2Trunk

BACKBONES: dict[str, Backbone] = {
    **{"mlp": MLP(), "maxout": MaxoutMLP()},
    **{"dcgan": DCGAN(), "resnet": ResNet(), "sngan": SNGAN(), "stylegan2": StyleGAN2(), "r3gan": R3GAN()},
}
"""Backbones of their usual widths, by name."""

__all__ = [
    "ADA",
    "BACKBONES",
    "DCGAN",
    "MLP",
    "R3GAN",
    "SNGAN",
    "Adaptive",
    "Add",
    "Augmented",
    "Backbone",
    "Block",
    "Bodies",
    "ClassHead",
    "ClusterFrames",
    "Codes",
    "Concat",
    "Conditioning",
    "DCGANGenerator",
    "DCGANTrunk",
    "Discriminator",
    "EveryLayer",
    "Frames",
    "Gaussian",
    "GaussianMixture",
    "Latent",
    "LeakyLinear",
    "MLPGenerator",
    "MLPTrunk",
    "MaskedHead",
    "Maxout",
    "MaxoutMLP",
    "MinibatchTrunk",
    "Modulation",
    "NoFrames",
    "OwnLayer",
    "PackedDiscriminator",
    "ProjectionHead",
    "R3GANGenerator",
    "R3GANTrunk",
    "ResNet",
    "ResNetGenerator",
    "ResNetTrunk",
    "SNGANTrunk",
    "ScalarHead",
    "SimplexHead",
    "StyleGAN2",
    "StyleGAN2Generator",
    "StyleGAN2Trunk",
    "Trunk",
    "Unconditional",
    "Uniform",
    "Unmodulated",
    "Weighted",
    "lookup",
]
