"""Does a conditional model hear the label? Numbers for it, by a classifier and without one.

label accuracy    the share of images that the classifier takes for the class they were asked for
label influence   how much the same noise changes with the label, against how much the same label
                  changes with the noise: with x[i, c] the image of noise i and class c,

                      mean_i Var_c x[i, c]  /  mean_c Var_i x[i, c]    (means over pixels, too)

                  It is 0 for a model that ignores its labels, whatever it draws.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..data import unscale
from ..models.conditional import Conditional
from ..nn import Sequential
from ..nn.init import Rng
from ..train import Training
from ..weights import write_json
from .classes import run_classifier
from .classifier import probabilities


class Heard(NamedTuple):
    """What came of asking a model for every class equally often."""

    accuracy: float
    by_class: np.ndarray[Any, Any]  # (classes,), the accuracy of each class's images
    influence: float
    samples: int


def hears_labels(net: Sequential, model: Conditional, rng: Rng, *, n: int = 1000) -> Heard:
    """Label accuracy on n images (n / classes of each class), label influence on as many."""
    each = max(1, n // model.classes)
    labels = np.repeat(np.arange(model.classes), each)
    pictures = unscale(model.generate(model.latent(len(labels), rng), labels), *model.RANGE)
    right = probabilities(net, pictures).argmax(1) == labels
    by_class = right.reshape(model.classes, each).mean(1)
    return Heard(float(right.mean()), by_class, label_influence(model, rng, each), len(labels))


def label_influence(model: Conditional, rng: Rng, n: int = 100) -> float:
    """Label influence on n draws of the noise, each under every label."""
    z = np.repeat(model.latent(n, rng), model.classes, axis=0)
    images = model.generate(z, np.tile(np.arange(model.classes), n))
    x = images.reshape(n, model.classes, -1).astype(np.float64)
    between_labels, between_noise = x.var(axis=1).mean(), x.var(axis=0).mean()
    if not between_labels:
        return 0.0
    return float(between_labels / between_noise) if between_noise else np.inf


def report_labels(training: Training) -> Heard:
    """Asks a trained model for every class, prints how it did and writes labels.json."""
    run, model = training.run, training.model
    if not isinstance(model, Conditional):
        raise TypeError(f"report_labels: wanted a Conditional, got {type(model).__name__}")
    net = run_classifier(run, training.dataset)
    heard = hears_labels(net, model, training.generator(5))
    worst = int(heard.by_class.argmin())
    print(
        f"label accuracy {heard.accuracy:.1%} on {heard.samples} samples "
        f"(lowest: {training.dataset.classes[worst]}, {heard.by_class[worst]:.0%}), "
        f"label influence {heard.influence:.2f}"
    )
    write_json(run.folder / "labels.json", {**heard._asdict(), "by_class": heard.by_class.tolist()})
    return heard
