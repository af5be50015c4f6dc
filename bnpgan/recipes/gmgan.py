"""GM-GAN (Ben-Yosef and Weinshall 2018)."""

import torch.nn.functional as F
from torch import nn

from bnpgan.features import FromEncoder, Identity
from bnpgan.losses import R1, NonSaturating, OneAgainstAll, RealClasses
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.models import ClassHead, Discriminator, GaussianMixture, ScalarHead, Unconditional
from bnpgan.recipes.backbones import check_sizes, networks
from bnpgan.recipes.base import recipe
from bnpgan.samplers import FixedLabels


@recipe
def gm_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    capacity: int = 10,
    backbone: str | None = None,
    z_dim: int = 32,
    spread: float = 1.0,
    std: float = 1.0,
    dynamic: bool = True,
    full: bool = False,
    batch: int = 64,
    learning_rate: float = 2e-4,
    latent_rate: float | None = None,
    penalty: float = 0.0,
    average: float = 0.999,
    decay: int | None = None,
    classifier_steps: int = 2000,
    classifier_rate: float = 1e-3,
    classifier_shift: int = 1,
) -> MixtureGAN:
    r"""GM-GAN, unsupervised: the clusters are Gaussians of the latent, and neither network is told which.

    Training knows no partition: slots are uniform. When it ends a classifier learns from generated images to name the
    Gaussian that they were made from, and the clusters are what it says of the real ones.

    The paper's setting for handwritten digits is known as ``z_dim=100``, ``spread=0.1``, ``std=0.15``. With so small a
    deviation the classifier does not transfer to real images as well as with 1, the default here.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of Gaussians.
        backbone: ``mlp``, ``maxout`` (the papers' networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise.
        spread: half the side of the cube that means are drawn from.
        std: the Gaussians' standard deviation at first.
        dynamic: whether means and factors of the covariances learn.
        full: whether learned factors are full matrices; else they are diagonal.
        batch: images a step.
        learning_rate: of generator and discriminator.
        latent_rate: of means and factors; by default that of the generator.
        penalty: weight of the R1 penalty; 0 for none.
        average: decay of the averaged weights a step.
        decay: the step at which learning rates, falling on a line, reach 0; by default they stay.
        classifier_steps: training steps of the classifier, after those of the GAN.
        classifier_rate: its learning rate.
        classifier_shift: pixels by which images are shifted at random before it sees them in training; not for points.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> made = gm_gan(image_shape=(1, 8, 8), capacity=10)
        >>> made.latent.capacity, made.schedule.warmup
        (10, None)

    References:
        "Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images", 2018.
    """
    check_sizes(capacity=capacity, z_dim=z_dim)
    shape, build = networks(image_shape, dim, backbone)
    trunk, encoder = build.trunk(shape), build.encoder(shape)
    return MixtureGAN(
        generator=build.generator(shape, Unconditional(z_dim)),
        discriminator=Discriminator(trunk, ScalarHead(trunk.out_dim)),
        latent=GaussianMixture(capacity, z_dim, spread, std, dynamic=dynamic, full=full),
        clusterer=FixedLabels(capacity=capacity),  # the classifier's
        features=FromEncoder(
            nn.Sequential(encoder, nn.Linear(encoder.out_dim, capacity)),
            capacity,
            first_steps=classifier_steps,
            learning_rate=classifier_rate,
            shift=classifier_shift if dim is None else 0,
            loss=F.cross_entropy,
        ),
        loss=NonSaturating(),
        schedule=Schedule(
            batch=batch,
            warmup=None,
            generator_rate=learning_rate,
            discriminator_rate=learning_rate,
            latent_rate=latent_rate,
            betas=(0.5, 0.999),
            penalty=R1(penalty) if penalty else None,
            average=average,
            decay=decay,
        ),
    )


@recipe
def supervised_gm_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    capacity: int = 10,
    each: int = 1,
    backbone: str | None = None,
    z_dim: int = 32,
    spread: float = 1.0,
    std: float = 1.0,
    dynamic: bool = True,
    full: bool = False,
    softmax: bool = False,
    batch: int = 64,
    learning_rate: float = 2e-4,
    latent_rate: float | None = None,
    average: float = 0.999,
    decay: int | None = None,
) -> MixtureGAN:
    r"""GM-GAN, supervised: each class has Gaussians of its own and the discriminator tells "real, of class i".

    The labels are given: ``train(gan, x, labels=classes, ...)``. Accounts of the paper differ on the discriminator's
    outputs, both are here: a sigmoid for each class, or a softmax over the classes and "generated".

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        capacity: the number of classes.
        each: Gaussians to a class.
        backbone: ``mlp``, ``maxout`` (the papers' networks for 2-D points; the default for points) or ``dcgan`` (the
            default for images).
        z_dim: size of the noise.
        spread: half the side of the cube that means are drawn from.
        std: the Gaussians' standard deviation at first.
        dynamic: whether means and factors of the covariances learn.
        full: whether learned factors are full matrices; else they are diagonal.
        softmax: N + 1 outputs with a softmax, in place of N sigmoids.
        batch: images a step.
        learning_rate: of generator and discriminator.
        latent_rate: of means and factors; by default that of the generator.
        average: decay of the averaged weights a step.
        decay: the step at which learning rates, falling on a line, reach 0; by default they stay.

    Raises:
        ValueError: if not exactly one of ``image_shape`` and ``dim`` is given, the backbone is unknown or cannot take
            the shape, or a number is out of range.

    Example:
        >>> supervised_gm_gan(image_shape=(1, 8, 8), capacity=10, each=3).latent.means.shape
        torch.Size([30, 32])

    References:
        "Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
        Images", 2018.
    """
    check_sizes(capacity=capacity, each=each, z_dim=z_dim)
    shape, build = networks(image_shape, dim, backbone)
    trunk = build.trunk(shape)
    return MixtureGAN(
        generator=build.generator(shape, Unconditional(z_dim)),
        discriminator=Discriminator(trunk, ClassHead(trunk.out_dim, capacity + softmax)),
        latent=GaussianMixture(capacity, z_dim, spread, std, each, dynamic, full),
        clusterer=FixedLabels(capacity=capacity),
        features=Identity(),
        loss=RealClasses() if softmax else OneAgainstAll(),
        schedule=Schedule(
            batch=batch,
            every=None,
            generator_rate=learning_rate,
            discriminator_rate=learning_rate,
            latent_rate=latent_rate,
            betas=(0.5, 0.999),
            average=average,
            decay=decay,
        ),
    )
