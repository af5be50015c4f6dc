"""Points as k-means goes through them: seeds, distances, means."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.inversion import at_level
from bnpgan.engine.nearest import Centres
from bnpgan.engine.quadratic import squared_distances

MANY_COLUMNS = 32  # columns from which it pays to look at points in their principal axes
MANY_AXES = 1024  # of a matrix whose eigenvectors take longer than k-means in all columns
LEFT_OUT = 1e-3  # share of the variance that these axes may leave out, at first
NOISE = 4  # times its rounding: k-means++ takes distances whose sum is less from differences, not from products


class Points:
    """Points ``(N, D)`` about their mean, taken in blocks of rows: there is no second copy of them unless it is small.

    Attributes:
        squares: their squared distances from the mean ``(N,)``.
        number: how many they are on all ranks, of which those here are ``first`` and so on.
        dust: what rounding may leave, in these, of the squared distance of a point from its copy.

    Means are in double precision and where they are: about the middle single precision would lose their digits as soon
    as one point is far from all others.
    """

    def __init__(self, x: Tensor) -> None:
        self.x, self.middle = x, ranks.mean(x)
        lengths = ranks.lengths(x)
        self.number, self.first = sum(lengths), sum(lengths[: ranks.rank()])
        self.small = x - self.middle if len(x) <= rows_at_once(x.shape[1], x) else None
        self.squares = torch.cat([(block**2).sum(1) for _, block in self.blocks(1)])
        # Errors measured at 1 to 4,096 columns are 1.5 eps, and at most 9, for sums are taken in blocks; a sum term by
        # term would be off by sqrt(D).
        self.dust = 2 * (8 + math.sqrt(x.shape[1])) * torch.finfo(x.dtype).eps

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        return self.x[rows] - self.middle if self.small is None else self.small[rows]

    def principal(self, share: float = LEFT_OUT) -> tuple["Points", float]:
        """The same in the fewest principal axes that leave this share of the variance out, if they are few.

        With them comes how much is left out of the sum of the squares.
        """
        N, D = self.x.shape
        few = N < D and ranks.scope() is None  # then the products of points with one another are fewer
        if D < MANY_COLUMNS or min(self.number, D) > MANY_AXES or self.number > rows_at_once(D, self.x):
            return self, 0.0
        y = self[:].double()
        try:
            values, axes = torch.linalg.eigh(y @ y.T if few else ranks.all_sum(y.T @ y))
        except torch.linalg.LinAlgError:  # they save time and no more
            return self, 0.0
        values = values.clamp(min=0)
        left = int((values.cumsum(0) <= share * values.sum()).sum())
        kept = len(values) - left
        if not 0 < 2 * kept <= D:
            return self, 0.0
        y = axes[:, -kept:] * values[-kept:].sqrt() if few else y @ axes[:, -kept:]
        return Points(y.to(self.x.dtype)), float(values[:left].sum())

    def chosen(self, rows: Tensor) -> Tensor:
        """The points in rows ``(...)`` of all ranks, where they are, ``(..., D)`` in double precision."""
        here = (rows - self.first).clamp(0, len(self.x) - 1)
        return ranks.all_sum(torch.where((here == rows - self.first)[..., None], self.x[here].double(), 0))

    def rows(self, width: int) -> Iterator[slice]:
        """Rows; so many that ``width`` numbers for each of them are not too many at once."""
        size = rows_at_once(max(width, self.x.shape[1]), self.x, cached=True)
        return (slice(start, start + size) for start in range(0, len(self.x), size))

    def blocks(self, width: int) -> Iterator[tuple[slice, Tensor]]:
        """The same, and the points in them about the middle."""
        return ((rows, self[rows]) for rows in self.rows(width))

    def step(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest of the means ``(K, D)`` to each point, ``(N,)``, and the new means."""
        centres = Centres.of(means, self.middle)
        labels = torch.empty(len(self.x), dtype=torch.int64, device=means.device)
        doubt = torch.empty_like(labels, dtype=torch.bool)
        for rows, y in self.blocks(len(means)):
            labels[rows], doubt[rows] = centres.nearest(y, self.squares[rows])
        return centres.settle_(labels, doubt, self.x), self.means(labels, len(means))

    def means(self, labels: Tensor, capacity: int) -> Tensor:
        """Means ``(K, D)`` of the points of each label; not a number where there are none."""
        sums = self.middle.new_zeros(capacity, len(self.middle), dtype=torch.float64)
        for rows in self.rows(capacity):
            ranks.add_up_(sums, labels[rows], self.x[rows].double())
        return ranks.all_sum(sums) / ranks.counts(labels, capacity)[:, None]

    def errors(self, labels: Tensor, means: Tensor) -> Tensor:
        """The squared distance ``(N,)`` of each point from the mean of its label."""
        return torch.cat([((self.x[rows] - means[labels[rows]]) ** 2).sum(1) for rows in self.rows(2)])

    def distances(self, chosen: Tensor, exact: bool) -> Iterator[tuple[slice, Tensor]]:
        """Rows, and the squared distances ``(M, rows)`` of the points in them from the chosen ones ``(M,)``."""
        centres = self.chosen(chosen)
        near = (centres - self.middle.double()).to(self.middle.dtype)
        squares = (near**2).sum(1, keepdim=True)
        for rows, x in self.blocks(len(centres)):
            if exact:
                yield rows, squared_distances(centres, self.x[rows].double()).to(self.squares.dtype)
            else:
                yield rows, torch.addmm(self.squares[rows], near, x.T, alpha=-2).add_(squares)

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
            # By inversion, in double precision, for single would lose points among millions. Hardly anything is looked
            # at until the end: when the seeds are used up all totals are 0, whatever is drawn then.
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
            if len(seeds) & (len(seeds) - 1) == 0 and not totals[-1].min() > 0:
                break  # looked at when seeds are 2, 4, 8, ...: where points are used up, all to come are in vain
        noise = NOISE * ranks.all_sum(self.dust * self.squares.sum())
        found, clear = torch.stack([(torch.stack(totals) > 0).sum(0).min(), (totals[-1] > noise).all()]).tolist()
        if not exact and not (found >= k and clear):
            return self.seeds(k, runs, exact=True)  # are they copies, or too close for the matrix product to tell?
        return torch.stack(seeds[:found], 1)
