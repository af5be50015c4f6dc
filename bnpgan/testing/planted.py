"""Samplers with one planted error each, made from a right one: they test the tests."""

import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Beta

from bnpgan.components import Stats
from bnpgan.priors import DirichletProcess, FiniteDirichlet, Prior
from bnpgan.priors.two_parameter import TwoParameter
from bnpgan.samplers import Sampler, Wrapper
from bnpgan.testing.law import log_namings
from bnpgan.testing.points import check_few

__all__ = ["planted_errors"]


def planted_errors(sampler: Sampler, x: Tensor | None = None) -> dict[str, Sampler]:
    """Wrong versions of a sampler by the name of their error; errors that cannot change its steps are left out.

    Each still states the law of the right sampler, unless the error is in the stated law.

    Args:
        sampler: one that is right.
        x: points ``(N, D)`` for one step, in which it is recorded which methods of its parts it calls; ``None``: those
            of :func:`~bnpgan.testing.check_sampler`.

    Raises:
        ValueError: if there are too few points or too many.

    Example:
        >>> from bnpgan.components import NormalInverseWishart
        >>> from bnpgan.priors import DirichletProcess
        >>> from bnpgan.samplers import IGMM
        >>> wrong = planted_errors(IGMM(DirichletProcess(1.0), NormalInverseWishart(scale=1.0), capacity=6))
        >>> list(wrong)[3:]
        ['new-cluster mass not shared', 'parameters not drawn']
    """
    x = check_few(x, thorough=False)
    prior, family = sampler.prior, sampler.component
    calls = _calls(sampler, x)
    errors: dict[str, Sampler] = {
        "never moves": NeverMoves(sampler),
        "proposal not checked": ProposalNotChecked(sampler),
        "names forgotten": NamesForgotten(sampler),
    }

    def plant(error: str, bears: bool, **parts: Callable[[], Any]) -> None:
        if bears:
            with warnings.catch_warnings(action="ignore"):  # that wrong parts lose their compiled loops
                errors[error] = replace(sampler, **{name: make() for name, make in parts.items()})  # type: ignore[type-var]

    discount, sticks = isinstance(prior, TwoParameter), "sample_log_weights" in calls["prior"]
    plant("new-cluster mass not shared", "log_urn_of" in calls["prior"], prior=lambda: _unshared(prior))
    plant("discount forgotten", bool(getattr(prior, "discount", 0)), prior=lambda: _without_discount(prior))
    plant("learned prior not conditioned", bool(prior.learned), prior=lambda: _unconditioned_prior(prior))
    plant("later slots ignored", sticks and discount, prior=lambda: broken(prior, sample_log_weights=_forgetful))
    plant("weak limit for sticks", sticks and discount, prior=lambda: _weak_limit(prior))
    plant("parameters not drawn", "posterior_sample" in calls["component"], component=lambda: _means_for_draws(family))
    plant("points not removed", "add_" in calls["component"], component=lambda: _only_adding(family))
    plant(
        "learned scale maximised", bool(family.learned), component=lambda: broken(family, draw=lambda _, stats: stats)
    )
    plant("learned scale not conditioned", bool(family.learned), component=lambda: _unconditioned_family(family))
    plant("evidence wrong alike", "log_predictive" in calls["component"], component=lambda: _sociable(family))
    return errors


# Wrong steps, and a wrong law.


class NeverMoves(Wrapper):
    """A chain that stays where it is; started at a draw of its law, it would seem right."""

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """The labels as they were."""
        return labels


class ProposalNotChecked(Wrapper):
    """After each sweep a point moves to a random slot, without the acceptance ratio of such a move."""

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """A sweep of the base, and the move."""
        labels = self.base.step(x, labels).clone()
        labels[torch.randint(len(labels), ())] = torch.randint(self.capacity, ())
        return labels


class NamesForgotten(Wrapper):
    """It states the probability of the partition in place of that of the label vector, one of its names."""

    def log_prior(self, labels: Tensor) -> Tensor:
        """That of the base times the number of names."""
        return self.base.log_prior(labels) + log_namings(labels.tolist(), self.capacity)


# Wrong parts.


def broken(part: Any, **methods: Callable) -> Any:
    """A prior or a family with other methods in place of its own."""
    kind = type(type(part).__name__, (type(part),), methods)
    return kind(**{f.name: getattr(part, f.name) for f in fields(part) if f.init})


