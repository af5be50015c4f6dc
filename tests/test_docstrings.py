"""Every public name of the sampler layer says what it is, with an example that is run as a doctest."""

import importlib
import inspect

import pytest

MODULES = ["grids", "priors", "components", "samplers", "diagnostics", "testing", "partition"]
BARE = {"Prior", "Component", "Components", "Stats", "Clusterer", "Sampler", "Row"}  # interfaces and plain records
NAMES = [
    pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
    for module in (importlib.import_module(f"bnpgan.{name}") for name in MODULES)
    for name in module.__all__
    if name not in BARE
]


@pytest.mark.parametrize("public", NAMES)
def test_public_name_has_an_example(public):
    assert ">>>" in (inspect.getdoc(public) or "")


@pytest.mark.parametrize("public", [p for p in NAMES if "samplers." in p.id or "priors." in p.id])
def test_public_part_says_what_it_raises(public):
    assert "Raises:" in inspect.getdoc(public)
