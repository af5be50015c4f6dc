"""Networks: what maps ``(z, c)`` to images, what judges them, and the law of ``z``. They know no clusterer."""

from .conditioning import Add, Concat, Conditioning, Unconditional, lookup
from .dcgan import DCGANGenerator, DCGANTrunk
from .heads import Discriminator, MaskedHead, ScalarHead, Trunk
from .latent import Gaussian
from .mlp import LeakyLinear, Maxout, MLPGenerator, MLPTrunk

__all__ = [
    "Add",
    "Concat",
    "Conditioning",
    "DCGANGenerator",
    "DCGANTrunk",
    "Discriminator",
    "Gaussian",
    "LeakyLinear",
    "MLPGenerator",
    "MLPTrunk",
    "MaskedHead",
    "Maxout",
    "ScalarHead",
    "Trunk",
    "Unconditional",
    "lookup",
]
