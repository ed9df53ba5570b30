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

from tinygen import scores, train
from tinygen.models import iwae
from tinygen.models.config import COUNT
from tinygen.report.density import binarised_test, mean_and_error
from tinygen.weights import write_json

MEASURED = 200  # test images, unless --full
BLOCK = 20  # images between two moves of the bar


def main() -> None:
    p = train.parser(__doc__, iwae, out="runs/iwae_mnist", epochs=2, batch=20)
    p.add_argument(
        "--samples", type=train.argument(COUNT), default=5000, help="of z for an image's NLL"
    )
    p.add_argument("--full", action="store_true", help="measure all test images, not 200")
    training = train.prepare(p, free=("samples", "full"))
    options, models = training.options, training.model.models.values()

    def each_epoch(epoch: int) -> None:
        samples = [model.sample(64, training.generator(1)) for model in models]
        training.draw(epoch, np.concatenate(samples), columns=16)

    training.fit(each_epoch)
    test = binarised_test(training)
    x = test if options.full else test[:MEASURED]
    nll = {m.k: measure(m, x, options.samples, training.generator(4)) for m in models}
    path = training.run.folder / "likelihood.json"
    write_json(path, {"samples": options.samples, "models": report(nll)})
    print(training.run.last_grid())


def measure(model, x, samples, rng):
    """-log p(x) of each image, after saying how long it will take."""
    measured, began = [], time.perf_counter()
    for i in tqdm(range(0, len(x), BLOCK), desc=f"NLL, k = {model.k}", unit=f"{BLOCK} images"):
        measured.append(-scores.log_likelihood(model, x[i : i + BLOCK], k=samples, rng=rng))
        if i == 0 and len(x) > MEASURED:
            minutes = (time.perf_counter() - began) * len(x) / BLOCK / 60
            tqdm.write(f"{len(x)} images by {samples} samples: about {minutes:.0f} minutes")
    return np.concatenate(measured)


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


if __name__ == "__main__":
    train.report_errors(main)
