"""The tables of ``docs/exactness.md`` as Markdown: ``python -m bnpgan.testing [--thorough] [--seed 0]``."""

import argparse
import time

import torch

from bnpgan.testing.battery import battery_of, check_sampler, compare_samplers, run_test
from bnpgan.testing.cases import cases, pairs
from bnpgan.testing.planted import planted_errors
from bnpgan.testing.report import Row

PLANTED_IN = (  # cases whose samplers are run with planted errors: one for each algorithm, and with learned parts
    "CRPGibbs, DP, NIW",
    "CRPGibbs, PY*, NIW*",
    "IGMM, PY, NIW",
    "StickBreaking, DP, NIW",
    "StickBreaking, PY*, NIW*",
    "SliceSampler, PY, NIG",
    "Algorithm8, PY, NIW",
)


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m bnpgan.testing", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--thorough", action="store_true", help="chains six times as long, on six points")
    options, began = parser.parse_args(), time.perf_counter()
    torch.set_num_threads(1)

    reports = {name: check_sampler(*case, options.seed, options.thorough) for name, case in cases().items()}
    tests = [row.test for row in next(iter(reports.values())).rows]
    table(["sampler", *tests, "s"])
    for name, report in reports.items():
        line(name, *(cell(row) for row in report.rows), f"{report.seconds:.0f}")

    print("\n")
    table(["two samplers", "largest z", "p", "TV of P(K) (noise)", "s"])
    for name, (one, two) in pairs().items():
        row = compare_samplers(one, two, None, options.seed, options.thorough)["agreement"]
        line(name, f"{row.statistic:.1f}", figure(row.p), f"{row.distance:.3f} ({row.noise:.3f})", f"{row.seconds:.0f}")

    print("\n")
    table(["sampler", "error", *tests])
    for name in PLANTED_IN:
        sampler, x = cases()[name]
        for error, wrong in planted_errors(sampler, x).items():
            rows = [run_test(test, 1, options.seed) for test in battery_of(wrong, x).values()]
            line(name, error, *(("" if row.passed else "**" + verdict(row) + "**") for row in rows))
    print(f"\nseed {options.seed}, torch {torch.__version__}, {time.perf_counter() - began:.0f} s on one thread")


def table(header: list[str]) -> None:
    """The head of a table."""
    line(*header)
    line(*("---" for _ in header))


def line(*cells: str) -> None:
    """A row of a table."""
    print("| " + " | ".join(cells) + " |", flush=True)


def cell(row: Row) -> str:
    """What a test has found, in a few characters."""
    if not row.applies:
        return "-"
    found = verdict(row) if row.p is None else f"z {row.statistic:.1f}, p {figure(row.p)}"
    distance = "" if row.distance != row.distance else f", TV {row.distance:.2f} ({row.noise:.2f})"
    return ("" if row.passed else "FAILED ") + found + distance


def verdict(row: Row) -> str:
    """The p-value, or the error of an identity."""
    return f"{row.statistic:.1g}" if row.p is None else figure(row.p)


def figure(p: float | None) -> str:
    """A p-value in a few characters; below 10^-99 it is 0."""
    return "" if p is None else "0" if p < 1e-99 else f"{p:.2f}" if p > 0.01 else f"{p:.0e}"


if __name__ == "__main__":
    main()
