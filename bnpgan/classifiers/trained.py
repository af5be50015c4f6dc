"""A classifier that is trained here, its accuracy, and its directory."""

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from bnpgan.classifiers.base import Classifier
from bnpgan.classifiers.convolutional import Convolutional
from bnpgan.features import shifted
from bnpgan.files import load_module, load_tensors, read_json, save_tensors, write_json
from bnpgan.images import CHUNK, Images

__all__ = ["accuracy", "load_classifier", "save_classifier", "train_classifier"]


def train_classifier(
    images: Images,
    labels: Tensor,
    *,
    epochs: float = 3.0,
    width: int = 16,
    batch: int = 128,
    learning_rate: float = 3e-3,
    shift: int = 2,
    progress: bool = True,
) -> Convolutional:
    """Train a small convolutional classifier, from torch's ambient generator, and leave it in evaluation mode.

    Adam, its rate rising to ``learning_rate`` for a tenth of the steps and falling to 0 as a cosine from there.

    Args:
        images: ``(N, C, H, W)`` in [-1, 1].
        labels: the class of each ``(N,)``, 0, 1, ....
        epochs: how often each image is seen, on average.
        width: of the network.
        batch: images a step.
        learning_rate: at its highest.
        shift: images are moved by up to so many pixels, at random.
        progress: show a bar.

    Raises:
        ValueError: if ``labels`` do not fit, or a number is out of range.
    """
    if labels.shape != (len(images),) or int(labels.min()) < 0:
        raise ValueError(f"labels have shape {tuple(labels.shape)}: pass a class, 0, 1, ..., for each of {len(images)}")
    steps = math.ceil(epochs * len(images) / batch) if epochs > 0 and batch > 0 else 0
    if steps < 1 or not learning_rate > 0:
        raise ValueError(f"epochs, batch and learning_rate must be positive, got {epochs}, {batch}, {learning_rate}")
    C, H, W = images.shape[1:]
    device, labels = images.device, labels.to(images.device)
    net = Convolutional((C, H, W), int(labels.max()) + 1, width).to(device).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate, fused=True)
    for step in tqdm(range(steps), disable=not progress, unit="step"):
        done = step / steps
        rate = min(done / 0.1, 0.5 + 0.5 * math.cos(math.pi * done))
        optimizer.param_groups[0]["lr"] = learning_rate * rate
        i = torch.randint(len(images), (batch,), device=device)
        loss = F.cross_entropy(net.logits(net.features(shifted(images[i], shift))), labels[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


def accuracy(classifier: Classifier, images: Images, labels: Tensor) -> float:
    """The share of images whose class is named right."""
    right = 0
    with torch.no_grad():
        for i in range(0, len(images), CHUNK):
            part = images[i : i + CHUNK]
            right += int((classifier.named(classifier(part)) == labels[i : i + CHUNK].to(part.device)).sum())
    return right / len(images)


def save_classifier(classifier: Convolutional, out: Path, told: dict[str, Any]) -> None:
    """Write ``classifier.safetensors`` and ``classifier.json``, which says what it is, and what ``told`` adds."""
    out.mkdir(parents=True, exist_ok=True)
    made = {"shape": list(classifier.shape), "classes": classifier.classes, "width": classifier.width}
    save_tensors(out / "classifier.safetensors", classifier.state_dict(), made)
    write_json(out / "classifier.json", {**made, **told})


def load_classifier(path: str | Path) -> Convolutional:
    """The classifier of a directory that ``save_classifier`` wrote, in evaluation mode.

    Raises:
        ValueError: if there is none, or it is damaged.
    """
    tensors, made = load_tensors(Path(path) / "classifier.safetensors")
    told = read_json(Path(path) / "classifier.json")
    try:
        net = Convolutional(tuple(made["shape"]), made["classes"], made["width"])
        load_module(net, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no classifier ({error}): train one, bnpgan classifier") from None
    if isinstance(told, dict) and "accuracy" in told:
        net.told += f", trained on {told.get('data')}, accuracy {told['accuracy']:.4f} on {told.get('held_out')}"
    return net.eval().requires_grad_(False)
