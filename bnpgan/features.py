"""Features: what the clusterer sees of an image."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnpgan.partition import Partition

__all__ = ["Features", "FixedEncoder", "FromDiscriminator", "FromEncoder", "Identity"]


class Networks(Protocol):
    """What features may read of a GAN."""

    @property
    def generator(self) -> nn.Module:
        """Maps latent vectors and slots to images."""

    @property
    def discriminator(self) -> nn.Module:
        """Judges images; has ``features``."""

    @property
    def latent(self) -> nn.Module:
        """Draws latent vectors for slots."""


class Features(nn.Module, ABC):
    """Maps images to the points that are clustered; owns what it trains for that, networks and optimiser.

    Attributes:
        optimizer: of the parameters that ``refresh`` trains; ``None`` where there are none.
    """

    optimizer: torch.optim.Optimizer | None = None

    @abstractmethod
    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """Points ``(B, D)`` for images ``(B, ...)``; keeps no reference to ``gan``."""

    def refresh(self, gan: Networks, images: Tensor, partition: Partition | None) -> None:
        """Train, before the images are clustered anew, what the features need; most need nothing.

        Args:
            gan: the networks as they are now.
            images: all training images ``(N, ...)``.
            partition: the current one; ``None`` before the first.
        """
        return None

    def suggest(self, y: Tensor) -> Tensor | None:
        """Labels ``(N,)`` that the features ``(N, D)`` themselves speak for before there is a partition, if any."""
        return None


class Identity(Features):
    """The data themselves, flattened: clustering that knows no network.

    Example:
        >>> Identity()(None, torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 64])
    """

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``(B, ...)`` to ``(B, D)``."""
        return images.flatten(1)


class FromDiscriminator(Features):
    """The last hidden layer of the discriminator, in evaluation mode.

    References:
        "Diverse Image Generation via Self-Conditioned GANs", 2020, section 3.
    """

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``D.features(x)``, ``(B, D)``."""
        with evaluating(gan.discriminator):
            return gan.discriminator.features(images)  # type: ignore[operator]  # every discriminator has features


class FixedEncoder(Features):
    """A given encoder, left as it is.

    Args:
        encoder: maps images ``(B, ...)`` to ``(B, D)``; kept in evaluation mode.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``encoder(x)``, ``(B, D)``."""
        with evaluating(self.encoder):
            return self.encoder(images)


class FromEncoder(Features):
    r"""MIC-GAN's Q: an encoder that learns, on generated images, to name the slot that they were made from.

    .. math:: \min_Q \; E_{c, z} \| Q(G(z, c)) - e_c \|^2 \;
        \big[ - \lambda \, E_i \log \textstyle\sum_k \beta_k N(Q(x_i) \mid \mu_k, \Sigma_k) \big]

    with :math:`e_c` the one-hot vector of slot ``c``, drawn by frequency (uniformly before the first partition). The
    paper trains Q by maximum likelihood on real images (the bracket, its Eq. 13); its released code on generated ones.

    Args:
        encoder: maps images ``(B, ...)`` to ``(B, capacity)``.
        capacity: the number of slots.
        first_steps: training steps before the first partition.
        steps: training steps before each later one.
        batch: images a step.
        learning_rate: of Adam.
        real_weight: :math:`\lambda`, the weight of Eq. 13 on real images once there is a partition.
        shift: generated and real images are moved by up to so many pixels, at random, before Q sees them in training;
            0 for none, the only choice for vectors.

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
    ) -> None:
        super().__init__()
        if min(first_steps, steps, batch) < 1 or min(real_weight, shift) < 0:
            raise ValueError(
                "first_steps, steps and batch must be at least 1, real_weight and shift at least 0, "
                f"got {first_steps}, {steps}, {batch}, {real_weight}, {shift}: see the documentation of FromEncoder"
            )
        self.encoder, self.capacity = encoder, capacity
        self.first_steps, self.steps, self.batch = first_steps, steps, batch
        self.real_weight, self.shift = real_weight, shift
        self.optimizer = torch.optim.Adam(encoder.parameters(), lr=learning_rate, betas=(0.0, 0.99), fused=True)

    def forward(self, gan: Networks, images: Tensor) -> Tensor:
        """``Q(x)``, ``(B, capacity)``."""
        with evaluating(self.encoder):
            return self.encoder(images)

    def suggest(self, y: Tensor) -> Tensor:
        """The slot ``(N,)`` whose one-hot vector is nearest: generator and clusters agree on names from the start."""
        return y.argmax(1)

    def refresh(self, gan: Networks, images: Tensor, partition: Partition | None) -> None:
        """Train Q, the generator held still."""
        assert self.optimizer is not None
        for _ in range(self.first_steps if partition is None else self.steps):
            if partition is None:
                c = torch.randint(self.capacity, (self.batch,), device=images.device)
            else:
                c = partition.sample(self.batch)
            with torch.no_grad(), evaluating(gan.generator):
                fake = gan.generator(gan.latent(c), c)
            target = F.one_hot(c, self.capacity).to(fake.dtype)
            loss = F.mse_loss(self.encoder(self._shifted(fake)), target)
            if self.real_weight and partition is not None:
                i = torch.randint(len(images), (self.batch,), device=images.device)
                log_prob = partition.log_prob(self.encoder(self._shifted(images[i])))
                loss = loss - self.real_weight * log_prob.mean().to(loss.dtype)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def _shifted(self, images: Tensor) -> Tensor:
        if not self.shift:
            return images
        s = self.shift
        H, W = images.shape[-2:]
        padded = F.pad(images, (s, s, s, s), mode="replicate")
        top, left = torch.randint(2 * s + 1, (2, len(images), 1), device=images.device)
        rows = (top + torch.arange(H, device=images.device))[:, None, :, None]
        columns = (left + torch.arange(W, device=images.device))[:, None, None, :]
        n = torch.arange(len(images), device=images.device)[:, None, None, None]
        channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
        return padded[n, channels, rows, columns]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module in evaluation mode for a while."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
