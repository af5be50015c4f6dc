"""Auxiliary terms: what networks learn besides the adversarial loss, such as to name the slot of a generated image."""

from bnpgan.auxiliary.base import Auxiliary, NoAuxiliary, Recogniser
from bnpgan.auxiliary.slots import SlotRecogniser

__all__ = ["Auxiliary", "NoAuxiliary", "Recogniser", "SlotRecogniser"]
