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

from tinygen import plots, scores, train
from tinygen.models import aae, priors

POINTS = 10_000


def main() -> None:
    p = train.parser(__doc__, aae, out="runs/aae_mnist", epochs=17, batch=64)
    training = train.prepare(p)
    held_out = training.load("validation")
    training.fit()
    draw_results(training, held_out)
    print(training.run.last_grid())


def draw_results(training, held_out) -> None:
    """The pictures and the distances named above."""
    model, folder = training.model, training.run.folder
    posterior = model.encode(training.scaled(held_out.images[:POINTS]))
    n, rng = len(posterior), np.random.default_rng(0)
    prior, again = model.draw_prior(n, rng), model.draw_prior(n, rng)
    u = scores.directions(100, 2, rng)
    to_posterior, to_itself = (scores.sliced_wasserstein(prior, z, u) for z in (posterior, again))
    print(
        f"sliced Wasserstein-1, {n} points: posterior to prior {to_posterior:.4f}, "
        f"prior to prior {to_itself:.4f}, ratio {to_posterior / to_itself:.1f}"
    )
    clouds = plots.clouds({"prior": prior, "posterior": posterior}, axes=("z₁", "z₂"))
    plots.save(clouds, folder / "prior_posterior.png")
    labels = held_out.labels[:POINTS]
    figure = plots.scatter(posterior, labels, held_out.classes, axes=("z₁", "z₂"))
    plots.save(figure, folder / "latent.png")
    name, z = walk(model)
    training.save_grid(model.decode(z), folder / f"{name}.png", columns=15, zoom=1)


def walk(model):
    """The name of the picture that shows the prior's inside, and its points, row by row."""
    if model.config.prior == "swiss_roll":
        return "roll", priors.roll(np.linspace(0, 1, 15 * 15))
    if model.config.prior == "mixture":
        parts = model.classes or priors.PARTS
        components, along = np.arange(parts)[:, None], np.linspace(-2, 2, 15)
        return "components", priors.spoke(components, along, parts=parts).reshape(-1, 2)
    quantiles = norm.ppf(np.linspace(0.03, 0.97, 15))  # equal steps of the prior's probability
    return "plane", np.stack(np.meshgrid(quantiles, -quantiles), axis=-1).reshape(-1, 2)


if __name__ == "__main__":
    train.report_errors(main)
