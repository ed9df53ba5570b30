"""Train a conditional GAN on MNIST and draw any digit: python examples/cgan_mnist.py

The objective and the networks are in tinygen/models/cgan.py. Every epoch leaves a grid with a row
of images for each class, all rows from the same ten noise vectors. At the end, besides the
usual files:

    labels.json   label accuracy, by class too, and label influence (tinygen/scores/labels.py)

A finished run draws what it is asked for: python -m tinygen sample runs/cgan_mnist --label 7
"""

from tinygen import scores, train
from tinygen.models import cgan


def main() -> None:
    p = train.parser(__doc__, cgan, out="runs/cgan_mnist", epochs=24, batch=64)
    training = train.prepare(p)
    training.fit()
    scores.report_labels(training)
    print(training.run.last_grid())


if __name__ == "__main__":
    train.report_errors(main)
