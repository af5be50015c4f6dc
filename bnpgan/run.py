"""What a training run gives back: samples, paths between clusters, labels for new images."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bnpgan.features import Features, Networks, evaluating
from bnpgan.mixture import MixtureGAN
from bnpgan.partition import Partition

__all__ = ["Run", "embed"]


@dataclass(frozen=True, eq=False)
class Run:
    """A trained mixture GAN.

    Attributes:
        gan: the parts with their training weights.
        partition: of the training images.
        history: one row for each line of ``stats.jsonl``.
        averaged: ``generator`` and ``latent`` with averaged weights, which ``sample`` and ``interpolate`` use.
        config: what ``config.json`` holds.
    """

    gan: MixtureGAN
    partition: Partition
    history: list[dict[str, Any]]
    averaged: nn.ModuleDict
    config: dict[str, Any]

    def sample(self, n: int, cluster: int | None = None) -> Tensor:
        """Generate ``n`` images ``(n, ...)`` of one cluster, or of clusters drawn by frequency.

        Raises:
            ValueError: if ``n`` is below 1 or ``cluster`` is not a slot that holds images.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}: pass the number of images to make")
        if cluster is None:
            return self.generate(self.partition.sample(n))
        self._check(cluster)
        return self.generate(torch.full((n,), cluster, device=self.partition.labels.device))

    def generate(self, c: Tensor) -> Tensor:
        """One image for each slot in ``c`` ``(n,)``, with new noise."""
        generator, latent = self.averaged["generator"], self.averaged["latent"]
        with torch.no_grad(), evaluating(generator):
            return torch.cat([generator(latent(part), part) for part in c.split(1024)])

    def interpolate(self, a: int, b: int, n: int) -> Tensor:
        r"""``n`` images ``(n, ...)`` on the line from cluster ``a`` to ``b``: :math:`G(z, (1 - t) C_a + t C_b)`.

        Raises:
            ValueError: if ``a`` or ``b`` is not a slot that holds images, or ``n`` is below 2.

        References:
            "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021, Fig. 5.
        """
        self._check(a)
        self._check(b)
        if n < 2:
            raise ValueError(f"n must be at least 2, got {n}: pass the number of images from one end to the other")
        device = self.partition.labels.device
        t = torch.linspace(0, 1, n, device=device)
        rows = torch.zeros(n, self.partition.capacity, device=device)
        rows[:, a] += 1 - t
        rows[:, b] += t
        generator, latent = self.averaged["generator"], self.averaged["latent"]
        with torch.no_grad(), evaluating(generator):
            z = latent(torch.tensor([a], device=device)).expand(n, -1)
            return generator(z, rows)

    def predict(self, x: Tensor) -> Tensor:
        """Slots ``(N,)`` of images ``(N, ...)``, through the features and the partition."""
        x = torch.as_tensor(x, dtype=torch.float32, device=self.partition.labels.device)
        if list(x.shape[1:]) != self.config["shape"]:
            raise ValueError(
                f"x must hold data of shape {tuple(self.config['shape'])}, got {tuple(x.shape[1:])}: resize it"
            )
        return self.partition.predict(embed(self.gan.features, self.gan, x))

    def _check(self, cluster: int) -> None:
        active = self.partition.active.nonzero().flatten().tolist()
        if cluster not in active:
            raise ValueError(f"cluster {cluster} holds no images: choose one of {', '.join(map(str, active))}")


def embed(features: Features, gan: Networks, images: Tensor) -> Tensor:
    """Features ``(N, D)`` of all images ``(N, ...)``, a thousand at a time."""
    with torch.no_grad():
        return torch.cat([features(gan, part) for part in images.split(1024)])
