"""Finite mixtures: a given number of components, or an unknown one."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Geometric

from bnpgan.engine.chunks import rows_at_once
from bnpgan.grids import Grid, check_positive, drawn
from bnpgan.priors.base import OrderedWeights, log_gamma_sample

NO_WEIGHT = 1e-15  # numbers of components are left out if their probabilities sum to less: that is below rounding
NEAR = 64  # points: V of a total is computed from V of a smaller one if they differ by less, so that nothing underflows


class Exchangeable(OrderedWeights):
    """A prior whose slots are exchangeable: all ways to assign slots to the blocks are equally probable."""

    def sample_order(self, counts: Tensor) -> Tensor:
        """The slots ``(C,)`` as they are: any assignment is a draw."""
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

    and the probability of a partition is the sum over the :math:`C! / (C - K)!` assignments of slots to its blocks.

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

    def log_urn_of(
        self, sizes: Tensor, totals: Tensor, used: Tensor, capacity: int, hyper: Any
    ) -> tuple[Tensor, Tensor]:
        """The log-weights of clusters, and of a new one."""
        share = hyper.concentration / capacity
        return (sizes + share).log(), (share * (capacity - used)).log()[:, None]

    def log_eppf_of(self, n: Tensor, hyper: Any) -> Tensor:
        """Of a partition, by block sizes ``(..., 1, C)``: the sum over all assignments of slots to its blocks."""
        return self.log_marginal_of(n, hyper) + _log_namings(n)

    def sample_log_weights_of(self, n: Tensor, hyper: Any) -> Tensor:
        """Normalised Gammas given counts ``(C,)``."""
        return log_gamma_sample(n + hyper.concentration / len(n)).log_softmax(0)

    def log_marginal_of(self, n: Tensor, hyper: Any) -> Tensor:
        """A label vector, by counts ``(..., 1, C)``."""
        alpha = hyper.concentration
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
        number: the law of :math:`M - 1`, on 0, 1, 2, ...; it is cut off where less than 1e-15 of it is left, but not
            below eight times the number of slots.

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
        if not _second_half(self._log_p(1, torch.device("cpu"))) < NO_WEIGHT:
            raise ValueError(f"number must have a lighter tail than {self.number}: pass e.g. Geometric(0.1)")

    def hyper(self) -> dict[str, float | Grid]:
        """The concentration: the law of the number is given."""
        return {"concentration": self.concentration}

    @cached_property
    def _tables(self) -> dict[tuple[int, torch.device], Tensor]:
        return {}

    def _log_p(self, capacity: int, device: torch.device) -> Tensor:
        # log p(M), M = 1, 2, ...: the table is doubled until its second half has no weight. It has at least eight
        # values for each slot, for the data may speak for more clusters than p(M) does.
        if (capacity, device) not in self._tables:
            log_p = self._first(64)
            while len(log_p) < 8 * capacity or (len(log_p) < 2**17 and not _second_half(log_p) < NO_WEIGHT):
                log_p = self._first(2 * len(log_p))
            self._tables[capacity, device] = log_p.to(device)
        return self._tables[capacity, device]

    def _first(self, size: int) -> Tensor:
        return self.number.log_prob(torch.arange(size, dtype=torch.float64)).log_softmax(0)

    def _log_v(self, total: Tensor, used: Tensor, gamma: Tensor, log_p: Tensor) -> Tensor:
        # The terms of V_N(K), one for each M, as logs: (..., G, M) for N (...), K (...) and gamma (G, 1).
        log_p = log_p.log_softmax(0)
        M = torch.arange(1, len(log_p) + 1, dtype=log_p.dtype, device=log_p.device)
        used, total = used[..., None], total[..., None]
        falling = torch.lgamma(M + 1) - torch.lgamma((M - used).clamp(min=0) + 1)
        terms = log_p + falling + torch.lgamma(gamma * M) - torch.lgamma(gamma * M + total)
        return terms.masked_fill(used > M, -torch.inf)

    def log_urn_of(
        self, sizes: Tensor, totals: Tensor, used: Tensor, capacity: int, hyper: Any
    ) -> tuple[Tensor, Tensor]:
        """The log-weights of clusters, and of a new one, for each total."""
        gamma = hyper.concentration
        used = torch.cat([used, used[-1:] + 1])  # consecutive, so that log V at each is needed once
        log_p = self._log_p(capacity, used.device)
        log_v = gamma.new_zeros(len(gamma), len(totals), len(used))
        near = (totals - totals.amin()).div(NEAR, rounding_mode="floor")
        for group in near.unique():
            rows = near == group
            parts = used[used <= totals[rows].amax() + 1].split(rows_at_once(len(gamma) * len(log_p), log_p))
            found = [self._log_v_near(totals[rows] + 1, part, gamma, log_p) for part in parts]  # no more are in use
            log_v[:, rows, : sum(map(len, parts))] = torch.cat(found, -1)
        return (sizes + gamma).log(), gamma[:, :, None].log() + log_v[..., 1:] - log_v[..., :-1]

    def _log_v_near(self, totals: Tensor, used: Tensor, gamma: Tensor, log_p: Tensor) -> Tensor:
        # log V_N(K) for all N (T,) and K (U,): (G, T, U). From the first N to another each term changes by a factor
        # that does not depend on K: a product of fewer than NEAR ratios, each between 1 and M, so that none underflows.
        terms = self._log_v(totals[:1, None], used[:, None], gamma, log_p)  # (U, G, M)
        gammas = gamma * torch.arange(1, terms.shape[-1] + 1, dtype=terms.dtype, device=terms.device)
        change = torch.lgamma(gammas + totals[0]) - torch.lgamma(gammas + totals[:, None, None])  # (T, G, M)
        most = change.amax(-1, keepdim=True)
        shares = terms.softmax(-1).nan_to_num(0.0)  # 0 / 0 where p(M) = 0 for every M of at least so many clusters
        factor = torch.einsum("ugm,tgm->gtu", shares, (change - most).exp())
        return terms.logsumexp(-1).T[:, None] + factor.log() + most.transpose(0, 1)

    def log_eppf_of(self, n: Tensor, hyper: Any) -> Tensor:
        """The partition, by block sizes ``(..., 1, C)``."""
        return self._log_blocks(n, hyper.concentration, self._log_p(n.shape[-1], n.device))

    def sample_log_weights_of(self, n: Tensor, hyper: Any) -> Tensor:
        """Given counts ``(C,)``: the number of components, the slots that have one, and normalised Gammas for these."""
        gamma, used = hyper.concentration, n > 0
        log_p = self._log_p(len(n), n.device)[: len(n)]
        M = 1 + drawn(self._log_v(n.sum(), used.sum(), gamma, log_p))
        # The slots in use have components, and the others join them in random order until there are M.
        rank = (torch.rand_like(n) + used).argsort(descending=True).argsort()
        log_gamma = log_gamma_sample(n + gamma)
        return log_gamma.masked_fill(rank >= M, -torch.inf).log_softmax(0)

    def log_marginal_of(self, n: Tensor, hyper: Any) -> Tensor:
        """A label vector, by counts ``(..., 1, C)``: one of the assignments of slots to the blocks of its partition."""
        log_p = self._log_p(n.shape[-1], n.device)[: n.shape[-1]]
        return self._log_blocks(n, hyper.concentration, log_p) - _log_namings(n)

    def _log_blocks(self, n: Tensor, gamma: Tensor, log_p: Tensor) -> Tensor:
        v = self._log_v(n.sum(-1), (n > 0).sum(-1), gamma, log_p).logsumexp(-1)
        return v + torch.where(n > 0, torch.lgamma(gamma + n) - torch.lgamma(gamma), 0.0).sum(-1)


def _second_half(log_p: Tensor) -> float:
    return float(log_p[len(log_p) // 2 :].exp().sum())


def _log_namings(n: Tensor) -> Tensor:
    return math.lgamma(n.shape[-1] + 1) - torch.lgamma((n == 0).sum(-1).to(n.dtype) + 1)
