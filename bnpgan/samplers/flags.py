"""What a fit says of itself: signs that its labels are no draw from the posterior, or that the model is at its end."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.shapes import data_spread
from bnpgan.randomness import forked

if TYPE_CHECKING:
    from bnpgan.samplers.base import Sampler

LOOKS = 6  # at the log-joint, over the last half of the sweeps
ORDERED = 14  # of their 15 pairs in ascending order, at least: .8 % of chains that are settled have as many
FEW = 500  # points by which labels that were given are compared with a start
NATS = 5.0  # a rise that is worth a word
DRAWS = 5  # of a learned value, all at one end of its grid
AGREEING, SOME = 0.1, 3  # share of all points that is worth a word, in clusters of so many at least
SAME = 1e-6  # share of the spread of a column: values that are nearer agree
LONG = 5  # values that a grid has at least, for its ends to be told from its middle

MESSAGES = {
    "slots": "all {capacity} slots are in use: there may be more clusters, raise capacity",
    "grid": "{name} is at the end of its grid, {value:.3g}: pass a Grid that reaches further",
    "climbing": "the log-joint still climbs, by {rise:.0f} nats over the last half of the sweeps: take more, or "
    "wrap the sampler in SplitMerge",
    "stuck": "no point has left the labels that the fit started from, whose own start is better: leave "
    "labels out, or wrap the sampler in SplitMerge",
    "agreeing": "{share:.0%} of the points are in clusters that have a single value in some column, which makes them "
    "likely whatever else they are: spread values in steps (bnpgan.dequantising, --dequantise), or leave out columns "
    "in which a value repeats",
}
"""By flag, what has been found and what to do."""


def looks(sweeps: int) -> list[int]:
    """After which sweeps a fit looks at the log-joint: evenly over the last half; never where there are too few."""
    if sweeps < 2 * LOOKS:
        return []
    return [sweeps - sweeps // 2 * (LOOKS - 1 - i) // (LOOKS - 1) for i in range(LOOKS)]


def tell(sampler: "Sampler", x: Tensor, labels: Tensor, heights: Sequence[float], given: Tensor | None) -> list[str]:
    """Warn of all that is found, once each, and return the flags.

    Args:
        sampler: whose labels these are.
        x: points ``(N, D)``.
        labels: the last ones, ``(N,)``.
        heights: log-joints over the last half of the sweeps, in order; none: too few sweeps to tell.
        given: the labels ``(N,)`` that a user gave to start from.
    """
    found = list[tuple[str, dict[str, object]]]()
    if 1 < sampler.capacity < int(ranks.number(x)) and (ranks.counts(labels, sampler.capacity) > 0).all():
        found.append(("slots", {"capacity": sampler.capacity}))
    if (share := _agreeing(sampler, x, labels)) >= AGREEING:
        found.append(("agreeing", {"share": share}))
    for name, value in _ends(sampler, x, labels).items():
        if share < AGREEING or not name.startswith("component."):  # else no reach is far enough for a scale
            found.append(("grid", {"name": name, "value": value}))
    pairs = sum(a < b for i, a in enumerate(heights) for b in heights[i + 1 :])
    if heights and pairs >= ORDERED and heights[-1] - heights[0] > NATS:
        found.append(("climbing", {"rise": heights[-1] - heights[0]}))
    if given is not None and sampler.sweeps and not ranks.all_max((labels != given.to(labels)).any().float()):
        with forked(x.device):  # by a few points, for a start of all may take longer than the fit
            some = torch.randperm(len(x), device=x.device)[:FEW]
            few = x[some]
            below = float(sampler.log_joint(few, sampler.init(few)) - sampler.log_joint(few, labels[some]))
        if below > NATS:
            found.append(("stuck", {"below": below}))
    for flag, values in found:
        warnings.warn(f"{type(sampler).__name__}: {MESSAGES[flag].format(**values)}", stacklevel=4)
    return [flag for flag, _ in found]


def _agreeing(sampler: "Sampler", x: Tensor, labels: Tensor) -> float:
    # The share of the points whose clusters have one value alone in a column that counts, and that has others.
    if not sampler.component.unbounded:
        return 0.0
    y, counts = sampler.component.seen(x), ranks.counts(labels, sampler.capacity)
    slots, none = labels[:, None].expand_as(y), y.new_full((sampler.capacity, y.shape[1]), -torch.inf)
    above, below = (ranks.all_max(none.scatter_reduce(0, slots, sign * y, "amax")) for sign in (1, -1))
    same = SAME * data_spread(y)
    agreeing = ((above + below <= same) & (above.amax(0) + below.amax(0) > same)).any(1) & (counts >= SOME)
    return float(counts[agreeing].sum() / counts.sum())


def _ends(sampler: "Sampler", x: Tensor, labels: Tensor) -> dict[str, float]:
    parts = {"prior": sampler.prior.grids, "component": sampler.component.grids}
    grids = {(kind, name): g.values for kind, part in parts.items() for name, g in part.items() if len(g) >= LONG}
    if not grids:
        return {}
    with forked(x.device):
        drawn = [sampler.hyperparameters(x, labels) for _ in range(DRAWS)]
    found = {}
    for (kind, name), values in grids.items():
        both = kind == "component" and name in sampler.prior.learned
        seen = {row[f"component_{name}" if both else name] for row in drawn}
        if seen <= {float(values.min())} or seen <= {float(values.max())}:
            found[f"{kind}.{name}"] = seen.pop()
    return found
