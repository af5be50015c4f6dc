"""The sampler that docs/add-a-sampler.md writes works as it says there."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bnpgan import data

PAGE = (Path(__file__).parent.parent / "docs" / "add-a-sampler.md").read_text()
SAMPLER, CHECK, MISTAKE = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def run(*blocks: str) -> dict:
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/add-a-sampler.md", "exec"), names)
    return names


def test_sampler_of_the_page_passes_and_clusters(capsys):
    names = run(SAMPLER, CHECK)
    assert "seed 0: passed" in capsys.readouterr().out
    sampler = names["Metropolis"](names["DirichletProcess"](1.0), names["NormalInverseWishart"](), capacity=5, sweeps=3)
    x, _ = data.grid(30, side=2)
    assert sampler.fit(x).labels.shape == (30,)
    assert int(replace(sampler, capacity=2).fit(x, torch.zeros(30, dtype=torch.int64)).labels.max()) < 2


@pytest.mark.slow
def test_mistake_of_the_page_is_noticed(capsys):
    run(SAMPLER, CHECK, MISTAKE)
    assert "FAILED" in capsys.readouterr().out
