"""How the reference classifiers were made: python -m tinygen.scores.make_reference mnist fashion

Some six minutes each on two cores. The net of `reference.py`, with batch norm and ReLU after all
layers but the last, learns the training split, each image shifted by up to two pixels
(Fashion-MNIST's half of the time mirrored), by Adam with a cosine rate. Batch norm by its running
statistics is a linear map, and is folded into the layer before it,

    γ (W x - μ) / √(σ² + ε) + β = W' x + b',    W' = W γ / √(σ² + ε),    b' = β - μ γ / √(σ² + ε)

so that what is stored, in float16, is plain layers with biases.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np

from .. import data
from ..data import Dataset
from ..errors import UsageError
from ..nn import BatchNorm, Conv2d, Linear, Sequential
from ..nn.init import Rng
from ..optim import Adam, cosine
from ..train import report_errors
from ..weights import save
from .classifier import accuracy, learn
from .reference import NAMES, WEIGHTS, layers

MIRRORED = ("fashion",)  # whose classes look the same from the other side
SHIFT = 2  # pixels


def train_reference(dataset: Dataset, *, epochs: int = 6, batch: int = 100) -> Sequential:
    """`layers` trained on the images, folded."""
    rng = np.random.default_rng(0)
    net = layers(rng, folded=False)
    steps = epochs * (len(dataset) // batch)
    opt = Adam(net.parameters(), lr=cosine(2e-3, steps=steps))
    vary = partial(varied, rng=rng, mirror=dataset.name in MIRRORED)
    learn(net, opt, dataset, rng, epochs=epochs, batch=batch, vary=vary)
    return fold(net)


def varied(images: Any, rng: Rng, *, mirror: bool) -> np.ndarray[Any, Any]:
    """The images, each shifted by up to SHIFT pixels, and half of them mirrored if asked for."""
    n, h, w, _ = images.shape
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    top, left = rng.integers(0, 2 * SHIFT + 1, (2, n, 1))
    rows, columns = top + np.arange(h), left + np.arange(w)
    if mirror:
        columns = np.where(rng.random((n, 1)) < 0.5, columns[:, ::-1], columns)
    return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def fold(net: Sequential) -> Sequential:
    """The same function with each batch norm in the layer before it."""
    plain = layers(np.random.default_rng(0), folded=True)
    targets = iter([m for m in plain.layers if isinstance(m, Conv2d | Linear)])
    steps = [m for m in net.layers if isinstance(m, Conv2d | Linear | BatchNorm)]
    for layer, norm in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(layer, BatchNorm):
            continue
        W, b = layer.weight.data, 0.0 if layer.bias is None else layer.bias.data
        if isinstance(norm, BatchNorm):
            s = norm.gamma.data / np.sqrt(norm.running_var.data + norm.eps)
            W, b = W * s, (b - norm.running_mean.data) * s + norm.beta.data
        target = next(targets)
        target.load_state_dict({"weight": W, "bias": np.broadcast_to(b, W.shape[-1])})
    return plain


def main(names: list[str]) -> None:
    """Trains the classifiers of these data sets and stores them in the package.

    Raises UsageError for a set that has none.
    """
    if unknown := set(names) - set(NAMES):
        wanted, got = " or ".join(NAMES), ", ".join(sorted(unknown))
        raise UsageError(f"wanted data sets among {wanted}, got {got}")
    WEIGHTS.mkdir(exist_ok=True)
    for name in names or NAMES:
        net = train_reference(data.load(name, "train"))
        half = {key: array.astype(np.float16) for key, array in net.state_dict().items()}
        net.load_state_dict(half)
        share = accuracy(net, data.load(name, "test"))
        about = {
            "made by": f"python -m tinygen.scores.make_reference {name}",
            "test": f"{share:.2%}",
        }
        save(WEIGHTS / f"{name}.safetensors", half, about)
        print(f"{name}: {share:.2%} of the test split")


if __name__ == "__main__":
    report_errors(lambda: main(sys.argv[1:]), "make_reference")
