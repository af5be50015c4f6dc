"""Batches of independent categorical values, one distribution for each column."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bnpgan.components.distributions import Components
from bnpgan.engine.chunks import rows_at_once
from bnpgan.waits import check


@dataclass(frozen=True, eq=False)
class Categoricals(Components):
    r"""Rows of ``D`` independent values, whole numbers 0 to V - 1: :math:`p(x) = \prod_d \theta_{k, d, x_d}`.

    It holds logs, for draws of a Dirichlet under a small concentration are below the smallest number.

    Args:
        log_probabilities: :math:`\log \theta` ``(K, D, V)``, finite; probabilities sum to 1 over the last axis.

    Example:
        >>> c = Categoricals(torch.tensor([[[0.9, 0.1]], [[0.2, 0.8]]]).log())
        >>> c.log_prob(torch.tensor([[0], [1]])).exp()
        tensor([[0.9000, 0.2000],
                [0.1000, 0.8000]])
    """

    log_probabilities: Tensor

    @property
    def probabilities(self) -> Tensor:
        r""":math:`\theta` ``(K, D, V)``."""
        return self.log_probabilities.exp()

    @property
    def mean(self) -> Tensor:  # type: ignore[override]  # elsewhere a field
        r"""Expected values ``(K, D)``, :math:`\sum_v v \, \theta_{kdv}`."""
        log_p = self.log_probabilities
        return self.probabilities @ torch.arange(log_p.shape[2], dtype=log_p.dtype, device=log_p.device)

    def log_prob(self, x: Tensor) -> Tensor:
        r"""Log-probabilities ``(N, K)``: the matrix product of one-hot rows and :math:`\log \theta`.

        Raises:
            ValueError: if a value is not a whole number in [0, V).
        """
        weights = self.log_probabilities.flatten(1).T
        return torch.cat([phi[:, 1:].to(weights) @ weights for phi in one_hot(x, self.log_probabilities.shape[2])])

    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""
        logits = self.log_probabilities[slots]
        gumbel = -torch.empty_like(logits).exponential_().log()  # argmax(log p + gumbel) is a draw from p
        return (logits + gumbel).argmax(-1).to(logits)


def positions(x: Tensor, categories: int) -> Tensor:
    """Where the values ``(..., D)`` stand among all ``D V`` values of all columns."""
    index = x.long()

    def no_categories() -> str:
        return (
            f"x must hold whole numbers in [0, {categories}), got {float(x.min()):g} to {float(x.max()):g}: "
            "number the categories of each column from 0, or raise categories"
        )

    check(~((index == x) & (index >= 0) & (index < categories)).all(), no_categories)
    # Where the check is put off, what is no category must not lead out of bounds.
    return index.clamp(0, categories - 1) + categories * torch.arange(x.shape[-1], device=x.device)


def one_hot(x: Tensor, categories: int) -> Iterator[Tensor]:
    """Features [1, whether column d holds v], float64, in chunks of rows: ``(n, 1 + D V)``."""
    width = 1 + x.shape[1] * categories
    for chunk in x.split(rows_at_once(width, x, dtype=torch.float64)):
        index = positions(chunk, categories)
        phi = torch.zeros(len(chunk), width, dtype=torch.float64, device=x.device)
        phi[:, 0] = 1
        yield phi.scatter_(1, index + 1, 1.0)
