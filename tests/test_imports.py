"""Imports point one way."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bnpgan"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What a module, or a package of modules, may import of bnpgan besides its own.
ALLOWED = {
    "": set(),
    "grids": set(),
    "randomness": set(),
    "ranks": {"randomness"},
    "waits": set(),
    "plain": set(),
    "memory": {"ranks"},
    "engine": {"waits"},
    "priors": {"engine", "grids"},
    "components": {"engine", "grids", "memory", "ranks", "waits"},
    "losses": set(),
    "metrics": set(),
    "data": set(),
    "models": set(),
    "diagnostics": set(),
    "plotting": {"diagnostics", "partition"},  # for a type only
    "partition": {"components", "engine", "memory", "ranks"},
    # Of priors and components the tiers only: see below.
    "samplers": {
        "components",
        "diagnostics",
        "engine",
        "memory",
        "partition",
        "priors",
        "randomness",
        "ranks",
        "waits",
    },
    "testing": {"components", "grids", "partition", "priors", "samplers"},
    "features": {"partition"},
    "mixture": {"features", "losses", "models", "plain", "samplers"},
    "run": {"features", "mixture", "partition"},
    "report": {"features", "metrics", "plotting", "run"},
    "files": {"components", "partition"},
    "state": {"files", "mixture", "partition", "run"},
    "loop": {"", "features", "metrics", "mixture", "partition", "randomness", "run", "state"},
    "checkpoint": {"", "features", "files", "partition", "report", "run", "state"},
    "training": {"checkpoint", "loop", "mixture", "partition", "plain", "run", "state"},
    "recipes": {"components", "features", "losses", "mixture", "models", "plain", "priors", "samplers"},
    "cli": {"", "components", "data", "files", "grids", "metrics", "partition", "plotting", "priors"}
    | {"recipes", "report", "reproduce", "run", "samplers", "training"},
    "reproduce": {"", "components", "data", "files", "metrics", "mixture", "partition", "priors"}
    | {"recipes", "run", "samplers", "training"},
}


def axis(path):
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(tree):
    """Pairs of a part of bnpgan and a name imported from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "bnpgan":
                    yield (parts[1] if len(parts) > 1 else ""), None
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.split(".")[0] == "bnpgan":
            parts = node.module.split(".")
            for alias in node.names:
                if len(parts) > 1:
                    yield parts[1], alias.name
                elif (PACKAGE / f"{alias.name}.py").exists() or (PACKAGE / alias.name).is_dir():
                    yield alias.name, None
                else:
                    yield "", alias.name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    tree = ast.parse(path.read_text())
    found = {part for part, _ in imports(tree)} - {axis(path)}
    assert found <= ALLOWED[axis(path)]


def test_samplers_take_priors_and_families_as_arguments():
    for path in (PACKAGE / "samplers").glob("*.py"):
        for part, name in imports(ast.parse(path.read_text())):
            assert part != "priors" or name in {"Prior", "Partitions", "OrderedWeights", "Masses"}, path
            interfaces = {
                "Component",
                "Drawable",
                "Conjugate",
                "ExponentialFamily",
                "Components",
                "Elliptical",
                "Stats",
            }
            pyro = {"Description", "described", "numbers_like"}  # these take a user's function as an argument
            assert part != "components" or name in interfaces | pyro, path
