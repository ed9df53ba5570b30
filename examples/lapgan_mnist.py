"""Train a LAPGAN on MNIST, a GAN a level from 7×7 to 28×28: python examples/lapgan_mnist.py

The objective and the networks are in tinygen/models/lapgan.py. Works on CIFAR-10, too, from 8×8 to
32×32: `--data cifar10`. Every epoch leaves a grid; at the end there is also

    levels.png    some samples as they grow: a column each, from the smallest image down
"""

import numpy as np

from tinygen import train
from tinygen.models import lapgan

SHOWN = 12


def main() -> None:
    p = train.parser(__doc__, lapgan, out="runs/lapgan_mnist", epochs=10, batch=64)
    training = train.prepare(p)
    training.announce()
    training.fit()
    draw_levels(training)
    print(training.run.last_grid())


def draw_levels(training) -> None:
    """Each level's images, enlarged to the size of the last."""
    chain = training.model.chain(SHOWN, training.generator(1))
    side = chain[-1].shape[1]
    rows = [x.repeat(side // x.shape[1], axis=1).repeat(side // x.shape[1], axis=2) for x in chain]
    path = training.run.folder / "levels.png"
    training.save_grid(np.concatenate(rows), path, columns=SHOWN)


if __name__ == "__main__":
    train.report_errors(main)
