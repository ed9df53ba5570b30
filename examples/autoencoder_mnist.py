"""Train an autoencoder on MNIST, see what its code keeps: python examples/autoencoder_mnist.py

    --kind undercomplete        few numbers: 2 unless --latent says more
    --kind sparse               1024 numbers, of which an image uses few
    --kind stochastic           numbers that noise is added to
    --kind denoising            from images that noise was added to, or that lost pixels

The objectives and the networks are in tinygen/models/autoencoder.py. Every epoch leaves a grid of
held-out images in alternating rows: as they are, corrupted (denoising only), and reconstructed. At
the end it prints the reconstruction error on all held-out images, and leaves

    features.png   sparse: what each of the 100 most used units adds to an image
    latent.png     where the encoder puts the images, coloured by class     (codes of two numbers)
    plane.png      the decoder's images over that plane                     (codes of two numbers)

A unit of a sparse code is called active on an image if it is above a tenth of the largest value
that it has on any. python -m tinygen sample RUN draws images of codes from a Gaussian.
"""

import numpy as np

import tinygen as tg
from tinygen import data, plots, train
from tinygen.models import autoencoder

COLUMNS, BANDS = 16, 5  # of a grid; a band is a row of images and what becomes of them
SIDE = 20  # images along each side of a plane
FEATURES = 100


def main() -> None:
    p = train.parser(__doc__, autoencoder, out="runs/autoencoder_mnist", epochs=10, batch=64)
    training = train.prepare(p)
    model, held_out = training.model, training.load("validation")
    x = training.scaled(held_out.images)
    seen = corrupted(model, x)  # the same in every epoch
    rows = [x] if seen is x else [x, seen]

    def each_epoch(epoch: int) -> None:
        shown = [images[: COLUMNS * BANDS] for images in rows]
        shown.append(model.decode(model.encode(shown[-1])))
        training.draw(epoch, bands(shown), columns=COLUMNS)

    training.fit(each_epoch)
    print_errors(model, x, seen)
    if model.config.kind == "sparse":
        draw_features(training, model.encode(x))
    if model.config.latent == 2:
        draw_plane(training, model.encode(x), held_out)
    print(training.run.last_grid())


def corrupted(model, x):
    """The images x as the encoder of a denoising one gets them; of the other kinds x itself."""
    c = model.config
    if c.kind != "denoising":
        return x
    noise = model.draw(x, None, np.random.default_rng(0))["noise"]
    with tg.no_grad():
        images = autoencoder.corrupt(
            tg.tensor(x), tg.tensor(noise), corruption=c.corruption, level=c.level
        )
    return images.numpy()


def bands(rows):
    """Images of several rows, (N, H, W, C) each, as a grid shows them: a few of the first row,
    below them the same of the second, and so on; then the next few."""
    n = min(COLUMNS, len(rows[0]))
    whole = [images[: len(images) // n * n].reshape(-1, n, *images.shape[1:]) for images in rows]
    return np.stack(whole, axis=1).reshape(-1, *rows[0].shape[1:])


def print_errors(model, x, seen):
    """Prints squared errors per image, over all held-out ones."""
    error = lambda images: ((x - images) ** 2).sum((1, 2, 3)).mean()
    words = f"squared error per image {error(model.decode(model.encode(x))):.2f}"
    if seen is not x:
        restored = error(model.decode(model.encode(seen)))
        words += f"; corrupted {error(seen):.2f}, restored {restored:.2f}"
    mean = error(x.mean(0))
    print(f"held out: {words} (of the mean image {mean:.2f})")


def draw_features(training, h):
    """features.png; prints how many units are active on an image."""
    active = h > 0.1 * h.max(0)
    print(
        f"active units per image: {active.mean():.1%} of {h.shape[1]}, "
        f"never active: {(~active.any(0)).sum()}"
    )
    w = training.model.decoder[0].weight.numpy()
    use = h.mean(0) * np.linalg.norm(w, axis=1)
    most = w[np.argsort(-use)[:FEATURES]]
    most = most / np.abs(most).max(1, keepdims=True)  # grey: it leaves the pixel as it is
    features = data.unscale(most.reshape(len(most), *training.dataset.images.shape[1:]), -1, 1)
    plots.save(plots.grid(features), training.run.folder / "features.png")


def draw_plane(training, h, held_out):
    """latent.png, and plane.png: the plane in the box that holds 98 % of the codes on each axis."""
    folder = training.run.folder
    figure = plots.scatter(h, held_out.labels, held_out.classes, axes=("h₁", "h₂"))
    plots.save(figure, folder / "latent.png")
    (left, low), (right, high) = np.quantile(h, (0.01, 0.99), axis=0)
    sides = np.linspace(left, right, SIDE), np.linspace(high, low, SIDE)
    plane = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    images = np.clip(training.model.decode(plane), 0, 1)
    training.save_grid(images, folder / "plane.png", columns=SIDE, zoom=1)


if __name__ == "__main__":
    train.report_errors(main)
