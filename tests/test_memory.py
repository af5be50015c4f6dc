"""What is remembered of tensors: as long as they hold the same numbers, and by each thread for itself."""

import sys
import threading

import numpy as np
import pytest
import torch

from bnpgan.components import NormalInverseGamma, NormalInverseWishart, SemiConjugateNormal
from bnpgan.memory import remembered, unchanged
from bnpgan.priors import DirichletProcess
from bnpgan.samplers import StickBreaking


def through_numpy(x):
    x.numpy()[:, 0] = np.random.default_rng(1).permutation(x.numpy()[:, 0]) * 3


def through_data(x):
    x.data.add_(50)


def order_of_one_column(x):
    x.data[:, 0] = x.data[:, 0].flip(0)  # neither sums nor extremes change


@pytest.mark.parametrize("family", [NormalInverseWishart(), NormalInverseGamma(), SemiConjugateNormal()], ids=repr)
@pytest.mark.parametrize("change", [through_numpy, through_data, order_of_one_column])
@pytest.mark.usefixtures("brief_starts")
def test_numbers_that_change_underneath_are_others(family, change):
    x = torch.randn(60, 2, dtype=torch.float64) @ torch.tensor([[1.0, 0.9], [0.0, 0.4]], dtype=torch.float64)
    sampler, labels = StickBreaking(DirichletProcess(1.0), family, capacity=8, sweeps=2), torch.arange(60) % 4
    sampler.log_joint(x, labels)
    change(x)
    assert torch.equal(sampler.log_joint(x, labels), sampler.log_joint(x.clone(), labels))
    torch.manual_seed(0)
    fitted = sampler.fit(x)
    torch.manual_seed(0)
    assert torch.equal(sampler.fit(x.clone()).labels, fitted.labels)


def test_numbers_that_stay_are_gone_over_once():
    calls = []

    @remembered
    def total(x):
        calls.append(1)
        return x.sum()

    x = torch.randn(9, 2)
    with unchanged():
        assert total(x) == total(x) == x.sum()
    assert total(x) == x.sum()
    assert len(calls) == 1
    x += 1
    assert total(x) == x.sum()
    assert len(calls) == 2
    assert total(x.T) == x.sum()  # not contiguous


def test_threads_do_not_see_what_others_remember():
    """Two threads go over one tensor each and the same one together; switches come as often as they can."""
    counted, lock = [], threading.Lock()

    @remembered
    def extremes(x):
        with lock:
            counted.append(threading.get_ident())
        return x.amin(0), x.amax(0)

    both, wrong = torch.randn(30, 2), []

    def work(seed):
        own = torch.randn(30, 2 + seed, generator=torch.Generator().manual_seed(seed)) + 100 * seed
        for _ in range(300):
            for x in (own, both, own.clone()):
                try:
                    if not torch.equal(extremes(x)[0], x.amin(0)):
                        wrong.append(x)
                except Exception as error:
                    wrong.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
    assert all(counted.count(thread.ident) == 302 for thread in threads)  # its own, both, and each copy
