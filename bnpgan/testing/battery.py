"""Batteries of tests: of a sampler, of a family of components, of two samplers with one law."""

import time
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial

import torch
from torch import Tensor

from bnpgan.components import Component
from bnpgan.partition import check_points
from bnpgan.samplers import Sampler
from bnpgan.testing.checks import agreement, enumeration, geweke, prior_only
from bnpgan.testing.conjugacy import conjugacy, parameter_draws
from bnpgan.testing.identities import learned_values, stated_law, truncation
from bnpgan.testing.law import Law
from bnpgan.testing.points import check_few, many
from bnpgan.testing.report import Report, Row

__all__ = ["check_component", "check_sampler", "compare_samplers"]

LEVEL = 1e-6  # p-value below which a test fails: with hundreds of tests a false alarm stays unlikely
LONGER = 3  # a test that fails is run again with chains so many times as long, and only the second run counts

Test = Callable[[int], Row]


def check_sampler(
    sampler: Sampler, x: Tensor | None = None, seed: int = 0, thorough: bool = False, level: float = LEVEL
) -> Report:
    """Run all tests of one sampler; those that do not apply to it are listed with the reason.

    ``docs/exactness.md`` describes the tests. A chain must mix within a few dozen sweeps on these few points: give
    the family a base measure about as wide as they are.

    Args:
        sampler: any :class:`~bnpgan.samplers.Sampler`. If its slots are ordered its capacity must be small; if not, it
            should exceed the number of points, or a wrong mass of new clusters may not be seen.
        x: points ``(N, D)``, three to eight; ``None``: five in two dimensions, six if ``thorough``.
        seed: of all random numbers; torch's own generator is left as it was.
        thorough: whether chains are six times as long.
        level: the p-value below which a test fails; it must fail twice, the second time with longer chains.

    Raises:
        ValueError: if there are too few points or too many, or too many slots for label vectors to be enumerated.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import DirichletProcess
        >>> from bnpgan.samplers import IGMM
        >>> report = check_sampler(IGMM(DirichletProcess(1.0), NormalInverseWishart(scale=0.3, kappa=1.0), capacity=6))
        >>> report.passed, report["enumeration"].p > 1e-6
        (True, True)
    """
    tests = battery_of(sampler, check_few(x, thorough), level)
    return _run(describe(sampler), seed, tests, 6 if thorough else 1)


def battery_of(sampler: Sampler, x: Tensor, level: float = LEVEL) -> dict[str, Test]:
    """All tests of a sampler by name, each a function of how many times as long as usual its chains are."""
    prior = Law.of_labels(sampler, len(x))
    return {
        "stated law": lambda _: stated_law(sampler, x, prior),
        "learned values": partial(learned_values, sampler, x, level),
        "conjugacy": lambda _: conjugacy(sampler.component, x),
        "parameter draws": partial(parameter_draws, sampler.component, x, level),
        "enumeration": partial(enumeration, sampler, x, prior, level),
        "prior only": partial(prior_only, sampler, x, prior, level),
        "Geweke": partial(geweke, sampler, x, prior, level),
        "truncation": lambda _: truncation(sampler),
    }


def check_component(component: Component, x: Tensor | None = None, seed: int = 0, level: float = LEVEL) -> Report:
    """Run the tests of a family of components: identities of conjugacy, and draws against densities.

    Args:
        component: the family.
        x: points ``(N, D)``, three to eight; ``None``: five in two dimensions.
        seed: of all random numbers.
        level: the p-value below which draws fail.

    Raises:
        ValueError: if there are too few points or too many.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> check_component(NormalInverseWishart()).passed
        True
    """
    x = check_few(x, thorough=False)
    tests: dict[str, Test] = {
        "conjugacy": lambda _: conjugacy(component, x),
        "parameter draws": partial(parameter_draws, component, x, level),
    }
    return _run(type(component).__name__, seed, tests, 1)


def compare_samplers(
    one: Sampler, two: Sampler, x: Tensor | None = None, seed: int = 0, thorough: bool = False, level: float = LEVEL
) -> Report:
    """Run two samplers of one law from starts far apart: clusters and co-clustering must agree.

    A truncated sampler agrees with one of the process as far as its truncation allows: give it many slots.

    Args:
        one: a sampler.
        two: another, of the same law of partitions.
        x: points ``(N, D)``; ``None``: eight in two dimensions, forty if ``thorough``.
        seed: of all random numbers.
        thorough: whether chains are six times as long.
        level: the p-value below which it fails, as in :func:`check_sampler`.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import DirichletProcess
        >>> from bnpgan.samplers import IGMM, StickBreaking
        >>> parts = DirichletProcess(1.0), NormalInverseWishart(scale=0.3, kappa=1.0)
        >>> compare_samplers(IGMM(*parts, capacity=9), StickBreaking(*parts, capacity=20)).passed
        True
    """
    x = many(40 if thorough else 8) if x is None else check_points(x).to(torch.float64)
    tests: dict[str, Test] = {"agreement": partial(agreement, one, two, x, level)}
    return _run(f"{describe(one)} and {describe(two)}", seed, tests, 6 if thorough else 1)


def describe(sampler: Sampler) -> str:
    """The names of a sampler and its parts, with a star where they are learned."""
    parts = [type(part).__name__ + ("*" if part.learned else "") for part in (sampler.prior, sampler.component)]
    return ", ".join([_kind(sampler), *parts])


def _kind(sampler: Sampler) -> str:
    # With the samplers inside it, as in SplitMerge(CRPGibbs).
    held = (getattr(sampler, field.name) for field in fields(sampler))  # type: ignore[arg-type]
    inner = ", ".join(_kind(value) for value in held if isinstance(value, Sampler))
    return type(sampler).__name__ + (f"({inner})" if inner else "")


def _run(title: str, seed: int, tests: dict[str, Test], length: int) -> Report:
    rows = [
        replace(run_twice(test, length, 1_000 * seed + i), test=name) for i, (name, test) in enumerate(tests.items())
    ]
    return Report(title, seed, tuple(rows))


def run_twice(test: Test, length: int = 1, seed: int = 0) -> Row:
    """One test under a seed; if it fails it is run again, longer and under another seed, and only that run counts."""
    row = run_test(test, length, seed)
    if row.p is None or row.passed:
        return row
    again = run_test(test, LONGER * length, seed + 500)
    return replace(again, seconds=row.seconds + again.seconds, note=f"{again.note} p = {row.p:.1g} at first".strip())


def run_test(test: Test, length: int = 1, seed: int = 0) -> Row:
    """One test under a seed, with its running time."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        began = time.perf_counter()
        row = test(length)
        return replace(row, seconds=time.perf_counter() - began)
