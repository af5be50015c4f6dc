"""The Inception network of published figures, where a user has its package and its weights."""

from pathlib import Path

import torch
from torch import Tensor

from bnpgan.classifiers.base import Classifier

__all__ = ["Inception"]


class Inception(Classifier):
    """The 2,048 pooled features of Inception-v3 as ``torch-fidelity`` has it, the extra ``inception``.

    Only in these features is the Frechet distance what papers call FID, and only for as many images, resized in the
    same way, as theirs.

    Args:
        weights: the file of weights that ``torch-fidelity`` names ``pt_inception-2015-12-05``; nothing is downloaded.

    Raises:
        ValueError: if the package or the file is missing.
    """

    shape, classes = (3, 299, 299), 0

    def __init__(self, weights: str | Path) -> None:
        super().__init__()
        from torchmetrics.image.fid import NoTrainInceptionV3

        if not Path(weights).is_file():
            raise ValueError(f"extractor {weights} is missing: pass the file of Inception's weights")
        try:
            self.net = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))
        except ModuleNotFoundError as error:
            raise ValueError(
                f"extractor {weights}: Inception needs torch-fidelity ({error}): pip install 'bnpgan[inception]'"
            ) from None
        self.told = f"Inception-v3 of torch-fidelity with the weights {Path(weights).name}, 2048 features"

    def forward(self, images: Tensor) -> Tensor:
        """Features of images of any size: the network resizes them itself, from bytes, as published figures do."""
        return self.features(images)

    def features(self, images: Tensor) -> Tensor:
        """``(B, 2048)``."""
        return self.net(((images + 1) * 127.5).round().to(torch.uint8))

    def logits(self, features: Tensor) -> Tensor:
        """It names no classes here.

        Raises:
            ValueError: always.
        """
        raise ValueError("extractor: Inception's features name no classes here: pass a classifier of the data")
