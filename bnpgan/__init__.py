"""Bayesian-nonparametric samplers, proved exact, and the mixture GANs that they feed."""

import os

# Threads of torch that wait by spinning slow small networks forty-fold on a machine that others use too. This has an
# effect only before torch is imported, and none where the user has chosen.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
