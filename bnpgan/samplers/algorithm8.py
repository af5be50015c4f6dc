"""Gibbs sampling with auxiliary parameters, for families that are not conjugate (Neal 2000, algorithm 8)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import Component
from bnpgan.partition import in_slots
from bnpgan.priors import Prior
from bnpgan.samplers.base import Sampler, check_state, log_prior_of_slots
from bnpgan.samplers.starts import starting_labels
from bnpgan.waits import put_off
from bnpgan.whole import keep_whole

__all__ = ["Algorithm8"]

TOGETHER = 64  # points whose auxiliaries are drawn at once; each point has the density under all 64 m of them


@dataclass(frozen=True, eq=False)
class Algorithm8(Sampler):
    r"""Gibbs sampler with auxiliary parameters: the marginal likelihood of a family is never needed.

    .. math:: \theta_k \sim p(\theta \mid x_{z = k}), \quad \phi_j \sim p(\theta) \;(j = 1, ..., m), \quad
        p(z_i = k) \propto p(k \mid n_{-i}) \, p(x_i \mid \theta_k), \quad
        p(z_i = new_j) \propto \tfrac1m p(new \mid n_{-i}) \, p(x_i \mid \phi_j)

    Each point has its own auxiliaries :math:`\phi`; if it is alone in its cluster, its parameter is the first of them.
    A new cluster takes an empty slot at random, hence the law of the labels is :math:`EPPF(z) (C - K)! / C!`: the
    prior's own, given :math:`K \le C`. The sweep is serial and runs on the CPU, densities on the device of ``x``.

    Args:
        prior: how counts become probabilities.
        component: a family whose posterior can be drawn, conjugate or not.
        capacity: the number of slots ``C``; choose it above any number of clusters that you expect.
        auxiliaries: :math:`m`; more of them find new clusters in fewer sweeps, and make a sweep slower.
        sweeps: steps that ``fit`` takes.
        max_dim, max_points: see :class:`~bnpgan.samplers.base.Clusterer`.

    Raises:
        ValueError: if ``capacity`` or ``auxiliaries`` is below 1 or ``sweeps`` below 0; from methods, if points or
            labels are not valid.

    Example:
        >>> from bnpgan.components.semi_conjugate_normal import SemiConjugateNormal
        >>> from bnpgan.priors import DirichletProcess
        >>> x = torch.tensor([[0.0], [0.1], [0.2], [90.0], [90.1]])
        >>> p = Algorithm8(DirichletProcess(1.0), SemiConjugateNormal(scale=0.1), capacity=9).fit(x)
        >>> bool(p.labels[0] == p.labels[3])
        False

    References:
        Neal, "Markov chain sampling methods for Dirichlet process mixture models", 2000, algorithm 8.
    """

    prior: Prior
    component: Component
    capacity: int = 100
    auxiliaries: int = 3
    sweeps: int = 20
    max_dim: int | None = 32
    max_points: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_whole(self, "auxiliaries", 1, "pass e.g. 3")

    def init(self, x: Tensor) -> Tensor:
        """Labels ``(N,)`` near a mode: see :func:`~bnpgan.samplers.starts.starting_labels`."""
        return starting_labels(x, self)

    @put_off()
    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """Draw all parameters given the labels, then move the points ``(N,)`` one at a time."""
        from bnpgan.engine.compiled import invert  # numba takes half a second to import

        x, labels = check_state(x, labels, self.capacity)
        m, C = self.auxiliaries, self.capacity
        prior, stats = self.draw(x, labels)
        theta = self.component.posterior_sample(stats).permute(torch.arange(C, device=x.device))  # a copy to write to
        counts, moved = ranks.counts(labels, C).cpu(), labels.cpu().numpy().copy()
        n = counts.numpy()  # shares memory with counts
        weights: dict[int, np.ndarray] = {}  # by the slot that a point left; valid until a point changes its slot
        for first in range(0, len(x), TOGETHER):
            points = x[first : first + TOGETHER]
            phi = self.component.posterior_sample(self.component.empty(stats, len(points) * m))
            own = phi.log_prob(points).view(len(points), len(points), m).diagonal().T  # each point with its own m
            density = torch.cat([theta.log_prob(points), own], 1).cpu().numpy()
            uniform = torch.rand(len(points), dtype=torch.float64).numpy()
            for i, k in enumerate(moved[first : first + TOGETHER].tolist()):
                n[k] -= 1
                if n[k] == 0:  # alone: its own parameter is the first auxiliary
                    density[i, C] = density[i, k]
                if k not in weights:
                    weights[k] = self._log_weights(prior, counts)
                log_p = weights[k] + density[i]
                new = int(invert(np.exp(log_p - log_p.max()), uniform[i])[0])
                if new == C and n[k] == 0:
                    new = k
                elif new >= C:
                    born = phi.permute(torch.tensor([i * m + new - C], device=x.device))
                    empty = np.flatnonzero(n == 0)
                    new = int(empty[torch.randint(len(empty), ())])
                    theta.put_(new, born)
                    density[:, new] = born.log_prob(points)[:, 0].cpu().numpy()
                n[new] += 1
                if new != k:
                    moved[first + i] = new
                    weights.clear()
        return in_slots(torch.from_numpy(moved).to(x.device), C)

    def log_prior(self, labels: Tensor) -> Tensor:
        r""":math:`\log EPPF(z) + \log (C - K)! / C!`, ``()``."""
        return log_prior_of_slots(self.prior, labels, self.capacity)

    def _log_weights(self, prior: Prior, counts: Tensor) -> np.ndarray:
        # (C + m,): the slots in use, then the auxiliaries, which share the mass of the empty slots.
        log_p, empty = prior.log_predictive(counts).numpy(), counts.numpy() == 0
        new = np.logaddexp.reduce(log_p[empty]) - np.log(self.auxiliaries)
        return np.append(np.where(empty, -np.inf, log_p), np.full(self.auxiliaries, new))
