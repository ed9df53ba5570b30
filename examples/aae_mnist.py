"""Train an adversarial autoencoder on MNIST: python examples/aae_mnist.py --prior swiss_roll

The objective and the networks are in tinygen/models/aae.py, the priors in priors.py beside it.
With --labels the discriminator sees each image's label, and the classes get their own parts of the
prior. Every epoch leaves a grid of the same 64 points of the prior; at the end, for validation
images:

    prior_posterior.png  the prior beside the aggregated posterior q(z), 10,000 points each
    latent.png           the posterior, coloured by class
    roll.png             15×15 images along the swiss roll, from its centre outwards
    components.png       the mixture instead: a row a component, along its radius
    plane.png            the Gaussian instead: 15×15 images over the plane

Printed: the sliced Wasserstein-1 distance of posterior and prior, and of two draws of the prior.
"""

import numpy as np
from scipy.stats import norm

from tinygen import data, plots, scores, train
from tinygen.models import aae, priors

PANELS = [
    ("squared error per image", ("reconstruction",)),
    ("loss (nats)", ("loss_D", "loss_E")),
    ("probability", ("D_z", "D_Ex")),
]
POINTS = 10_000


def options() -> train.Options:
    p = train.parser(__doc__, out="runs/aae_mnist", epochs=17, batch=64)
    p.add_argument("--prior", choices=tuple(priors.PRIORS), default="swiss_roll", help="p(z)")
    p.add_argument("--labels", action="store_true", help="let the discriminator see the labels")
    p.add_argument("--lr", type=train.positive_float, default=2e-4, help="of the reconstruction")
    p.add_argument("--lr-game", type=train.positive_float, default=5e-4, help="of D and E's game")
    return train.parse(p, model="aae")


def main() -> None:
    opt = options()
    if opt.batch < 2:
        raise train.UsageError("--batch 1: batch norm wants 2 or more images a step")
    dataset, held_out = data.load(opt.data, "train"), data.load(opt.data, "validation")
    opt.classes = len(dataset.classes)
    rng = np.random.default_rng(opt.seed)
    model = aae.build({**vars(opt), "shape": dataset.images.shape[1:]}, rng)
    run = train.start(opt, dataset)
    z = model.draw(64, np.random.default_rng([opt.seed, 1]))

    def step(chosen, rng):
        labels = dataset.labels[chosen] if opt.labels else None
        return model.step(dataset.batch(chosen, *aae.RANGE, opt.device), rng, labels)

    def each_epoch(epoch: int) -> None:
        save_grid(model.decode(z), run.grid_path(epoch))
        plots.save(plots.curves(run.read_metrics(), PANELS), run.curves)

    train.fit(
        *(run, model.parts(), step, len(dataset), rng),
        epochs=opt.epochs,
        batch=opt.batch,
        each_epoch=each_epoch,
    )
    draw_results(run, model, held_out)
    print(run.last_grid())


def scaled(images):
    return data.scale(images, *aae.RANGE)


def save_grid(images, path, **how):
    plots.save(plots.grid(data.unscale(images, *aae.RANGE), **how), path)


def draw_results(run, model, held_out) -> None:
    """The pictures and the distances named above."""
    posterior = model.encode(scaled(held_out.images[:POINTS]))
    n, rng = len(posterior), np.random.default_rng(0)
    prior, again = model.draw(n, rng), model.draw(n, rng)
    u = scores.directions(100, 2, rng)
    to_posterior, to_itself = (scores.sliced_wasserstein(prior, z, u) for z in (posterior, again))
    print(
        f"sliced Wasserstein-1, {n} points: posterior to prior {to_posterior:.4f}, "
        f"prior to prior {to_itself:.4f}, ratio {to_posterior / to_itself:.1f}"
    )
    clouds = plots.clouds({"prior": prior, "posterior": posterior}, axes=("z₁", "z₂"))
    plots.save(clouds, run.folder / "prior_posterior.png")
    labels = held_out.labels[:POINTS]
    figure = plots.scatter(posterior, labels, held_out.classes, axes=("z₁", "z₂"))
    plots.save(figure, run.folder / "latent.png")
    name, z = walk(model)
    save_grid(model.decode(z), run.folder / f"{name}.png", columns=15, zoom=1)


def walk(model):
    """The name of the picture that shows the prior's inside, and its points, row by row."""
    if model.prior == "swiss_roll":
        return "roll", priors.roll(np.linspace(0, 1, 15 * 15))
    if model.prior == "mixture":
        parts = model.classes or priors.PARTS
        components, along = np.arange(parts)[:, None], np.linspace(-2, 2, 15)
        return "components", priors.spoke(components, along, parts=parts).reshape(-1, 2)
    quantiles = norm.ppf(np.linspace(0.03, 0.97, 15))  # equal steps of the prior's probability
    return "plane", np.stack(np.meshgrid(quantiles, -quantiles), axis=-1).reshape(-1, 2)


if __name__ == "__main__":
    train.report_errors(main)
