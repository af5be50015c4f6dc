"""A run's generator as a program that needs no bnpgan: ``torch.export``."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from bnpgan.disk import written
from bnpgan.run import Run

__all__ = ["export", "exported"]


class _Maker(nn.Module):
    # What ``run.made`` is, as one map; its parts are modules of it, so that they are exported.
    def __init__(self, run: Run) -> None:
        super().__init__()
        self.generator, self.latent = run.averaged["generator"], run.averaged["latent"]
        self.frames, self.made = run.gan.frames, run.made

    def forward(self, noise: Tensor, slots: Tensor) -> Tensor:
        return self.made(slots, noise)


def exported(run: Run) -> ExportedProgram:
    """The map from standard noise ``(B, latent_dim)`` and slots ``(B,)`` int64 to images, for any B of 2 or more.

    ``program.module()(noise, slots)`` gives what ``run.sample`` does: the averaged weights in evaluation mode.

    Raises:
        ValueError: if the networks cannot be traced.
    """
    device = run.partition.labels.device
    example = torch.randn(3, run.latent_dim, device=device), torch.zeros(3, dtype=torch.int64, device=device)
    batch = Dim("batch", min=2)
    maker = _Maker(run).eval()
    try:
        return torch.export.export(maker, example, dynamic_shapes={"noise": {0: batch}, "slots": {0: batch}})
    except Exception as error:  # whatever torch's tracer raises
        first = str(error).strip().splitlines()[0]
        raise ValueError(
            f"the generator cannot be exported ({first}): write it without control flow on data"
        ) from error


def export(run: Run, out: Path) -> None:
    """Write ``exported(run)`` to ``out``, usually ``.pt2``; ``torch.export.load(out)`` takes it up again."""
    program = exported(run)
    with written(out) as file:
        torch.export.save(program, file)
