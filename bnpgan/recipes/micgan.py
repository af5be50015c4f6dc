"""MIC-GAN (Ying et al. 2021)."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from bnpgan.components import NormalInverseWishart
from bnpgan.losses import R1
from bnpgan.mixture import MixtureGAN, Recipe, Schedule, check_sizes
from bnpgan.models import Add, Concat, Conditioning, Discriminator, EveryLayer, Gaussian, MaskedHead
from bnpgan.priors import DirichletProcess
from bnpgan.recipes.options import At, Change, Options, put
from bnpgan.recipes.parts import PROJECTION, Encoder, Head
from bnpgan.samplers import IGMM, Clusterer, SplitMerge, StickBreaking


def _component(recipe: "MICGAN", **changes: float | None) -> "MICGAN":
    # With other arguments for the scale. It is made anew, for defaults depend on whether a scale is given.
    now = recipe.clusterer.component  # type: ignore[attr-defined]
    names = ("scale", "scatter", "weight", "isotropic")
    return put(recipe, "clusterer.component", NormalInverseWishart(**{n: getattr(now, n) for n in names} | changes))


def _scale(recipe: "MICGAN", scale: float | None) -> "MICGAN":
    if recipe.clusterer.component.scatter is not None:  # type: ignore[attr-defined]
        if scale is None:
            return recipe
        raise ValueError("scale and scatter exclude each other: leave out one of them")
    return _component(recipe, scale=scale or None)


def _sticks(recipe: "MICGAN", wanted: bool) -> "MICGAN":
    now = recipe.clusterer
    names = ("prior", "component", "capacity", "sweeps", "max_points")
    return replace(recipe, clusterer=StickBreaking(**{n: getattr(now, n) for n in names})) if wanted else recipe


@dataclass(frozen=True, kw_only=True, eq=False)
class MICGAN(Recipe):
    r"""MIC-GAN: an infinite Gaussian mixture over the codes of an encoder that learns from the generator.

    After a warm-up with uniform slots, in which the generator learns on its own to use them, each round trains the
    encoder Q on generated images, samples the partition of the real ones by the CRP over Q's codes, and goes on with
    the conditional GAN. The embedding of a slot is learned and added to ``z``, as in the released code.

    The defaults are sized for small images and thousands of steps. The released code trains 28x28 digits with
    ``z_dim=256``, a warm-up of 18,750 steps, rounds of 9,375, rates of 1e-4, R1 of weight 10, and 1,000 steps of Q in
    each round. As flat options, for ``mic_gan`` and the command line, see ``bnpgan train mic-gan --help``.

    Args:
        capacity: the number of slots; twice the number of clusters that you expect. With more slots take a longer
            warm-up, so that each sees as many images in it.
        clusterer: above all the scale of its component decides how many clusters there are, a larger one fewer; codes
            of different slots lie at distance sqrt(2). With more slots codes have more dimensions, in which a cluster
            costs more, and the same scale leaves fewer; ``scatter`` in its place is a share of the scatter of
            the codes, for any number of slots and of images; the scale that it makes grows as slots empty and Q learns
            to tell the others apart. The less Q has been trained, the smaller a scale must be, or all runs together.
        encoder: how Q learns.
        learned_embedding: whether the embedding learns, as in the released code, or is fixed, as in the paper.
        embedding_scale: of an embedding that is added, at first, in standard deviations of ``z``. The larger, the more
            its slot decides of an image, and the less is left to ``z``. If images of a slot become alike, take less.
        embedding_dim: size of a learned embedding beside ``z``, in place of one that is added: if it is larger than
            ``z_dim``, the slot nearly decides the image, and each slot holds one mode from the start: points need this.
        every_layer: whether the slot conditions every layer of the generator, as in the paper, or its input alone.
        head: the class of the discriminator's head.

    Example:
        >>> gan = MICGAN(shape=(1, 32, 32), capacity=20).build()
        >>> gan.clusterer.capacity, gan.schedule.warmup
        (20, 4000)

    References:
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021, Algorithm 1.
    """

    capacity: int = 20
    encoder: Encoder = Encoder()
    learned_embedding: bool = True
    embedding_scale: float = 1.0
    embedding_dim: int | None = None
    every_layer: bool = False
    head: Head = MaskedHead
    options: ClassVar[Options] = {
        "concentration": At("clusterer.prior.concentration"),
        "scatter": Change(
            lambda recipe, scatter: _component(recipe, scatter=scatter, scale=None),
            float,
            None,
            "in place of scale, the share of the variance of all codes that the prior adds to a cluster of all images, "
            "and to one of a tenth of them ten times as much, for any number of images and of slots",
        ),
        "scale": Change(
            _scale,
            float,
            0.1,
            "of the Normal-Inverse-Wishart prior on a cluster's codes, in which slots lie at distance sqrt(2). The "
            "setting that decides most how many clusters there are: larger means fewer. 0: learned, as a share of the "
            "covariance of the codes",
        ),
        "scale_weight": Change(
            lambda recipe, weight: _component(recipe, weight=weight),
            float,
            0.01,
            "of a learned scale, as a share of the images: how much alike clusters are taken to be",
        ),
        "scale_isotropic": Change(
            lambda recipe, isotropic: _component(recipe, isotropic=isotropic),
            bool,
            False,
            "whether a learned scale is the same in all directions",
        ),
        "sweeps": At("clusterer.sweeps", told="of the sampler in each round"),
        "max_points": At(
            "clusterer.max_points", told="images that are clustered, the rest is predicted; by default all"
        ),
        "sticks": Change(
            _sticks,
            bool,
            False,
            "the stick-breaking reading: weights of a truncated Dirichlet process, drawn with the clusters, in place "
            "of the restaurant that tries a new cluster for each image",
        ),
        "split_merge": Change(
            lambda recipe, wanted: replace(recipe, clusterer=SplitMerge(recipe.clusterer)) if wanted else recipe,
            bool,
            False,
            "whether a sweep has split-merge moves as well",
        ),
        "learned_embedding": At("learned_embedding"),
        "embedding_scale": At("embedding_scale"),
        "embedding_dim": At("embedding_dim"),
        "every_layer": At("every_layer"),
        "projection": PROJECTION,
        "warmup": At("schedule.warmup", told="steps before the first partition"),
        "every": At("schedule.every", told="steps from one partition to the next"),
        "encoder_hidden": At("encoder.hidden"),
        "encoder_first_steps": At("encoder.first_steps"),
        "encoder_steps": At("encoder.steps"),
        "encoder_rate": At("encoder.learning_rate"),
        "encoder_real_weight": At("encoder.real_weight"),
        "encoder_shift": At("encoder.shift"),
        "encoder_warp": At("encoder.warp"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(embedding_dim=self.embedding_dim)
        if self.embedding_dim is not None and self.embedding_scale != 1:
            raise ValueError("embedding_scale is of an embedding that is added: leave out it or embedding_dim")

    def usual_clusterer(self) -> Clusterer:
        """The infinite Gaussian mixture, 15 sweeps a round."""
        component = NormalInverseWishart(scale=0.1)
        return IGMM(DirichletProcess(1.0), component, capacity=self.capacity, sweeps=15)

    def usual_schedule(self) -> Schedule:
        """A warm-up of 4,000 steps, then rounds of 200."""
        return Schedule(
            warmup=4000, every=200, generator_rate=5e-4, discriminator_rate=5e-4, penalty=R1(1.0), average=0.995
        )

    def build(self) -> MixtureGAN:
        """The GAN: an embedding in the generator, a logit for each slot, an encoder of its own."""
        trunk, encoder = self.networks.trunk(self.shape), self.networks.encoder(self.shape)
        embedding: Conditioning = Add(self.capacity, self.z_dim, self.learned_embedding, self.embedding_scale)
        if self.embedding_dim is not None:
            embedding = Concat(self.capacity, self.z_dim, self.embedding_dim, normalize=False)
        embedding = EveryLayer(embedding, self.capacity) if self.every_layer else embedding
        generator = self.networks.generator(self.shape, embedding)
        discriminator = Discriminator(trunk, self.head(trunk.out_dim, self.capacity))
        head = nn.Linear(encoder.out_dim, self.capacity)
        features = self.own(lambda: self.encoder.features(encoder, head, self))
        return self.assembled(generator, discriminator, Gaussian(self.z_dim), features)
