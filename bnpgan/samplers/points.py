"""Points as k-means goes through them: seeds, distances, means."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.inversion import at_level

MANY_COLUMNS = 32  # columns from which it pays to look at points in their principal axes
LEFT_OUT = 1e-3  # share of the variance that these axes may leave out: too little to change which restart is best


class Points:
    """Points ``(N, D)`` about their mean, taken in blocks of rows: there is no second copy of them unless it is small.

    Attributes:
        squares: their squared distances from the mean ``(N,)``.
        number: how many they are on all ranks, of which those here are ``first`` and so on.
        dust: what rounding may leave, in these, of the squared distance of a point from its copy.
    """

    def __init__(self, x: Tensor) -> None:
        self.x, self.middle = x, ranks.mean(x)
        lengths = ranks.lengths(x)
        self.number, self.first = sum(lengths), sum(lengths[: ranks.rank()])
        self.small = x - self.middle if len(x) <= rows_at_once(x.shape[1], x) else None
        self.squares = torch.cat([(block**2).sum(1) for _, block in self.blocks(1)])
        self.dust = 2 * (x.shape[1] + 2) * torch.finfo(x.dtype).eps

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        return self.x[rows] - self.middle if self.small is None else self.small[rows]

    def principal(self) -> "Points":
        """The same in the fewest principal axes that leave ``LEFT_OUT`` of the variance out, if they are few."""
        D = self.x.shape[1]
        if D < MANY_COLUMNS or self.number > rows_at_once(D, self.x):
            return self
        values, axes = torch.linalg.eigh(ranks.all_sum(self[:].T @ self[:]))
        kept = D - int((values.cumsum(0) <= LEFT_OUT * values.sum()).sum())
        return Points(self[:] @ axes[:, -kept:]) if 0 < 2 * kept <= D else self

    def chosen(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The points in rows ``(...)`` of all ranks, ``(..., D)``, and their ``squares`` ``(...)``."""
        here = (rows - self.first).clamp(0, len(self.x) - 1)
        found = torch.cat([self[here], self.squares[here][..., None]], -1)
        found = ranks.all_sum(torch.where((here == rows - self.first)[..., None], found, 0))
        return found[..., :-1], found[..., -1]

    def blocks(self, width: int) -> Iterator[tuple[slice, Tensor]]:
        """Rows, and the points in them; so many that ``width`` numbers for each of them are not too many at once."""
        size = rows_at_once(max(width, self.x.shape[1]), self.x, cached=True)
        for start in range(0, len(self.x), size):
            rows = slice(start, start + size)
            yield rows, self[rows]

    def step(self, means: Tensor) -> tuple[Tensor, Tensor]:
        r"""The nearest mean ``(N,)``, :math:`\arg\min_k \|\mu_k\|^2 - 2 x_i \cdot \mu_k`, and the new means."""
        K = len(means)
        squares = (means**2).sum(1, keepdim=True)
        rank = torch.arange(K, 0, -1, dtype=means.dtype, device=means.device)[:, None]
        labels, sums = torch.empty(len(self.x), dtype=torch.int64, device=means.device), torch.zeros_like(means)
        for rows, x in self.blocks(K):
            score = torch.addmm(squares, means, x.T, alpha=-2)
            if x.device.type == "cpu":  # where torch does not vectorise the loop of argmin over this dimension
                labels[rows] = K - score.eq_(score.amin(0)).mul_(rank).amax(0).long()
            else:
                labels[rows] = score.argmin(0)
            ranks.add_up_(sums, labels[rows], x)
        return labels, _divided(sums, labels)

    def means(self, labels: Tensor, capacity: int) -> Tensor:
        """Means ``(K, D)`` of the points of each label; not a number where there are none."""
        sums = self.middle.new_zeros(capacity, len(self.middle))
        for rows, x in self.blocks(capacity):
            ranks.add_up_(sums, labels[rows], x)
        return _divided(sums, labels)

    def errors(self, labels: Tensor, means: Tensor) -> Tensor:
        """The squared distance ``(N,)`` of each point from the mean of its label."""
        return torch.cat([((x - means[labels[rows]]) ** 2).sum(1) for rows, x in self.blocks(1)])

    def distances(self, chosen: Tensor, exact: bool) -> Iterator[tuple[slice, Tensor]]:
        """Rows, and the squared distances ``(M, rows)`` of the points in them from the chosen ones ``(M,)``."""
        centres, squares = self.chosen(chosen)
        for rows, x in self.blocks(len(centres)):
            if exact:
                yield rows, torch.cdist(centres, x, compute_mode="donot_use_mm_for_euclid_dist") ** 2
            else:
                yield rows, torch.addmm(self.squares[rows], centres, x.T, alpha=-2).add_(squares[:, None])

    def seeds(self, k: int, runs: int, exact: bool = False) -> Tensor:
        """Rows ``(runs, k)`` by k-means++, in every run as many of them as there are distinct points to be found."""
        N, trials, device = len(self.x), 2 + int(math.log(k)), self.x.device
        dust = 0 if exact else self.dust * self.squares
        with ranks.alike(device):
            seeds = [torch.randint(self.number, (runs,), device=device)]
        closest = self.squares.new_full((runs, N), math.inf)
        totals = [closest.new_ones(runs, dtype=torch.float64)]
        while len(seeds) < k:
            for rows, distance in self.distances(seeds[-1], exact):
                closest[:, rows] = torch.minimum(closest[:, rows], distance)
            closest.masked_fill_(closest <= dust, 0)  # a copy of a seed is not drawn
            # By inversion, in double precision, for single would lose points among millions. Nothing is looked at until
            # the end: when the seeds are used up all totals are 0, whatever is drawn then.
            cumulative = closest.cumsum(1, dtype=torch.float64)
            ends = ranks.all_gather(cumulative[:, -1]).cumsum(0)  # a view would keep all N of every round
            with ranks.alike(device):
                u = torch.rand(runs, trials, dtype=torch.float64, device=device) * ends[-1, :, None]
            owner = (u >= ends[:-1, :, None]).sum(0)
            u -= torch.cat([torch.zeros_like(ends[:1]), ends])[ranks.rank()][:, None]
            drawn = at_level(cumulative, u).clamp(max=N - 1) + self.first
            drawn = ranks.all_sum(torch.where(owner == ranks.rank(), drawn, 0))
            sums = closest.new_zeros(runs, trials)
            for rows, distance in self.distances(drawn.flatten(), exact):
                sums += torch.minimum(distance.view(runs, trials, -1), closest[:, None, rows]).sum(2)
            seeds.append(drawn.gather(1, ranks.all_sum(sums).argmin(1, keepdim=True)).squeeze(1))
            totals.append(ends[-1])
        found = int((torch.stack(totals) > 0).sum(0).min())
        if found < k and not exact:
            return self.seeds(k, runs, exact=True)  # are they copies, or too close for the matrix product to tell?
        return torch.stack(seeds[:found], 1)


def _divided(sums: Tensor, labels: Tensor) -> Tensor:
    return ranks.all_sum(sums) / ranks.counts(labels, len(sums))[:, None]
