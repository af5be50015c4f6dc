"""Is a sampler exact? The tests that this package's own pass, for yours; and errors that each of them must find.

Example:
    >>> from bnpgan.components import NormalInverseGamma
    >>> check_component(NormalInverseGamma()).passed
    True
"""

from bnpgan.testing.battery import check_component, check_sampler, compare_samplers
from bnpgan.testing.planted import planted_errors
from bnpgan.testing.report import Report, Row

__all__ = ["Report", "Row", "check_component", "check_sampler", "compare_samplers", "planted_errors"]
