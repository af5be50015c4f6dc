"""Bayesian-nonparametric samplers, proved exact, and the mixture GANs that they feed."""

from importlib.metadata import version

__version__ = version("bnpgan")
