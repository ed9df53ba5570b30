"""Train a GAN on MNIST and watch digits appear: python examples/gan_mnist.py

The objective and the networks are in tinygen/models/gan.py. Every epoch leaves a grid of the same
64 noise vectors in the run folder; the last line printed is the path of the newest.

A long run of the fully connected networks, `--arch mlp --epochs 300`, takes hours on two cores;
samples/ then holds the grids of epochs 1, 5, 10, 20, 50, 100, 200 and 300, among all others.

`--histogram` draws classes.png, the share of each digit among 1,000 samples after each epoch, as a
classifier sees them. A generator that moves too far for each step of the discriminator ends in one
digit, and jumps to another when that one is found out:

    python examples/gan_mnist.py --arch mlp --generator-steps 5 --lr 2e-3 --beta1 0.9 --histogram
"""

from tinygen import scores, train
from tinygen.models import gan


def main() -> None:
    p = train.parser(__doc__, gan, out="runs/gan_mnist", epochs=6, batch=64)
    p.add_argument("--histogram", action="store_true", help="watch the classes of the samples")
    training = train.prepare(p)
    watched = training.options.histogram
    histogram = scores.ClassHistogram(training.run, training.dataset) if watched else None

    def each_epoch(epoch: int) -> None:
        training.draw(epoch)
        if histogram:
            histogram.watch(training, epoch)

    training.fit(each_epoch)
    print(training.run.last_grid())


if __name__ == "__main__":
    train.report_errors(main)
