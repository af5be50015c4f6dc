"""The tests that run chains: against the posterior that a sampler states, its prior, the joint law, another sampler."""

import math
from dataclasses import replace

import torch
from scipy.stats import rankdata
from torch import Tensor

from bnpgan.grids import Grid
from bnpgan.samplers import Sampler
from bnpgan.testing.law import Law, clusters, hotelling, run_chains
from bnpgan.testing.parts import Flat, pinned
from bnpgan.testing.report import Row

__all__ = ["agreement", "enumeration", "geweke", "prior_only"]


def enumeration(sampler: Sampler, x: Tensor, prior: Law, level: float, length: int = 1) -> Row:
    """Chains from "all in slot 0" against the stated posterior, over every partition or label vector of the points.

    Args:
        sampler: the sampler.
        x: points ``(N, D)``, a handful.
        prior: the law of their labels.
        level: the p-value below which the test fails.
        length: how many times as long as usual the chains are.
    """
    return against(prior.given(sampler, x), sampler, x, level, length, (40, 12, 16))


def prior_only(sampler: Sampler, x: Tensor, prior: Law, level: float, length: int = 1) -> Row:
    """``enumeration`` with the likelihood switched off: labels must follow the prior."""
    flat = replace(sampler, component=Flat())  # type: ignore[type-var]
    return against(prior, flat, x, level, length, (40, 30, 12))


def against(law: Law, sampler: Sampler, x: Tensor, level: float, length: int, size: tuple[int, int, int]) -> Row:
    chains, burn_in, sweeps = size
    draws = run_chains(sampler, x, chains, length * burn_in, length * sweeps)
    z, p = hotelling(law.scores(draws).mean(1))
    return Row(z, p, level, *law.total_variation(draws))


def agreement(one: Sampler, two: Sampler, x: Tensor, level: float, length: int = 1) -> Row:
    """Two samplers of one law: how many clusters, how large, and which points are together.

    Half of the chains start with all points in slot 0, half with the points dealt among all slots.
    """
    seen = [_spread_chains(sampler, x, 30, 8 * length, 12 * length) for sampler in (one, two)]
    z, p = hotelling(*(_partition_statistics(draws).mean(1) for draws in seen))
    # Total variation between the two laws of the number of clusters.
    shares = [torch.nn.functional.one_hot(clusters(draws), len(x) + 1).to(torch.float64).mean(1) for draws in seen]
    errors = torch.stack([share.var(0) / len(share) for share in shares]).sum(0).sqrt()
    distance = (shares[0].mean(0) - shares[1].mean(0)).abs().sum() / 2
    return Row(z, p, level, float(distance), float(errors.sum() / math.sqrt(2 * math.pi)))


def _spread_chains(sampler: Sampler, x: Tensor, chains: int, burn_in: int, sweeps: int) -> Tensor:
    dealt = torch.arange(len(x), device=x.device) % sampler.capacity
    starts = (torch.zeros_like(dealt), dealt)
    return torch.cat([run_chains(sampler, x, chains // 2, burn_in, sweeps, start) for start in starts])


def _partition_statistics(z: Tensor) -> Tensor:
    together = z[..., :, None] == z[..., None, :]
    K, pairs = clusters(z), [together[..., i, i + 1] for i in range(0, min(z.shape[-1] - 1, 10), 2)]
    columns = [K, K**2, together.sum((-1, -2)), together.sum(-1).amax(-1), *pairs]
    return torch.stack([column.to(torch.float64) for column in columns], -1)


def geweke(sampler: Sampler, x: Tensor, prior: Law, level: float, length: int = 1) -> Row:
    r"""Labels and points in turn: chains that start at draws of their joint law must stay there.

    A draw of the joint law goes from the prior downwards: hyper-parameters, labels, parameters, points. A chain starts
    at one, then alternates the sampler's step, :math:`z \sim K(z \mid x)`, with new points,
    :math:`x \sim p(x \mid \theta, z)`, at parameters drawn given the old points. States of the chains are compared with
    fresh draws, by ranks of: number and sizes of clusters, location and spread of the points, spread within clusters,
    the log joint, and the learned hyper-parameters of the family.

    Hyper-parameters that would follow the points are fixed at those of ``x``; learned ones stay learned.

    References:
        Geweke, "Getting it right: joint distribution tests of posterior simulators", 2004.
    """
    if not sampler.component.normalised:
        return Row(note="the marginals of the family are no law of points")
    chains, steps, fresh = 80, 6 * length, 120 * length
    sampler = replace(sampler, component=pinned(sampler.component, x))  # type: ignore[type-var]
    direct = [_features(sampler, *_joint_draw(sampler, x, z)) for z in prior.sample(fresh)]
    visited = []
    for labels in prior.sample(chains):
        y, z, _ = _joint_draw(sampler, x, labels)
        for t in range(1, steps + 1):
            z = sampler.step(y, z)
            _, statistics = sampler.draw(y, z)
            y = sampler.component.posterior_sample(statistics).sample(z)
            if t % 3 == 0:
                values = [float(getattr(statistics.prior, name)) for name in sampler.component.learned]
                visited.append(_features(sampler, y, z, values))
    # By ranks, for tails can be heavy.
    ranks = torch.from_numpy(rankdata(direct + visited, axis=0)) / (len(direct) + len(visited))
    ranks = ranks[:, ranks.std(0) > 0]
    z_score, p = hotelling(ranks[fresh:].view(chains, steps // 3, -1).mean(1), ranks[:fresh])
    return Row(z_score, p, level)


def _joint_draw(sampler: Sampler, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, list[float]]:
    # New points of the shape of x, the labels, and the learned hyper-parameters of the family. These are drawn from
    # their grids and not by the family, for the family is under test.
    family, values = sampler.component, {}
    for name in family.learned:
        grid: Grid = getattr(family, name)
        values[name] = float(grid.values[torch.multinomial(grid.log_weights.exp(), 1)])
    family, z = replace(family, **values), labels.to(x.device)  # type: ignore[type-var]
    return family.posterior_sample(family.stats(x[:0], z[:0], sampler.capacity)).sample(z), z, list(values.values())


def _features(sampler: Sampler, x: Tensor, z: Tensor, hyper: list[float]) -> list[float]:
    counts = torch.bincount(z, minlength=sampler.capacity)
    middle = x.mean(0)
    means = x.new_zeros(len(counts), len(middle)).index_add_(0, z, x) / counts[:, None]
    within, total = ((x - means[z]) ** 2).sum(), ((x - middle) ** 2).sum()
    labels = [*counts[:-1].tolist()] if sampler.ordered else []
    labels += [int((counts > 0).sum()), int((counts**2).sum())]
    points = [float(middle[0]), float((middle**2).sum()), float(within), float(total), float(sampler.log_joint(x, z))]
    return labels + points + hyper
