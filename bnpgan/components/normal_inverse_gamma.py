"""Gaussian clusters of diagonal covariance and their conjugate prior."""

from dataclasses import dataclass

from torch import Tensor

from bnpgan.components.inverse_gamma import InverseGammaFamily


@dataclass(frozen=True, eq=False)
class NormalInverseGamma(InverseGammaFamily):
    r"""Gaussian clusters of diagonal covariance under their conjugate prior: each dimension has its own variance.

    .. math:: \sigma_d^2 \sim InvGamma(\nu / 2, b_d / 2), \quad
        \mu_d \mid \sigma_d^2 \sim N(m_{0d}, \sigma_d^2 / \kappa),
        \quad x_d \mid \mu_d, \sigma_d^2 \sim N(\mu_d, \sigma_d^2)

    Posterior: :math:`\kappa_n = \kappa + n`, :math:`\nu_n = \nu + n`, :math:`m_n = (\kappa m_0 + n \bar x) / \kappa_n`,
    :math:`b_n = b + \sum_i (x_i - \bar x)^2 + (\kappa n / \kappa_n)(\bar x - m_0)^2`. In one dimension it is
    :class:`~bnpgan.components.NormalInverseWishart`.

    Args:
        mean: :math:`m_0`, ``(D,)``; ``None``: a centre of the data that a few stray rows do not
            move.
        scale: :math:`b`, ``(D,)`` or a number for all dimensions. ``None``: the prior mean of :math:`\sigma_d^2` is the
            variance within groups of the data times ``factor``: :math:`b = f (\nu - 2) v_K`, with K = 4 or 16
            groups (see :func:`~bnpgan.components.shapes.within_covariances`), which is learned. Columns that do not
            vary do not count then.
        kappa: :math:`\kappa > 0`, the weight of ``mean`` in points.
        nu: :math:`\nu > 2`, the weight of ``scale`` in points; ``None``: 3, and where ``scale`` is set from the
            data the share ``weight`` of the points more.
        factor: what ``scale`` is multiplied by, a number or a :class:`~bnpgan.grids.Grid` to learn it from: it decides
            how many clusters there are. ``None``: ``FACTORS`` where the scale is set from the data, else 1.
        weight: of a scale set from the data, as a share of the points; the more, the more alike the clusters are.
        scatter: in place of ``scale``, s: :math:`b = (s / D) \sum_i \|x_i - \bar x\|^2`, see
            :class:`~bnpgan.components.NormalInverseWishart`.

    Raises:
        ValueError: if ``kappa`` or ``weight`` is not positive, or, when data arrive, ``nu`` is not above 2, ``mean`` or
            ``scale`` has another shape than the data, ``scale`` is not positive, or it is to be set from points that
            are all equal; or if ``scatter`` is not positive, or ``scale`` is there too.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0, 0.0], [0.1, 0.0], [3.0, 3.0]], dtype=torch.float64)
        >>> family = NormalInverseGamma(mean=torch.zeros(2), scale=0.1)
        >>> stats = family.stats(x, torch.tensor([0, 0, 1]), capacity=3)
        >>> family.posterior_mean(stats).variance.shape
        torch.Size([3, 2])

    References:
        Gelman et al., "Bayesian Data Analysis", 3rd ed., 2013, section 3.3;
        Murphy, "Conjugate Bayesian analysis of the Gaussian distribution", 2007, section 6.
    """

    @staticmethod
    def pool(squares: Tensor) -> Tensor:
        """The squares ``(..., D)`` as they are: each dimension has its own variance."""
        return squares
