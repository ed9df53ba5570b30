"""What is left by the examples of models that write log p(x) down: the exact NLL, and digits whose
lower halves the model completes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import data
from ..models.autoregressive import Autoregressive
from ..train import Training
from ..weights import write_json

Array = np.ndarray[Any, Any]
COMPLETED, WAYS = 10, 4  # digits, and how often each is completed


def binarised_test(training: Training) -> Array:
    """The test split as zeros and ones (N, H, W, C): the same for all models of one seed."""
    test = training.load("test")
    return data.binarise(test.images, training.generator(3))


def mean_and_error(values: Array) -> tuple[float, float]:
    """The mean of values (N,) and its standard error, NaN for one value alone."""
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return float(values.mean()), float(error)


def bits_per_pixel(nats: float, x: Array) -> float:
    """Nats an image, of images x (N, ...), as bits for each of its numbers."""
    return nats / (math.log(2) * x[0].size)


def report_density(training: Training, x: Array) -> None:
    """The exact NLL of the `binarised_test`, printed and written to density.json in the folder."""
    model = autoregressive(training)
    nats, error = mean_and_error(-model.log_likelihood(x))
    bits = bits_per_pixel(nats, x)
    print(
        f"NLL {nats:.2f} ± {error:.2f} nats, {bits:.4f} bits a pixel, exact, on {len(x):,} "
        "binarised test images"
    )
    row = {"nll": nats, "standard error": error, "bits per pixel": bits, "images": len(x)}
    write_json(training.run.folder / "density.json", row)


def draw_completions(training: Training, x: Array) -> None:
    """completions.png in the run folder: a column for each of the first digits of the
    `binarised_test`, below it its upper half (the rest grey), and what the model makes of that.

    An image of odd height has the middle row in the upper half.
    """
    model, x = autoregressive(training), x[:COMPLETED]
    known = np.zeros(x.shape[1:], bool)
    known[: -(-x.shape[1] // 2)] = True
    many = np.tile(x, (WAYS, 1, 1, 1))
    drawn = model.complete(many, known, training.generator(4))
    pictures = np.concatenate([x, np.where(known, x, 0.5), drawn])
    training.save_grid(pictures, training.run.folder / "completions.png", columns=len(x))


def autoregressive(training: Training) -> Autoregressive:
    """The model. Raises TypeError if it has no exact log p(x)."""
    if not isinstance(training.model, Autoregressive):
        raise TypeError(f"wanted an Autoregressive model, got {type(training.model).__name__}")
    return training.model
