"""The loop of training: its steps, and the new partition before some of them."""

import copy
import time
import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bnpgan import parallel, ranks
from bnpgan.features import Features, embed
from bnpgan.graphs import Captured, in_graphs, put_rate
from bnpgan.images import Images, Items
from bnpgan.metrics import effective_clusters, large_clusters, nmi
from bnpgan.mixture import MixtureGAN
from bnpgan.models import Adaptive
from bnpgan.partition import Partition, reduced
from bnpgan.randomness import own_randomness
from bnpgan.run import Run
from bnpgan.standing import settle_
from bnpgan.state import State

__all__ = ["TRAIN", "Training", "own_randomness"]

TRAIN, SUBSET, CLUSTER, FOLLOW, SETTLE = range(1, 6)  # what draws from a stream of random numbers of its own
UNCHECKED = 1000  # steps, at most, until losses are checked to be finite: each check waits for the device


class Training(State):
    """A state, the images that it is trained on, and what changes it: ``advance`` by a step, ``recluster``."""

    def __init__(self, gan: MixtureGAN, images: Images, seed: int, labels: Tensor | None = None) -> None:
        super().__init__(gan, images.shape[1:], images.device)
        self.images, self.seed = images, seed
        self.gan.frames.update_(images)
        self.first_labels = labels  # where given, the first partition starts from them
        # What an average takes from the weights at this step; a tensor, which a graph of the step reads.
        self.share = torch.zeros((), device=self.device)
        self.pairs = list(zip(self.averaged.parameters(), self.maker.parameters(), strict=True))
        both = zip(self.averaged.modules(), self.maker.modules(), strict=True)
        # Modules and not their buffers, for a module may replace the tensor of a buffer.
        self.buffered = [(copied, module) for copied, module in both if list(module.buffers(recurse=False))]
        self.cast = torch.autocast(self.device.type, torch.bfloat16, enabled=gan.schedule.bf16)
        self.adaptive = [module for module in self.gan.discriminator.modules() if isinstance(module, Adaptive)]
        self.losses: list[Tensor] = []  # of D and of G, of each step that was not checked, and of the last
        self.captured: Captured | None = None
        if gan.schedule.graphs:
            _check_graphs(gan, images)
            if self.device.type == "cuda":
                optimizers = (self.optimizers[name] for name in self.rates)
                self.captured = Captured(self.descend, optimizers, self.device)

    def advance(self) -> None:
        """One step of training, after a new partition where the schedule asks for one."""
        start, s = time.perf_counter(), self.gan.schedule
        if s.clusters_at(self.step):
            self.check()
            self.recluster()
        elif len(self.losses) > UNCHECKED:
            self.check()
        for name, rates in self.rates.items():
            for group, rate in zip(self.optimizers[name].param_groups, rates, strict=True):
                put_rate(group, rate * s.rate_at(self.step))
        self.share.fill_(1 - s.average_at(self.step))
        penalised = s.penalty is not None and self.step % s.penalty.every == 0
        step = self.descend if self.captured is None else self.captured
        self.losses.append(step(penalised))
        self.step += 1
        self.seconds["all"] += time.perf_counter() - start

    def descend(self, penalised: bool) -> Tensor:
        """One step, with the penalty or without, as a CUDA graph can hold it; the losses of D and of G, ``(2,)``."""
        gan, s = self.gan, self.gan.schedule
        for _ in range(s.discriminator_steps):
            real, fake, judged, z, c = self.batch()
            with self.cast:
                outputs = gan.discriminator(real, judged), gan.discriminator(fake.detach(), judged)
            loss_d = gan.loss.discriminator(*outputs, judged, judged)
            if penalised and s.penalty is not None:
                loss_d = loss_d + s.penalty(gan.discriminator, real, fake.detach(), judged)
            loss_d = loss_d + gan.auxiliary.discriminator(gan, real, fake.detach(), z.detach(), c)
            _descend(self.optimizers["discriminator"], loss_d)
            for part in self.adaptive:
                part.adapt(outputs[0])

        for p in self.judge:
            p.requires_grad_(False)
        with self.cast:
            output = gan.discriminator(fake, judged)
        loss_g = gan.loss.generator(outputs[0].detach(), output, judged, judged)
        loss_g = loss_g + gan.auxiliary.generator(gan, real, fake, z, c)
        _descend(self.optimizers["generator"], loss_g)
        for p in self.judge:
            p.requires_grad_(True)

        for averaged, weights in self.pairs:
            averaged.lerp_(weights.detach(), self.share)
        for copied, module in self.buffered:
            for target, source in zip(copied.buffers(recurse=False), module.buffers(recurse=False), strict=True):
                target.copy_(source)
        return torch.stack([loss_d.detach(), loss_g.detach()])

    def batch(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor]:
        """Real images and a fake of the same slot for each, in its frame; the slots that D is told; ``z`` and ``c``."""
        gan, s = self.gan, self.gan.schedule
        i = torch.randint(len(self.images), (s.batch,), device=self.images.device)
        real, own = self.images[i], parallel.share()
        if self.partition is None:
            c, judged = gan.latent.slots(s.batch, gan.clusterer.capacity, real.device), None  # type: ignore[operator]
        else:
            self.follow(real, i)
            c = judged = self.partition.labels[i]
        z, c, real = gan.latent(c)[own], c[own], gan.frames.into(real, judged)[own]
        with self.cast:
            fake = gan.generator(z, c)
        return real, fake.to(real.dtype), None if judged is None else c, z, c

    def settle(self) -> None:
        """Have averaged weights normalise by statistics of their own, over slots as training draws them now."""
        generator, latent, partition = self.averaged["generator"], self.averaged["latent"], self.partition
        n, capacity = self.gan.schedule.batch, self.gan.clusterer.capacity

        def draw() -> Tensor:
            c = latent.slots(n, capacity, self.device) if partition is None else partition.sample(n)  # type: ignore[operator]
            return generator(latent(c), c)

        with own_randomness(self.images, self.seed, SETTLE, self.step):
            settle_(generator, draw)

    def recluster(self) -> None:
        """Make a new partition of all images, in the slots of the old one; ``train`` says when it is refused."""
        self.agree()
        with in_graphs(self.gan.schedule.graphs):
            self.gan.features.refresh(self.gan, self.images, self.partition)
        start = time.perf_counter()
        new, old = self.cluster(self.gan.features), self.partition
        refused = False
        if old is not None and effective_clusters(new.labels) < 0.5 * effective_clusters(old.labels):
            refused = not self.kept
            fate = "the old partition is kept for this round" if refused else "seen twice, it is taken"
            before, after = large_clusters(old.labels), large_clusters(new.labels)
            warnings.warn(f"step {self.step}: the clusters collapsed from {before} to {after}; {fate}", stacklevel=4)
        self.kept = refused
        self.reported |= self.kept
        if not self.kept:
            parallel.agree_([new.labels, new.log_weights, *vars(new.components).values()])
            self.partition = new
            if self.captured is not None:
                self.captured.forget()
            self.gan.frames.update_(self.images, new.labels)
        self.seconds["clustering"] += time.perf_counter() - start

    def agree(self) -> None:
        """Have all processes use the networks of the first one, statistics of normalisation included."""
        parallel.agree_(tensor for module in self.modules().values() for tensor in module.state_dict().values())

    def cluster(self, features: Features) -> Partition:
        """The partition of all images by these features, started from the present labels."""
        clusterer, old, s = self.gan.clusterer, self.partition, self.gan.schedule
        y = embed(features, self.gan, self.images)
        if old is not None:
            labels: Tensor | None = old.labels if s.warm_start else None
        else:
            labels = features.suggest(y) if self.first_labels is None else self.first_labels
        if labels is not None and int(labels.max()) >= clusterer.capacity:
            raise ValueError(
                f"the features name slot {int(labels.max())} and the clusterer has {clusterer.capacity}: "
                "build the features for the clusterer's capacity"
            )
        with own_randomness(y, self.seed, SUBSET):  # the same images each time, for their labels go on as one chain
            some = torch.randperm(len(y), device=y.device)[: clusterer.max_points].sort().values
        with own_randomness(y, self.seed, CLUSTER, self.step + 1):
            x, projection = reduced(y, clusterer.max_dim, self.columns(features))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a chain that goes on from round to round; the flags are there
                partition = clusterer.fit(x[some], None if labels is None else labels[some])
            partition = replace(partition, projection=projection)
        if len(some) < len(x):
            everywhere = partition.predict(y)
            everywhere[some] = partition.labels
            partition = replace(partition, labels=everywhere, log_joint=None)
        reference = Partition.from_labels(x, labels, clusterer.capacity) if old is None and labels is not None else old
        return partition.align_to(reference) if s.matching and reference is not None else partition

    def columns(self, features: Features) -> Tensor | None:
        """Which of these features ``(D,)`` to look at, bool; all where each mini-batch is to be followed."""
        return None if self.gan.follows else features.columns(self.partition)

    def follow(self, real: Tensor, i: Tensor) -> None:
        """Pass this mini-batch to a clusterer that follows mini-batches, one that has ``update``."""
        update = getattr(self.gan.clusterer, "update", None)
        if update is None:
            return
        start = time.perf_counter()
        with own_randomness(real, self.seed, FOLLOW, self.step + 1), torch.no_grad():
            self.partition = update(self.partition, self.gan.features(self.gan, real), i)
        self.seconds["clustering"] += time.perf_counter() - start

    def check(self) -> None:
        """Raise a ``ValueError`` if a loss was not finite; between two calls no step waits for the device."""
        if not self.losses:
            return
        finite = torch.stack(self.losses).isfinite().all(1).tolist()
        if not all(finite):
            raise ValueError(
                "training has diverged: the loss is not finite at step "
                f"{self.step - len(finite) + finite.index(False)}; {self.last_good}: "
                "lower the learning rates or raise the weight of the penalty"
            )
        self.losses = self.losses[-1:]

    def measure(self, truth: Tensor | None = None) -> dict[str, Any]:
        """A row of the history: losses of the last step, clusters, their sizes and NMI with ``truth``, time so far."""
        last = self.losses[-1]
        parallel.average_([last])
        loss_d, loss_g = last.tolist()
        clusters = 0 if self.partition is None else large_clusters(self.partition.labels)
        row: dict[str, Any] = {
            "step": self.step,
            "loss_d": loss_d,
            "loss_g": loss_g,
            "clusters": clusters,
            "kept": self.reported,
        }
        row |= {"seconds": self.seconds["all"], "clustering_seconds": self.seconds["clustering"]}
        if self.partition is not None:
            row["sizes"] = self.partition.counts.tolist()
            row |= {} if truth is None else {"nmi": nmi(self.partition.labels, truth)}
        self.history.append(row)
        self.reported = False
        return row

    def close(self, config: dict[str, Any]) -> Run:
        """The run that a user gets, made on copies, so that training can go on as if it had not been asked for.

        Labels are those of the last partition, and components follow from them in the features as they are now. A run
        that ends in the warm-up is clustered once.
        """
        self.agree()
        self.settle()
        features = copy.deepcopy(self.gan.features)
        if self.partition is None:
            with in_graphs(self.gan.schedule.graphs):
                features.refresh(self.gan, self.images, None)
            partition = self.cluster(features)
        else:
            y, seen = embed(features, self.gan, self.images), self.partition.projection
            columns = None if seen is None else seen.columns  # for features have not been trained by this partition
            if self.kept:  # or they have
                columns = self.columns(features)
            x, projection = reduced(y, self.gan.clusterer.max_dim, columns)
            partition = self.gan.clusterer.partition(x, self.partition.labels)
            partition = replace(partition, memory=self.partition.memory, projection=projection)
        return self.run(config, replace(self.gan, features=features), partition)


def _check_graphs(gan: MixtureGAN, images: Images) -> None:
    # A ValueError if it is known, on any device, that the host decides or waits in a step of this GAN.
    problems = {
        "images are fetched from a dataset": isinstance(images, Items),
        f"{type(gan.clusterer).__name__} follows mini-batches": gan.follows,
        "several processes exchange gradients": ranks.size() > 1,
    }
    for problem, there in problems.items():
        if there:
            raise ValueError(f"graphs: {problem} at each step, which no CUDA graph holds: train without graphs")


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    parallel.average_(p.grad for group in optimizer.param_groups for p in group["params"])
    optimizer.step()
