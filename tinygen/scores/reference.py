"""The reference classifiers: MNIST's and Fashion-MNIST's, with weights that come with the package.

So scores are there at once, and everyone's compare. `make_reference.py` made them; a file's
metadata has the accuracy on the test split.

    28×28×1 -> conv 3×3, 16 -> conv 4×4 / 2, 32 -> conv 3×3, 64 -> conv 4×4 / 2, 64 -> 64 -> 10
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Dataset
from ..data.known import KNOWN
from ..errors import UsageError
from ..nn import BatchNorm, Conv2d, Linear, Module, Reshape, Sequential
from ..nn.init import Rng, he
from ..ops import relu
from ..weights import load
from .classifier import view

NAMES = ("mnist", "fashion")
SHAPE = (28, 28, 1)
WEIGHTS = Path(__file__).parent / "weights"
FEATURES = 64


def layers(rng: Rng, *, folded: bool) -> Sequential:
    """Logits (N, 10) of images (N, 28, 28, 1) in [-1, 1]: with batch norm, or with biases."""
    how: dict[str, Any] = {"rng": rng, "init": he, "bias": folded}
    half: dict[str, Any] = {"kernel": 4, "stride": 2, "padding": 1, **how}
    same: dict[str, Any] = {"kernel": 3, "padding": 1, **how}

    def normed(layer: Module, channels: int) -> list[Any]:
        return [layer, relu] if folded else [layer, BatchNorm(channels), relu]

    return Sequential(
        *normed(Conv2d(1, 16, **same), 16),
        *normed(Conv2d(16, 32, **half), 32),
        *normed(Conv2d(32, 64, **same), 64),
        *normed(Conv2d(64, 64, **half), 64),
        Reshape(7 * 7 * 64),
        *normed(Linear(7 * 7 * 64, FEATURES, **how), FEATURES),
        Linear(FEATURES, 10, rng=rng),
    )


@cache
def reference(name: str) -> Sequential:
    """The classifier of the data set called name. Raises UsageError if there is none."""
    if name not in NAMES:
        raise UsageError(f"reference: wanted a data set among {', '.join(NAMES)}, got {name!r}")
    net = layers(np.random.default_rng(0), folded=True)
    net.load_state_dict(load(WEIGHTS / f"{name}.safetensors"))
    return net


def has_reference(dataset: Dataset) -> bool:
    """Whether there is a classifier of these images: told by name, shape and classes."""
    name, shape = dataset.name, dataset.images.shape[1:]
    return name in NAMES and shape == SHAPE and dataset.classes == KNOWN[name].classes


def features(name: str, images: Any) -> np.ndarray[Any, Any]:
    """What its last layer sees of uint8 images (N, 28, 28, 1): (N, 64), all >= 0."""
    return view(reference(name), images).features