def _calls(sampler: Sampler, x: Tensor) -> dict[str, set[str]]:
    # Which methods of its parts a sampler calls in a step.
    calls: dict[str, set[str]] = {"prior": set(), "component": set()}
    watch = {
        "prior": (sampler.prior, ("log_urn_of", "sample_log_weights")),
        "component": (sampler.component, ("log_predictive", "posterior_sample", "add_")),
    }

    def spy(part: str, name: str, method: Callable) -> Callable:
        def watched(*args: Any, **kwargs: Any) -> Any:
            calls[part].add(name)
            return method(*args, **kwargs)

        return watched

    parts = {
        part: broken(
            value, **{name: spy(part, name, getattr(type(value), name)) for name in names if hasattr(value, name)}
        )
        for part, (value, names) in watch.items()
    }
    with warnings.catch_warnings(action="ignore"):
        watching: Sampler = replace(sampler, **parts)  # type: ignore[type-var]
    watching.step(x, torch.zeros(len(x), dtype=torch.int64, device=x.device))
    return calls


def _unshared(prior: Any) -> Any:
    def log_urn(self: Any, sizes: Tensor, totals: Tensor, used: Tensor, capacity: int, hyper: Any) -> Any:
        old, new = type(prior).log_urn_of(self, sizes, totals, used, capacity, hyper)
        return old, new + (capacity - used).log()

    return broken(prior, log_urn_of=log_urn)


def _without_discount(prior: Any) -> Any:
    def draw(self: Any, counts: Tensor, ordered: bool = False) -> Prior:
        return DirichletProcess(type(prior).draw(self, counts, ordered).concentration)

    return broken(prior, draw=draw)


def _unconditioned_prior(prior: Any) -> Any:
    def draw(self: Any, counts: Tensor, ordered: bool = False) -> Prior:
        return type(prior).draw(self, torch.zeros_like(counts), ordered)

    return broken(prior, draw=draw)


def _forgetful(self: Any, counts: Tensor) -> Tensor:
    # Each stick counts the points that stopped at it, and not those that went on.
    n, k = counts[:-1], torch.arange(1, len(counts), device=counts.device)
    v = Beta(1 - self.discount + n, self.concentration + self.discount * k).sample().to(torch.float64)
    end = v.new_zeros(1)
    return torch.cat([v.log(), end]) + torch.cat([end, (1 - v).log().cumsum(0)])


def _weak_limit(prior: Any) -> Any:
    # A law that tends to the Dirichlet process as C grows, but is not its truncation.
    def log_marginal(self: Any, n: Tensor, hyper: Any) -> Tensor:
        return FiniteDirichlet(self.concentration).log_marginal_of(n, hyper)

    def sample_log_weights(self: Any, n: Tensor, hyper: Any) -> Tensor:
        return FiniteDirichlet(self.concentration).sample_log_weights_of(n, hyper)

    return broken(prior, log_marginal_of=log_marginal, sample_log_weights_of=sample_log_weights)


def _means_for_draws(family: Any) -> Any:
    return broken(family, posterior_sample=type(family).posterior_mean)


def _only_adding(family: Any) -> Any:
    def add_(self: Any, stats: Stats, k: int, x: Tensor, sign: int = 1) -> None:
        if sign == 1:
            type(family).add_(self, stats, k, x)

    return broken(family, add_=add_)


def _unconditioned_family(family: Any) -> Any:
    def draw(self: Any, stats: Any) -> Stats:
        return type(family).draw(self, replace(stats, log_posterior=torch.zeros_like(stats.log_posterior)))

    return broken(family, draw=draw)


def _sociable(family: Any) -> Any:
    # Marginals and predictives are too large for large clusters, but predictives still are ratios of marginals.
    def log_marginal(self: Any, stats: Stats) -> Tensor:
        return type(family).log_marginal(self, stats) + 0.25 * stats.n * (stats.n - 1)

    def log_predictive(self: Any, stats: Stats, x: Tensor) -> Tensor:
        return type(family).log_predictive(self, stats, x) + 0.5 * stats.n

    def log_evidence(self: Any, stats: Stats) -> Tensor:
        return family.log_evidence(stats) + (0.25 * stats.n * (stats.n - 1)).sum()

    return broken(family, log_marginal=log_marginal, log_predictive=log_predictive, log_evidence=log_evidence)
