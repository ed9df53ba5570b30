"""Train a VAE on MNIST and look at its latent plane: python examples/vae_mnist.py

The bound and the networks are in tinygen/models/vae.py. Besides the run folder's usual files it
leaves, for validation images:

    latent.png          their posterior means, coloured by class          (2-d latent only)
    plane.png           the decoder's images over the latent plane        (2-d latent only)
    interpolation.png   from a 2 to a 6, along the line between their means
    panels.png          reconstructions after epoch 1, after the ninth (or the last), originals

`--optimizer lbfgs` searches instead of stepping, so it wants one loss that stays: a fixed subset of
the images (--subset), fixed noise and float64. An epoch is then one search of 20 iterations.
"""

import numpy as np
from scipy.stats import norm

import tinygen as tg
from tinygen import plots, train
from tinygen.models import vae
from tinygen.models.config import COUNT

LATE = 9  # the epoch of the second panel


def main() -> None:
    p = train.parser(__doc__, vae, out="runs/vae_mnist", epochs=20, batch=64)
    p.add_argument("--subset", type=train.argument(COUNT), default=1000, help="images for lbfgs")
    training = train.prepare(p)
    model, held_out = training.model, training.load("validation")
    x = training.scaled(held_out.images)

    def each_epoch(epoch: int) -> None:
        training.draw(epoch)
        training.save_grid(model.decode(model.encode(x[:64])), reconstruction(training, epoch))

    if training.options.optimizer == "lbfgs":
        search(training, each_epoch)
    else:
        training.fit(each_epoch)
    draw_results(training, x, held_out)
    print(training.run.last_grid())


def search(training, each_epoch) -> None:
    """By one batch of images and noise that stays, as a search compares values of one loss."""
    dataset, model, size = training.dataset, training.model, training.options.subset
    chosen = np.sort(training.generator(2).permutation(len(dataset))[:size])
    x = training.scaled(dataset.images[chosen])
    fixed = model.draw(x, dataset.labels[chosen], np.random.default_rng(0))
    one_batch = {"count": len(x), "batch": len(x)}
    training.fit(each_epoch, step=lambda chosen, rng: model.update(**fixed), **one_batch)


def reconstruction(training, epoch):
    return training.run.samples / f"reconstruction_{epoch:04d}.png"


def draw_results(training, x, held_out) -> None:
    """The pictures named above, and the bound on the held-out images."""
    model, folder, epochs = training.model, training.run.folder, training.options.epochs
    with tg.no_grad():
        terms = model.terms(**model.draw(x, None, np.random.default_rng(0)))._asdict()
    numbers = ", ".join(f"{name} {term.item():.2f}" for name, term in terms.items())
    print("held out, nats per image:", numbers)
    mu = model.encode(x)
    if model.config.latent == 2:
        figure = plots.scatter(mu, held_out.labels, held_out.classes, axes=("z₁", "z₂"))
        plots.save(figure, folder / "latent.png")
        quantiles = norm.ppf(np.linspace(0.02, 0.98, 20))  # equal steps of the prior's probability
        plane = np.stack(np.meshgrid(quantiles, -quantiles), axis=-1).reshape(-1, 2)
        training.save_grid(model.decode(plane), folder / "plane.png", columns=20, zoom=1)
    line = interpolation(mu, held_out.labels)
    training.save_grid(model.decode(line), folder / "interpolation.png", columns=12)
    originals = training.run.samples / "originals.png"
    training.save_grid(x[:64], originals)
    pictures = {f"epoch {e}": reconstruction(training, e) for e in (1, min(LATE, epochs))}
    pictures |= {"originals": originals}
    drawn = {title: path for title, path in pictures.items() if path.exists()}
    plots.save(plots.panels(drawn), folder / "panels.png")


def interpolation(mu, labels):
    """Eight lines of twelve points each, from a 2 to a 6, or from the first class to the last."""
    present = np.unique(labels)
    ends = (2, 6) if {2, 6} <= set(present) else (present[0], present[-1])
    first, second = (mu[labels == c][:8] for c in ends)
    rows = min(len(first), len(second))
    steps = np.linspace(0, 1, 12)[None, :, None]
    between = (1 - steps) * first[:rows, None] + steps * second[:rows, None]
    return between.reshape(-1, mu.shape[1])


if __name__ == "__main__":
    train.report_errors(main)
