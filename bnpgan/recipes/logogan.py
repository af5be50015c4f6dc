"""Logo-GAN (Sage et al. 2018)."""

from torch import Tensor, nn

from bnpgan.features import FromAutoencoder
from bnpgan.mixture import MixtureGAN
from bnpgan.models import Unconditional
from bnpgan.recipes.backbones import check_sizes
from bnpgan.recipes.base import recipe
from bnpgan.recipes.setting import Setting
from bnpgan.samplers import KMeans


@recipe
def precomputed_label_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    capacity: int = 50,
    backbone: str | None = None,
    z_dim: int | None = None,
    embedding_dim: int | None = None,
    code_dim: int = 32,
    encoder_steps: int = 2000,
    encoder_rate: float = 1e-3,
    batch: int | None = None,
    learning_rate: float = 1e-4,
    penalty: float = 0.0,
    average: float = 0.999,
    decay: int | None = None,
) -> MixtureGAN:
    r"""Logo-GAN: labels once, by k-means on the codes of an auto-encoder, before the GAN is trained.

    For the features of any other encoder swap ``features`` for ``FixedEncoder(encoder)``.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of clusters.
        backbone: ``mlp``, ``maxout`` (the papers' networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise; 2 for points, 128 for images.
        embedding_dim: size of the embedding; 32 for points, 256 for images.
        code_dim: size of the auto-encoder's codes.
        encoder_steps: of its training.
        encoder_rate: its learning rate.
        batch: images a step; 100 for points, 64 for images.
        learning_rate: of generator and discriminator; Adam's betas are (.8, .999) for points, (0, .99) for images.
        penalty: weight of the R1 penalty; 0 for none.
        average: decay of the averaged weights a step.
        decay: the step at which learning rates, falling on a line, reach 0; by default they stay.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> made = precomputed_label_gan(image_shape=(1, 8, 8), capacity=10)
        >>> made.schedule.every is None
        True

    References:
        "Logo Synthesis and Manipulation with Clustered Generative Adversarial Networks", 2018.
    """
    setting = Setting.of(image_shape, dim, backbone, z_dim, batch, learning_rate, penalty, average, decay)
    check_sizes(capacity=capacity, code_dim=code_dim)
    encoder = setting.build.encoder(setting.shape)
    features = FromAutoencoder(
        nn.Sequential(encoder, nn.Linear(encoder.out_dim, code_dim)),
        Decoder(setting.build.generator(setting.shape, Unconditional(code_dim))),
        steps=encoder_steps,
        learning_rate=encoder_rate,
    )
    return setting.conditional(KMeans(capacity), features, embedding_dim)


class Decoder(nn.Module):
    """A generator read as a decoder: codes take the place of noise, and there is no cluster.

    Args:
        generator: unconditional.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, codes: Tensor) -> Tensor:
        """Maps codes ``(B, D)`` to images."""
        return self.generator(codes, codes)
