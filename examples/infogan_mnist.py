"""Train an InfoGAN on MNIST and see what its codes came to mean: python examples/infogan_mnist.py

The objective and the networks are in tinygen/models/infogan.py. No label is used in training. Every
epoch leaves a grid with a row for each of the ten categories; a classifier says which digits they
are. At the end it leaves:

    sweep_1.png, sweep_2.png   each row a category; along it one of the code's two numbers changes
    codes.json                 epoch -> the share of each digit among a category's samples, and how
                               much the shares of the main digits spread over the epochs
"""

import numpy as np

from tinygen import scores, train
from tinygen.models import infogan
from tinygen.weights import write_json

SAMPLES = 100  # of each category
PURE = 0.8  # a category means a digit from this share on
MISSING = 0.02  # a class is missing below this share


def main() -> None:
    p = train.parser(__doc__, infogan, out="runs/infogan_mnist", epochs=9, batch=64)
    training = train.prepare(p)
    model, folder = training.model, training.run.folder
    net = scores.run_classifier(training.run, training.dataset)
    tables = {}  # epoch -> (categories, digits)

    def each_epoch(epoch: int) -> None:
        training.draw(epoch)
        tables[epoch] = table(training, net)

    training.fit(each_epoch)
    for i in range(infogan.NUMBERS):
        images = model.sweep(i, training.generator(1))
        training.save_grid(images, folder / f"sweep_{i + 1}.png", columns=infogan.EACH)
    write_json(folder / "codes.json", report(tables, training.dataset.classes))
    print(training.run.last_grid())


def table(training, net):
    """The share of each digit among the samples of each category: (10, classes)."""
    rng, n = training.generator(5), infogan.CATEGORIES * SAMPLES
    c = infogan.draw_codes(n, rng)
    c[:, : infogan.CATEGORIES] = np.repeat(np.eye(infogan.CATEGORIES), SAMPLES, axis=0)
    pictures = training.pixels(training.model.generate(infogan.noise(n, rng), c))
    p = scores.probabilities(net, pictures)
    digits = np.eye(p.shape[1])[p.argmax(1)]
    return digits.reshape(infogan.CATEGORIES, SAMPLES, -1).mean(1)


def report(tables, classes):
    """Prints and returns what the categories mean, and how steadily they did so."""
    last = tables[max(tables)]
    for k, shares in enumerate(last):
        print(f"category {k}: {classes[shares.argmax()]} {shares.max():.0%}")
    pure = [classes[shares.argmax()] for shares in last if shares.max() >= PURE]
    print(
        f"{len(pure)} of {len(last)} categories give one digit at least {PURE:.0%} of the time: "
        f"{len(set(pure))} different ones"
    )
    drawn = [classes[i] for i, share in enumerate(last.mean(0)) if share >= MISSING]
    print(f"classes in at least {MISSING:.0%} of all samples: {' '.join(drawn)}")
    main = np.array([t.max(1).mean() for t in tables.values()])  # one number an epoch
    print(f"mean share of the main digit {main[-1]:.2f}, sd over epochs {main.std():.2f}")
    shares = {epoch: t.tolist() for epoch, t in tables.items()}
    return {"shares": shares, "spread over epochs": float(main.std())}


if __name__ == "__main__":
    train.report_errors(main)
