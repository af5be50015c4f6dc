"""Truncated stick-breaking with blocked Gibbs sampling (Ishwaran and James 2001)."""

from dataclasses import dataclass
from typing import ClassVar, cast

from torch import Tensor

from bnpgan import ranks
from bnpgan.components.base import Drawable
from bnpgan.partition import check_labels, in_slots
from bnpgan.priors import OrderedWeights
from bnpgan.samplers.base import Sampler, check_state
from bnpgan.samplers.starts import starting_labels
from bnpgan.waits import put_off

__all__ = ["StickBreaking"]


@dataclass(frozen=True, eq=False)
class StickBreaking(Sampler):
    r"""Blocked Gibbs sampler: given weights and parameters, all points move at once.

    .. math:: w \sim p(w \mid n), \quad \theta_k \sim p(\theta \mid x_{z = k}), \quad
        p(z_i = k) \propto w_k \, p(x_i \mid \theta_k)

    The weights follow the prior's truncated law (sticks with :math:`v_C = 1` for the Dirichlet and Pitman-Yor
    processes), which depends on the order of the slots. A sweep is a few matrix products, on the device of ``x``.

    Args:
        prior: how counts become weights.
        component: a family whose posterior can be drawn.
        capacity: the truncation ``C``.
        sweeps: steps that ``fit`` takes.
        max_dim, max_points: see :class:`~bnpgan.samplers.base.Clusterer`.

    Raises:
        ValueError: if ``capacity`` is below 1 or ``sweeps`` below 0; from methods, if points or labels are not valid.

    Example:
        >>> import torch
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import PitmanYor
        >>> x = torch.tensor([[0.0], [0.1], [0.2], [90.0], [90.1]])
        >>> p = StickBreaking(PitmanYor(1.0, 0.3), NormalInverseWishart(scale=0.1), capacity=9).fit(x)
        >>> bool(p.labels[0] == p.labels[3])
        False

    References:
        Ishwaran and James, "Gibbs sampling methods for stick-breaking priors", 2001, section 5.2.
    """

    prior: OrderedWeights
    component: Drawable
    capacity: int = 100
    sweeps: int = 100
    max_dim: int | None = 32
    max_points: int | None = None
    needs = OrderedWeights, Drawable
    ordered: ClassVar[bool] = True
    by_sums: ClassVar[bool] = True

    def init(self, x: Tensor) -> Tensor:
        """Labels ``(N,)`` near a mode: see :func:`~bnpgan.samplers.starts.starting_labels`."""
        return starting_labels(x, self)

    @put_off()
    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """Draw weights and parameters given the labels, then all labels ``(N,)`` given those."""
        x, labels = check_state(x, labels, self.capacity)
        prior, stats = self.draw(x, labels)
        with ranks.alike(x.device):
            log_weights = cast(OrderedWeights, prior).sample_log_weights(stats.n.long())
            components = self.component.posterior_sample(stats)
        return in_slots(components.draw(x, log_weights), self.capacity)

    def log_prior(self, labels: Tensor) -> Tensor:
        r""":math:`\log E[\prod_k w_k^{n_k}]` under the truncated weights, ``()``."""
        return self.prior.log_marginal(ranks.counts(check_labels(labels, self.capacity), self.capacity))
