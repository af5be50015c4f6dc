"""Is a sampler exact? The tests that the samplers of this package pass, for yours; and errors that they must find.

Example:
    >>> from bnpgan.components import NormalInverseGamma
    >>> check_component(NormalInverseGamma()).passed
    True
"""

from bnpgan.testing.battery import check_component, check_sampler, compare_samplers
from bnpgan.testing.planted import planted_errors
from bnpgan.testing.report import Report, Row

__all__ = ["Report", "Row", "check_component", "check_sampler", "compare_samplers", "planted_errors"]
