"""The command that runs the papers' small experiments."""

import argparse
from pathlib import Path

import torch

from bnpgan.cli.parser import Help, Parser
from bnpgan.files import read_json, write_json
from bnpgan.reproduce import STUDIES, Budget, finished, markdown, run_study, told

__all__ = ["add_reproduce"]

AND = "` and `"  # between commands, in Markdown


def add_reproduce(command: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    command.description = "Train a paper's methods over seeds, and print what it reports, ours, and exact samples."
    kinds = command.add_subparsers(title="studies", metavar="WHAT", required=True, parser_class=Parser)
    for name, study in STUDIES.items():
        kind = kinds.add_parser(name, help=f"{len(study.methods)} methods", formatter_class=Help)
        chosen = f"names with commas between; by default all: {', '.join(study.methods)}"
        kind.add_argument("--methods", help=chosen.replace("%", "%%"))
        kind.add_argument("--seeds", type=int, default=5, help="how many: 0, 1, ...")
        kind.add_argument("--budget", type=int, default=study.steps, help="training steps of a run")
        kind.add_argument("--minutes", type=float, help="end each run after so many minutes of training")
        kind.add_argument("--backbone", help="other networks than the study's")
        kind.add_argument("--width", type=int, help="of the networks; by default the study's")
        kind.add_argument("--graphs", action="store_true", help="steps on a GPU are CUDA graphs, a launch each")
        kind.add_argument("--data-root", type=Path, help="the folder of the data sets; else BNPGAN_DATA")
        kind.add_argument("--jobs", type=int, default=1, help="runs at a time, each with one thread")
        kind.add_argument("--out", type=Path, help=f"the directory of the study; by default runs/reproduce/{name}")
        kind.add_argument("--device", help="e.g. cpu or cuda:0; by default the GPU if there is one")
        kind.add_argument("--quiet", action="store_true", help="no progress bar")
        kind.set_defaults(run=_reproduce, study=study, parser=kind)


def _reproduce(options: argparse.Namespace) -> None:
    study, out = options.study, options.out or Path("runs/reproduce") / options.study.name
    methods = options.methods.split(",") if options.methods else list(study.methods)
    for method in methods:
        if method not in study.methods:
            raise ValueError(f"--methods: {method!r} is not one of {', '.join(study.methods)}: name some of these")
    for name in ("seeds", "budget", "jobs", "width"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise ValueError(f"--{name} must be at least 1, got {value}")
    if options.minutes is not None and not options.minutes > 0:
        raise ValueError(f"--minutes must be positive, got {options.minutes}")
    budget = Budget(options.budget, options.minutes, options.backbone, options.width, options.graphs)
    seeds, progress = range(options.seeds), not options.quiet
    run_study(study, out, methods, seeds, budget, options.jobs, options.device, options.data_root, progress)
    torch.manual_seed(0)
    reference, rows = study.reference(), finished(out)
    chosen = f" --methods {options.methods}" if options.methods else ""
    for name in ("minutes", "backbone", "width"):
        chosen += f" --{name} {value}" if (value := getattr(options, name)) is not None else ""
    chosen += " --graphs" if options.graphs else ""
    before = read_json(out / "study.json")["command"].split(AND) if (out / "study.json").exists() else []
    command = f"bnpgan reproduce {study.name}{chosen} --seeds {options.seeds} --budget {options.budget}"
    command = AND.join(dict.fromkeys([*before, command]))  # rows of earlier ones are told with them
    write_json(out / "study.json", {"command": command, "reference": reference, "rows": rows})
    table = f"{markdown(study, rows, reference)}\n\n{told(rows, command)}\n"
    (out / "table.md").write_text(table)
    print(table)
    print(f"{out} has a picture for each method, and the rows in study.json")
