"""Networks: what maps ``(z, c)`` to images, what judges them, and the law of ``z``. They know no clusterer."""

from .conditioning import Add, Block, Concat, Conditioning, EveryLayer, Modulation, Unconditional, Unmodulated, lookup
from .dcgan import DCGANGenerator, DCGANTrunk
from .heads import ClassHead, Discriminator, MaskedHead, PackedDiscriminator, ScalarHead, Trunk
from .latent import Gaussian, GaussianMixture, Latent
from .mlp import LeakyLinear, Maxout, MLPGenerator, MLPTrunk

__all__ = [
    "Add",
    "Block",
    "ClassHead",
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
    "Modulation",
    "PackedDiscriminator",
    "ScalarHead",
    "Trunk",
    "Unconditional",
    "Unmodulated",
    "lookup",
]
