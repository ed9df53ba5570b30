"""Can one draw from an autoencoder as from a VAE? python examples/compare_decoders_mnist.py

Trains an undercomplete autoencoder and a VAE, of the same layers and with codes of as many numbers.
At s² = ½ the VAE's loss is the autoencoder's, the squared error, with the KL of the codes' noise to
N(0, I) beside it (tinygen/models/vae.py). Then it draws from both decoders:

    autoencoder, N(0, I)          codes as a VAE would have them
    autoencoder, Gaussian         from the Gaussian of its codes' mean and covariance
    autoencoder, kernel density   a training image's code, and Gaussian noise as wide as Scott's
                                  rule says: it needs all codes, and assumes no shape of them
    VAE, N(0, I)                  its prior

Each run has a folder of its own below --out; what was stopped goes on with --resume. Leaves:

    decoders.json   the scores of each (tinygen/scores/evaluator.py), and of real images
    decoders.png    64 samples of each, side by side
"""

import numpy as np
from scipy.stats import gaussian_kde

from tinygen import plots, scores, train
from tinygen.models import autoencoder, vae
from tinygen.models.config import COUNT
from tinygen.weights import write_json

COLUMNS = {  # printed: the score, its heading, digits behind the point
    "frechet_distance": ("Fréchet", 2),
    "inception_score": ("Inception", 2),
    "precision": ("precision", 2),
    "recall": ("recall", 2),
}


def main() -> None:
    p = train.parser(__doc__, out="runs/compare_decoders_mnist", epochs=10, batch=64)
    p.add_argument("--latent", type=train.argument(COUNT), default=16, help="numbers of the codes")
    series = train.Series.of(p)
    scores.check_comparable(series.load)
    latent = series.options.latent
    plain = series.train("autoencoder", autoencoder, latent=latent)
    variational = series.train("vae", vae, latent=latent, s=0.5**0.5)
    evaluator = scores.Evaluator.of(series.run)

    n = evaluator.samples
    z = np.random.default_rng(series.options.seed).standard_normal((n, latent))
    drawn = {
        "autoencoder, N(0, I)": plain.model.decode(z),
        "autoencoder, Gaussian": plain.model.sample(n, plain.generator(2)),
        "autoencoder, kernel density": from_density(plain, n),
        "VAE, N(0, I)": variational.model.decode(z),
    }
    pictures = {name: plain.pixels(images) for name, images in drawn.items()}  # of the same range
    found = {"real images": evaluator.real_scores(n)}
    found |= {name: evaluator.scores(images) for name, images in pictures.items()}
    folder, panels = series.run.folder, {}
    for i, (name, images) in enumerate(pictures.items()):
        panels[name] = folder / f"samples_{i + 1}.png"
        plots.save(plots.grid(images[:64]), panels[name])
    plots.save(plots.panels(panels), folder / "decoders.png", dpi=70)
    write_json(folder / "decoders.json", table(found))
    for name, row in found.items():
        shown = [f"{head} {row[score].value:.{k}f}" for score, (head, k) in COLUMNS.items()]
        print(f"{name:28}", ", ".join(shown))
    print(folder / "decoders.png")


def from_density(training, n):
    """n images of codes drawn from a kernel density estimate of all training images' codes."""
    model = training.model
    codes = model.encode(training.scaled(training.dataset.images))
    density = gaussian_kde(codes.T)  # a Gaussian around each code, by Scott's rule
    return model.decode(density.resample(n, seed=training.generator(2)).T)


def table(found):
    """What decoders.json holds: the scores by name, and what each depends on."""
    titles = {score: found["real images"][score].title for score in COLUMNS}
    values = {name: {s: row[s].value for s in COLUMNS} for name, row in found.items()}
    return {"titles": titles, "scores": values}


if __name__ == "__main__":
    train.report_errors(main)
