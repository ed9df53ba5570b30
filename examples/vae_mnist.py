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
from tinygen import data, plots, train
from tinygen.models import vae

PANELS = [("nats per image", ("loss", "reconstruction")), ("nats per image", ("KL",))]
LATE = 9  # the second panel's epoch


def options() -> train.Options:
    p = train.parser(__doc__, out="runs/vae_mnist", epochs=20, batch=64)
    p.add_argument("--latent", type=train.positive, default=2, help="dimensions of z")
    p.add_argument("--observation", choices=vae.OBSERVATIONS, default="gaussian", help="p(x|z)")
    p.add_argument("--s", type=train.positive_float, default=0.1, help="of the Gaussian p(x|z)")
    p.add_argument("--optimizer", choices=tuple(vae.OPTIMIZERS), default="adam", help="the method")
    p.add_argument("--subset", type=train.positive, default=1000, help="images for lbfgs")
    p.add_argument("--lr", type=train.positive_float, help="learning rate; by optimiser")
    opt = train.parse(p, model="vae")
    if opt.optimizer == "lbfgs":
        opt.batch = opt.subset
    return opt


def main() -> None:
    opt = options()
    dataset, held_out = data.load(opt.data, "train"), data.load(opt.data, "validation")
    rng = np.random.default_rng(opt.seed)
    model = vae.build({**vars(opt), "shape": dataset.images.shape[1:]}, rng)
    run = train.start(opt, dataset)
    subset = np.sort(np.random.default_rng([opt.seed, 2]).permutation(len(dataset))[: opt.subset])
    count = opt.subset if opt.optimizer == "lbfgs" else len(dataset)
    z = np.random.default_rng([opt.seed, 1]).standard_normal((64, opt.latent))
    x = scaled(held_out.images)

    def step(chosen, rng):
        if opt.optimizer == "lbfgs":
            chosen = subset  # in one order, as the noise is
        return model.step(dataset.batch(chosen, *vae.RANGE, opt.device), rng)

    def each_epoch(epoch: int) -> None:
        save_grid(model.decode(z), run.grid_path(epoch))
        save_grid(model.decode(model.encode(x[:64])), reconstruction(run, epoch))
        plots.save(plots.curves(run.read_metrics(), PANELS), run.curves)

    train.fit(
        *(run, model.parts(), step, count, rng),
        epochs=opt.epochs,
        batch=opt.batch,
        each_epoch=each_epoch,
    )
    draw_results(run, model, x, held_out)
    print(run.last_grid())


def scaled(images):
    return data.scale(images, *vae.RANGE)


def save_grid(images, path, **how):
    plots.save(plots.grid(data.unscale(images, *vae.RANGE), **how), path)


def reconstruction(run, epoch):
    return run.samples / f"reconstruction_{epoch:04d}.png"


def draw_results(run, model, x, held_out) -> None:
    """The pictures named above, and the bound on the held-out images."""
    with tg.no_grad():
        terms = model.terms(x, np.random.default_rng(0))
    print("held out, nats per image:", ", ".join(f"{k} {v:.2f}" for k, v in named(terms)))
    mu = model.encode(x)
    if model.latent == 2:
        figure = plots.scatter(mu, held_out.labels, held_out.classes, axes=("z₁", "z₂"))
        plots.save(figure, run.folder / "latent.png")
        quantiles = norm.ppf(np.linspace(0.02, 0.98, 20))  # equal steps of the prior's probability
        plane = np.stack(np.meshgrid(quantiles, -quantiles), axis=-1).reshape(-1, 2)
        save_grid(model.decode(plane), run.folder / "plane.png", columns=20, zoom=1)
    present = np.unique(held_out.labels)
    ends = (2, 6) if {2, 6} <= set(present) else (present[0], present[-1])
    first, second = (mu[held_out.labels == c][:8] for c in ends)
    rows = min(len(first), len(second))
    steps = np.linspace(0, 1, 12)[None, :, None]
    between = (1 - steps) * first[:rows, None] + steps * second[:rows, None]
    path = run.folder / "interpolation.png"
    save_grid(model.decode(between.reshape(-1, model.latent)), path, columns=12)
    late = min(LATE, run.config["epochs"])
    save_grid(x[:64], run.samples / "originals.png")
    panels = {
        "epoch 1": reconstruction(run, 1),
        f"epoch {late}": reconstruction(run, late),
        "originals": run.samples / "originals.png",
    }
    plots.save(plots.panels(panels), run.folder / "panels.png")


def named(terms):
    return ((name, term.item()) for name, term in terms._asdict().items())


if __name__ == "__main__":
    train.report_errors(main)
