"""Train a conditional DCGAN on MNIST: python examples/cdcgan_mnist.py --variant projection

The objective and the variants are in tinygen/models/cdcgan.py: --variant says how the label reaches
D, or G. Every epoch leaves a grid with a row of images for each class, all rows from the same ten
noise vectors. At the end it leaves also:

    labels.json   label accuracy, by class too, and label influence (tinygen/scores/labels.py)

A finished run draws what it is asked for: python -m tinygen sample runs/cdcgan_mnist --label all
"""

from tinygen import scores, train
from tinygen.models import cdcgan


def main() -> None:
    p = train.parser(__doc__, cdcgan, out="runs/cdcgan_mnist", epochs=4, batch=64)
    training = train.prepare(p)
    training.fit()
    scores.report_labels(training)
    print(training.run.last_grid())


if __name__ == "__main__":
    train.report_errors(main)
