"""log p(x) of four models on the same binarised images: python examples/likelihoods_mnist.py

Trains a VAE, an IWAE, a MADE and a PixelCNN for --budget seconds each, about ten minutes in all.
What was stopped goes on with --resume. Leaves:

    likelihoods.json, likelihoods.md    NLL of the same test images, in nats and in bits a pixel;
                                        how it is known; and the seconds that 64 samples take
    samples.png                         what each model draws

MADE and PixelCNN compute log p(x) exactly. Of the VAE and the IWAE there is an estimate, by 5,000
samples of z an image, which lies below log p(x) in expectation: their NLL is an upper bound. The
GAN has no log p(x) at all: it is there, untrained, for the time that its samples take.
"""

import time

from tinygen import plots, scores, train
from tinygen.models import Setup, gan, iwae, made, pixelcnn
from tinygen.models.autoregressive import Autoregressive
from tinygen.models.config import COUNT, POSITIVE
from tinygen.report import table
from tinygen.report.density import binarised_test, bits_per_pixel, mean_and_error
from tinygen.weights import write_json

MODELS = {  # the VAE is the IWAE of one sample
    "VAE": (iwae, {"k": 1, "batch": 64}),
    "IWAE, k = 50": (iwae, {"k": 50, "batch": 20}),
    "MADE": (made, {"batch": 100}),
    "PixelCNN": (pixelcnn, {"batch": 16}),
}
GAN = gan, {"batch": 64}  # not trained
DRAWN = 64  # samples, timed
INNER = 5000  # samples of z an image


def main() -> None:
    p = train.parser(__doc__, out="runs/likelihoods_mnist", epochs=1000, batch=None)
    p.add_argument("--budget", type=train.argument(POSITIVE), default=120.0, help="seconds a run")
    p.add_argument("--images", type=train.argument(COUNT), default=500, help="of the test split")
    series = train.Series.of(p)
    for module, options in (*MODELS.values(), GAN):
        series.check(module, **options)  # before minutes of training
    rows, samples = {}, {}
    for name, (module, options) in MODELS.items():
        with series.training(name, module, **options) as training:
            training.fit(lambda epoch: None, seconds=series.options.budget)
            rows[name] = measured(training, series.options.images)
            samples[name] = training.run.folder / "samples.png"
        print(f"{name}: NLL {rows[name]['nll']:.2f}", flush=True)
    setup = Setup(training.dataset.images.shape[1:], device=series.options.device)
    _, seconds = timed(gan.build(gan.Config(), setup, training.generator(1)), training)
    rows["GAN"] = {"known": "not at all", "passes": 1, "seconds": seconds}
    text, folder = as_table(rows), series.run.folder
    write_json(folder / "likelihoods.json", {"budget": series.options.budget, "models": rows})
    table.save(text, folder / "likelihoods.md")
    print(text)
    plots.save(plots.panels(samples), folder / "samples.png", dpi=60)
    print(folder / "samples.png")


def measured(training, count):
    """A model's row: its NLL, how that is known, and what its samples cost. Leaves samples.png."""
    x = binarised_test(training)[:count]
    model = training.model
    if isinstance(model, Autoregressive):
        log_p, known, passes = model.log_likelihood(x), "exactly", x[0].size
    else:
        log_p = scores.log_likelihood(model.best, x, k=INNER, rng=training.generator(4))
        known, passes = "an upper bound", 1
    images, seconds = timed(model, training)
    training.save_grid(images, training.run.folder / "samples.png")
    nll, error = mean_and_error(-log_p)
    return {
        "nll": nll,
        "standard error": error,
        "bits per pixel": bits_per_pixel(nll, x),
        "images": len(x),
        "known": known,
        "passes": passes,
        "seconds": seconds,
    }


def timed(model, training):
    """64 samples, and the seconds that they take: the least of three times where these are few."""
    seconds = []
    while not seconds or (len(seconds) < 3 and seconds[0] < 1):
        began = time.perf_counter()
        images = model.sample(DRAWN, training.generator(1))
        seconds.append(time.perf_counter() - began)
    return images, min(seconds)


def as_table(rows):
    """A row for each model, as Markdown."""
    head = ["", "NLL, nats", "bits a pixel", "known", "passes to draw", f"seconds for {DRAWN}"]
    out = []
    for name, row in rows.items():
        nll = bits = ""
        if "nll" in row:
            nll = f"{row['nll']:.2f}"
            nll += f" ± {row['standard error']:.2f}" if row["images"] > 1 else ""
            bits = f"{row['bits per pixel']:.4f}"
        out.append([name, nll, bits, row["known"], str(row["passes"]), f"{row['seconds']:.2g}"])
    return table.markdown(head, out)


if __name__ == "__main__":
    train.report_errors(main)
