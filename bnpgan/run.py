"""What a training run gives back: samples, paths between clusters, labels for new images."""

import operator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bnpgan.features import embed, evaluating
from bnpgan.images import Images, images_of
from bnpgan.mixture import MixtureGAN
from bnpgan.partition import Partition, as_numbers
from bnpgan.ranges import Range, numbers
from bnpgan.whole import check_whole

__all__ = ["Run"]


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

    def __repr__(self) -> str:
        recipe = "composed by hand" if self.gan.recipe is None else type(self.gan.recipe).__name__
        step = self.history[-1]["step"] if self.history else 0
        return f"Run({recipe}, {step:,} steps, {self.partition!r})"

    @property
    def names(self) -> list[str] | None:
        """The names of the slots, where they are classes that have some: see ``labels`` and ``names`` of ``train``."""
        return self.config.get("names") if self.config.get("labels") is not None else None

    def slot(self, cluster: Any, name: str = "cluster") -> int:
        """The slot of a class by its name, or by its number, which NumPy or torch may hold.

        Args:
            cluster: the name or the number.
            name: what messages call it.

        Raises:
            ValueError: if there is no such class.
        """
        names = self.names or []
        if isinstance(cluster, str) and cluster in names:
            return names.index(cluster)
        with suppress(TypeError):  # of what is no whole number
            return int(cluster) if isinstance(cluster, str) and cluster.isdecimal() else operator.index(cluster)
        none = "it has none: its clusters were found, and are no classes"
        raise ValueError(
            f"{name} {cluster!r} is no class of this run, {'which has ' + ', '.join(names) if names else none}: "
            "pass the number of a slot"
        )

    def sample(self, n: int, cluster: Any = None, scale: float = 1.0) -> Tensor:
        r"""Generate ``n`` images ``(n, ...)`` of one cluster, or of clusters drawn as in training.

        Those are drawn by frequency, :math:`p(c) = n_c / N`, and as the latent does where training knew none.

        Args:
            n: how many.
            cluster: the slot, or the name of its class; ``None`` for all.
            scale: the quality-diversity dial s, a factor on the covariance of the latent,
                :math:`z \sim N(\mu_c, s \Sigma_c)`: larger is more diverse and of lower quality.

        Raises:
            ValueError: if ``n`` is no whole number above 0, ``cluster`` is not a slot that holds images, or ``scale``
                is negative.

        References:
            "Gaussian Mixture Generative Adversarial Networks for Diverse Datasets, and the Unsupervised Clustering of
            Images", 2018 (the dial).
        """
        n = check_whole("n", n, 1, "pass the number of images to make")
        if cluster is None:
            return self.generate(self.slots(n), scale)
        slot = self._held(cluster, "cluster")
        return self.generate(torch.full((n,), slot, device=self.partition.labels.device), scale)

    def slots(self, n: int) -> Tensor:
        """Slots ``(n,)`` drawn as in training."""
        if self.gan.schedule.warmup is None:
            latent = self.averaged["latent"]
            return latent.slots(n, self.partition.capacity, self.partition.labels.device)  # type: ignore[operator]
        return self.partition.sample(n)

    def generate(self, c: Any, scale: float = 1.0) -> Tensor:
        """One image for each slot in ``c`` ``(n,)``, with new noise; ``scale`` as for ``sample``.

        Raises:
            ValueError: if ``c`` is no vector of slots, some hold no images, or ``scale`` is negative.
        """
        c = as_numbers("c", c).to(self.partition.labels.device)
        if c.ndim != 1 or not len(c) or c.is_floating_point() or c.is_complex() or c.dtype == torch.bool:
            raise ValueError(f"c must be a vector of slots, got {c.dtype} of shape {tuple(c.shape)}: pass some")
        c = c.long()
        for slot in c.unique().tolist():
            self._held(slot, "c: cluster")
        if not 0 <= scale < float("inf"):
            raise ValueError(f"scale must be at least 0, got {scale}: pass 1 for the latent as it was trained")
        return self._draw(c, scale**0.5 * torch.randn(len(c), self.latent_dim, device=c.device))

    def interpolate(self, a: Any, b: Any, n: int) -> Tensor:
        r"""``n`` images ``(n, ...)`` on the line from cluster ``a`` to ``b``: :math:`G(z, (1 - t) C_a + t C_b)`.

        Here and in ``interpolate_four`` a cluster is what it is for ``sample``.

        Raises:
            ValueError: if ``a`` or ``b`` is not a slot that holds images, or ``n`` is below 2.

        References:
            "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021, Fig. 5.
        """
        return self._between([{"a": a, "b": b}], n)[0]

    def interpolate_four(self, a: Any, b: Any, c: Any, d: Any, n: int) -> Tensor:
        r"""``(n, n, ...)`` images on the square between four clusters, ``a`` and ``b`` in the first row's corners.

        Image :math:`(s, t)` is :math:`G(z, (1-s)(1-t) C_a + (1-s) t C_b + s (1-t) C_c + s t C_d)`, all of one noise.

        Raises:
            ValueError: if one is not a slot that holds images, or ``n`` is below 2.

        References:
            "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021, Fig. 5.
        """
        return self._between([{"a": a, "b": b}, {"c": c, "d": d}], n)

    @property
    def latent_dim(self) -> int:
        """The size of the noise."""
        return int(self.averaged["latent"].dim)  # type: ignore[arg-type]

    def _between(self, corners: list[dict[str, Any]], n: int) -> Tensor:
        # (1, n) images for one pair of corners, (n, n) for two, bilinear in the rows of weights.
        n = check_whole("n", n, 2, "pass the number of images from one end to the other")
        slots = [[self._held(cluster, f"{name}: cluster") for name, cluster in pair.items()] for pair in corners]
        device = self.partition.labels.device
        ends = torch.nn.functional.one_hot(torch.tensor(slots, device=device), self.partition.capacity).float()
        t = torch.linspace(0, 1, n, device=device)
        to_end = torch.stack([1 - t, t], 1)
        down = to_end if len(corners) == 2 else to_end.new_ones(1, 1)
        rows = torch.einsum("sp,tq,pqk->stk", down, to_end, ends)
        noise = torch.randn(1, self.latent_dim, device=device).expand(rows.shape[0] * n, -1)
        return self._draw(rows.flatten(0, 1), noise).unflatten(0, (-1, n))

    def made(self, c: Tensor, noise: Tensor) -> Tensor:
        """Images ``(B, ...)`` of slots ``(B,)`` and standard noise ``(B, latent_dim)``, with gradients, in any mode."""
        generator, latent = self.averaged["generator"], self.averaged["latent"]
        return self.gan.frames.out(generator(latent(c, noise), c), c)

    def _draw(self, c: Tensor, noise: Tensor) -> Tensor:
        pairs = zip(c.split(1024), noise.split(1024), strict=True)
        with torch.no_grad(), evaluating(self.averaged["generator"]):
            return torch.cat([self.made(part, e) for part, e in pairs])

    def predict(self, x: Any) -> Tensor:
        """Slots ``(N,)`` of images ``(N, ...)``, through the features and the partition.

        Images may be in any range that ``train`` takes; what may lie in two is taken for what the run was trained on.

        Raises:
            ValueError: if the shape is another, or images are in no range or, maybe, in two.
        """
        x = numbers(x, "x")
        if list(x.shape[1:]) != self.config["shape"]:
            raise ValueError(
                f"x must hold data of shape {tuple(self.config['shape'])}, got {tuple(x.shape[1:])}: resize it"
            )
        usual, device = Range(*self.config.get("range") or (-1, 1)), self.partition.labels.device
        images: Images = images_of(x, "x", usual)[0].to(device) if x.ndim == 4 else x.to(torch.float32).to(device)
        return self.partition.predict(embed(self.gan.features, self.gan, images))

    def _held(self, cluster: Any, name: str) -> int:
        # The slot of a class or of a number, one that holds images.
        slot = self.slot(cluster, name)
        active = self.partition.active.nonzero().flatten().tolist()
        if self.gan.schedule.warmup is None:  # each slot was trained, whether or not an image fell to it
            active = list(range(self.partition.capacity))
        if slot not in active:
            raise ValueError(f"{name} {slot} holds no images: choose one of {', '.join(map(str, active))}")
        return slot
