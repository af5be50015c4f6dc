r"""Which Gaussian of a mixture each point belongs to, drawn or the likeliest: at the speed of single precision.

The log-densities are one matrix product of the quadratic features of the points, see ``quadratic.py``. It is taken in
single precision, for points around the mean of the mixture and in units of its covariance, and only for the slots that
may matter. Where its error could have led to another slot the point is computed again in double precision, so that all
slots are as double precision has them.
"""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from bnpgan.engine.decompositions import cholesky, inverse_of_factor
from bnpgan.engine.inversion import invert_columns
from bnpgan.engine.quadratic import form_weights, gaussian_form, log_densities, points_at_once
from bnpgan.waits import read

BLOCK = 4000  # points at a time; by a power of 2 all numbers of one point would fall into one set of the cache
HOPELESS = 1.0  # nats: if log-weights of a usual point may be wrong by more, single precision is not tried
HEAVY = 1e-3  # share of the mixture: slots with more are computed for all points, others where a bound says so
UNSEEN = 22.0  # nats below the largest log-weight: in single precision such weights only add to the doubt (3e-10 each)
SINGLE = 500  # points from which single precision pays; with fewer, its preparations take longer than it saves
SELECTED = 2**12  # points from which it pays to find out which slots matter; with fewer, all slots are computed


def choose(x: Tensor, mean: Tensor, covariance: Tensor, log_weights: Tensor, uniform: Tensor | None = None) -> Tensor:
    r"""A slot ``(N,)`` for each point, :math:`p(k) \propto w_k N(x \mid \mu_k, \Sigma_k)`: drawn, or the likeliest.

    Args:
        x: points ``(N, D)``.
        mean: ``(K, D)``.
        covariance: ``(K, D, D)``.
        log_weights: ``(K,)``, -inf where there is no component.
        uniform: numbers in [0, 1), ``(N,)``, by which slots are drawn, see ``inversion``. ``None``: each point gets the
            slot of the largest share.
    """
    mixture = _Mixture.of(mean, covariance, log_weights)
    x, uniform = x.detach(), mixture.offset[:0] if uniform is None else uniform.double()
    if x.device.type != "cpu":
        return mixture.choose_by_tensors(x, uniform)
    slots, doubt = mixture.choose(x, uniform, torch.float32)
    for rows in doubt.nonzero().flatten().split(BLOCK):
        slots[rows], _ = mixture.choose(x[rows], uniform[rows] if len(uniform) else uniform, torch.float64)
    return slots


