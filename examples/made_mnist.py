"""Train a MADE on binarised MNIST, measure log p(x): python examples/made_mnist.py

The masks and the networks are in tinygen/models/made.py. Each epoch leaves a grid of samples, which
take 784 passes of the network, one a pixel. At the end there is also:

    density.json       the exact NLL on the test split, in nats and in bits a pixel
    completions.png    test digits, their upper halves, and four lower halves drawn for each

`--orderings 8` trains a mixture of eight random orders of the pixels, which needs more epochs. With
those the upper half of a digit is not what comes first, so nothing is completed.
"""

from tinygen import report, train
from tinygen.models import made


def main() -> None:
    p = train.parser(__doc__, made, out="runs/made_mnist", epochs=8, batch=100)
    training = train.prepare(p)
    training.fit()
    test = report.binarised_test(training)
    report.report_density(training, test)
    if training.model.config.orderings == 1:
        report.draw_completions(training, test)
    print(training.run.last_grid())


if __name__ == "__main__":
    train.report_errors(main)
