"""Features: what the clusterer sees of an image."""

from bnpgan.features.autoencoder import FromAutoencoder
from bnpgan.features.base import (
    Features,
    FixedEncoder,
    FromDiscriminator,
    FromOutputs,
    Identity,
    Networks,
    embed,
    evaluating,
)
from bnpgan.features.encoder import FromEncoder, shifted
from bnpgan.features.recogniser import FromRecogniser
from bnpgan.features.rotations import FromRotations

__all__ = [
    "Features",
    "FixedEncoder",
    "FromAutoencoder",
    "FromDiscriminator",
    "FromEncoder",
    "FromOutputs",
    "FromRecogniser",
    "FromRotations",
    "Identity",
    "Networks",
    "embed",
    "evaluating",
    "shifted",
]
