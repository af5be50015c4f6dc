"""A penalty on the deviations of a latent mixture: DeliGAN's."""

from torch import Tensor

from bnpgan.auxiliary.base import Auxiliary
from bnpgan.features import Networks

__all__ = ["SpreadPenalty"]


class SpreadPenalty(Auxiliary):
    r"""Holds the learned deviations of a latent Gaussian mixture off 0, :math:`\lambda \, E (\sigma - 1)^2`.

    Without it the generator may make each Gaussian a point.

    Args:
        weight: :math:`\lambda`.

    Raises:
        ValueError: if it is below 0.

    Example:
        >>> from types import SimpleNamespace
        >>> from bnpgan.models import GaussianMixture
        >>> gan = SimpleNamespace(latent=GaussianMixture(capacity=3, dim=2, std=0.5))
        >>> SpreadPenalty(weight=2.0).generator(gan, None, None, None, None)
        tensor(0.5000)

    References:
        "DeLiGAN: Generative Adversarial Networks for Diverse and Limited Data", 2017, Eq. 7.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        if not 0 <= weight < float("inf"):
            raise ValueError(f"weight must be at least 0, got {weight}: pass e.g. 0.1")
        self.weight = weight

    def generator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """The penalty; only the latent learns from it."""
        return self.weight * (gan.latent.factors - 1).square().mean()  # type: ignore[operator, union-attr]
