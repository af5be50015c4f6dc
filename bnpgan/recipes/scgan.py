"""SC-GAN (Liu et al. 2020)."""

from bnpgan.features import FromDiscriminator
from bnpgan.losses import R1, NonSaturating
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import Concat, Discriminator, Gaussian, MaskedHead
from bnpgan.recipes.backbones import check_sizes, networks
from bnpgan.recipes.base import recipe
from bnpgan.samplers import KMeans


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
    batch: int | None = None,
    learning_rate: float = 1e-4,
    penalty: float = 0.0,
    average: float = 0.999,
) -> MixtureGAN:
    r"""SC-GAN: k-means in the discriminator's own features, renewed now and then.

    The first partition is made in the features of the untrained discriminator; later ones start from the means of the
    old clusters (Eq. 3) and keep their slots (Eq. 4). The embedding of a slot is normalised and appended to ``z``.

    The defaults are those of the released code. For images it renews the partition every 25,000 steps (``every``); the
    averaged weights are ours, it samples the last ones.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of clusters; better too many than too few.
        backbone: ``mlp``, ``maxout`` (the paper's networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise; 2 for points, 128 for images.
        embedding_dim: size of the embedding; 32 for points, 256 for images.
        max_points: images that are clustered, the rest is predicted; 10,000 points, 25,000 images.
        every: steps from one partition to the next.
        batch: images a step; 100 for points, 64 for images.
        learning_rate: of generator and discriminator; Adam's betas are (.8, .999) for points, (0, .99) for images.
        penalty: weight of the R1 penalty; 0 for none. The paper has .1 for its largest images.
        average: decay of the averaged weights a step.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> gan = sc_gan(dim=2, capacity=50)
        >>> gan.clusterer.capacity, gan.schedule.batch
        (50, 100)

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020, Algorithm 1.
    """
    check_sizes(capacity=capacity, z_dim=z_dim, embedding_dim=embedding_dim, max_points=max_points, batch=batch)
    shape, build = networks(image_shape, dim, backbone)
    points = image_shape is None
    z_dim = z_dim or (2 if points else 128)
    trunk = build.trunk(shape)
    return MixtureGAN(
        generator=build.generator(shape, Concat(capacity, z_dim, embedding_dim or (32 if points else 256))),
        discriminator=Discriminator(trunk, MaskedHead(trunk.out_dim, capacity)),
        latent=Gaussian(z_dim),
        clusterer=KMeans(capacity, max_points=max_points or (10_000 if points else 25_000)),
        features=FromDiscriminator(),
        loss=NonSaturating(),
        schedule=Schedule(
            batch=batch or (100 if points else 64),
            every=every,
            generator_rate=learning_rate,
            discriminator_rate=learning_rate,
            betas=(0.8, 0.999) if points else (0.0, 0.99),
            penalty=R1(penalty) if penalty else None,
            average=average,
        ),
    )
