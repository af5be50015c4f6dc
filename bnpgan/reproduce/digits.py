"""The 8x8 digits: clusters of real images, by mixture GANs and without a GAN."""

from collections.abc import Callable

import torch
from sklearn.cluster import KMeans as ReferenceKMeans
from sklearn.mixture import BayesianGaussianMixture
from torch import Tensor

from bnpgan import data, metrics, recipes
from bnpgan.components import NormalInverseWishart
from bnpgan.partition import Projection
from bnpgan.priors import DirichletProcess
from bnpgan.recipes import Facade
from bnpgan.reproduce.rivals import ON_DIGITS
from bnpgan.reproduce.study import Method, Study
from bnpgan.samplers import IGMM, SplitMerge

__all__ = ["DIGITS"]

COLUMNS = {
    "clusters": ("clusters", ".1f"),
    "nmi": ("NMI", ".3f"),
    "ari": ("ARI", ".3f"),
    "purity": ("purity", ".3f"),
    "top_purity": ("top-10 purity", ".3f"),
    "top_mass": ("its mass", ".3f"),
    "inverse_purity": ("inverse purity", ".3f"),
}


WEIGHT = 0.2  # share of the images that a learned scale weighs, on codes and on pixels; chosen by the digits' labels


def methods() -> dict[str, Method]:
    """Mixture GANs, and clusterers of the pixels: ``split-merge`` is that of ``mic-gan-learned``."""
    common: dict = {"image_shape": (1, 8, 8), "backbone": "mlp"}
    sizes = (10, 20)

    def kmeans(K: int) -> Callable[[Tensor, int], Tensor]:
        return lambda x, seed: torch.as_tensor(
            ReferenceKMeans(K, n_init=10, random_state=seed).fit_predict(x.flatten(1).numpy())
        )

    def dp_mixture(x: Tensor, seed: int) -> Tensor:
        model = BayesianGaussianMixture(n_components=20, reg_covar=1e-2, max_iter=500, random_state=seed)
        return torch.as_tensor(model.fit_predict(x.flatten(1).double().numpy()))

    def split_merge(x: Tensor, seed: int) -> Tensor:
        component = NormalInverseWishart(weight=WEIGHT, isotropic=True)
        sampler = SplitMerge(IGMM(DirichletProcess(1.0), component, capacity=20, sweeps=40))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            pixels = x.flatten(1).double()
            return sampler.fit(Projection.fit(pixels, 32)(pixels)).labels

    def sc_gan(K: int) -> Method:
        return Method(
            lambda steps: recipes.sc_gan(**common, capacity=K, every=500, learning_rate=5e-4, penalty=1.0, z_dim=32)
        )

    def rival(recipe: Facade, arguments: dict) -> Method:
        return Method(lambda steps: recipe(**common, **arguments))

    return {
        **{f"kmeans-{K}": Method(cluster=kmeans(K)) for K in sizes},
        "dp-mixture": Method(cluster=dp_mixture),
        "split-merge": Method(cluster=split_merge),
        **{f"sc-gan-{K}": sc_gan(K) for K in sizes},
        "gm-gan-10": Method(lambda steps: recipes.gm_gan(**common, learning_rate=5e-4, penalty=1.0)),
        "mic-gan": Method(lambda steps: recipes.mic_gan(**common, warmup=max(0, steps - 1000))),
        "mic-gan-learned": Method(
            lambda steps: recipes.mic_gan(
                **common,
                scale=0.0,
                scale_weight=WEIGHT,
                scale_isotropic=True,
                encoder_hidden=True,
                split_merge=True,
                sweeps=8,
                warmup=max(0, steps - 1000),
            )
        ),
        **{name: rival(recipe, arguments) for name, (recipe, arguments) in ON_DIGITS.items()},
    }


DIGITS = Study(
    name="digits",
    load=lambda root: data.digits(),
    methods=methods(),
    columns=COLUMNS,
    score=lambda run, truth: metrics.clustering(run.partition.labels, truth),
    score_labels=metrics.clustering,
    steps=5000,
)
