"""Learned weights of a latent mixture: SLOGAN's."""

import torch
from torch import Tensor

from bnpgan.auxiliary.base import Auxiliary
from bnpgan.features import Networks

__all__ = ["MixingWeights"]


class MixingWeights(Auxiliary):
    r"""Weights of the slots of a latent mixture that learn from what the discriminator says of its images.

    With :math:`q(z) = \sum_k r_k \, p(z \mid k)` and :math:`r = \mathrm{softmax}(\rho)`, the gradient of the expected
    loss :math:`\ell(z) = -D(G(z))` in the weights is

    .. math:: \frac{\partial}{\partial \rho_k} E_q \, \ell(z) = E_q \left[ (\ell(z) - b) \, \big(p(k \mid z) - r_k\big)
        \right], \qquad p(k \mid z) = \frac{r_k \, p(z \mid k)}{q(z)}

    for any number b. It is the score of q summed over the slots that may have made z, so that slots which meet learn
    from one another's images. b is the mean of the other images of the batch, which leaves the gradient without bias.
    Where D is the log-ratio of the densities of real and generated images this is the gradient of the divergence
    KL(generated, real). Generator, means and factors do not learn from it.

    Example:
        >>> from types import SimpleNamespace
        >>> from bnpgan.models import GaussianMixture, Weighted
        >>> latent = Weighted(GaussianMixture(capacity=2, dim=2, spread=9.0), capacity=2)
        >>> gan = SimpleNamespace(latent=latent, discriminator=lambda x, c: x)
        >>> c = torch.tensor([0, 1])
        >>> MixingWeights().generator(gan, None, torch.tensor([3.0, -3.0]), latent(c), c).backward()
        >>> bool(latent.logits.grad[0] < 0 < latent.logits.grad[1])  # the first looks real: it is to weigh more
        True

    References:
        "Stein Latent Optimization for Generative Adversarial Networks", 2022, section 3.
    """

    def generator(self, gan: Networks, real: Tensor, fake: Tensor, z: Tensor, c: Tensor) -> Tensor | float:
        """A term whose gradient is the one above; its value means nothing."""
        with torch.no_grad():
            loss = -gan.discriminator(fake, None)
        baseline = (loss.sum() - loss) / max(1, len(loss) - 1)
        log_densities = gan.latent.latent.log_densities(z).detach()  # type: ignore[operator, union-attr]
        log_q = (gan.latent.log_weights() + log_densities).logsumexp(1)  # type: ignore[operator]
        return ((loss - baseline) * log_q).mean()
