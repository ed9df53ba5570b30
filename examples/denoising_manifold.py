"""What a denoising autoencoder learns, on points of a plane: python examples/denoising_manifold.py

Points x lie on a curve (--data spiral|circle), and x̃ = x + σ·ε, ε ~ N(0, I), beside it. Of all
functions r(x̃), the one of least error E‖x - r(x̃)‖² is E[x|x̃], and it points uphill:

    r(x̃) - x̃ = σ² ∇log p_σ(x̃),  p_σ = p * N(0, σ² I), the density of x̃       (Miyasawa 1961)

So a denoising autoencoder learns the gradient of the log-density, the score, without being told the
density (Alain & Bengio 2014). Here p_σ is known: p are --points points of the curve at equal
distances, so p_σ is a mixture of Gaussians. Printed: how well the two sides agree over new x̃, as
R², the share of the variance of the right-hand side that the left-hand one explains. Leaves:

    arrows.png   from corrupted points to restored ones, by the network and by the exact score
"""

import numpy as np
from scipy.special import softmax

import tinygen as tg
from tinygen import nn, optim, plots, train
from tinygen.models.autoencoder import denoising
from tinygen.models.config import COUNT, POSITIVE
from tinygen.nn.init import he

ARROWS, TESTED = 400, 5000  # new corrupted points: those that are drawn, those of R²


def main() -> None:
    common = {"epochs": 500, "batch": 250, "points": tuple(CURVES)}
    p = train.parser(__doc__, out="runs/denoising_manifold", **common)
    p.add_argument("--points", type=train.argument(COUNT), default=2000, help="on the curve")
    p.add_argument("--sigma", type=train.argument(POSITIVE), default=0.1, help="σ of the noise")
    p.add_argument("--lr", type=train.argument(POSITIVE), default=1e-2, help="Adam's, at first")
    series = train.Series.of(p)  # of one run
    options = series.options
    if options.batch > options.points:
        raise train.UsageError(f"--batch {options.batch}: there are {options.points} points")
    run = series.run
    x = on_curve(options.data, options.points)
    rng = np.random.default_rng(options.seed)
    parts = build(options, rng)
    learn(run, parts, x, rng, options)

    rng = np.random.default_rng([options.seed, 1])
    noisy = x[rng.integers(len(x), size=TESTED)] + options.sigma * rng.standard_normal((TESTED, 2))
    learned = nn.in_chunks(lambda part: restore(parts, part), noisy, 1000) - noisy
    exact = score(noisy, x, options.sigma) * options.sigma**2
    fit = r_squared(learned, exact)
    print(f"r(x̃) - x̃ against σ²∇log p_σ(x̃), {TESTED} new points: R² {fit:.4f}")
    arrows = {
        "r(x̃) - x̃, the autoencoder": (noisy[:ARROWS], learned[:ARROWS]),
        "σ²∇log p_σ(x̃), exact": (noisy[:ARROWS], exact[:ARROWS]),
    }
    plots.save(plots.arrows(arrows, behind=x), run.folder / "arrows.png")
    print(run.folder / "arrows.png")


def on_curve(name, n):
    """n points at equal distances along a curve: (n, 2)."""
    fine = CURVES[name](np.linspace(0, 1, 100_000))
    lengths = np.linalg.norm(np.diff(fine, axis=0), axis=1)
    along = np.concatenate([[0], np.cumsum(lengths)])
    places = (np.arange(n) + 0.5) / n * along[-1]
    return np.stack([np.interp(places, along, fine[:, i]) for i in (0, 1)], axis=1)


def _round(radius, angle):
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


CURVES = {  # t from 0 to 1 -> points (N, 2)
    "spiral": lambda t: _round(0.2 + 0.8 * t, 4 * np.pi * t),
    "circle": lambda t: _round(np.ones_like(t), 2 * np.pi * t),
}


def build(options, rng):
    """Encoder 2-128-128, decoder 128-128-2 (ReLU) and Adam, by name, as a checkpoint holds them.

    A ReLU of x bends where w·x + b = 0: with all b = 0 at the origin only. So b begins spread out.
    """
    how = {"activation": tg.relu, "init": he, "rng": rng}
    encoder, decoder = nn.dense(2, 128, 128, last=tg.relu, **how), nn.dense(128, 128, 2, **how)
    encoder[0].bias = tg.tensor(rng.uniform(-1, 1, 128), requires_grad=True)
    encoder.to(options.device), decoder.to(options.device)
    steps = options.epochs * (options.points // options.batch)
    params = [*encoder.parameters(), *decoder.parameters()]
    opt = optim.Adam(params, lr=optim.cosine(options.lr, steps=max(steps, 1)))
    return {"encoder": encoder, "decoder": decoder, "opt": opt}


def learn(run, parts, x, rng, options):
    """Trains on the points x with new noise at each step."""
    encoder, decoder, opt = parts.values()

    def step(chosen, rng):
        clean, noise = x[chosen], rng.standard_normal((len(chosen), 2))
        batch = [tg.tensor(a, device=options.device) for a in (clean, noise)]
        terms = denoising(encoder, decoder, *batch, corruption="gaussian", level=options.sigma)
        opt.step(tg.grad(terms.loss, opt.params))
        return {"loss": terms.loss}

    how = {"epochs": options.epochs, "batch": options.batch}
    train.fit(run, parts, step, len(x), rng, **how)


def restore(parts, points):
    """r(x̃) of points (N, 2)."""
    encoder, decoder, opt = parts.values()
    like = {"dtype": opt.params[0].dtype, "device": opt.params[0].device}
    return decoder(encoder(tg.tensor(points, **like)))


def score(points, x, sigma):
    """∇log p_σ of points (N, 2), p_σ = 1/n Σᵢ N(xᵢ, σ² I): Σᵢ wᵢ (xᵢ - x̃) / σ², where wᵢ is the
    share of the i-th Gaussian in the density at x̃."""
    squared = ((points[:, None] - x) ** 2).sum(2)
    w = softmax(-squared / (2 * sigma**2), axis=1)
    return (w @ x - points) / sigma**2


def r_squared(found, wanted):
    """1 - Σ (found - wanted)² / Σ (wanted - its mean)²."""
    return 1 - ((found - wanted) ** 2).sum() / ((wanted - wanted.mean(0)) ** 2).sum()


if __name__ == "__main__":
    train.report_errors(main)
