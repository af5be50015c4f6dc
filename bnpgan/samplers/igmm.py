"""The infinite Gaussian mixture model with instantiated components (Rasmussen 1999), as MIC-GAN uses it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import Component
from bnpgan.engine.chunks import rows_at_once
from bnpgan.engine.inversion import invert
from bnpgan.partition import in_slots
from bnpgan.priors import Prior
from bnpgan.samplers.base import Sampler, check_state, log_prior_of_slots, tell_of_lost_loop
from bnpgan.samplers.starts import starting_labels
from bnpgan.waits import put_off

__all__ = ["IGMM"]


@dataclass(frozen=True, eq=False)
class IGMM(Sampler):
    r"""Gibbs sampler with instantiated components and the weights integrated out.

    .. math:: (\mu_k, \Sigma_k) \sim p(\mu, \Sigma \mid x_{z = k}), \qquad
        p(z_i = k \mid z_{-i}) \propto p(k \mid n_{-i}) \, N(x_i \mid \mu_k, \Sigma_k)

    An empty slot holds a draw from the prior, and the mass of a new cluster is shared among the empty slots, so that
    the law of the labels is :math:`EPPF(z) (C - K)! / C!`: the prior's own, given :math:`K \le C`. The released code of
    MIC-GAN has no concentration and never fills a slot again that has become empty; here, as in the paper, there is a
    concentration and empty slots are filled.

    Densities are computed on the device of the points; the loop over them runs, compiled, on the CPU.

    Args:
        prior: how counts become probabilities.
        component: a family whose posterior can be drawn.
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
        super().__post_init__()
        tell_of_lost_loop(type(self.prior), self.prior.urn_lost, "log_urn_of")

    def init(self, x: Tensor) -> Tensor:
        """Labels ``(N,)`` near a mode: see :func:`~bnpgan.samplers.starts.starting_labels`."""
        return starting_labels(x, self)

    @put_off()
    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """Draw all components given the labels, then move the points ``(N,)`` one at a time given those."""
        from bnpgan.engine.seating import reseat  # numba takes half a second to import

        x, labels = check_state(x, labels, self.capacity)
        prior, stats = self.draw(x, labels)
        components, moved = self.component.posterior_sample(stats), labels.cpu().clone()
        counts = ranks.counts(moved, self.capacity)
        sizes = torch.arange(len(x))
        urn = prior.log_urn(sizes, sizes[-1:], self.capacity) if prior.has_urn else None
        for rows in sizes.split(rows_at_once(self.capacity, x)):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            density = components.log_prob(x[part]).softmax(1).cpu()  # up to a factor for each point
            uniform = torch.rand(len(rows), dtype=torch.float64)
            state = density, moved[part], uniform, counts
            if urn is None:
                _reseat(prior, *state)
            else:
                reseat(*(tensor.numpy() for tensor in state), urn[0].exp().numpy(), urn[1][0].exp().numpy())
        return in_slots(moved.to(x.device), self.capacity)

    def log_prior(self, labels: Tensor) -> Tensor:
        r""":math:`\log EPPF(z) + \log (C - K)! / C!`, ``()``."""
        return log_prior_of_slots(self.prior, labels, self.capacity)


def _reseat(prior: Prior, density: Tensor, labels: Tensor, uniform: Tensor, counts: Tensor) -> None:
    # What ``seating.reseat`` does, for priors without an urn.
    for i, k in enumerate(labels.tolist()):
        counts[k] -= 1
        weights = prior.log_predictive(counts).exp() * density[i]
        labels[i] = k = int(invert(weights[None], uniform[i : i + 1]))
        counts[k] += 1
