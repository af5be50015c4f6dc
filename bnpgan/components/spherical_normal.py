"""Spherical Gaussian clusters and their conjugate prior."""

from dataclasses import dataclass

from torch import Tensor

from bnpgan.components.inverse_gamma import InverseGammaFamily


@dataclass(frozen=True, eq=False)
class SphericalNormal(InverseGammaFamily):
    r"""Spherical Gaussian clusters under their conjugate prior: all dimensions share one variance.

    .. math:: \sigma^2 \sim InvGamma(\nu / 2, b / 2), \quad \mu \mid \sigma^2 \sim N(m_0, \sigma^2 I / \kappa),
        \quad x \mid \mu, \sigma^2 \sim N(\mu, \sigma^2 I)

    Posterior: :math:`\kappa_n = \kappa + n`, :math:`\nu_n = \nu + n D`,
    :math:`m_n = (\kappa m_0 + n \bar x) / \kappa_n`,
    :math:`b_n = b + \sum_i \|x_i - \bar x\|^2 + (\kappa n / \kappa_n) \|\bar x - m_0\|^2`. In one dimension it is
    :class:`~bnpgan.components.NormalInverseGamma`.

    Args:
        mean: :math:`m_0`, ``(D,)``; ``None``: a centre of the data that a few stray rows do not
            move.
        scale: :math:`b`, a number. ``None``: the prior mean of :math:`\sigma^2` is the variance within groups of the
            data, its mean over the dimensions, times ``factor``: :math:`b = f (\nu - 2) \bar v_K`, with K = 4 or 16
            groups (see :func:`~bnpgan.components.shapes.within_covariances`), which is learned. Columns that do not
            vary do not count then.
        kappa: :math:`\kappa > 0`, the weight of ``mean`` in points.
        nu: :math:`\nu > 2`, the weight of ``scale`` in coordinates, of which a point brings D; ``None``: 3, and
            where ``scale`` is set from the data the share ``weight`` of all coordinates more.
        factor: what ``scale`` is multiplied by, a number or a :class:`~bnpgan.grids.Grid` to learn it from: it decides
            how many clusters there are. ``None``: ``FACTORS`` where the scale is set from the data, else 1.
        weight: of a scale set from the data, as a share of the coordinates; the more, the more alike the clusters are.
        scatter: in place of ``scale``, s: :math:`b = s \sum_i \|x_i - \bar x\|^2`, see
            :class:`~bnpgan.components.NormalInverseWishart`.

    Raises:
        ValueError: if ``kappa`` or ``weight`` is not positive, or, when data arrive, ``nu`` is not above 2, ``mean``
            has another shape than the data, ``scale`` is no positive number, or it is to be set from points that are
            all equal; or if ``scatter`` is not positive, or ``scale`` is there too.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0, 0.0], [0.1, 0.0], [3.0, 3.0]], dtype=torch.float64)
        >>> family = SphericalNormal(mean=torch.zeros(2), scale=0.1)
        >>> g = family.posterior_mean(family.stats(x, torch.tensor([0, 0, 1]), capacity=3))
        >>> bool((g.variance[:, 0] == g.variance[:, 1]).all())
        True

    References:
        Murphy, "Conjugate Bayesian analysis of the Gaussian distribution", 2007, section 6 (one dimension).
    """

    @staticmethod
    def pool(squares: Tensor) -> Tensor:
        """The sum ``(..., 1)`` of the squares ``(..., D)``: all dimensions share a variance."""
        return squares.sum(-1, keepdim=True)
