"""MIC-GAN (Ying et al. 2021)."""

from torch import nn

from bnpgan.components import NormalInverseWishart
from bnpgan.features import FromEncoder
from bnpgan.losses import R1, NonSaturating
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import Add, Concat, Conditioning, Discriminator, EveryLayer, Gaussian, MaskedHead
from bnpgan.priors import DirichletProcess
from bnpgan.recipes.backbones import check_sizes, networks
from bnpgan.recipes.base import recipe
from bnpgan.samplers import IGMM, Sampler, SplitMerge, StickBreaking


@recipe
def mic_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    capacity: int = 20,
    backbone: str | None = None,
    z_dim: int = 32,
    concentration: float = 1.0,
    scale: float = 0.1,
    scale_weight: float = 0.01,
    scale_isotropic: bool = False,
    sweeps: int = 15,
    max_points: int | None = None,
    split_merge: bool = False,
    sticks: bool = False,
    learned_embedding: bool = True,
    embedding_dim: int | None = None,
    every_layer: bool = False,
    warmup: int = 4000,
    every: int = 200,
    batch: int = 64,
    learning_rate: float = 5e-4,
    penalty: float = 1.0,
    average: float = 0.995,
    decay: int | None = None,
    encoder_hidden: bool = False,
    encoder_first_steps: int = 600,
    encoder_steps: int = 250,
    encoder_rate: float = 1e-3,
    encoder_real_weight: float = 0.0,
    encoder_shift: int = 1,
) -> MixtureGAN:
    r"""MIC-GAN: an infinite Gaussian mixture over the codes of an encoder that learns from the generator.

    After a warm-up with uniform slots, in which the generator learns on its own to use them, each round trains the
    encoder Q on generated images, samples the partition of the real ones by the CRP over Q's codes, and goes on with
    the conditional GAN. The embedding of a slot is learned and added to ``z``, as in the released code.

    The defaults are sized for small images and thousands of steps. The released code trains 28x28 digits with
    ``z_dim=256``, ``warmup=18_750``, ``every=9_375``, ``learning_rate=1e-4``, ``penalty=10``,
    ``encoder_first_steps=encoder_steps=1000``.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of slots; at least twice the number of clusters that you expect.
        backbone: ``mlp``, ``maxout`` (the papers' networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise.
        concentration: of the Dirichlet process.
        scale: of the Normal-Inverse-Wishart prior on a cluster's codes, in which slots lie at distance sqrt(2). The
            setting that decides most how many clusters there are: larger means fewer. 0: learned, as a
            share of the covariance of the codes.
        scale_weight: of a learned scale, as a share of the images: how much alike clusters are taken to be.
        scale_isotropic: whether a learned scale is the same in all directions.
        sweeps: of the sampler in each round.
        max_points: images that are clustered, the rest is predicted; by default all.
        split_merge: whether a sweep has split-merge moves as well.
        sticks: the stick-breaking reading: weights of a truncated Dirichlet process, drawn with the clusters, in place
            of the restaurant that tries a new cluster for each image.
        learned_embedding: whether the embedding learns, as in the released code, or is fixed, as in the paper.
        embedding_dim: size of a learned embedding beside ``z``, in place of one that is added: if it is larger than
            ``z_dim`` the slot says nearly all, and slots hold one mode each from the start, which points need.
        every_layer: whether the slot conditions every layer of the generator, as in the paper, or its input alone.
        warmup: steps before the first partition.
        every: steps from one partition to the next.
        batch: images a step.
        learning_rate: of generator and discriminator.
        penalty: weight of the R1 penalty; 0 for none.
        average: decay of the averaged weights a step.
        decay: the step at which learning rates, falling on a line, reach 0; by default they stay.
        encoder_hidden: whether clusters are found in the last hidden layer of Q, in which a fixed ``scale`` would have
            another meaning, instead of its output, as in the paper.
        encoder_first_steps: training steps of Q before the first partition.
        encoder_steps: training steps of Q before each later one.
        encoder_rate: learning rate of Q.
        encoder_real_weight: weight of Eq. 13, the likelihood of real images, in the training of Q.
        encoder_shift: pixels by which images are shifted at random before Q sees them in training; not for points.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> gan = mic_gan(image_shape=(1, 32, 32), capacity=20)
        >>> gan.clusterer.capacity, gan.schedule.warmup
        (20, 4000)

    References:
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021, Algorithm 1.
    """
    check_sizes(capacity=capacity, z_dim=z_dim, embedding_dim=embedding_dim)
    shape, build = networks(image_shape, dim, backbone)
    trunk, encoder = build.trunk(shape), build.encoder(shape)
    embedding: Conditioning = Add(capacity, z_dim, learned_embedding)
    if embedding_dim is not None:
        embedding = Concat(capacity, z_dim, embedding_dim, normalize=False)
    sampler: Sampler = (StickBreaking if sticks else IGMM)(
        DirichletProcess(concentration),
        NormalInverseWishart(scale=scale or None, weight=scale_weight, isotropic=scale_isotropic),
        capacity=capacity,
        sweeps=sweeps,
        max_points=max_points,
    )
    generator = build.generator(shape, EveryLayer(embedding, capacity) if every_layer else embedding)
    discriminator = Discriminator(trunk, MaskedHead(trunk.out_dim, capacity))
    head = nn.Linear(encoder.out_dim, capacity)
    return MixtureGAN(
        generator=generator,
        discriminator=discriminator,
        latent=Gaussian(z_dim),
        clusterer=SplitMerge(sampler) if split_merge else sampler,
        features=FromEncoder(
            encoder if encoder_hidden else nn.Sequential(encoder, head),
            capacity,
            first_steps=encoder_first_steps,
            steps=encoder_steps,
            learning_rate=encoder_rate,
            real_weight=encoder_real_weight,
            shift=encoder_shift if dim is None else 0,
            head=head if encoder_hidden else None,
        ),
        loss=NonSaturating(),
        schedule=Schedule(
            batch=batch,
            warmup=warmup,
            every=every,
            generator_rate=learning_rate,
            discriminator_rate=learning_rate,
            penalty=R1(penalty) if penalty else None,
            average=average,
            decay=decay,
        ),
    )
