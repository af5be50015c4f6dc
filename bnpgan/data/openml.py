"""Sets from OpenML, by way of scikit-learn, which keeps what it has downloaded."""

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import fetch_openml

__all__ = ["fetched"]


def fetched(name: str, shape: tuple[int, int], held_out: int, train: bool, advice: str) -> tuple[NDArray, NDArray]:
    """Images ``(N, pixels)`` and labels ``(N,)`` of a set, as bytes: all but the last, which are held out, or these.

    Raises:
        ValueError: If nothing can be downloaded, or it is another set; ``advice`` says what else can be done.
    """
    try:
        stored = fetch_openml(name, version=1, as_frame=False)
    except (OSError, ValueError, ImportError) as error:  # no network; no such set; no pandas
        raise ValueError(f"root is not given, and {name} cannot be downloaded ({error}): {advice}") from error
    if stored.data.shape != shape:
        raise ValueError(f"root is not given, and {name} from OpenML has shape {stored.data.shape}: {advice}")
    first = shape[0] - held_out  # training images are stored first
    some = slice(None, first) if train else slice(first, None)
    return stored.data[some].astype(np.uint8), stored.target[some].astype(np.int64)  # as whole numbers, labels as text
