"""Train a conditional VAE on MNIST and draw any digit: python examples/cvae_mnist.py

The bound and the networks are in tinygen/models/cvae.py. Every epoch leaves a grid with a row of
images for each class, all rows from the same ten noise vectors. At the end it leaves also:

    planes.png    the decoder's images over the latent plane, for two classes    (2-d latent only)
    labels.json   label accuracy, by class too, and label influence (tinygen/scores/labels.py)

A finished run draws what it is asked for: python -m tinygen sample runs/cvae_mnist --label 7
"""

import numpy as np
from scipy.stats import norm

from tinygen import scores, train
from tinygen.models import cvae

SIDE = 12  # images along each side of a plane


def main() -> None:
    p = train.parser(__doc__, cvae, out="runs/cvae_mnist", epochs=20, batch=64)
    training = train.prepare(p)
    training.fit()
    if training.model.config.latent == 2:
        draw_planes(training)
    scores.report_labels(training)
    print(training.run.last_grid())


def draw_planes(training) -> None:
    """The plane of the first class, beside it that of the last: the same z in the same place."""
    model = training.model
    quantiles = norm.ppf(np.linspace(0.03, 0.97, SIDE))  # equal steps of the prior's probability
    plane = np.stack(np.meshgrid(quantiles, -quantiles), axis=-1)  # rows, columns, z
    z = np.concatenate([plane, plane], axis=1).reshape(-1, 2)
    labels = np.tile(np.repeat([0, model.classes - 1], SIDE), SIDE)
    path = training.run.folder / "planes.png"
    training.save_grid(model.generate(z, labels), path, columns=2 * SIDE, zoom=1)


if __name__ == "__main__":
    train.report_errors(main)
