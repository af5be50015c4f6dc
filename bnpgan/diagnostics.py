r"""Chains of label vectors: traces, how well the chains mixed, and point estimates of the partition.

``Sampler.chain`` makes a :class:`Chains`. All its methods but ``summary`` pool the draws of all seeds, and none depends
on how the slots are numbered.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from bnpgan.whole import check_whole

__all__ = ["Chains"]

MAX_POINTS = 10_000
"""Points above which an N x N matrix is refused: in single precision it takes 400 MB."""

MAX_CANDIDATES = 500
"""Draws among which a point estimate is sought: time grows with their number times that of all draws."""

CHUNK = 10_000_000
"""Numbers that are computed at a time, 80 MB in double precision."""


@dataclass(frozen=True, eq=False)
class Chains:
    r"""Draws of several independent chains.

    Args:
        labels: ``(S, n, N)`` int64, ``n`` label vectors from each of ``S`` seeds; ``labels[s]`` are the frames of an
            animation. They take 8 bytes a label, 320 MB for 4 chains of 1,000 draws of 10,000 points: raise ``thin``
            where that is too much.
        trace: quantities by name, ``(S, n)`` each: ``clusters``, ``log_joint`` and every learned hyper-parameter.
        seeds: the seed of each chain.
        seconds: how long all chains took.

    Example:
        >>> labels = torch.tensor([[[0, 0, 1], [0, 0, 1], [2, 2, 2]], [[1, 1, 0], [3, 3, 1], [0, 1, 2]]])
        >>> chains = Chains(labels, {"clusters": torch.tensor([[2, 2, 1], [2, 2, 3]])}, seeds=(0, 1), seconds=0.1)
        >>> chains.binder(), chains.variation_of_information()
        (tensor([0, 0, 1]), tensor([0, 0, 1]))
    """

    labels: Tensor
    trace: dict[str, Tensor]
    seeds: tuple[int, ...]
    seconds: float

    def __repr__(self) -> str:
        S, n, N = self.labels.shape
        return f"Chains({S} seeds, {n:,} draws of {N:,} points; {', '.join(self.trace)})"

    def summary(self) -> Any:
        r"""Mean, standard deviation, R-hat and effective sample sizes of each traced quantity, by arviz.

        R-hat compares the spread between chains, each cut in two, with the spread within them: above 1.01 they have not
        mixed. The effective sample size is the number of independent draws that would estimate the centre
        (``ess_bulk``) or the tails (``ess_tail``) as well. Both are NaN for a quantity that never varied.

        Returns:
            A pandas data frame: a row for each quantity; columns ``mean``, ``sd``, ``r_hat``, ``ess_bulk``,
            ``ess_tail``. R-hat is NaN where there is only one seed, all three where there are fewer than four draws.

        Raises:
            ModuleNotFoundError: if arviz is missing.

        References:
            Vehtari, Gelman, Simpson, Carpenter and Bürkner, "Rank-normalization, folding, and localization: an improved
            R-hat for assessing convergence of MCMC", 2021.
        """
        posterior = self.to_arviz()
        with np.errstate(invalid="ignore"), warnings.catch_warnings():  # 0 / 0 where a quantity never varied
            warnings.filterwarnings("ignore", "More chains")  # than draws: the effective ones say so
            table = _arviz().summary(posterior, round_to="none")
        constant = [name for name, value in self.trace.items() if (value == value[0, 0]).all()]
        table.loc[constant, ["r_hat", "ess_bulk", "ess_tail"]] = np.nan  # arviz counts each draw of a constant
        table.loc[constant, "sd"] = 0.0  # which rounding may hide
        return table[["mean", "sd", "r_hat", "ess_bulk", "ess_tail"]]

    def to_arviz(self) -> Any:
        """The traces as the group ``posterior`` of an arviz ``InferenceData``, a chain for each seed.

        Raises:
            ModuleNotFoundError: if arviz is missing.
        """
        values = {name: value.cpu().numpy() for name, value in self.trace.items()}
        return _arviz().from_dict(posterior=values, coords={"chain": list(self.seeds)})

    def number_of_clusters(self) -> dict[int, float]:
        r"""The share of draws with each number of clusters, :math:`P(K \mid x)`.

        Example:
            >>> labels = torch.tensor([[[0, 0, 1], [0, 0, 1], [2, 2, 2], [0, 1, 2]]])
            >>> Chains(labels, {"clusters": torch.tensor([[2, 2, 1, 3]])}, (0,), 0.1).number_of_clusters()
            {1: 0.25, 2: 0.5, 3: 0.25}
        """
        values, counts = self.trace["clusters"].unique(return_counts=True)
        return dict(zip(values.tolist(), (counts.double() / counts.sum()).tolist(), strict=True))

    def coclustering(self) -> Tensor:
        r"""The share of draws in which two points are together, :math:`\pi_{ij} = P(z_i = z_j \mid x)`.

        Returns:
            ``(N, N)`` float32, symmetric, with ones on the diagonal.

        Raises:
            ValueError: if there are more than 10,000 points.

        Example:
            >>> labels = torch.tensor([[[0, 0, 1], [0, 0, 1], [2, 2, 2], [0, 1, 2]]])
            >>> Chains(labels, {}, (0,), 0.1).coclustering()[0]
            tensor([1.0000, 0.7500, 0.2500])
        """
        N = self.labels.shape[-1]
        if N > MAX_POINTS:
            raise ValueError(
                f"labels must be of at most {MAX_POINTS:,} points for an N x N matrix, got {N:,}: "
                "keep the columns of some, e.g. replace(chains, labels=chains.labels[..., :1000])"
            )
        draws, counts = _distinct(self.labels.flatten(0, 1))
        K = int(draws.max()) + 1
        together = torch.zeros(N, N, device=draws.device)
        size = max(1, CHUNK // (N * K))
        for z, n in zip(draws.split(size), counts.split(size), strict=True):
            member = one_hot(z.T, K).flatten(1).to(together.dtype)  # (N, draws x clusters)
            # Single precision is exact: these are whole numbers below 2^24.
            together += (member * n.repeat_interleave(K)) @ member.T
        return together / counts.sum()

    def binder(self) -> Tensor:
        r"""The sampled partition ``(N,)`` of least expected Binder loss: pairs together in one and apart in the other.

        With overlaps :math:`n_{kl} = |\{i: c_i = k, z_i = l\}|` the loss of a partition :math:`c` is

        .. math:: \sum_{i,j} |1_{c_i = c_j} - 1_{z_i = z_j}| =
            \sum_k n_{k \cdot}^2 + \sum_l n_{\cdot l}^2 - 2 \sum_{k,l} n_{kl}^2

        The same partition is the nearest to the co-clustering matrix by least squares. Small clusters weigh little in
        this loss, so that estimates tend to have a few clusters too many.

        The expectation is exact over all draws; the candidates are the partitions of at most 500 of them, evenly
        spaced. Clusters are numbered by first appearance.

        References:
            Binder, "Bayesian cluster analysis", 1978; Dahl, "Model-based clustering for expression data via a Dirichlet
            process mixture model", 2006 (least squares).
        """
        return self._estimate(torch.square)

    def variation_of_information(self) -> Tensor:
        r"""The sampled partition ``(N,)`` of least expected variation of information.

        With the overlaps :math:`n_{kl}` of ``binder`` the loss of a partition :math:`c` is

        .. math:: H(c) + H(z) - 2 I(c, z) = \frac1N \Big( \sum_k n_{k \cdot} \log n_{k \cdot}
            + \sum_l n_{\cdot l} \log n_{\cdot l} - 2 \sum_{k,l} n_{kl} \log n_{kl} \Big)

        Expectation, candidates and numbering are those of ``binder``.

        References:
            Meilă, "Comparing clusterings: an information based distance", 2007;
            Wade and Ghahramani, "Bayesian cluster analysis: point estimation and credible balls", 2018.
        """
        return self._estimate(lambda n: torch.xlogy(n, n))

    def _estimate(self, g: Callable[[Tensor], Tensor]) -> Tensor:
        # Both losses are sum g(n_k.) + sum g(n_.l) - 2 sum g(n_kl); the second term is the same for all candidates.
        pooled = self.labels.flatten(0, 1)
        draws, counts = _distinct(pooled)
        candidates, _ = _distinct(pooled[:: -(-len(pooled) // MAX_CANDIDATES)])
        N, K = draws.shape[1], int(draws.max()) + 1
        values = g(torch.arange(N + 1, dtype=torch.float64, device=draws.device))
        size = max(1, CHUNK // max(N, K * K))
        losses = torch.stack([values[c.bincount()].sum() for c in candidates])
        for z, n in zip(draws.split(size), counts.split(size), strict=True):
            cells = (torch.arange(len(z), device=z.device)[:, None] * K + z) * K
            share = n.to(values.dtype) / counts.sum()
            for q, c in enumerate(candidates):
                tables = torch.bincount((cells + c).flatten(), minlength=len(z) * K * K)
                losses[q] -= 2 * values[tables].view(len(z), -1).sum(1) @ share
        return candidates[losses.argmin()]


def check_run(n: int, burn_in: int, thin: int, seeds: Sequence[int]) -> None:
    """Raise a ``ValueError`` unless there is a draw to keep and each chain has a seed of its own."""
    for name, value, least in (("n", n, 1), ("burn_in", burn_in, 0), ("thin", thin, 1)):
        check_whole(name, value, least, "pass e.g. 100")
    whole = isinstance(seeds, Sequence) and all(isinstance(seed, Integral) for seed in seeds)
    if not whole or not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be whole numbers that differ, got {seeds}: pass one for each chain, e.g. (0, 1)")


def _distinct(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The partitions among label vectors ``(M, N)``, numbered by first appearance, and how often each occurs."""
    M, N = labels.shape
    place = torch.arange(N, device=labels.device).expand(M, N)
    first = place.new_full((M, int(labels.max()) + 1), N).scatter_reduce(1, labels, place, "amin")
    return torch.unique(first.argsort(1).argsort(1).gather(1, labels), dim=0, return_counts=True)


def _arviz() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # arviz announces its version 1 daily; the extra asks for an older one
        try:
            import arviz
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("arviz is missing: pip install 'bnpgan[arviz]'") from error
    return arviz
