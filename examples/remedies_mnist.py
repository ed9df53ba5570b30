"""Train a GAN with a remedy against collapse: python examples/remedies_mnist.py --remedy minibatch

The remedies are in tinygen/models/remedies.py. Every epoch leaves a grid of the same 64 noise
vectors, and classes.png, the share of each digit among 1,000 samples as a classifier sees them.
Without a remedy this ends in speckles that the classifier takes for one digit:

    python examples/remedies_mnist.py --arch mlp --generator-steps 5 --lr 2e-4

`compare_remedies_mnist.py` does that with each of them.
"""

from tinygen import scores, train
from tinygen.models import remedies


def main() -> None:
    p = train.parser(__doc__, remedies, out="runs/remedies_mnist", epochs=3, batch=64)
    training = train.prepare(p)
    histogram = scores.ClassHistogram(training.run, training.dataset)

    def each_epoch(epoch: int) -> None:
        training.draw(epoch)
        histogram.watch(training, epoch)

    training.fit(each_epoch)
    print(training.run.last_grid())


if __name__ == "__main__":
    train.report_errors(main)
