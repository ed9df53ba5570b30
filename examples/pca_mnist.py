"""A linear autoencoder finds what PCA finds, a deeper one finds more: python examples/pca_mnist.py

For each of --sizes numbers of the code it compares the error on the test split of PCA, of a linear
autoencoder (tinygen/models/autoencoder.py, arch linear) and of one with two hidden layers either
side (arch mlp). After each epoch of a linear one it takes the principal angles between the space
that the decoder's columns span and that of PCA's components: all fall towards 0 (Baldi & Hornik
1989), the last of them slowly where two components have nearly the same variance, as they do of
large codes: the error does not tell these apart.

Each run has a folder of its own below --out; what was stopped goes on with --resume. Linear ones
take ten times as many epochs, of eight times the batch: these are cheap. Leaves:

    pca.json      the errors, and the largest angle of each linear autoencoder, in degrees
    errors.png    the errors against the size of the code
    angles.png    the angles after each epoch, for one size
"""

import numpy as np

from tinygen import data, optim, plots, train
from tinygen.models import autoencoder
from tinygen.models.config import COUNT
from tinygen.scores import pca, principal_angles
from tinygen.weights import read_json, write_json

SHOWN = 16  # the size of code whose angles are drawn, if it is among them, else the largest
RATE = 2e-2  # of the linear ones, at first; it falls to 0


def main() -> None:
    p = train.parser(__doc__, out="runs/pca_mnist", epochs=4, batch=64)
    sizes = {"type": train.argument(COUNT), "default": [2, 4, 8, 16, 32, 64], "metavar": "N"}
    p.add_argument("--sizes", nargs="+", help="numbers of the code", **sizes)
    series = train.Series.of(p)
    wanted = list(dict.fromkeys(series.options.sizes))  # each once
    dataset, test = map(series.load, ("train", "test"))
    x, held_out = (data.scale(d.images, 0, 1).reshape(len(d), -1) for d in (dataset, test))
    best = pca(x, max(wanted))
    rows, angles = {}, {}
    for d in wanted:
        angles[d], linear = train_linear(series, d, best.components[:d].T)
        deep = series.train(f"mlp-{d}", autoencoder, latent=d).model
        reconstructed = {
            "PCA": best.first(d).reconstruct(held_out),
            "linear autoencoder": reconstruct(linear, test.images, held_out),
            "autoencoder": reconstruct(deep, test.images, held_out),
        }
        rows[d] = {
            name: float(((held_out - y) ** 2).sum(1).mean()) for name, y in reconstructed.items()
        }
        print(f"{d:3} numbers:", ", ".join(f"{name} {e:.2f}" for name, e in rows[d].items()))
    report(series.run.folder, rows, angles)
    print(series.run.folder / "errors.png")


def train_linear(series, d, components):
    """A linear autoencoder, trained, and epoch -> principal angles, which angles.json keeps."""
    common = series.options
    more = {"epochs": 10 * common.epochs, "batch": 8 * common.batch, "lr": RATE}
    with series.training(f"linear-{d}", autoencoder, arch="linear", latent=d, **more) as training:
        model, path = training.model, training.run.folder / "angles.json"
        steps = more["epochs"] * (len(training.dataset) // more["batch"])
        model.opt.lr = optim.cosine(RATE, steps=steps)
        kept = read_json(path) if path.exists() else {}
        angles = {int(epoch): found for epoch, found in kept.items()}

        def look(epoch: int) -> None:
            columns = model.decoder[0].weight.numpy().T
            angles[epoch] = principal_angles(columns, components).tolist()
            write_json(path, angles)

        def each_epoch(epoch: int) -> None:
            look(epoch)
            if epoch == more["epochs"]:
                training.draw(epoch)

        if not angles:
            look(0)
        training.fit(each_epoch)
    return angles, model


def reconstruct(model, images, like):
    """What the autoencoder makes of uint8 images, in the shape of the points `like`."""
    x = data.scale(images, *model.RANGE)
    return model.decode(model.encode(x)).reshape(like.shape)


def report(folder, rows, angles):
    """pca.json and both figures."""
    largest = {d: found[max(found)][-1] for d, found in angles.items()}
    errors = {d: {**row, "largest angle": largest[d]} for d, row in rows.items()}
    write_json(folder / "pca.json", errors)
    lines = {
        name: (list(rows), [[[row[name]] for row in rows.values()]])
        for name in next(iter(rows.values()))
    }
    panel = "squared error per image of the test split"
    figure = plots.progress(lines, [panel], axis="numbers of the code", wide=["PCA"])
    plots.save(figure, folder / "errors.png")

    d = SHOWN if SHOWN in angles else max(angles)
    print(f"largest angle with PCA's subspace, {d} numbers: {largest[d]:.2f}°")
    panel = f"principal angles between the linear autoencoder's\nand PCA's {d} directions, degrees"
    several = np.array(list(angles[d].values()))
    lines = {f"angle {i + 1}": (list(angles[d]), [several[:, [i]]]) for i in range(d)}
    figure = plots.progress(lines, [panel], axis="epoch", logarithmic=[panel])
    plots.save(figure, folder / "angles.png")


if __name__ == "__main__":
    train.report_errors(main)
