"""GANs without a clusterer of their own: no labels, given labels, random labels."""

from bnpgan.features import Identity
from bnpgan.mixture import MixtureGAN
from bnpgan.recipes.base import recipe
from bnpgan.recipes.setting import Setting
from bnpgan.samplers import FixedLabels, RandomLabels


@recipe
def gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    backbone: str | None = None,
    z_dim: int | None = None,
    batch: int | None = None,
    learning_rate: float = 1e-4,
    penalty: float = 0.0,
    average: float = 0.999,
    decay: int | None = None,
) -> MixtureGAN:
    r"""A plain GAN: one Gaussian, no clusters, a discriminator that judges image by image.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        backbone: ``mlp``, ``maxout`` (the papers' networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise; 2 for points, 128 for images.
        batch: images a step; 100 for points, 64 for images.
        learning_rate: of generator and discriminator; Adam's betas are (.8, .999) for points, (0, .99) for images.
        penalty: weight of the R1 penalty; 0 for none.
        average: decay of the averaged weights a step.
        decay: the step at which learning rates, falling on a line, reach 0; by default they stay.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> made = gan(dim=2)
        >>> made.clusterer.capacity, made.schedule.warmup
        (1, None)

    References:
        "Generative Adversarial Nets", 2014.
    """
    setting = Setting.of(image_shape, dim, backbone, z_dim, batch, learning_rate, penalty, average, decay)
    return setting.unconditional()


@recipe
def class_conditional_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    capacity: int = 10,
    backbone: str | None = None,
    z_dim: int | None = None,
    embedding_dim: int | None = None,
    batch: int | None = None,
    learning_rate: float = 1e-4,
    penalty: float = 0.0,
    average: float = 0.999,
    decay: int | None = None,
) -> MixtureGAN:
    r"""A class-conditional GAN: the labels are given, ``train(gan, x, labels=classes, ...)``.

    SC-GAN's networks, conditioned on what a person knows in place of what a clusterer finds.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of classes.
        backbone: ``mlp``, ``maxout`` (the papers' networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise; 2 for points, 128 for images.
        embedding_dim: size of the embedding; 32 for points, 256 for images.
        batch: images a step; 100 for points, 64 for images.
        learning_rate: of generator and discriminator; Adam's betas are (.8, .999) for points, (0, .99) for images.
        penalty: weight of the R1 penalty; 0 for none.
        average: decay of the averaged weights a step.
        decay: the step at which learning rates, falling on a line, reach 0; by default they stay.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> class_conditional_gan(image_shape=(1, 8, 8), capacity=10).clusterer.capacity
        10

    References:
        "Which Training Methods for GANs do actually Converge?", 2018.
    """
    setting = Setting.of(image_shape, dim, backbone, z_dim, batch, learning_rate, penalty, average, decay)
    return setting.conditional(FixedLabels(capacity=capacity), Identity(), embedding_dim)


@recipe
def random_label_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    capacity: int = 50,
    backbone: str | None = None,
    z_dim: int | None = None,
    embedding_dim: int | None = None,
    batch: int | None = None,
    learning_rate: float = 1e-4,
    penalty: float = 0.0,
    average: float = 0.999,
    decay: int | None = None,
) -> MixtureGAN:
    r"""SC-GAN on labels that are drawn anew at every step: what conditioning alone is worth.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of labels.
        backbone: ``mlp``, ``maxout`` (the papers' networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise; 2 for points, 128 for images.
        embedding_dim: size of the embedding; 32 for points, 256 for images.
        batch: images a step; 100 for points, 64 for images.
        learning_rate: of generator and discriminator; Adam's betas are (.8, .999) for points, (0, .99) for images.
        penalty: weight of the R1 penalty; 0 for none.
        average: decay of the averaged weights a step.
        decay: the step at which learning rates, falling on a line, reach 0; by default they stay.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> random_label_gan(dim=2).clusterer.capacity
        50

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020, Table 1 ("Random Labels").
    """
    setting = Setting.of(image_shape, dim, backbone, z_dim, batch, learning_rate, penalty, average, decay)
    return setting.conditional(RandomLabels(capacity), Identity(), embedding_dim)
