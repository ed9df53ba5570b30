"""Train IWAEs on binarised MNIST and measure log p(x): python examples/iwae_mnist.py

The bound, the networks and the estimate are in tinygen/models/iwae.py. One model for each k = 1, 5
and 50, all from the same weights and on the same batches, binarised anew each time. Each epoch
leaves a grid, four rows a k. At the end 200 fixed test images, binarised once by the seed, are
measured with 5,000 samples each:

    likelihood.json     negative log-likelihood for each k, differences to the first, with errors

The paper trains for 3,280 epochs, in stages of 3^i with the learning rate 0.001 · 10^(-i/7): a long
run is `--epochs 3280`, without the stages. `--full` measures all test images, and a finished run
takes it with `--resume --full`.
"""

import time

import numpy as np
from tqdm.auto import tqdm

from tinygen import data, plots, train
from tinygen.models import iwae
from tinygen.weights import write_json

MEASURED = 200  # test images, unless --full
BLOCK = 20  # images between two moves of the bar


def options() -> train.Options:
    p = train.parser(__doc__, out="runs/iwae_mnist", epochs=2, batch=20)
    p.add_argument("--k", type=train.positive, nargs="+", default=[1, 5, 50], help="samples")
    p.add_argument("--latent", type=train.positive, default=50, help="dimensions of z")
    p.add_argument("--lr", type=train.positive_float, default=1e-3, help="Adam's learning rate")
    p.add_argument("--samples", type=train.positive, default=5000, help="of z for an image's NLL")
    p.add_argument("--full", action="store_true", help="measure all test images, not 200")
    return train.parse(p, model="iwae", free=("samples", "full"))


def main() -> None:
    opt = options()
    dataset, test = data.load(opt.data, "train"), data.load(opt.data, "test")
    rng = np.random.default_rng(opt.seed)
    models = iwae.build({**vars(opt), "shape": dataset.images.shape[1:]}, rng)
    run = train.start(opt, dataset)
    panels = [("nats per image", [f"L_{k}" for k in opt.k])]

    def step(chosen, rng):
        return models.step(data.binarise(dataset.images[chosen], rng), rng)

    def each_epoch(epoch: int) -> None:
        noise = [np.random.default_rng([opt.seed, 1]) for _ in opt.k]
        pictures = [m.sample(64, r) for m, r in zip(models.models.values(), noise, strict=True)]
        grid = plots.grid(data.unscale(np.concatenate(pictures), *iwae.RANGE), columns=16)
        plots.save(grid, run.grid_path(epoch))
        plots.save(plots.curves(run.read_metrics(), panels), run.curves)

    train.fit(
        *(run, models.parts(), step, len(dataset), rng),
        epochs=opt.epochs,
        batch=opt.batch,
        each_epoch=each_epoch,
    )
    count = len(test) if opt.full else min(MEASURED, len(test))
    x = data.binarise(test.images, np.random.default_rng([opt.seed, 3]))[:count]
    nll = {k: measure(m, x, k, opt) for k, m in models.models.items()}
    write_json(run.folder / "likelihood.json", {"samples": opt.samples, "models": report(nll)})
    print(run.last_grid())


def measure(model, x, k, opt):
    """-log p(x) of each image, after saying how long it will take."""
    rng, found, began = np.random.default_rng([opt.seed, 4]), [], time.perf_counter()
    for i in tqdm(range(0, len(x), BLOCK), desc=f"NLL, k = {k}", unit=f"{BLOCK} images"):
        found.append(-iwae.log_likelihood(model, x[i : i + BLOCK], k=opt.samples, rng=rng))
        if i == 0 and len(x) > MEASURED:
            minutes = (time.perf_counter() - began) * len(x) / BLOCK / 60
            tqdm.write(f"{len(x)} images by {opt.samples} samples: about {minutes:.0f} minutes")
    return np.concatenate(found)


def report(nll):
    """Prints and returns means ± standard errors, and the paired differences to the first k."""
    first = next(iter(nll))
    rows = []
    for k, values in nll.items():
        row = {"k": k, "images": len(values), "nll": mean_and_error(values)}
        line = "k = {}: NLL {:.2f} ± {:.2f} nats".format(k, *row["nll"])
        if k != first:
            row[f"minus k={first}"] = mean_and_error(values - nll[first])
            line += "; minus that of k = {}: {:+.2f} ± {:.2f}".format(
                first, *row[f"minus k={first}"]
            )
        rows.append(row)
        print(line)
    return rows


def mean_and_error(values):
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


if __name__ == "__main__":
    train.report_errors(main)
