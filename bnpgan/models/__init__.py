"""Networks: what maps ``(z, c)`` to images, what judges them, and the law of ``z``. They know no clusterer."""

from .backbone import Backbone
from .conditioning import Add, Block, Concat, Conditioning, EveryLayer, Modulation, Unconditional, Unmodulated, lookup
from .dcgan import DCGAN, DCGANGenerator, DCGANTrunk
from .heads import ClassHead, Discriminator, MaskedHead, PackedDiscriminator, ScalarHead, Trunk
from .latent import Codes, Gaussian, GaussianMixture, Latent
from .mlp import MLP, LeakyLinear, Maxout, MaxoutMLP, MLPGenerator, MLPTrunk

BACKBONES: dict[str, Backbone] = {"mlp": MLP(), "maxout": MaxoutMLP(), "dcgan": DCGAN()}
"""Backbones of their usual widths, by name."""

__all__ = [
    "BACKBONES",
    "DCGAN",
    "MLP",
    "Add",
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
    "ScalarHead",
    "Trunk",
    "Unconditional",
    "Unmodulated",
    "lookup",
]