@dataclass(frozen=True, eq=False)
class _Mixture:
    # Gaussians in units y = (x - middle) unit in which their mixture has mean 0 and covariance 1, in double precision.
    # The log-weight of slot k at a point is offset_k + phi(y) w_k, and peak_k at its mean mu_k; far_k is the squared
    # length of mu_k in the norm of the precision of slot k.
    middle: Tensor
    unit: Tensor
    share: Tensor
    offset: Tensor
    weights: Tensor
    far: Tensor
    peak: Tensor

    @classmethod
    def of(cls, mean: Tensor, covariance: Tensor, log_weights: Tensor) -> Self:
        mean, covariance, log_weights = (part.detach().double() for part in (mean, covariance, log_weights))
        share = log_weights.softmax(0)
        middle = share @ mean
        apart = mean - middle
        total = (share[:, None, None] * covariance).sum(0) + (share[:, None] * apart).T @ apart
        unit = inverse_of_factor(cholesky(total)).T
        form = gaussian_form(apart @ unit, unit.T @ covariance @ unit)
        # -1e30 in place of -inf and 1e-30 in place of 0 keep differences and quotients finite.
        offset, far = log_weights.clamp(min=-1e30) - 0.5 * form[:, 0, 0], -(form[:, 1:, 0] * (apart @ unit)).sum(1)
        form[:, 0, 0] = 0
        peak = offset + 0.5 * far
        return cls(middle, unit, share, offset, -0.5 * form_weights(form), far.clamp(min=1e-30), peak)

    def among(self, looked: Tensor | None, dtype: torch.dtype) -> "_Among":
        # The slots marked in ``looked`` (K,), or all of them, in single or double precision.
        F, D = self.weights.shape[1], len(self.middle)
        if looked is None:
            slots, weights, offset = torch.arange(len(self.share), device=self.share.device), self.weights, self.offset
        else:
            slots = looked.nonzero().flatten()
            weights, offset = self.weights[slots], self.offset[slots]
        error = torch.stack([part.norm(dim=1).max() for part in weights[:, 1:].split([D, F - D - 1], 1)])
        single = dtype == torch.float32
        error *= 4 * (F**0.5 + 1) * 2**-24 if single else 0
        unseen = UNSEEN if single else 2 * UNSEEN
        return _Among(slots, weights.to(dtype), offset, error, unseen, len(self.share) * math.exp(-unseen))

    def choose(self, x: Tensor, uniform: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        # On a CPU: the slots (N,), and which points are in doubt, (N,).
        slots, doubt = torch.empty(len(x), dtype=torch.int64), torch.empty(len(x), dtype=torch.bool)
        few = dtype == torch.float32 and len(x) >= SELECTED
        looked = self.share >= (self.share.max().clamp(max=HEAVY) if few else 0)
        among, rest = self.among(looked, dtype), _Rest.of(self, ~looked)
        if among.hopeless(x.shape[1]):
            return self.choose(x, uniform, torch.float64)
        for start in range(0, len(x), BLOCK):
            rows = slice(start, start + BLOCK)
            points = self.units(x[rows], dtype)
            slots[rows], doubt[rows], best = among.choose(*points, uniform[rows])
            while len(rest.slots) and len(reached := rest.reach(among, *points, best)):
                looked[reached] = True
                among, rest = self.among(looked, dtype), _Rest.of(self, ~looked)
                if among.hopeless(x.shape[1]):
                    return self.choose(x, uniform, torch.float64)
                slots[rows], doubt[rows], best = among.choose(*points, uniform[rows])
        return slots, doubt

    def choose_by_tensors(self, x: Tensor, uniform: Tensor) -> Tensor:
        # On a GPU: the slots (N,). All are computed, and the host waits once, to learn how many points are in doubt.
        slots = torch.empty(len(x), dtype=torch.int64, device=x.device)
        doubt = torch.ones_like(slots, dtype=torch.bool)
        if exact_products():
            among = self.among(None, torch.float32)
            size = points_at_once(among.weights, x.shape[1])
            for start in range(0, len(x), size):
                rows = slice(start, start + size)
                slots[rows], doubt[rows], _ = among.choose(*self.units(x[rows], torch.float32), uniform[rows])
        (number,) = read(doubt.sum())
        among = self.among(None, torch.float64)
        in_doubt = doubt.byte().argsort(descending=True)[: int(number)]
        for rows in in_doubt.split(points_at_once(among.weights, x.shape[1])) if number else ():
            own = uniform[rows] if len(uniform) else uniform
            slots[rows], _, _ = among.choose(*self.units(x[rows], torch.float64), own)
        return slots

    def units(self, x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        # Points (n, D) in the units of the mixture, and their squared lengths (n,) in double precision.
        y = (x.double() - self.middle) @ self.unit
        return y.to(dtype), y.square().sum(1)


def exact_products() -> bool:
    """Whether products of matrices in single precision are no less exact: a user may ask torch for faster ones."""
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # set for each device on its own, so that there is no one answer
        return False


@dataclass(frozen=True, eq=False)
class _Among:
    # Some slots of a mixture, their weights in single or double precision, and bounds on the errors of log-weights:
    # ``error`` (2,) times the length of a point and its square. With the unit roundoff u the error of a product over F
    # features is at most 4 sqrt(F) u sum_f |phi_f w_f|, except with probability 2 e^-8 (Higham and Mary, "A new
    # approach to probabilistic rounding error analysis", 2019, Theorem 3.1). Here norms bound the sum, which is often
    # several times smaller; the + 1 is for the rounding of the factors themselves.
    slots: Tensor
    weights: Tensor
    offset: Tensor
    error: Tensor
    unseen: float
    rest: float

    def hopeless(self, D: int) -> bool:
        # Whether single precision is of no use: a usual point, of squared length D, would be in doubt.
        if self.weights.dtype != torch.float32:
            return False
        return not exact_products() or float(self.error[0] * D**0.5 + self.error[1] * D) > HOPELESS

    def choose(self, y: Tensor, square: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # Of points (n, D) and their squared lengths: the slots (n,), whether each is in doubt, largest log-weights.
        logits = log_densities(y, self.weights, by_slot=True).T  # (k, n)
        choose = choose_by_tensors if y.device.type != "cpu" else choose_compiled
        slots, doubt, best = choose(logits, self.offset, self.error, self.unseen, self.rest, square, uniform)
        return self.slots[slots], doubt, best


@dataclass(frozen=True, eq=False)
class _Rest:
    # The slots that were not computed, and what the bound on their log-weights takes: see ``kernels.reach``.
    slots: Tensor
    pull: Tensor
    slack: Tensor
    far: Tensor
    peak: Tensor

    @classmethod
    def of(cls, mixture: _Mixture, left: Tensor) -> Self:
        D = len(mixture.middle)
        pull = mixture.weights[left, 1 : D + 1]
        slack = 4 * (D**0.5 + 1) * 2**-24 * pull.norm(dim=1)
        return cls(left.nonzero().flatten(), pull.float(), slack, mixture.far[left], mixture.peak[left])

    def reach(self, among: _Among, y: Tensor, square: Tensor, best: Tensor) -> Tensor:
        # The slots that may matter to one of the points, in single precision.
        from bnpgan.engine.kernels import reach

        reached = torch.empty(len(self.slots), dtype=torch.bool)
        bound = (part.numpy() for part in (self.pull @ y.T, self.slack, self.far, self.peak, among.error))
        reach(*bound, among.unseen, *(part.numpy() for part in (square, best, reached)))
        return self.slots[reached]


def choose_compiled(
    logits: Tensor, offset: Tensor, error: Tensor, unseen: float, rest: float, square: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The slots, doubts and largest log-weights ``(n,)`` that ``kernels.choose_columns`` finds; see there."""
    from bnpgan.engine.kernels import choose_columns  # numba takes half a second to import

    slots, doubt, best = (torch.empty(len(square), dtype=kind) for kind in (torch.int64, torch.bool, torch.float64))
    state = (part.numpy() for part in (square, uniform, slots, doubt, best))
    choose_columns(logits.numpy(), offset.numpy(), error.numpy(), unseen, rest, *state)
    return slots, doubt, best


def choose_by_tensors(
    logits: Tensor, offset: Tensor, error: Tensor, unseen: float, rest: float, square: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same by operations on whole tensors, on any device."""
    values = logits + offset[:, None]
    best, slots = values.max(0)
    twice = 2 * (error[0] * square.sqrt() + error[1] * square).clamp(max=unseen)
    lost = twice >= 2 * unseen
    if not len(uniform):
        return slots, (((values >= best - twice).sum(0) > 1) | lost) & (error[1] > 0), best
    slots, below, above, total = invert_columns((values - best).exp(), uniform)
    level = uniform * total
    up, down = (part * (1 - part / total) * twice.expm1() for part in (above, below))
    close = torch.minimum(above - level - up, level - below - down) < rest * total
    return slots, (close | lost) & (error[1] > 0), best
