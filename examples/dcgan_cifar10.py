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

from copy import deepcopy

from tinygen import scores, train
from tinygen.models import gan
from tinygen.weights import write_json

LEARNED, TESTED = 10_000, 5_000  # images that the linear classifiers learn from, and are tested on
COMPONENTS = 256


def main() -> None:
    p = train.parser(__doc__, gan, out="runs/dcgan_cifar10", epochs=2, batch=64)
    p.set_defaults(data="cifar10", arch="deep", lr=2e-4)
    training = train.prepare(p)
    training.announce()
    untrained = deepcopy(training.model.D)
    training.fit()
    if len(training.dataset.classes) > 1 and training.options.arch != "mlp":
        report_features(training, untrained)
    print(training.run.last_grid())


def report_features(training, untrained) -> None:
    """Prints how well each kind of features tells the classes apart; features.json."""
    learn, test = training.dataset, training.load("test")
    x, labels = learn.images[:LEARNED], learn.labels[:LEARNED]
    x_test, labels_test = test.images[:TESTED], test.labels[:TESTED]
    pixels = [images.reshape(len(images), -1) / 255 for images in (x, x_test)]
    components = scores.pca(pixels[0], min(COMPONENTS, *pixels[0].shape))
    kinds = {
        "D's features": [scores.seen_by(training.model.D, images) for images in (x, x_test)],
        "an untrained D's": [scores.seen_by(untrained, images) for images in (x, x_test)],
        "pixels": pixels,
        f"{len(components.components)} principal components": map(components.encode, pixels),
    }
    found = {}
    for name, (known, others) in kinds.items():
        found[name] = scores.linear_accuracy(known, labels, others, labels_test)
        print(f"a linear classifier on {name}: {found[name]:.1%} right")
    about = {"learned from": len(x), "tested on": len(x_test)}
    write_json(training.run.folder / "features.json", {**about, "right": found})


if __name__ == "__main__":
    train.report_errors(main)
