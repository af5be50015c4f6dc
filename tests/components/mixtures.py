"""Mixtures of Gaussians, and points of them."""

import torch

from bnpgan.components import Gaussians


def mixture(N=4000, D=3, K=12, spread=3.0, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    factor = normal(K, D, D) / D**0.5
    gaussians = Gaussians(spread * normal(K, D), factor @ factor.mT + 0.05 * torch.eye(D))
    slots = torch.randint(K, (N,), generator=generator)
    return gaussians.mean[slots] + (factor[slots] @ normal(N, D, 1)).squeeze(-1), gaussians, slots
