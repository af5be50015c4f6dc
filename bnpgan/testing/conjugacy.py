"""The tests of a family of components: identities of conjugate families, and whether draws follow their densities."""

import math

import torch
from torch import Tensor

from bnpgan.components import Component, Conjugate
from bnpgan.testing.law import hotelling
from bnpgan.testing.oracle import members
from bnpgan.testing.parts import pinned
from bnpgan.testing.report import Row

__all__ = ["conjugacy", "parameter_draws"]


def conjugacy(component: Component, x: Tensor) -> Row:
    """Numbers that are computed in two ways must agree; it does not apply to a family without predictives.

    A predictive is the ratio of two marginals. A point that is added counts like one that was there from the start, and
    one taken away as if it had never been there. Responsibilities of 0 and 1 give what labels give. The evidence is the
    sum over learned values.

    Args:
        component: the family.
        x: points ``(N, D)``, at least three.
    """
    if not isinstance(component, Conjugate):
        return Row(note="not conjugate")
    labels, K = torch.arange(len(x), device=x.device) % 2, 3
    few, new, errors = x[:-1], x[-1], []

    def compare(one: Tensor, two: Tensor) -> None:
        errors.append(float((one.cpu() - two.cpu()).abs().max()))

    parts = [math.log(w) + part.log_evidence(part.stats(x, labels, K)) for w, part in members(component)]
    compare(component.log_evidence(component.stats(x, labels, K)), torch.stack(parts).logsumexp(0))
    family = pinned(component, x, learned=True)
    before = family.stats(few, labels[:-1], K)
    compare(family.log_marginal(before)[2], x.new_zeros(()))
    for k in range(K):
        after = family.stats(x, torch.cat([labels[:-1], labels.new_tensor([k])]), K)
        ratio = family.log_marginal(after)[k] - family.log_marginal(before)[k]
        compare(family.log_predictive(before, new)[k], ratio)
        moving = family.stats(few, labels[:-1], K)
        for sign, expected in ((1, after), (-1, before)):
            family.add_(moving, k, new, sign)
            compare(moving.n, expected.n)
            compare(family.log_marginal(moving), family.log_marginal(expected))
            compare(family.log_predictive(moving, x), family.log_predictive(expected, x))
    one_hot = torch.nn.functional.one_hot(labels[:-1], K).to(torch.float64)
    compare(family.log_marginal(family.soft_stats(few, one_hot)), family.log_marginal(before))
    return Row(max(errors))


def parameter_draws(component: Component, x: Tensor, level: float, length: int = 1) -> Row:
    r"""Points drawn at drawn parameters must have the predictive law that marginals state.

    With predictive laws A and B after some points and after more, and any bounded f,

    .. math:: E_A\left[f(y) \frac{p_B(y)}{p_A(y) + p_B(y)}\right] = E_B\left[f(y) \frac{p_A(y)}{p_A(y) + p_B(y)}\right]

    which needs no normaliser, and whose terms are bounded. It is tested after no points against two, and after two
    against all.
    """
    if not component.normalised:
        return Row(note="its marginals are no law of points")
    n = 500 * length
    family = pinned(component, x, learned=True)
    columns = []
    for low, high in ((0, 2), (2, len(x))):
        sides = []
        for given, other in ((low, high), (high, low)):
            y = _predicted(family, x[:given], n, x)
            odds = _log_predictive(family, x[:other], y) - _log_predictive(family, x[:given], y)
            first = (y[:, 0] - x[:, 0].mean()) / (x[:, 0].std() + 1e-12)
            f = torch.stack([torch.ones_like(first), first.tanh(), (first.abs() - 1).tanh()], 1)
            sides.append(f * odds.sigmoid()[:, None])
        columns.append(sides)
    z, p = hotelling(*(torch.cat(side, 1).cpu() for side in zip(*columns, strict=True)))
    return Row(z, p, level)


def _repeated(x: Tensor, n: int) -> tuple[Tensor, Tensor]:
    # The points n times, copy r in slot r.
    return x.repeat(n, 1), torch.arange(n, device=x.device).repeat_interleave(len(x))


def _predicted(family: Component, x: Tensor, n: int, like: Tensor) -> Tensor:
    points, slots = _repeated(x, n)
    return family.posterior_sample(family.stats(points, slots, n)).sample(torch.arange(n, device=like.device))


def _log_predictive(family: Component, x: Tensor, y: Tensor) -> Tensor:
    # As ratios of marginals, for not every family has predictives.
    n = len(y)
    points, slots = _repeated(x, n)
    before = family.log_marginal(family.stats(points, slots, n))
    labels = torch.cat([slots, torch.arange(n, device=y.device)])
    return family.log_marginal(family.stats(torch.cat([points, y]), labels, n)) - before
