"""Bayesian-nonparametric samplers, proved exact, and the mixture GANs that they feed."""

import importlib
import os
from types import ModuleType

# Threads of torch that wait by spinning slow small networks forty-fold on a machine that others use too. This has an
# effect only before torch is imported, and none where the user has chosen.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

_PARTS = (
    *("cli", "components", "data", "diagnostics", "features", "grids", "losses", "metrics", "mixture", "models"),
    *("partition", "plotting", "priors", "recipes", "reproduce", "run", "samplers", "testing", "training"),
)


def __getattr__(name: str) -> ModuleType:
    # Each part is imported when it is first looked at, so that ``import bnpgan`` takes no time.
    if name in _PARTS:
        return importlib.import_module(f"bnpgan.{name}")
    raise AttributeError(f"module 'bnpgan' has no attribute {name!r}: its parts are {', '.join(_PARTS)}")


def __dir__() -> list[str]:
    return [*globals(), *_PARTS]
