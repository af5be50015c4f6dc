"""PacGAN (Lin et al. 2018)."""

from dataclasses import replace

from bnpgan.mixture import MixtureGAN
from bnpgan.recipes.backbones import check_sizes
from bnpgan.recipes.base import recipe
from bnpgan.recipes.setting import Setting


@recipe
def pac_gan(
    image_shape: tuple[int, int, int] | None = None,
    dim: int | None = None,
    pack: int = 2,
    backbone: str | None = None,
    z_dim: int | None = None,
    batch: int | None = None,
    learning_rate: float = 1e-4,
    penalty: float = 0.0,
    average: float = 0.999,
    decay: int | None = None,
) -> MixtureGAN:
    r"""PacGAN: a GAN whose discriminator sees several images at once, all real or all generated.

    ``batch`` must be a multiple of ``pack``; its default is the largest that is not above SC-GAN's.

    Args:
        image_shape: ``(C, H, W)``, for images; or
        dim: ``D``, for points.
        pack: images that are judged together; the paper has 2 to 4.
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
        >>> pac_gan(dim=2, pack=3).schedule.batch
        99

    References:
        "PacGAN: The power of two samples in generative adversarial networks", 2018.
    """
    setting = Setting.of(image_shape, dim, backbone, z_dim, batch, learning_rate, penalty, average, decay)
    check_sizes(pack=pack)
    if batch is None:
        setting = replace(setting, schedule=replace(setting.schedule, batch=setting.schedule.batch // pack * pack))
    if setting.schedule.batch % pack:
        raise ValueError(f"batch must be a multiple of pack={pack}, got {batch}: pass e.g. {32 * pack}")
    return setting.unconditional(pack)
