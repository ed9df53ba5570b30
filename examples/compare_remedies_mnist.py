"""Which remedies keep a GAN from collapsing? python examples/compare_remedies_mnist.py

Trains the GAN of tinygen/models/remedies.py where it collapses, five steps of G for each of D, with
each of the remedies and without, from --seeds seeds: half an hour on one thread. Each run has a
folder of its own below --out; what was stopped goes on with --resume. Leaves:

    remedies.json, remedies.md    what the classifier sees in 2,000 samples of each run: the share
                                  of the most frequent class, classes with at least 1 % of the
                                  samples, Inception score, class balance; seconds of training
    classes.png                   the share of each class, a bar for each run
    samples.png                   what each remedy draws, from the first seed
"""

import numpy as np

from tinygen import plots, scores, train
from tinygen.models import remedies
from tinygen.models.config import COUNT
from tinygen.report import table
from tinygen.weights import write_json

COLLAPSE = {"arch": "mlp", "generator_steps": 5, "lr": 2e-4, "beta1": 0.5}
SAMPLES, SHARE = 2000, 0.01
COLUMNS = {  # of the table: the measure, and how a number of it is written
    "most frequent class": ".1%",
    "classes": ".1f",
    "Inception": ".2f",
    "class balance": ".3f",
    "seconds": ".0f",
}


def main() -> None:
    p = train.parser(__doc__, out="runs/compare_remedies_mnist", epochs=2, batch=64)
    p.add_argument("--seeds", type=train.argument(COUNT), default=3, help="runs of each remedy")
    known = remedies.REMEDIES
    p.add_argument("--remedies", nargs="+", choices=known, default=list(known), help="which")
    series, net = train.Series.of(p), None
    options = series.options
    rows, grids, real = {remedy: [] for remedy in options.remedies}, {}, None
    for seed in range(options.seed, options.seed + options.seeds):
        for remedy in rows:
            own = {"seed": seed, "remedy": remedy, **COLLAPSE}
            with series.training(f"{remedy}-{seed}", remedies, **own) as training:
                dataset = training.dataset
                training.fit()
            net = net or scores.run_classifier(series.run, dataset)
            real = real or measured(net, dataset.images[:SAMPLES], dataset)
            pictures = training.pixels(training.model.sample(SAMPLES, training.generator(2)))
            seconds = training.run.read_metrics()["seconds"][-1]
            rows[remedy].append({**measured(net, pictures, dataset), "seconds": seconds})
            grids.setdefault(remedy, training.run.last_grid())
            print(f"{remedy}, seed {seed}:", ", ".join(cells([rows[remedy][-1]])), flush=True)
    report(series.run.folder, rows, real, dataset.classes)
    plots.save(plots.panels(grids, columns=3), series.run.folder / "samples.png", dpi=60)
    print(series.run.folder / "classes.png")


def measured(net, pictures, dataset):
    """What a classifier sees in uint8 images (N, H, W, C)."""
    p = scores.probabilities(net, pictures)
    counts = np.bincount(p.argmax(axis=1), minlength=p.shape[1])
    wanted = np.bincount(dataset.labels, minlength=p.shape[1]) / len(dataset)
    return {
        "most frequent class": counts.max() / counts.sum(),
        "classes": scores.modes(counts, wanted, share=SHARE).covered,
        "Inception": scores.inception_score(p)[0],
        "class balance": scores.class_balance(p, wanted),
        "shares": (counts / counts.sum()).tolist(),
    }


def report(folder, rows, real, classes):
    """remedies.json, remedies.md and classes.png."""
    write_json(folder / "remedies.json", {"real": real, "remedies": rows})
    lines = {"real images": [real], **rows}
    text = table.markdown(["", *COLUMNS], [[name, *cells(of)] for name, of in lines.items()])
    print(text)
    table.save(text, folder / "remedies.md")
    runs = [(f"{remedy} {k + 1}", row) for remedy in rows for k, row in enumerate(rows[remedy])]
    shares = {"real": real["shares"], **{name: row["shares"] for name, row in runs}}
    plots.save(plots.shares(shares, classes, axis="run"), folder / "classes.png")


def cells(several):
    """The mean over the seeds ± its standard deviation, of each measure."""
    return [
        table.mean_and_sd([row[name] for row in several if name in row], shown)
        for name, shown in COLUMNS.items()
    ]


if __name__ == "__main__":
    train.report_errors(main)
