"""Samplers with a line wrong, for tests of the tests."""

import inspect
import sys


def rewritten(kind: type, right: str, wrong: str) -> type:
    """The class ``kind`` from its own source, where ``right``, which stands there once, reads ``wrong``."""
    module = sys.modules[kind.__module__]
    source = inspect.getsource(module)
    assert source.count(right) == 1, f"{module.__name__} has no longer one line with: {right}"
    namespace = {"__name__": module.__name__}
    exec(source.replace(right, wrong), namespace)
    return namespace[kind.__name__]
