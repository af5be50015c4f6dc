"""Batches of independent categorical values, one distribution for each column."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bnpgan.components.distributions import Components, Scaled
from bnpgan.engine.chunks import rows_at_once
from bnpgan.waits import check


@dataclass(frozen=True, eq=False)
class Categoricals(Components):
    r"""Rows of ``D`` independent values, whole numbers 0 to V - 1: :math:`p(x) = \prod_d \theta_{k, d, x_d}`.

    It holds logs: probabilities drawn under a small concentration can be below the smallest positive number.

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
        weights, V = self.log_probabilities.flatten(1).T, self.log_probabilities.shape[2]
        parts = x.split(rows_at_once(len(weights), weights, cached=True))
        return torch.cat([one_hot(part, V).to(weights) @ weights for part in parts])

    def natural(self, middle: Tensor) -> tuple[Tensor, ...]:
        """The logs of the probabilities ``(K, D, V)``."""
        return (self.log_probabilities,)

    @classmethod
    def of_natural(cls, middle: Tensor, *natural: Tensor) -> Scaled:
        """The categoricals of such logs, which means of them make up to a factor."""
        (logits,) = natural
        return Scaled(cls(logits.log_softmax(-1)), logits.logsumexp(-1).sum(-1))

    def sample(self, slots: Tensor) -> Tensor:
        """One point for each entry of ``slots`` ``(n,)``: ``(n, D)``."""
        logits = self.log_probabilities[slots]
        gumbel = -torch.empty_like(logits).exponential_().log()  # argmax(log p + gumbel) is a draw from p
        return (logits + gumbel).argmax(-1).to(logits)


def positions(x: Tensor, categories: int) -> Tensor:
    """The index of each value ``(..., D)`` among the ``D V`` values of all columns: :math:`d V + x_d`."""
    index = x.long()

    def no_categories() -> str:
        return (
            f"x must hold whole numbers in [0, {categories}), got {float(x.min()):g} to {float(x.max()):g}: "
            "number the categories of each column from 0, or raise categories"
        )

    check(~((index == x) & (index >= 0) & (index < categories)).all(), no_categories)
    # Where the check is put off, a value that is no category must not index out of bounds.
    return index.clamp(0, categories - 1) + categories * torch.arange(x.shape[-1], device=x.device)


def one_hot(x: Tensor, categories: int) -> Tensor:
    """1 where column d of a point ``(N, D)`` holds v, else 0: ``(N, D V)``, float64."""
    phi = torch.zeros(len(x), x.shape[1] * categories, dtype=torch.float64, device=x.device)
    return phi.scatter_(1, positions(x, categories), 1.0)
