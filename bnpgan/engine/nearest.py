r"""The nearest of some centres: by one matrix product, and by differences where its rounding could decide.

.. math:: \arg\min_k \|x - \mu_k\|^2 = \arg\min_k \|\mu_k\|^2 - 2 x \cdot \mu_k

The product is taken around an origin in the middle of the points. Where one of them, or a centre, is far from the
others, the squares of all are larger than the gaps between near centres, and rounding hides these.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.quadratic import squared_distances
from bnpgan.engine.slots import exact_products


@dataclass(frozen=True, eq=False)
class Centres:
    r"""Centres ``(K, D)``, prepared for products with many points.

    With the unit roundoff u, a score :math:`\|\mu\|^2 - 2 x \cdot \mu` about the origin is wrong by at most
    :math:`\epsilon (2 \|\mu\|^2 + \|x\|^2)`, :math:`\epsilon = 4 (\sqrt{D} + 2) u`, but with a probability of
    :math:`2 e^{-8}` (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019, Theorem 3.1).

    Attributes:
        exact: the centres in double precision, where they are.
        near: the centres about the origin, in the precision of the points.
        lowest: :math:`(1 - 2 \epsilon) \|\mu\|^2`, ``(K, 1)``: with it scores are too low; infinite where no point may
            go.
        error: :math:`\epsilon`.
    """

    exact: Tensor
    near: Tensor
    lowest: Tensor
    error: float

    @classmethod
    def of(cls, centres: Tensor, origin: Tensor, allowed: Tensor | None = None) -> Self:
        """Centres ``(K, D)`` about ``origin`` ``(D,)``, which has the type of the points; ``allowed`` ``(K,)``."""
        exact = centres.double()
        dtype = torch.float64 if origin.dtype == torch.float32 and not exact_products() else origin.dtype
        near = (exact - origin.double()).to(dtype)
        error = 4 * (near.shape[1] ** 0.5 + 2) * torch.finfo(dtype).eps / 2
        lowest = (1 - 2 * error) * (near**2).sum(1, keepdim=True)
        if allowed is not None:
            lowest = lowest.masked_fill(~allowed[:, None], torch.inf)
        return cls(exact, near, lowest, error)

    def nearest(self, y: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest centre ``(n,)`` of points about the origin ``(n, D)``, and where it may be another, ``(n,)``.

        Args:
            y: the points about the origin.
            squares: their squared lengths ``(n,)``.
        """
        K = len(self.near)
        y, squares = y.to(self.near.dtype), squares.to(self.near.dtype)
        scores = torch.addmm(self.lowest, self.near, y.T, alpha=-2)
        if y.device.type != "cpu":
            best, labels = scores.min(0)
            return labels, (scores <= self._reach(best, squares)).sum(0) > 1
        # torch does not vectorise the loop of argmin over this dimension. The numbers K, ..., 2 K - 1 of the centres
        # within reach add up to one of them only if there is just one.
        number = torch.arange(K, 2 * K, dtype=y.dtype)
        total = number @ scores.le_(self._reach(scores.amin(0), squares))
        return total.sub_(K).long(), total >= K

    def _reach(self, best: Tensor, squares: Tensor) -> Tensor:
        # Scores up to this may be the lowest: best + e (2 |x|^2 + 4 |mu|^2), where |mu|^2 is at most 2 |x|^2 and twice
        # the squared distance, |x|^2 + best; and some more, for what is computed here is rounded too.
        return torch.add((1 + 9 * self.error) * best, squares, alpha=20 * self.error)

    def settle_(self, labels: Tensor, doubt: Tensor, x: Tensor) -> Tensor:
        """Correct labels ``(N,)`` in place where there is ``doubt`` ``(N,)``: by differences, the first of equal ones.

        Args:
            labels: what ``nearest`` found, block after block.
            doubt: where it may be another.
            x: the points ``(N, D)`` where they are.
        """
        barred = self.lowest.T.isposinf()
        for rows in doubt.nonzero().flatten().split(rows_at_once(max(self.exact.shape), self.exact, cached=True)):
            labels[rows] = squared_distances(x[rows].double(), self.exact).masked_fill_(barred, torch.inf).argmin(1)
        return labels


def nearest(x: Tensor, centres: Tensor, allowed: Tensor | None = None) -> Tensor:
    """The nearest centre ``(N,)`` of each point ``(N, D)`` among ``(K, D)``, of those that are ``allowed`` ``(K,)``."""
    if not len(x):
        return torch.empty(0, dtype=torch.int64, device=x.device)
    x = x.detach()
    origin = x.mean(0)
    prepared = Centres.of(centres.detach(), origin, allowed)
    parts = x.split(rows_at_once(max(centres.shape), prepared.near, cached=True))
    found = [prepared.nearest(y, (y**2).sum(1)) for y in (part - origin for part in parts)]
    labels, doubt = (torch.cat(side) for side in zip(*found, strict=True))
    return prepared.settle_(labels, doubt, x)
