"""What every prior can do, and how one is mixed over the grids of its hyper-parameters."""

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from typing import Protocol, Self

import torch
from torch import Tensor
from torch.distributions import Gamma

from bnpgan.grids import Grid, drawn, joint, learned


class Prior(Protocol):
    """How counts become probabilities of clusters; ``counts`` is ``(C,)``, zero where a slot is empty."""

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the hyper-parameters that ``draw`` draws."""
        ...

    def draw(self, counts: Tensor, ordered: bool = False) -> "Prior":
        """This prior with numbers for its grids, drawn given the counts of a partition, or of ``ordered`` slots."""
        ...

    def log_predictive(self, counts: Tensor) -> Tensor:
        """Log-probability ``(C,)`` that the next point takes each slot; empty slots share the new-cluster mass."""
        ...

    @property
    def has_urn(self) -> bool:
        """Whether ``log_predictive`` is made of ``log_urn``; if not, loops over points are slow."""
        ...

    def log_urn(self, sizes: Tensor, totals: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
        """What the predictive is made of, up to a factor for each total, for loops over points.

        Args:
            sizes: points in a cluster, ``(S,)``.
            totals: points in all, ``(T,)``.
            capacity: the number of slots ``C``.

        Returns:
            The log-weights ``(S,)`` of clusters of those sizes, and ``(T, C + 1)`` of a new cluster when there are 0,
            ..., C; ``(1, C + 1)`` where the totals do not matter.
        """
        ...

    def log_eppf(self, counts: Tensor) -> Tensor:
        """Log exchangeable partition probability ``(...)`` of partitions with the block sizes ``(..., C)``."""
        ...

    def sample_log_weights(self, counts: Tensor) -> Tensor:
        """A draw ``(C,)`` of the log-weights of the slots given the counts; -inf where there is no component."""
        ...

    def log_marginal(self, counts: Tensor) -> Tensor:
        r"""Log-probability ``(...)`` of a label vector with counts ``(..., C)``, :math:`\log E[\prod_k w_k^{n_k}]`."""
        ...

    def sample_order(self, counts: Tensor) -> Tensor:
        """New slots ``(C,)`` of the slots, drawn from their law given the partition; some may lie beyond ``C``."""
        ...

    def log_order(self, counts: Tensor) -> Tensor:
        """Log-probability ``()`` of the slots that the blocks of a partition have, were there slots without end."""
        ...


class Family(ABC):
    """A family of priors, mixed over the grids of its hyper-parameters.

    Its laws are written for all members at once: counts ``(..., 1, C)`` and hyper-parameters ``(G, 1)``, in the order
    of ``_hyper``, give ``(..., G)``.
    """

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the hyper-parameters given as grids."""
        return learned(self)

    @property
    def has_urn(self) -> bool:
        """Not where a subclass says anew what the predictive is."""
        return type(self).log_predictive is Family.log_predictive

    def draw(self, counts: Tensor, ordered: bool = False) -> Self:
        r"""This prior with its grids replaced by a draw given counts ``(C,)``, :math:`p(g) \propto w_g p(n \mid g)`.

        Args:
            counts: ``(C,)``.
            ordered: whether they belong to slots under truncated weights (``log_marginal``) and not to a partition.
        """
        if not self.learned:
            return self
        g = int(drawn(self._posterior(counts, ordered)))
        values = dict(zip(self._hyper(), self._members[0], strict=True))
        numbers = {name: float(values[name][g]) for name in self.learned}
        return replace(self, **numbers)  # type: ignore[type-var]

    def log_predictive(self, counts: Tensor) -> Tensor:
        """Log-probability ``(C,)`` of each slot for the next point; empty slots share that of a new cluster."""
        n, used = counts.to(torch.float64), (counts > 0).sum()
        old, new = self._log_urn(n, n.sum()[None], used[None], len(n), self._columns(counts))
        old, new = old.masked_fill(counts == 0, -torch.inf), new[:, 0]
        each = torch.where(counts > 0, old, new - (len(n) - used).log())
        each = each - torch.logaddexp(old.logsumexp(1, keepdim=True), new)
        if len(each) == 1:
            return each[0]
        return (self._posterior(counts, ordered=False).log_softmax(-1)[:, None] + each).logsumexp(0)

    def log_urn(self, sizes: Tensor, totals: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
        """What the predictive is made of; hyper-parameters must be numbers, as after ``draw``."""
        used = torch.arange(capacity + 1, device=sizes.device)
        old, new = self._log_urn(sizes.to(torch.float64), totals.to(torch.float64), used, capacity, self._columns(used))
        return old[0], new[0]

    def log_eppf(self, counts: Tensor) -> Tensor:
        """Log exchangeable partition probability ``(...)`` of the block sizes ``(..., C)`` that are not zero."""
        return self._posterior(counts, ordered=False).logsumexp(-1)

    def sample_log_weights(self, counts: Tensor) -> Tensor:
        """A draw ``(C,)`` of the log-weights of the slots given the counts."""
        return self.draw(counts, ordered=True)._sample_log_weights(counts.to(torch.float64))

    def log_marginal(self, counts: Tensor) -> Tensor:
        """Log-probability ``(...)`` of one label vector with the counts ``(..., C)`` under the truncated weights."""
        return self._posterior(counts, ordered=True).logsumexp(-1)

    @abstractmethod
    def _hyper(self) -> dict[str, float | Grid]:
        """The hyper-parameters by name, in the order in which the laws take them."""

    @abstractmethod
    def _log_urn(
        self, sizes: Tensor, totals: Tensor, used: Tensor, capacity: int, hyper: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Log-weights ``(G, S)`` of clusters, and ``(G, T or 1, U)`` of a new one beside ``used`` ``(U,)``."""

    @abstractmethod
    def _log_eppf(self, n: Tensor, hyper: list[Tensor]) -> Tensor: ...

    @abstractmethod
    def _sample_log_weights(self, n: Tensor) -> Tensor: ...

    @abstractmethod
    def _log_marginal(self, n: Tensor, hyper: list[Tensor]) -> Tensor: ...

    @cached_property
    def _members(self) -> tuple[list[Tensor], Tensor]:
        return joint(*self._hyper().values())

    @cached_property
    def _placed(self) -> dict[torch.device, tuple[list[Tensor], Tensor]]:
        return {}

    def _on(self, device: torch.device) -> tuple[list[Tensor], Tensor]:
        # The members on a device, copied there once.
        if device not in self._placed:
            values, log_weights = self._members
            self._placed[device] = [_placed(value, device) for value in values], _placed(log_weights, device)
        return self._placed[device]

    def _columns(self, counts: Tensor) -> list[Tensor]:
        return [value[:, None] for value in self._on(counts.device)[0]]

    def _posterior(self, counts: Tensor, ordered: bool) -> Tensor:
        law = self._log_marginal if ordered else self._log_eppf
        n = counts.to(torch.float64)[..., None, :]
        return law(n, self._columns(counts)) + self._on(counts.device)[1]


def _placed(values: Tensor, device: torch.device) -> Tensor:
    # A host does not wait where nothing is copied: to fill a tensor with one number asks for no copy.
    one = len(values) == 1
    return torch.full((1,), float(values), dtype=values.dtype, device=device) if one else values.to(device)


def log_gamma_sample(shape: Tensor) -> Tensor:
    """Logs of draws from Gamma(shape, 1)."""
    # G(a) = G(a + 1) U^(1/a): a plain draw underflows to 0 for the small shapes of empty slots.
    gamma = Gamma(shape + 1, torch.ones_like(shape), validate_args=False)  # a GPU would wait for the validation
    return gamma.sample().log() + torch.rand_like(shape).log() / shape
