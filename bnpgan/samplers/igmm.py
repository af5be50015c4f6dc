"""The infinite Gaussian mixture model with instantiated components (Rasmussen 1999), as MIC-GAN uses it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bnpgan.components.base import Component
from bnpgan.partition import check_points
from bnpgan.priors import Prior
from bnpgan.samplers.base import Sampler, check_chain, check_state, log_prior_of_slots
from bnpgan.samplers.kmeans import seeded_labels

__all__ = ["IGMM"]


@dataclass(frozen=True, eq=False)
class IGMM(Sampler):
    r"""Gibbs sampler with instantiated components and the weights integrated out.

    .. math:: (\mu_k, \Sigma_k) \sim p(\mu, \Sigma \mid x_{z = k}), \qquad
        p(z_i = k \mid z_{-i}) \propto p(k \mid n_{-i}) \, N(x_i \mid \mu_k, \Sigma_k)

    An empty slot holds a draw from the prior, and the mass of a new cluster is shared among the empty slots, so that
    the law of the labels is :math:`EPPF(z) (C - K)! / C!`: the prior's own, given :math:`K \le C`. The released code of
    MIC-GAN has no concentration and never revives an emptied component; both are here, as in the paper.

    Args:
        prior: how counts become probabilities.
        component: a conjugate family.
        capacity: the number of slots ``C``.
        sweeps: steps that ``fit`` takes.
        max_dim, max_points: see :class:`~bnpgan.samplers.base.Clusterer`.

    Raises:
        ValueError: if ``capacity`` is below 1 or ``sweeps`` below 0; from methods, if points or labels are not valid.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import DirichletProcess
        >>> x = torch.tensor([[0.0], [0.1], [0.2], [90.0], [90.1]])
        >>> p = IGMM(DirichletProcess(1.0), NormalInverseWishart(scale=0.1), capacity=9).fit(x)
        >>> bool(p.labels[0] == p.labels[3])
        False

    References:
        Rasmussen, "The infinite Gaussian mixture model", 1999;
        Ying et al., "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021, Eqs. 10-14.
    """

    prior: Prior
    component: Component
    capacity: int = 100
    sweeps: int = 50
    max_dim: int | None = 32
    max_points: int | None = None

    def __post_init__(self) -> None:
        check_chain(self)

    def init(self, x: Tensor) -> Tensor:
        """Labels ``(N,)`` by the nearest k-means++ seed."""
        return seeded_labels(check_points(x).to(torch.float64), self.capacity)

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """Draw all components given the labels, then move the points ``(N,)`` one at a time given those."""
        x, labels = check_state(x, labels, self.capacity)
        prior, stats = self.draw(x, labels)
        log_density = self.component.posterior_sample(stats).log_prob(x)
        density = (log_density - log_density.amax(1, keepdim=True)).exp().cpu().numpy()
        uniform = torch.rand(len(x), dtype=torch.float64).numpy()
        counts = torch.bincount(labels, minlength=self.capacity).cpu()
        moved = labels.cpu().numpy().copy()
        weights: dict[int, np.ndarray] = {}  # by the slot that the point left; valid until a point moves
        for i, k in enumerate(moved.tolist()):
            if k not in weights:
                counts[k] -= 1
                weights[k] = prior.log_predictive(counts).exp().numpy()
                counts[k] += 1
            cumulative = (weights[k] * density[i]).cumsum()
            new = int(cumulative.searchsorted(uniform[i] * cumulative[-1], side="right"))
            if new != k:
                moved[i] = new
                counts[k] -= 1
                counts[new] += 1
                weights.clear()
        return torch.from_numpy(moved).to(x.device)

    def log_prior(self, labels: Tensor) -> Tensor:
        r""":math:`\log EPPF(z) + \log (C - K)! / C!`, ``()``."""
        return log_prior_of_slots(self.prior, labels, self.capacity)
