"""SC-GAN (Liu et al. 2020)."""

from bnpgan.features import FromDiscriminator
from bnpgan.mixture import MixtureGAN
from bnpgan.recipes.backbones import check_sizes
from bnpgan.recipes.base import recipe
from bnpgan.recipes.setting import Setting
from bnpgan.samplers import KMeans, OnlineKMeans


@recipe
def sc_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    capacity: int = 50,
    backbone: str | None = None,
    z_dim: int | None = None,
    embedding_dim: int | None = None,
    max_points: int | None = None,
    every: int = 5000,
    online: bool = False,
    warm_start: bool = True,
    matching: bool = True,
    batch: int | None = None,
    learning_rate: float = 1e-4,
    penalty: float = 0.0,
    average: float = 0.999,
    decay: int | None = None,
) -> MixtureGAN:
    r"""SC-GAN: k-means in the discriminator's own features, renewed now and then, or moved at every step.

    The first partition is made in the features of the untrained discriminator; later ones start from the means of the
    old clusters (Eq. 3) and keep their slots (Eq. 4). The embedding of a slot is normalised and appended to ``z``.
    A supervised start, the paper's ablation, is ``train(gan, x, labels=classes, ...)``.

    The defaults are those of the released code. For images it renews the partition every 25,000 steps (``every``); the
    averaged weights are ours, it samples the last ones.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of clusters; better too many than too few.
        backbone: ``mlp``, ``maxout`` (the papers' networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise; 2 for points, 128 for images.
        embedding_dim: size of the embedding; 32 for points, 256 for images.
        max_points: images that are clustered, the rest is predicted; 10,000 points, 25,000 images.
        every: steps from one partition to the next.
        online: cluster once, then let every mini-batch move the centroids.
        warm_start: start from the means of the old clusters, Eq. 3; without it from new seeds.
        matching: keep slots, Eq. 4; without it they are named anew each time.
        batch: images a step; 100 for points, 64 for images.
        learning_rate: of generator and discriminator; Adam's betas are (.8, .999) for points, (0, .99) for images.
        penalty: weight of the R1 penalty; 0 for none.
        average: decay of the averaged weights a step.
        decay: the step at which learning rates, falling on a line, reach 0; by default they stay.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> made = sc_gan(dim=2, capacity=50)
        >>> made.clusterer.capacity, made.schedule.batch
        (50, 100)

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020, Algorithm 1; section 4 (ablations).
    """
    setting = Setting.of(image_shape, dim, backbone, z_dim, batch, learning_rate, penalty, average, decay)
    check_sizes(max_points=max_points)
    subset = max_points or (10_000 if image_shape is None else 25_000)
    kind = OnlineKMeans if online else KMeans
    made = setting.conditional(
        kind(capacity, max_points=subset), FromDiscriminator(), embedding_dim, None if online else every
    )
    return made.scheduled(warm_start=warm_start, matching=matching)
