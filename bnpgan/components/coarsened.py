"""Coarsened families: clusters that are only nearly what a family says (Miller and Dunson 2019)."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor

from bnpgan.components.base import ExponentialFamily, FamilyStats, Members
from bnpgan.components.defaults import data_size
from bnpgan.components.distributions import Components
from bnpgan.components.normal_inverse_wishart import NormalInverseWishart
from bnpgan.engine.chunks import rows_at_once
from bnpgan.grids import Grid, check_positive
from bnpgan.memory import remembered
from bnpgan.whole import keep_whole

if TYPE_CHECKING:
    from bnpgan.engine.seating import Predictive


EACH, LEAST = 30.0, 300.0  # points that each dimension is worth by default, and that all are
WEIGHT = 0.3  # of the scale, as a share of what all points count for


class CoarsenedMembers(Members):
    """The hyper-parameters to choose from, for data of which ``replicas`` points count as one."""

    replicas: int


@dataclass(eq=False)
class CoarsenedStats(FamilyStats):
    """Statistics of ``K`` slots; ``inner`` are those of the family, in which each point counts as 1 / ``replicas``."""

    inner: Any
    replicas: int

    @cached_property
    def alone(self) -> Members:
        """The hyper-parameters that they were made with as the only ones to choose from."""
        return _coarse(super().alone, self.replicas)


@dataclass(frozen=True, eq=False)
class Coarsened(ExponentialFamily):
    r"""A family of which the clusters need only be nearly members: all points count as about ``points`` of them.

    Evidence finds out, the more surely the more points there are, that clusters of real data are no Gaussians, and
    describes each by several. Conditioning on data that are *near* to those of the model, at a distance whose law is
    exponential, is in good approximation a likelihood to the power :math:`\zeta = \alpha / (\alpha + N)`: as many
    points as there may be, they are worth :math:`\alpha`. Here the marginal likelihood of a cluster is

    .. math:: \tilde m(S) = m(\zeta S)^{1 / \zeta}, \qquad \tfrac1\zeta = g = 1 + round(N / \alpha)

    so that parameters are as uncertain as :math:`\zeta N` points leave them and each further cluster has to pay for
    its own g times, while a point chooses among given clusters as sharply as ever. The law of the labels,
    :math:`p(z) \prod_k \tilde m(S_k)`, is sampled exactly, by every sampler: a cluster has g parameters, independent
    given the labels, each of them drawn given :math:`\zeta S_k`,

    .. math:: m(\zeta S)^g = \prod_{r=1}^g \int p(\theta_r) \, e^{\zeta \theta_r^T S} \, d\theta_r,

    and given those a point chooses by the geometric mean of the g densities.

    Args:
        component: an exponential family. As default Gaussians that are more alike than by default, for with so few
            points a cluster does not find its own shape.
        points: :math:`\alpha`, what all points together count for, however many there are: clusters that are worth
            less than a few of them are not told apart, and far above N nothing is coarsened. ``None``: 30 for each
            dimension, with which a handful of clusters, up to some twenty, can each tell a covariance, but no more than
            half of the points, for few rows of many columns are coarsened too; and 300 at least.
        replicas: g; ``None``: by that rule.

    Raises:
        ValueError: if ``points`` is not positive, ``replicas`` below 1, or ``component`` no exponential family.

    Example:
        >>> import torch
        >>> x = torch.randn(500, 2, dtype=torch.float64) ** 3  # no Gaussian
        >>> family = Coarsened(NormalInverseWishart(), points=100)
        >>> stats = family.stats(x, torch.zeros(500, dtype=torch.int64), capacity=2)
        >>> stats.replicas, float(stats.inner.n[0])
        (6, 83.33333333333333)

    References:
        Miller and Dunson, "Robust Bayesian inference via coarsening", 2019, Eq. 2.4 (the power), section 5 (mixtures).
    """

    component: ExponentialFamily = field(default_factory=lambda: NormalInverseWishart(weight=WEIGHT))
    points: float | None = None
    replicas: int | None = None
    normalised = False

    def __post_init__(self) -> None:
        if self.points is not None:
            check_positive("points", self.points, learned=False)
        if self.replicas is not None:
            keep_whole(self, "replicas", 1, "pass None")
        if isinstance(self.component, Coarsened):
            raise ValueError("component is coarsened already: pass what it coarsens, and points")
        if not isinstance(self.component, ExponentialFamily):
            raise ValueError(
                f"component must be an exponential family, got {type(self.component).__name__}: pass e.g. "
                "NormalInverseWishart()"
            )

    @property
    def grids(self) -> dict[str, Grid]:
        """The grids of the hyper-parameters of the family that are given as such, by name."""
        return self.component.grids

    @remembered
    def resolve(self, x: Tensor) -> tuple[Members, Tensor]:
        """The hyper-parameters of the family for points ``(N, D)`` that count as ``points``; log-weights."""
        N, D = data_size(x), self.component.seen(x).shape[1]
        points = max(LEAST, min(EACH * D, N / 2)) if self.points is None else self.points
        replicas = self.replicas or 1 + round(N / points)
        members, log_weights = self.component.weighing(1 / replicas).resolve(x)
        return _coarse(members, replicas), log_weights

    def fixed(self, stats: CoarsenedStats) -> "Coarsened":
        """This family with every hyper-parameter set to what the statistics were made with."""
        inner = cast(ExponentialFamily, self.component.fixed(stats.inner))
        return replace(self, component=inner, replicas=stats.replicas)

    @property
    def unbounded(self) -> bool:
        """As the family."""
        return self.component.unbounded

    def seen(self, x: Tensor) -> Tensor:
        """The columns of the points that count in the family."""
        return self.component.seen(x)

    def phi(self, x: Tensor, hyper: Any) -> Tensor:
        """The features of the family."""
        return self.component.phi(x, hyper)

    def feature_sums(self, x: Tensor, labels: Tensor, capacity: int, hyper: Any) -> Tensor:
        """Sums ``(K, F)`` of the features of the points ``(N, D)`` with each label ``(N,)``."""
        return self.component.feature_sums(x, labels, capacity, hyper)

    def log_marginals(self, members: Members, sums: Tensor) -> Tensor:
        r"""Powers of log marginal likelihoods ``(G, K)``, :math:`g \log m(S / g)`, of sums ``(K, F)``."""
        g = members.replicas  # type: ignore[attr-defined]
        return g * self.component.log_marginals(members, sums / g)

    def statistics(self, sums: Tensor, prior: Any, members: Members, log_posterior: Tensor) -> CoarsenedStats:
        """The statistics of slots with these sums ``(K, F)``."""
        g = members.replicas  # type: ignore[attr-defined]
        inner = self.component.statistics(sums / g, prior, members, log_posterior)
        return CoarsenedStats(sums[:, 0].clone(), prior, members, log_posterior, sums, inner, g)

    def add_(self, stats: CoarsenedStats, k: int, x: Tensor, sign: float = 1) -> None:
        """Add the point ``(D,)`` to slot ``k`` in place (``sign=-1``: remove it)."""
        g = stats.replicas
        stats.inner.n[k] = stats.n[k] / g  # or an emptied slot would hold what rounding has left
        stats.n[k] += sign
        self.component.add_(stats.inner, k, x, sign / g)

    def log_marginal(self, stats: CoarsenedStats) -> Tensor:
        r""":math:`g \log m(S_k / g)` ``(K,)``; 0 for an empty slot."""
        return stats.replicas * self.component.log_marginal(stats.inner)

    def log_predictive(self, stats: CoarsenedStats, x: Tensor, share: float = 1.0) -> Tensor:
        r"""What a point ``(..., D)`` adds to the log marginal of each slot, ``(..., K)``: the log of no density."""
        return stats.replicas * self.component.log_predictive(stats.inner, x, share / stats.replicas)

    def log_predictive_given_others(
        self, stats: CoarsenedStats, x: Tensor, labels: Tensor, share: float = 1.0
    ) -> Tensor:
        """The same ``(N, K)`` of points ``(N, D)``, each given all others."""
        g = stats.replicas
        return g * self.component.log_predictive_given_others(stats.inner, x, labels, share / g)

    def seating(self, stats: CoarsenedStats, x: Tensor, replicas: int = 1) -> "Predictive":
        """What the compiled loop of the family takes of these slots and points ``(N, D)``."""
        return self.component.seating(stats.inner, x, replicas * stats.replicas)

    @property
    def has_seating(self) -> bool:
        """Whether the family has a compiled loop, and no subclass says anew what it stands for."""
        return super().has_seating and self.component.has_seating

    def too_far(self, stats: CoarsenedStats) -> str:
        """What is wrong where the sums of a slot have lost their digits."""
        return self.component.too_far(stats.inner)

    def natural(self, stats: CoarsenedStats) -> Tensor:
        """Weights ``(K, F)`` of the features in the log-density at the posterior mean."""
        return self.component.natural(stats.inner)

    def posterior_mean(self, stats: CoarsenedStats) -> Components:
        """The components at the posterior means of their parameters."""
        return self.component.posterior_mean(stats.inner)

    def posterior_sample(self, stats: CoarsenedStats) -> Components:
        """The geometric means of ``replicas`` components for each slot, at draws of their parameters."""
        inner, g, K = stats.inner, stats.replicas, len(stats.n)
        middle, sums = self.component.posterior_mean(inner).mean, stats.sums / g
        size, total = rows_at_once(max(K, 1) * (middle.shape[1] + 1) ** 2, middle), list[Tensor]()
        for r in (min(size, g - start) for start in range(0, g, size)):
            some = self.component.posterior_sample(self.component.with_sums(inner, sums.repeat(r, 1)))
            parts = [part.unflatten(0, (r, K)).sum(0) / g for part in some.natural(middle.repeat(r, 1))]
            total = [a + b for a, b in zip(total, parts, strict=True)] if total else parts
        return type(some).of_natural(middle, *total)


def _coarse(members: Members, replicas: int) -> CoarsenedMembers:
    coarse = CoarsenedMembers(members, members.device)
    coarse.replicas = replicas
    return coarse
