"""Auxiliary terms: what networks learn besides the adversarial loss, such as to name the slot of a generated image."""

from bnpgan.auxiliary.base import Auxiliary, NoAuxiliary, Recogniser
from bnpgan.auxiliary.encoder import CodeRecogniser
from bnpgan.auxiliary.mixing import MixingWeights
from bnpgan.auxiliary.prior import PriorRecogniser
from bnpgan.auxiliary.slots import SlotRecogniser
from bnpgan.auxiliary.spread import SpreadPenalty

__all__ = [
    "Auxiliary",
    "CodeRecogniser",
    "MixingWeights",
    "NoAuxiliary",
    "PriorRecogniser",
    "Recogniser",
    "SlotRecogniser",
    "SpreadPenalty",
]
