"""Finite mixtures: a given number of components, or an unknown one."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.distributions import Distribution, Geometric

from bnpgan.grids import Grid, check_positive
from bnpgan.priors.base import Family, log_gamma_sample


class Exchangeable(Family):
    """A family whose slots are alike: any naming of the blocks is as good as any other."""

    def sample_order(self, counts: Tensor) -> Tensor:
        """The slots ``(C,)`` as they are."""
        return torch.arange(len(counts), device=counts.device)

    def log_order(self, counts: Tensor) -> Tensor:
        r"""Log-probability ``()`` of the slots of the blocks, :math:`(C - K)! / C!`."""
        return -_log_namings(counts.to(torch.float64))


@dataclass(frozen=True)
class FiniteDirichlet(Exchangeable):
    r"""Symmetric Dirichlet over the ``C`` slots, :math:`w \sim Dir(\alpha / C, ..., \alpha / C)`.

    It tends to the Dirichlet process as ``C`` grows ("weak limit"); the number of slots is read off the counts.

    .. math:: p(k) = \frac{n_k + \alpha / C}{n + \alpha}, \qquad
        \log p(z) = \log \frac{\Gamma(\alpha)}{\Gamma(\alpha + N)}
        + \sum_k \log \frac{\Gamma(\alpha / C + n_k)}{\Gamma(\alpha / C)}

    and a partition has the probability of its :math:`C! / (C - K)!` namings together.

    Args:
        concentration: the total :math:`\alpha > 0`, or a :class:`~bnpgan.grids.Grid`.

    Raises:
        ValueError: if ``concentration`` is not positive.

    Example:
        >>> FiniteDirichlet(1.0).log_predictive(torch.tensor([2, 1, 0, 0])).exp()
        tensor([0.5625, 0.3125, 0.0625, 0.0625], dtype=torch.float64)

    References:
        Ishwaran and Zarepour, "Exact and approximate sum representations for the Dirichlet process", 2002.
    """

    concentration: float | Grid = 1.0

    def __post_init__(self) -> None:
        check_positive("concentration", self.concentration)

    def _hyper(self) -> dict[str, float | Grid]:
        return {"concentration": self.concentration}

    def _log_urn(
        self, sizes: Tensor, totals: Tensor, used: Tensor, capacity: int, hyper: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        share = hyper[0] / capacity
        return (sizes + share).log(), (share * (capacity - used)).log()[:, None]

    def _log_eppf(self, n: Tensor, hyper: list[Tensor]) -> Tensor:
        return self._log_marginal(n, hyper) + _log_namings(n)

    def _sample_log_weights(self, n: Tensor) -> Tensor:
        (alpha,) = self._members[0]
        return log_gamma_sample(n + alpha.to(n.device) / len(n)).log_softmax(0)

    def _log_marginal(self, n: Tensor, hyper: list[Tensor]) -> Tensor:
        (alpha,) = hyper
        share = alpha / n.shape[-1]
        slots = (torch.lgamma(n + share) - torch.lgamma(share)).sum(-1)
        return torch.lgamma(alpha)[:, 0] - torch.lgamma(alpha[:, 0] + n.sum(-1)) + slots


@dataclass(frozen=True)
class MixtureOfFiniteMixtures(Exchangeable):
    r"""A finite mixture whose number of components is unknown: unlike under a Dirichlet process it can be estimated.

    .. math:: M \sim p_M, \qquad w \mid M \sim Dir(\gamma, ..., \gamma)
    .. math:: p(n) = V_N(K) \prod_k \frac{\Gamma(\gamma + n_k)}{\Gamma(\gamma)}, \qquad
        V_N(K) = \sum_{M \ge K} p_M \frac{M!}{(M - K)!} \frac{\Gamma(\gamma M)}{\Gamma(\gamma M + N)}
    .. math:: p(k) \propto n_k + \gamma \;(n_k > 0), \qquad
        p(k) \propto \frac{\gamma V_{N+1}(K + 1)}{(C - K) V_{N+1}(K)} \;(n_k = 0)

    As ordered weights, ``M`` of the ``C`` slots, any of them, have components, and :math:`M \le C`.

    Args:
        concentration: :math:`\gamma > 0` of *each* component, or a :class:`~bnpgan.grids.Grid`.
        number: the law of :math:`M - 1`, on 0, 1, 2, ...; values beyond which it has less than 1e-15 are left out.

    Raises:
        ValueError: if ``concentration`` is not positive, or ``number`` has a tail beyond 100,000.

    Example:
        >>> MixtureOfFiniteMixtures(1.0).log_predictive(torch.tensor([2, 1, 0, 0])).exp().round(decimals=2)
        tensor([0.3400, 0.2300, 0.2100, 0.2100], dtype=torch.float64)

    References:
        Miller and Harrison, "Mixture models with a prior on the number of components", 2018, Eqs. 3.2-3.4.
    """

    concentration: float | Grid = 1.0
    number: Distribution = field(default_factory=lambda: Geometric(0.1))

    def __post_init__(self) -> None:
        check_positive("concentration", self.concentration)
        if not float(self._log_p[len(self._log_p) // 2 :].exp().sum()) < 1e-15:
            raise ValueError(f"number must have a lighter tail than {self.number}: pass e.g. Geometric(0.1)")

    def _hyper(self) -> dict[str, float | Grid]:
        return {"concentration": self.concentration}

    @cached_property
    def _log_p(self) -> Tensor:
        # log p(M), M = 1, 2, ...: twice as many values until the second half has no weight.
        size, p = 64, torch.ones(2)
        while size < 2**17 and not float(p[len(p) // 2 :].sum()) < 1e-15:
            size *= 2
            p = self.number.log_prob(torch.arange(size, dtype=torch.float64)).softmax(0)
        return p.log()

    def _log_v(self, total: Tensor, used: Tensor, gamma: Tensor, most: int | None = None) -> Tensor:
        # log V_N(K) for N (...), K (...), gamma (G, 1), and with it one term for each M: (..., G, M).
        log_p = self._log_p[:most].to(gamma.device).log_softmax(0)
        M = torch.arange(1, len(log_p) + 1, dtype=log_p.dtype, device=log_p.device)
        used, total = used[..., None], total[..., None]
        falling = torch.lgamma(M + 1) - torch.lgamma((M - used).clamp(min=0) + 1)
        terms = log_p + falling + torch.lgamma(gamma * M) - torch.lgamma(gamma * M + total)
        return terms.masked_fill(used > M, -torch.inf)

    def _log_urn(
        self, sizes: Tensor, totals: Tensor, used: Tensor, capacity: int, hyper: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        (gamma,) = hyper
        total, used = totals[:, None, None] + 1, used[:, None]
        one, more = (self._log_v(total, K, gamma).logsumexp(-1) for K in (used, used + 1))  # (T, U, G)
        return (sizes + gamma).log(), (gamma[:, 0].log() + more - one).permute(2, 0, 1)

    def _log_eppf(self, n: Tensor, hyper: list[Tensor]) -> Tensor:
        (gamma,) = hyper
        return self._log_blocks(n, gamma, None)

    def _sample_log_weights(self, n: Tensor) -> Tensor:
        gamma = self._members[0][0].to(n.device)
        used = n > 0
        M = 1 + int(torch.multinomial(self._log_v(n.sum(), used.sum(), gamma, len(n)).softmax(-1), 1))
        # The slots in use have components, and the others join them in random order until there are M.
        rank = (torch.rand_like(n) + used).argsort(descending=True).argsort()
        log_gamma = log_gamma_sample(n + gamma)
        return log_gamma.masked_fill(rank >= M, -torch.inf).log_softmax(0)

    def _log_marginal(self, n: Tensor, hyper: list[Tensor]) -> Tensor:
        (gamma,) = hyper
        return self._log_blocks(n, gamma, n.shape[-1]) - _log_namings(n)

    def _log_blocks(self, n: Tensor, gamma: Tensor, most: int | None) -> Tensor:
        v = self._log_v(n.sum(-1), (n > 0).sum(-1), gamma, most).logsumexp(-1)
        return v + torch.where(n > 0, torch.lgamma(gamma + n) - torch.lgamma(gamma), 0.0).sum(-1)


def _log_namings(n: Tensor) -> Tensor:
    C, empty = n.new_tensor(n.shape[-1]), (n == 0).sum(-1).to(n.dtype)
    return torch.lgamma(C + 1) - torch.lgamma(empty + 1)
