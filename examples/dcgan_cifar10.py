"""Train a DCGAN on CIFAR-10, and see what D has learned: python examples/dcgan_cifar10.py

The objective is in tinygen/models/gan.py, the networks (`deep`) in tinygen/models/dcgan.py; z of
100 numbers, Adam with a rate of 2e-4 and β₁ = 0.5, batches of 64, as the paper has them. The first
line says how long it will take. Each epoch leaves a grid. At the end there is also

    features.json    how often a linear classifier is right on the test split, when it sees D's
                     features, those of an untrained D, raw pixels, and their principal components

Colours and textures come within two epochs, things that one can name much later: `--epochs 40` is
a night's work, and a stopped run goes on with --resume. `--only cat` learns one class, `--augment`
mirrors images, `--size 64` enlarges them (for a GPU).
"""

import numpy as np

from tinygen import scores, train
from tinygen.models import gan
from tinygen.weights import write_json

LEARNED, TESTED = 10_000, 5_000  # images for the linear classifiers
COMPONENTS = 256


def main() -> None:
    p = train.parser(__doc__, gan, out="runs/dcgan_cifar10", epochs=2, batch=64)
    p.set_defaults(data="cifar10", arch="deep", lr=2e-4)
    training = train.prepare(p)
    training.announce()
    untrained = gan.build(training.model.config, setup(training), training.generator(6)).D
    training.fit()
    if len(training.dataset.classes) > 1 and training.options.arch == "deep":
        report_features(training, untrained)
    print(training.run.last_grid())
