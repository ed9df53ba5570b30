"""Which conditional DCGAN hears its labels? python examples/compare_labels_mnist.py

Trains every variant of tinygen/models/cdcgan.py for the same number of epochs, two of them also
with the other's norm in D, and the ACGAN: about half an hour. Each has a run folder of its own
below --out; a comparison that was stopped goes on with --resume. Leaves:

    labels.json   for each: label accuracy and label influence (tinygen/scores/labels.py), the gap
                  between D's gradients under two labels, seconds of training
    labels.png    label accuracy and label influence as bars
    grids.png     the samples: a row for each class, all rows from the same ten noise vectors
"""

import numpy as np

from tinygen import plots, scores, train
from tinygen.models import acgan, cdcgan
from tinygen.weights import write_json

RUNS = {variant: (cdcgan, {"variant": variant}) for variant in cdcgan.HEADS}
RUNS["features-200-spectral"] = cdcgan, {"variant": "features-200", "norm": "spectral"}
RUNS["projection-batch"] = cdcgan, {"variant": "projection", "norm": "batch"}
RUNS["acgan"] = acgan, {}
IMAGES = 64  # at which D's gradients are taken


def main() -> None:
    p = train.parser(__doc__, out="runs/compare_labels_mnist", epochs=2, batch=64)
    series = train.Series.of(p)
    rows, grids, net = {}, {}, None
    for name, (module, options) in RUNS.items():
        training = series.train(name, module, **options)
        folder = series.run.folder
        net = net or scores.run_classifier(series.run, training.dataset)
        rows[name], grids[name] = row(training, net), training.run.last_grid()
        write_json(folder / "labels.json", rows)
        print(line(name, rows[name]))
    print("\n".join(line(*entry) for entry in rows.items()))
    measures = {m: [row[m] for row in rows.values()] for m in ("label accuracy", "label influence")}
    plots.save(plots.bars(list(rows), measures), folder / "labels.png")
    plots.save(plots.panels(grids, columns=4), folder / "grids.png", dpi=70)
    print(folder / "labels.png")


def row(training, net):
    """What became of a run."""
    model = training.model
    heard = scores.hears_labels(net, model, training.generator(5))
    return {
        "label accuracy": heard.accuracy,
        "label influence": heard.influence,
        "by class": heard.by_class.tolist(),
        "gap": gap(training) if isinstance(model, cdcgan.CDCGAN) else None,
        "seconds": training.run.read_metrics()["seconds"][-1],
    }


def gap(training):
    """max |∂a(x, y)/∂x - ∂a(x, y')/∂x| over max |∂a/∂x|, on real images: 0 if D's answer to "how
    should x change?" is the same whatever the label."""
    x = training.dataset.batch(np.arange(IMAGES), -1, 1, "cpu").reshape(IMAGES, -1)
    g = cdcgan.label_gradients(training.model.D, x, training.model.classes)
    return float(np.abs(g - g[0]).max() / np.abs(g).max())


def line(name, row):
    gap = "    –" if row["gap"] is None else f"{row['gap']:5.2f}"
    return (
        f"{name:21}  label accuracy {row['label accuracy']:6.1%}  "
        f"influence {row['label influence']:5.2f}  gap {gap}  {row['seconds']:4.0f} s"
    )


if __name__ == "__main__":
    train.report_errors(main)
