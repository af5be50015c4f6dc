"""PacGAN (Lin et al. 2018)."""

from dataclasses import dataclass, replace
from typing import ClassVar

from bnpgan.features import Identity
from bnpgan.mixture import MixtureGAN, Schedule, check_sizes
from bnpgan.recipes.options import Change, Options
from bnpgan.recipes.parts import Plain


@dataclass(frozen=True, kw_only=True, eq=False)
class PacGAN(Plain):
    r"""PacGAN: a GAN whose discriminator sees several images at once, all real or all generated.

    Args:
        pack: images that are judged together; the paper has 2 to 4. The batch must be a multiple of it; by default it
            is the largest that does not exceed SC-GAN's.

    Example:
        >>> PacGAN(shape=(2,), pack=3).schedule.batch
        99

    References:
        "PacGAN: The power of two samples in generative adversarial networks", 2018.
    """

    pack: int = 2
    options: ClassVar[Options] = {
        "pack": Change(
            lambda recipe, pack: replace(recipe, pack=pack, schedule=None),
            int,
            2,
            "images that are judged together; the paper has 2 to 4",
        )
    }

    def __post_init__(self) -> None:
        check_sizes(pack=self.pack)
        super().__post_init__()
        if self.schedule.batch % self.pack:
            raise ValueError(
                f"batch must be a multiple of pack={self.pack}, got {self.schedule.batch}: pass e.g. {32 * self.pack}"
            )

    def usual_schedule(self) -> Schedule:
        """That of a plain GAN, with the batch rounded down to a multiple of the pack."""
        usual = super().usual_schedule()
        return replace(usual, batch=usual.batch // self.pack * self.pack)

    def build(self) -> MixtureGAN:
        """The GAN."""
        return self.unconditional(self.own(Identity), self.pack)
