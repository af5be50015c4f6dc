"""An encoder that learns from the generator: MIC-GAN's Q, and GM-GAN's classifier."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.features.base import Features, Networks, evaluating
from bnpgan.graphs import in_graphs, minimise
from bnpgan.images import Images
from bnpgan.partition import LEAST_COLUMNS, Partition

__all__ = ["FromEncoder"]


class FromEncoder(Features):
    r"""MIC-GAN's Q: an encoder that learns, on generated images, to name the slot that they were made from.

    .. math:: \min_Q \; E_{c, z} \| Q(G(z, c)) - e_c \|^2 \;
        \big[ - \lambda \, E_i \log \textstyle\sum_k \beta_k N(Q(x_i) \mid \mu_k, \Sigma_k) \big]

    with :math:`e_c` the one-hot vector of slot ``c``, drawn by frequency (uniformly before the first partition). The
    paper trains Q by maximum likelihood on real images (the bracket, its Eq. 13); its released code on generated ones.

    Args:
        encoder: maps images ``(B, ...)`` to codes ``(B, D)``, in which clusters are found.
        capacity: the number of slots.
        first_steps: training steps before the first partition.
        steps: training steps before each later one.
        batch: images a step.
        learning_rate: of Adam.
        real_weight: :math:`\lambda`, the weight of Eq. 13 on real images once there is a partition.
        shift: generated and real images are moved by up to so many pixels, at random, before Q sees them in training;
            0 for none, the only choice for vectors.
        warp: they are read through a random matrix :math:`I + w E` of their own as well, E of standard normals; 0 for
            none, the only choice for vectors.
        loss: of Q's output against the one-hot vectors; ``cross_entropy`` of ``torch.nn.functional`` makes Q a
            classifier, as GM-GAN has it.
        head: maps codes to Q's output ``(B, capacity)``; ``None``: the codes are the output, as in the paper.

    Raises:
        ValueError: if a number of steps or ``batch`` is below 1, or a weight below 0.

    References:
        "Unsupervised Image Generation with Infinite Generative Adversarial Networks", 2021, Eqs. 12 and 13.
    """

    def __init__(
        self,
        encoder: nn.Module,
        capacity: int,
        first_steps: int = 300,
        steps: int = 150,
        batch: int = 64,
        learning_rate: float = 1e-3,
        real_weight: float = 0.0,
        shift: int = 0,
        warp: float = 0.0,
        loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
        head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if min(first_steps, steps, batch) < 1 or min(real_weight, shift, warp) < 0:
            raise ValueError(
                "first_steps, steps and batch must be at least 1, real_weight, shift and warp at least 0, "
                f"got {first_steps}, {steps}, {batch}, {real_weight}, {shift}, {warp}: see FromEncoder"
            )
        self.encoder, self.head, self.capacity = encoder, nn.Identity() if head is None else head, capacity
        self.first_steps, self.steps, self.batch = first_steps, steps, batch
        self.real_weight, self.shift, self.warp, self.loss = real_weight, shift, warp, loss
        self.optimizer = torch.optim.Adam(self.parameters(), lr=learning_rate, betas=(0.0, 0.99), fused=True)

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """The codes of Q, ``(B, D)``."""
        with evaluating(self.encoder):
            return self.encoder(gan.frames.into(images, None))

    def columns(self, partition: Partition | None) -> Tensor | None:
        """The codes ``(D,)`` of slots that hold a point, if codes are Q's outputs; all before the first partition.

        Nothing is drawn for empty slots, and so Q gives nearly the same there for every image. Where fewer than two
        slots hold points, all codes are left in: in one column clusters lie over one another. A slot of a few points
        counts, though it is hardly ever drawn: a handful of such slots does no harm.
        """
        if partition is None or not isinstance(self.head, nn.Identity) or partition.active.sum() < LEAST_COLUMNS:
            return None
        return partition.active

    def suggest(self, y: Tensor) -> Tensor:
        """The slot ``(N,)`` whose one-hot vector is nearest, so that clusters take the slots the generator has used."""
        return self.head(y).argmax(1)

    def refresh(self, gan: Networks, images: Images, partition: Partition | None) -> None:
        """Train Q on images of the generator, which is left as it is."""
        assert self.optimizer is not None

        def loss() -> Tensor:
            if partition is None:
                c = gan.latent.slots(self.batch, self.capacity, images.device)  # type: ignore[operator]
            else:
                c = partition.sample(self.batch)
            with torch.no_grad(), evaluating(gan.generator):
                fake = gan.frames.into(gan.frames.out(gan.generator(gan.latent(c), c), c), None)
            target = F.one_hot(c, self.capacity).to(fake.dtype)
            value = self.loss(self.head(self.encoder(self._moved(fake))), target)
            if self.real_weight and partition is not None:
                i = torch.randint(len(images), (self.batch,), device=images.device)
                log_prob = partition.log_prob(self.encoder(self._moved(gan.frames.into(images[i], None))))
                value = value - self.real_weight * log_prob.mean().to(value.dtype)
            return value

        steps, reads = self.first_steps if partition is None else self.steps, self.real_weight and partition is not None
        with in_graphs(False) if reads else nullcontext():  # the host looks at the factors of covariances
            minimise(loss, self.optimizer, steps, images.device)

    def _moved(self, images: Tensor) -> Tensor:
        return shifted(warped(images, self.warp), self.shift)


def warped(images: Tensor, w: float) -> Tensor:
    r"""Images ``(B, C, H, W)``, each read through a random matrix :math:`I + w E` of its own; edges are repeated."""
    if not w:
        return images
    matrix = torch.eye(2, dtype=images.dtype, device=images.device) + w * torch.randn(
        len(images), 2, 2, dtype=images.dtype, device=images.device
    )
    grid = F.affine_grid(F.pad(matrix, (0, 1)), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def shifted(images: Tensor, s: int) -> Tensor:
    """Images ``(B, C, H, W)``, each moved by up to ``s`` pixels on its own; edges are repeated."""
    if not s:
        return images
    H, W = images.shape[-2:]
    padded = F.pad(images, (s, s, s, s), mode="replicate")
    top, left = torch.randint(2 * s + 1, (2, len(images), 1), device=images.device)
    rows = (top + torch.arange(H, device=images.device))[:, None, :, None]
    columns = (left + torch.arange(W, device=images.device))[:, None, None, :]
    n = torch.arange(len(images), device=images.device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[n, channels, rows, columns]
