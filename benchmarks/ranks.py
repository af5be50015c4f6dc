"""One rank against two, for a blocked sweep: is it worth to shard? A row of Markdown, and JSON in results/ranks.json.

    python benchmarks/ranks.py --rounds 5 --sweeps 10
    python benchmarks/ranks.py --times 4  # the same points four times: what each rank repeats weighs less

Set C of mixing.py: 50,000 points in 32 dimensions, 50 components; ``StickBreaking`` with 100 slots. Processes have one
thread each and stay up; in each round one process sweeps over all points while the other waits, then two over a half
each, so that what else runs on the machine falls on both alike. A time is that of ``Sharded(...).fit`` from given
labels, for each sweep, the slower of two ranks; the ratio is the median of those of the rounds. Beside it that of the
processor time that a rank takes, which other work on the machine disturbs less.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import torch
from mixing import set_c
from torch import distributed, multiprocessing

from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import Sharded, StickBreaking

RESULTS = Path(__file__).parent / "results" / "ranks.json"


def seconds(sampler: StickBreaking | Sharded, x: torch.Tensor, labels: torch.Tensor, sweeps: int) -> list[float]:
    start = time.perf_counter(), time.process_time()
    sampler.fit(x, labels)
    return [(time.perf_counter() - start[0]) / sweeps, (time.process_time() - start[1]) / sweeps]


def work(rank: int, folder: str, rounds: int, sweeps: int, times: int) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/init", rank=rank, world_size=2)
    torch.manual_seed(0)
    x, truth = (torch.from_numpy(part) for part in set_c(0))
    x, truth = x.repeat(times, 1), truth.repeat(times)
    half = slice(rank, None, 2)
    own, labels = x[half].clone(), truth[half]
    base = StickBreaking(DirichletProcess(1.0), NormalInverseWishart(), sweeps=sweeps)
    rows = []
    for i in range(rounds + 1):  # the first compiles
        distributed.barrier()
        one = seconds(base, x, truth, sweeps) if rank == 0 else [0.0, 0.0]
        distributed.barrier()
        times = torch.tensor([one, seconds(Sharded(base), own, labels, sweeps)], dtype=torch.float64)
        distributed.all_reduce(times, distributed.ReduceOp.MAX)
        rows += [times] if i else []
    if rank == 0:
        torch.save(torch.stack(rows), f"{folder}/rows.pt")
    distributed.barrier()
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sweeps", type=int, default=10)
    parser.add_argument("--times", type=int, default=1)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(work, (folder, *vars(arguments).values()), nprocs=2)
        rows = torch.load(f"{folder}/rows.pt")
    print("| N, D, K, slots | of | 1 rank, s | 2 ranks, s | ratio (least, most) |\n| --- | --- | --- | --- | --- |")
    record = vars(arguments)
    for name, part in zip(["wall", "cpu"], rows.unbind(2), strict=True):
        ratios = part[:, 0] / part[:, 1]
        (one, two), ratio = part.median(0).values.tolist(), float(ratios.median())
        spread = f"{ratios.min():.2f}, {ratios.max():.2f}"
        print(
            f"| {50_000 * arguments.times:,}, 32, 50, 100 | {name} | {one:.3f} | {two:.3f} | {ratio:.2f} ({spread}) |"
        )
        record |= {name: {"seconds_per_sweep": {"1": one, "2": two}, "ratio": ratio, "rounds": part.tolist()}}
    record |= {
        "load_before": load,
        "cores": os.cpu_count(),
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }
    path = RESULTS.with_stem(f"ranks-{arguments.times}") if arguments.times > 1 else RESULTS
    path.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
