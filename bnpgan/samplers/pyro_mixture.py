"""Mixtures of whatever Pyro can describe: truncated stick-breaking by stochastic variational inference."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyro
import torch
from pyro import distributions as dist
from pyro import poutine
from pyro.infer import Trace_ELBO
from pyro.poutine.util import site_is_subsample as is_plate
from torch import Tensor
from torch.distributions import Distribution
from tqdm.auto import tqdm

from bnpgan.components.described import Description, described, numbers_like
from bnpgan.components.distributions import Components
from bnpgan.engine.quadratic import squared_distances
from bnpgan.partition import Partition, check_labels, check_points
from bnpgan.samplers.base import Clusterer, check_limits
from bnpgan.samplers.kmeans import kmeans_plus_plus, seeded_labels
from bnpgan.samplers.normals import Latent, Normals
from bnpgan.whole import keep_whole

__all__ = ["PyroMixture"]

Moments = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class PyroMixture(Clusterer):
    r"""A Dirichlet-process mixture of any clusters that one function describes in Pyro.

    .. math:: v_k \sim Beta(1, \alpha), \quad w_k = v_k \prod_{l < k} (1 - v_l), \quad v_C = 1, \qquad
        \theta_k \sim p(\theta), \quad x_i \sim \sum_k w_k \, p(x \mid \theta_k)

    The function is given the mean and the standard deviation of the points, ``(D,)`` each, to set scales by. It runs
    inside a plate of ``C`` clusters: it samples :math:`\theta` by ``pyro.sample`` and returns :math:`p(x \mid \theta)`,
    a distribution of batch shape ``(C,)`` and event shape ``(D,)``. The assignments of the points are summed out.
    Sticks and parameters, which must be continuous, have a posterior :math:`q` of independent Normals on the real line,
    and natural gradients on mini-batches maximise

    .. math:: E_q \Big[ \beta \sum_i \log \sum_k w_k \, p(x_i \mid \theta_k)
        + \log \frac{p(v, \theta)}{q(v, \theta)} \Big]

    For a fifth of the steps the labels are held fixed, those given or those of the nearest k-means++ seed, which puts
    the clusters in their places. Then they are free, while the weight :math:`\beta` of the likelihood rises to 1 from
    that of as many points as there are numbers to learn: with so few points, of several clusters that share a mode all
    but one cost more than they explain, and vanish. It is no Markov chain: each point gets the most probable slot at
    the medians of :math:`q`.

    A saved partition holds only the name of the function: to load one, make a ``PyroMixture`` of the function first, or
    pass it by ``load(..., gan=...)``.

    Args:
        component: the function of ``mean`` and ``std``.
        capacity: the truncation ``C``; twice the number of clusters that you expect is enough.
        concentration: :math:`\alpha > 0`.
        steps: gradient steps in ``fit``.
        learning_rate: of the natural gradients, at most 1; it falls to a tenth.
        batch: points in a mini-batch.
        max_dim, max_points: see :class:`~bnpgan.samplers.base.Clusterer`.

    Raises:
        ValueError: if a number is out of range; from methods, if points or labels are not valid, or ``component`` does
            not describe such points.

    Example:
        >>> def blob(mean, std):
        ...     loc = pyro.sample("loc", dist.Normal(mean, 3 * std).to_event(1))
        ...     return dist.Laplace(loc, 0.1 * std).to_event(1)
        >>> x = torch.tensor([[0.0], [0.1], [0.2], [90.0], [90.1]])
        >>> p = PyroMixture(blob, capacity=3, steps=100).fit(x)
        >>> bool(p.labels[0] == p.labels[3])
        False

    References:
        Blei and Jordan, "Variational inference for Dirichlet process mixtures", 2006 (the truncated posterior);
        Hoffman, Blei, Wang and Paisley, "Stochastic variational inference", 2013 (natural gradients, mini-batches);
        Kucukelbir et al., "Automatic differentiation variational inference", 2017 (Normals on the real line);
        Bingham et al., "Pyro: deep universal probabilistic programming", 2019.
    """

    component: Description
    capacity: int = 20
    concentration: float = 1.0
    steps: int = 400
    learning_rate: float = 0.3
    batch: int = 512
    max_dim: int | None = 32
    max_points: int | None = None
    kind: Callable[..., Components] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_limits(self)
        if not callable(self.component):
            raise ValueError(f"component must be a function of mean and std, got {self.component}: see the example")
        if not 0 < self.concentration < float("inf"):
            raise ValueError(f"concentration must be positive and finite, got {self.concentration}: pass e.g. 1.0")
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate must lie in (0, 1], got {self.learning_rate}: pass e.g. 0.3")
        for name in ("steps", "batch"):
            keep_whole(self, name, 1, "pass e.g. 400")
        object.__setattr__(self, "kind", described(self.component))

    def fit(self, x: Tensor, labels: Tensor | None = None) -> Partition:
        """Partition the points ``(N, D)``, starting from ``labels`` ``(N,)`` where they are given.

        A slot without points is then seeded by k-means++ and takes the points that are nearer to its seed than to the
        mean of their own cluster, so that a warm start can find more clusters than it is given.
        """
        x = check_points(x).to(torch.float64)
        if labels is None:
            labels = seeded_labels(x, self.capacity)
        else:
            labels = _filled(x, check_labels(labels, self.capacity, len(x), x.device), self.capacity)
        return self._learn(x, labels, held=False)

    def partition(self, x: Tensor, labels: Tensor) -> Partition:
        """The mixture learned while these labels ``(N,)`` are held fixed."""
        x = check_points(x).to(torch.float64)
        return self._learn(x, check_labels(labels, self.capacity, len(x), x.device), held=True)

    def _learn(self, x: Tensor, labels: Tensor, held: bool) -> Partition:
        std = x.std(0, correction=0)
        if not (std > 0).any():
            raise ValueError("x holds points that are all equal, of no std that component could be given: pass others")
        moments = x.mean(0), torch.where(std > 0, std, std.max())
        with numbers_like(x):
            guide = Normals(self._latents(x, moments), self.capacity)
            self._ascend(guide, x, labels, held, moments)
        latents = guide.median()
        log_weights = log_weights_of(latents.pop("sticks"))
        tensors = {f"latent.{name}": value for name, value in latents.items()}
        tensors |= {"data.mean": moments[0].repeat(self.capacity, 1), "data.std": moments[1].repeat(self.capacity, 1)}
        if not held:
            labels = self.kind(**tensors).assign(x, log_weights)
        mean = Partition.from_labels(x, labels, self.capacity).components.mean
        parts = [x[labels == k] - mean[k] for k in range(self.capacity)]
        covariance = torch.stack([part.T @ part / max(1, len(part)) for part in parts])
        empty = torch.tensor([not len(part) for part in parts], device=x.device)
        log_weights = log_weights.masked_fill(empty, -torch.inf).log_softmax(0)
        return Partition(labels, log_weights, self.kind(mean=mean, covariance=covariance, **tensors))

    def _ascend(self, guide: Normals, x: Tensor, labels: Tensor, held: bool, moments: Moments) -> None:
        fewest = min(1.0, guide.size / len(x))
        # Validation would take half of the time, and ``_latents`` has checked what can be wrong.
        with torch.enable_grad(), pyro.validation_enabled(False):
            for t in tqdm(range(self.steps), desc="PyroMixture", delay=5, leave=False, disable=None, unit="step"):
                done = max(0.0, 1.25 * t / self.steps - 0.25)  # share of the steps with free labels that are done
                beta = 1.0 if held else fewest ** max(0.0, 1 - done / 0.6)
                i = torch.randint(len(x), (self.batch,), device=x.device) if self.batch < len(x) else slice(None)
                z = labels[i] if held or not done else None
                loss = Trace_ELBO().differentiable_loss(self._model, guide, x[i], z, beta * len(x), moments)
                if not bool(loss.isfinite()):
                    raise ValueError(
                        f"component must give finite densities, got a bound of {-loss:g} on the evidence: "
                        "lower learning_rate, or give its parameters priors of lighter tails"
                    )
                guide.step(loss, self.learning_rate * 0.1**done)

    def _model(self, x: Tensor, labels: Tensor | None, weight: float, moments: Moments) -> None:
        sticks, cluster = self._prior(moments)
        log_joint = log_weights_of(sticks) + cluster.log_prob(x[:, None])
        each = log_joint.logsumexp(1) if labels is None else log_joint.gather(1, labels[:, None])
        pyro.factor("points", weight * each.mean())

    def _prior(self, moments: Moments) -> tuple[Tensor, Distribution]:
        with pyro.plate("clusters", self.capacity):
            return pyro.sample("sticks", dist.Beta(1.0, self.concentration)), self.component(*moments)

    def _latents(self, x: Tensor, moments: Moments) -> dict[str, Latent]:
        with pyro.validation_enabled(True):
            trace = poutine.trace(self._prior).get_trace
            draws: list[dict[str, Any]] = [dict(trace(moments).nodes) for _ in range(-(-100 // self.capacity))]
        cluster = draws[0]["_RETURN"]["value"][1]
        shapes = [tuple(getattr(cluster, f"{of}_shape", ())) for of in ("batch", "event")]
        if shapes != [(self.capacity,), (x.shape[1],)]:
            raise ValueError(
                f"component must return a distribution of batch shape ({self.capacity},) and event shape "
                f"({x.shape[1]},), got {shapes[0]} and {shapes[1]}: sample its parameters and end with .to_event(1)"
            )
        if not bool(cluster.support.check(x[:, None]).all()):
            raise ValueError(f"x must lie in the support of component, {cluster.support}: drop or transform points")
        sites = {name: s for name, s in draws[0].items() if s["type"] in ("sample", "param") and not is_plate(s)}
        for name, site in sites.items():
            law = site["fn"]
            if site["type"] == "param" or law.batch_shape != (self.capacity,) or law.support.is_discrete:
                raise ValueError(
                    f"component must sample continuous parameters, one for each cluster, got {name!r}: "
                    "sum out what is discrete, and leave out pyro.param and plates"
                )
        return {n: (s["fn"].support, torch.cat([nodes[n]["value"] for nodes in draws])) for n, s in sites.items()}


def log_weights_of(sticks: Tensor) -> Tensor:
    r"""Logs ``(C,)`` of :math:`v_k \prod_{l < k} (1 - v_l)`; the last stick counts as 1, whatever was drawn for it."""
    end = sticks.new_zeros(1)
    return torch.cat([sticks[:-1].log(), end]) + torch.cat([end, (-sticks[:-1]).log1p().cumsum(0)])


def _filled(x: Tensor, labels: Tensor, capacity: int) -> Tensor:
    empty = (torch.bincount(labels, minlength=capacity) == 0).nonzero().flatten()
    if not len(empty):
        return labels
    own = ((x - Partition.from_labels(x, labels, capacity).components.mean[labels]) ** 2).sum(1)
    nearest = squared_distances(x, x[kmeans_plus_plus(x, len(empty))]).min(1)
    return torch.where(nearest.values < own, empty[nearest.indices], labels)
