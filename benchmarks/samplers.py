"""How fast are the samplers, beside other packages, and how fast could they be? Rows of JSON, a table, a picture.

    python benchmarks/samplers.py --quick               # everything small, about a minute
    python benchmarks/samplers.py --sets B --methods StickBreaking SplitMerge --seeds 20
    python benchmarks/samplers.py --sets million --methods StickBreaking --parts pace memory
    python benchmarks/samplers.py --sets large --device cuda
    python benchmarks/samplers.py --parts growth        # seconds per sweep against N, K and D

Parts: ``pace``, seconds of an iteration, all methods in turn, beside the matrix product that bounds a blocked sweep
from below; ``goal``, seconds of the sampler's own work until its partition is good, the scoring excluded; ``memory``,
of two sweeps in a process of its own; ``growth``. Each result is stored in OUT/samplers.json as soon as it is measured,
and is not measured again while its settings, data and machine stay as they are (``--again``: measured anew, as after a
change of the code). The settings of ours stand at the top of ``methods.py``, the data sets in ``sets.py``, other
packages and how to install them in ``peers.py``.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import growth
import torch
from measuring import Floor, memory_of, until_good
from methods import METHODS, settings
from results import Store, machine
from sets import RECIPES, Case, made
from threadpoolctl import threadpool_limits
from tqdm import tqdm

PARTS = ("pace", "goal", "memory", "growth")
SEEDS = {"A": 20, "B": 20, "C": 10, "million": 1, "large": 3}
PEER_SEEDS = 3  # the most for other packages: some take minutes for each
LIMIT = 60.0  # seconds of work for one seed of a chain; a fit runs to its own end
SETTLE = 10  # sweeps from a good partition on to the final one, where there is time
ROUNDS = 5  # of pace
SLOW = 20.0  # seconds that a method may take in pace; it then has fewer rounds
QUICK = {"N": 1000, "seeds": 1, "limit": 0.5, "rounds": 1, "slow": 0.5}
QUICK_LEAVES = {  # what takes too long for a quick run, by part, unless it is named
    "pace": ["bnpy memoized VB"],
    "goal": ["bnpy memoized VB"],
    "memory": [name for name in METHODS if name != "StickBreaking"],
}


def pace(case: Case, names: list[str], options: argparse.Namespace, store: Store) -> None:
    """The seconds of an iteration, methods and floors in turn so that they meet the same weather."""
    floors = {bits: Floor(case, dtype) for bits, dtype in ((32, torch.float32), (64, torch.float64))}
    works: dict[str, Any] = {f"product, float{bits}": floor for bits, floor in floors.items()}
    failed: dict[str, str] = {}
    for name in tqdm(names, desc=f"{case.name}: warming up", leave=False):
        began = time.perf_counter()
        try:
            works[name] = METHODS[name].pace(case)
            works[name]()
        except Exception as error:  # a peer that fails is a row that says so
            failed[name] = f"{type(error).__name__}: {error}"
        if time.perf_counter() - began > options.slow:
            tqdm.write(f"{name} on {case.name} is slow: {time.perf_counter() - began:.0f} s to begin")
    taken: dict[str, list[float]] = {name: [] for name in works if name not in failed}
    for _ in tqdm(range(options.rounds), desc=f"{case.name}: pace", leave=False):
        for name in taken:
            if not taken[name] or sum(taken[name]) + max(taken[name]) < options.slow:
                taken[name].append(works[name]())
    product = {bits: statistics.median(taken[f"product, float{bits}"]) for bits in floors}
    for name in names:
        if name in failed:
            store.put("pace", case.name, name, {"reason": failed[name]})
            continue
        seconds = statistics.median(taken[name])
        row: dict[str, Any] = {"seconds": seconds, "rounds": taken[name], "microseconds": 1e6 * seconds / len(case.x)}
        row |= {"product32": product[32], "product64": product[64], "T": case.recipe.T}
        store.put("pace", case.name, name, row)


def goal(case: Case, name: str, options: argparse.Namespace, store: Store) -> None:
    """Seed after seed, to a good partition; each is stored."""
    method = METHODS[name]
    seeds = options.seeds or SEEDS[case.name]
    seeds = seeds if method.ours else min(seeds, PEER_SEEDS)
    rows = store.seeds(case.name, name)
    for seed in tqdm(range(len(rows), seeds), desc=f"{case.name}: {name}", leave=False):
        try:
            rows.append({"seed": seed} | until_good(method, case, seed, options.limit, SETTLE))
        except Exception as error:  # a peer that fails is a row that says so
            store.put("goal", case.name, name, {"reason": f"{type(error).__name__}: {error}", "seeds": rows})
            return
        store.put("goal", case.name, name, {"seeds": rows, "limit": options.limit})


def memory(case: Case, name: str, options: argparse.Namespace, store: Store) -> None:
    """In a process of its own, so that what others have touched does not count."""
    arguments = ["--sets", case.name, "--methods", name, "--one-memory", "--threads", str(options.threads)]
    arguments += ["--device", options.device] + (["--quick"] if options.quick else [])
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    found = json.loads(lines[-1]) if done.returncode == 0 and lines else {"reason": done.stderr.strip()[-200:]}
    store.put("memory", case.name, name, found)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=list(RECIPES), default=["A", "B", "C"], metavar="SET")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), metavar="METHOD", help="default: all")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--seeds", type=int, help=f"default: {SEEDS}; at most {PEER_SEEDS} for other packages")
    parser.add_argument(
        "--limit", type=float, default=LIMIT, help="seconds of work for one seed of a chain; not for stored ones"
    )
    parser.add_argument("--quick", action="store_true", help="small sets, few seeds: does it work?")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of ours; others stay on the CPU")
    parser.add_argument("--again", action="store_true", help="measure what is stored already, too")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results; with --quick: runs/benchmark-quick")
    parser.add_argument("--one-memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rounds, options.slow, options.N = ROUNDS, SLOW, None
    here = Path(__file__).parent
    options.out = options.out or (here.parent / "runs" / "benchmark-quick" if options.quick else here / "results")
    if options.quick:
        options.rounds, options.slow, options.N = QUICK["rounds"], QUICK["slow"], QUICK["N"]
        options.seeds, options.limit = options.seeds or QUICK["seeds"], min(options.limit, QUICK["limit"])
    return options


def wanted(case: str, part: str, options: argparse.Namespace, store: Store) -> list[str]:
    """The methods still to be measured; one that is not installed has its row at once."""
    todo = []
    for name in options.methods or METHODS:
        method = METHODS[name]
        if options.quick and not options.methods and name in QUICK_LEAVES[part]:
            continue
        if (case in ("million", "large") or options.device == "cuda") and not method.ours and name != "faiss Kmeans":
            continue  # minutes for each iteration, or no GPU
        if method.serial and case in ("million", "large") and part != "memory":
            continue
        enough = len(store.seeds(case, name)) >= (options.seeds or SEEDS[case]) if method.ours else True
        if store.has(part, case, name) and (part != "goal" or enough):
            continue
        if method.missing:
            store.put(part, case, name, {"reason": method.missing})
            continue
        todo.append(name)
    return todo


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", category=FutureWarning)
    with threadpool_limits(options.threads):
        if options.one_memory:
            case = made(options.sets[0], options.N, options.device)
            print(json.dumps(memory_of(METHODS[options.methods[0]], case)))
            return
        store = Store(options, machine(options), settings)
        for name in options.sets:
            if set(options.parts) == {"growth"}:
                break
            case = made(name, options.N, options.device)
            store.put("data", name, "oracle", {"oracle": case.oracle, "seed": case.recipe.seed, "N": len(case.x)})
            tqdm.write(f"{name}: N = {len(case.x)}, data seed {case.recipe.seed}, oracle MAP ARI {case.oracle:.4f}")
            if "pace" in options.parts and (todo := wanted(name, "pace", options, store)):
                pace(case, todo, options, store)
            for part, work in (("goal", goal), ("memory", memory)):
                if part in options.parts:
                    for method in tqdm(wanted(name, part, options, store), desc=f"{name}: {part}"):
                        work(case, method, options, store)
        if "growth" in options.parts:
            growth.measure(options, store)
        if grown := store.grown():
            growth.picture(grown, store.path.with_suffix(".png"))
        tqdm.write(str(store.write()))


if __name__ == "__main__":
    main()
