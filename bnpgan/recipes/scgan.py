"""SC-GAN (Liu et al. 2020)."""

from dataclasses import dataclass, replace
from typing import ClassVar

from bnpgan.features import FromDiscriminator
from bnpgan.mixture import MixtureGAN, Schedule
from bnpgan.recipes.options import At, Change, Options, put
from bnpgan.recipes.parts import Conditional
from bnpgan.samplers import Clusterer, KMeans, OnlineKMeans


def _online(recipe: "SCGAN", wanted: bool) -> "SCGAN":
    if not wanted:
        return recipe
    clusterer = OnlineKMeans(recipe.capacity, max_points=recipe.clusterer.max_points)
    return put(replace(recipe, clusterer=clusterer), "schedule.every", None)


@dataclass(frozen=True, kw_only=True, eq=False)
class SCGAN(Conditional):
    r"""SC-GAN: k-means in the discriminator's own features, renewed now and then, or moved at every step.

    The first partition is made in the features of the untrained discriminator. Later ones start from the means of the
    old clusters (Eq. 3) and keep the slots of these (Eq. 4). The embedding of a slot is normalised and appended to
    ``z``.
    A supervised start, the paper's ablation, is ``train(gan, x, labels=classes, ...)``.

    The defaults are those of the released code: batches of 100 points or 64 images, Adam with betas (.8, .999) for
    points and (0, .99) for images. For images it renews the partition every 25,000 steps, here 5,000; the averaged
    weights are ours, it samples the last ones.

    Args:
        capacity: the number of clusters; better too many than too few.
        clusterer: by default k-means of at most 10,000 points or 25,000 images; the rest is predicted.

    Example:
        >>> made = SCGAN(shape=(2,), capacity=50)
        >>> made.clusterer.capacity, made.schedule.batch
        (50, 100)

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020, Algorithm 1; section 4 (ablations).
    """

    options: ClassVar[Options] = {
        **Conditional.options,
        "max_points": At(
            "clusterer.max_points",
            told="images that are clustered, the rest is predicted; 10,000 points, 25,000 images",
            default=None,
        ),
        "every": At("schedule.every", told="steps from one partition to the next"),
        "online": Change(_online, bool, False, "cluster once, then let every mini-batch move the centroids"),
        "warm_start": At(
            "schedule.warm_start", told="start from the means of the old clusters, Eq. 3; without it from new seeds"
        ),
        "matching": At("schedule.matching", told="keep slots, Eq. 4; without it they are named anew each time"),
    }

    def usual_clusterer(self) -> Clusterer:
        """k-means."""
        return KMeans(self.capacity, max_points=10_000 if self.points else 25_000)

    def usual_schedule(self) -> Schedule:
        """A new partition every 5,000 steps."""
        return self.scgan_schedule(every=5000)

    def build(self) -> MixtureGAN:
        """The GAN."""
        return self.conditional(FromDiscriminator)
