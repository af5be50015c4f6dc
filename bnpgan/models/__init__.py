"""Networks: what maps ``(z, c)`` to images, what judges them, and the law of ``z``. They know no clusterer."""

from .ada import ADA, Adaptive, Augmented
from .backbone import Backbone
from .conditioning import Add, Block, Concat, Conditioning, EveryLayer, Modulation, Unconditional, Unmodulated, lookup
from .dcgan import DCGAN, DCGANGenerator, DCGANTrunk
from .heads import ClassHead, Discriminator, MaskedHead, PackedDiscriminator, ProjectionHead, ScalarHead, Trunk
from .latent import Codes, Gaussian, GaussianMixture, Latent
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
    "ClassHead",
    "Codes",
    "Concat",
    "Conditioning",
    "DCGANGenerator",
    "DCGANTrunk",
    "Discriminator",
    "EveryLayer",
    "Gaussian",
    "GaussianMixture",
    "Latent",
    "LeakyLinear",
    "MLPGenerator",
    "MLPTrunk",
    "MaskedHead",
    "Maxout",
    "MaxoutMLP",
    "Modulation",
    "PackedDiscriminator",
    "ProjectionHead",
    "R3GANGenerator",
    "R3GANTrunk",
    "ResNet",
    "ResNetGenerator",
    "ResNetTrunk",
    "SNGANTrunk",
    "ScalarHead",
    "StyleGAN2",
    "StyleGAN2Generator",
    "StyleGAN2Trunk",
    "Trunk",
    "Unconditional",
    "Unmodulated",
    "lookup",
]
