"""The sampler that docs/add-a-sampler.md writes works as it says there."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from exact_posterior import points

from bnpgan import data, testing
from bnpgan.samplers import Sampler
from bnpgan.testing.battery import battery_of, run_test

PAGE = (Path(__file__).parent.parent / "docs" / "add-a-sampler.md").read_text()
SAMPLER, CHECK, MISTAKE = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def run(*blocks: str) -> dict:
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/add-a-sampler.md", "exec"), names)
    return names


def by_enumeration(sampler: Sampler) -> str:
    """One test in place of all, which take twenty seconds."""
    return "passed" if run_test(battery_of(sampler, points(2))["enumeration"]).passed else "FAILED"


def test_sampler_of_the_page_is_exact_and_clusters(capsys, monkeypatch):
    monkeypatch.setattr(testing, "check_sampler", by_enumeration)
    names = run(SAMPLER, CHECK)
    assert capsys.readouterr().out == "passed\n"
    sampler = names["Metropolis"](names["DirichletProcess"](1.0), names["NormalInverseWishart"](), capacity=5, sweeps=3)
    x, _ = data.grid(30, side=2)
    assert sampler.fit(x).labels.shape == (30,)
    assert int(replace(sampler, capacity=2).fit(x, torch.zeros(30, dtype=torch.int64)).labels.max()) < 2


@pytest.mark.slow
def test_sampler_of_the_page_passes(capsys):
    run(SAMPLER, CHECK)
    assert "seed 0: passed" in capsys.readouterr().out


@pytest.mark.slow
def test_mistake_of_the_page_is_noticed(capsys):
    run(SAMPLER, CHECK, MISTAKE)
    assert "FAILED" in capsys.readouterr().out
