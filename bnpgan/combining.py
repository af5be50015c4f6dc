"""Components combined into clusters: several Gaussians may describe one cluster that is none (Baudry et al. 2010)."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Combination", "combine"]


@dataclass(frozen=True, eq=False)
class Combination:
    """What :func:`combine` finds: for each number of clusters, from all used components down to one.

    Args:
        slots: ``(L, K)``, row ``m - 1`` of ``m`` clusters: the cluster of each of the ``K`` slots, named by one of its
            slots; an unused slot is its own.
        entropies: ``(L,)``, the entropy of the assignment of all points to ``m`` clusters, in nats.
        number: where the entropy bends: up to so many clusters it costs little to tell them apart.
    """

    slots: Tensor
    entropies: Tensor
    number: int

    def labels(self, labels: Tensor, clusters: int | None = None) -> Tensor:
        """The labels ``(N,)`` of points by so many clusters, ``number`` by default, given those by slots.

        Raises:
            ValueError: if there are not so many.
        """
        m = self.number if clusters is None else clusters
        if not 1 <= m <= len(self.slots):
            raise ValueError(f"clusters must be 1 to {len(self.slots)}, the number of used slots, got {m}")
        return self.slots[m - 1][labels]


def combine(responsibilities: Tensor) -> Combination:
    r"""Combine two clusters after another, those whose difference leaves the points most in doubt.

    .. math:: \max_{k, l} \; -\sum_i \big( t_{ik} \log t_{ik} + t_{il} \log t_{il} \big)
        + \sum_i (t_{ik} + t_{il}) \log (t_{ik} + t_{il})

    The density of the points stays what it is: only which components are read as one cluster changes. The number of
    clusters is where two straight lines fit the entropies best, by least squares.

    Args:
        responsibilities: :math:`t` ``(N, K)``, of a partition ``partition.responsibilities(x)``.

    Raises:
        ValueError: if it is not such a matrix.

    Example:
        >>> import torch
        >>> x = torch.tensor([[-9.0], [-9.1], [9.0], [9.1], [9.2]], dtype=torch.float64)
        >>> t = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 0.5, 0.5], [0, 0.6, 0.4], [0, 0.4, 0.6]])
        >>> combine(t).labels(torch.tensor([0, 0, 1, 1, 2]), clusters=2)
        tensor([0, 0, 1, 1, 1])

    References:
        Baudry, Raftery, Celeux, Lo and Gottardo, "Combining mixture components for clustering", 2010, Eqs. 8-9 and
        section 4 (piecewise linear regression).
    """
    t = torch.as_tensor(responsibilities).to(torch.float64)
    if t.ndim != 2 or not len(t) or not (t >= 0).all() or not torch.allclose(t.sum(1), t.new_ones(len(t)), atol=1e-5):
        raise ValueError(
            f"responsibilities must be (N, K), each row of sum 1, got shape {tuple(t.shape)}: pass "
            "partition.responsibilities(x)"
        )
    K, t = t.shape[1], t.T.clone()
    used = (t.sum(1) > 0).nonzero().flatten().tolist()
    own = -torch.xlogy(t, t).sum(1)
    gains = t.new_full((K, K), -torch.inf)

    def compare(k: int, others: list[int]) -> None:
        both = t[k] + t[others]
        value = own[k] + own[others] + torch.xlogy(both, both).sum(1)
        gains[k, others], gains[others, k] = value, value

    for place, k in enumerate(used[1:], 1):
        compare(k, used[:place])
    slots, rows, entropies = torch.arange(K, device=t.device), list[Tensor](), list[float]()
    while True:
        rows.append(slots.clone())
        entropies.append(float(own[used].sum()))
        if len(used) == 1:
            break
        k, other = divmod(int(gains.argmax()), K)
        t[k] += t[other]
        own[k] = -torch.xlogy(t[k], t[k]).sum()
        slots[slots == other] = k
        used.remove(other)
        gains[other], gains[:, other] = -torch.inf, -torch.inf
        if len(used) > 1:
            compare(k, [each for each in used if each != k])
    found = torch.tensor(entropies[::-1], dtype=torch.float64)
    return Combination(torch.stack(rows[::-1]), found, _bend(found))


def _bend(entropies: Tensor) -> int:
    # Of 1, ..., L clusters, the one at which two lines meet that fit best; all of them where there are but two.
    L = len(entropies)
    if L < 3:
        return L
    m = torch.arange(1, L + 1, dtype=torch.float64)
    errors = []
    for bend in range(2, L):
        left, right = (m - bend).clamp(max=0), (m - bend).clamp(min=0)
        design = torch.stack([torch.ones_like(m), left, right], 1)
        fit = design @ torch.linalg.lstsq(design, entropies[:, None]).solution
        errors.append(float((fit[:, 0] - entropies).square().sum()))
    return 2 + min(range(len(errors)), key=errors.__getitem__)
