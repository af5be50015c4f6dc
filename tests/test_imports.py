"""Imports point one way."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bnpgan"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What a module, or a package of modules, may import of bnpgan besides its own; ``bnpgan`` is the package itself.
TABLE = """
bnpgan:
grids:
randomness:
ranks: randomness
waits:
plain:
disk:
limits:
ranges:
signals:
whole:
memory: ranks
parallel: ranks
images: ranges
engine: waits
priors: engine grids whole
components: engine grids memory ranks waits whole
losses:
classifiers: data features files images
metrics:
data: limits ranges whole
models: whole
diagnostics: whole
combining:
plotting: diagnostics disk partition priors
partition: components engine memory ranks whole
dequantising: components partition
samplers: components diagnostics engine grids memory partition priors randomness ranks waits whole
testing: components grids partition priors samplers
features: graphs images partition
auxiliary: features
mixture: auxiliary features limits losses models plain samplers whole
run: features images mixture partition ranges whole
callbacks: partition
page: plotting report run
report: features images metrics plotting randomness run
export: disk run
reconstruction: features images models run
fidelity: images metrics run
watching: bnpgan callbacks files mixture partition plotting report run training
files: components disk partition
state: files limits mixture partition run
standing:
graphs:
loop: bnpgan features graphs images metrics mixture models parallel partition randomness ranks run standing state
checkpoint: bnpgan disk features files images page partition plain report run state
training: bnpgan callbacks checkpoint images loop mixture parallel partition plain randomness ranges ranks
training: run signals state whole
recipes: auxiliary components features losses mixture models plain priors samplers
reproduce: bnpgan classifiers fidelity images
reproduce: components data features files losses metrics mixture models partition priors recipes run samplers training
cli: bnpgan components data disk files grids images limits metrics parallel partition plotting priors recipes report
cli: reproduce run samplers signals training
cli: callbacks classifiers dequantising export fidelity reconstruction watching
"""
ALLOWED: dict[str, set[str]] = {}
for name, _, others in (line.partition(":") for line in TABLE.split("\n") if line):
    ALLOWED.setdefault(name, set()).update(others.split())


def axis(path):
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "bnpgan" if first == "__init__" else first


def imports(tree):
    """Pairs of a part of bnpgan and a name imported from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "bnpgan":
                    yield (parts[1] if len(parts) > 1 else "bnpgan"), None
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.split(".")[0] == "bnpgan":
            parts = node.module.split(".")
            for alias in node.names:
                if len(parts) > 1:
                    yield parts[1], alias.name
                elif (PACKAGE / f"{alias.name}.py").exists() or (PACKAGE / alias.name).is_dir():
                    yield alias.name, None
                else:
                    yield "bnpgan", alias.name


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
            data = {"data_center", "data_spread"}  # of points, whatever their family
            pyro = {"Description", "described", "numbers_like"}  # these take a user's function as an argument
            assert part != "components" or name in interfaces | data | pyro, path


def at_import(node):
    """The import statements that run with a module: none in functions, none for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from (each for other in child.orelse for each in at_import(ast.Module([other], [])))
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import(child)


def graph(sources):
    """For each module, by its full name, those of ``sources`` that have to be imported before it is."""

    def around(name):
        parts = name.split(".")
        return {".".join(parts[:n]) for n in range(1, len(parts) + 1)}

    edges = {}
    for name, source in sources.items():
        wanted = set()
        for node in at_import(ast.parse(source)):
            for alias in node.names:
                whole = alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
                found = whole if whole in sources else getattr(node, "module", whole)
                # The packages around it run first; those around the importing module run already.
                wanted |= {found} | around(found) - around(name)
        edges[name] = wanted & set(sources)
    return edges


def test_no_import_circle():
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in MODULES]
    texts = [path.read_text() for path in MODULES]
    edges = graph(dict(zip([name.removesuffix(".__init__") for name in names], texts, strict=True)))
    assert "bnpgan.components.base" in edges["bnpgan.samplers.crp"] and "bnpgan.priors" in edges["bnpgan.samplers.crp"]
    TopologicalSorter(edges).prepare()


@pytest.mark.parametrize(
    ("lines", "circle"),
    [
        ("import p.a", True),
        ("from p import a", True),
        ("class B:\n    from p.a import x", True),
        ("from q import y", True),  # by way of q, whose package imports p.a
        ("from p import x", True),  # the package itself, which imports b
        ("def f():\n    from p import a", False),
        ("if TYPE_CHECKING:\n    from p import a", False),
    ],
)
def test_an_import_circle_is_found(lines, circle):
    edges = graph({"p": "from p.b import x", "p.a": "from p.b import x", "p.b": lines, "q": "import p.a", "q.c": ""})
    try:
        TopologicalSorter(edges).prepare()
    except CycleError:
        assert circle
    else:
        assert not circle
