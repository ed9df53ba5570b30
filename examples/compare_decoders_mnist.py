"""Can one draw from an autoencoder as from a VAE? python examples/compare_decoders_mnist.py

Trains an undercomplete autoencoder and a VAE on the same images, of the same layers and with codes
of as many numbers, and draws from both decoders:

    autoencoder, Gaussian         h from the Gaussian that has the mean and covariance of its codes
    autoencoder, kernel density   h from the codes of the training images, with Gaussian noise as
                                  wide as Scott's rule says: no shape of the codes is assumed
    VAE, prior                    z from N(0, I), to which its encoder was held in training

Each run has a folder of its own below --out; what was stopped goes on with --resume. Leaves:

    decoders.json   the scores of each (tinygen/scores/evaluator.py), and of real images
    decoders.png    64 samples of each, side by side
"""

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
    p.add_argument("--latent", type=train.argument(COUNT), default=8, help="numbers of the codes")
    series = train.Series.of(p)
    latent = series.options.latent
    plain = series.train("autoencoder", autoencoder, latent=latent)
    variational = series.train("vae", vae, latent=latent)
    evaluator = scores.Evaluator.of(series.run)
    if evaluator.net is None:
        raise train.UsageError(f"wanted images that {scores.CLASSIFIABLE}, got {evaluator.train}")

    n = evaluator.samples
    drawn = {
        "autoencoder, Gaussian": plain.model.sample(n, plain.generator(2)),
        "autoencoder, kernel density": from_density(plain, n),
        "VAE, prior": variational.model.sample(n, variational.generator(2)),
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
