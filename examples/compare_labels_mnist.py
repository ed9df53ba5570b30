"""Which conditional DCGAN hears its labels? python examples/compare_labels_mnist.py

Trains every variant of tinygen/models/cdcgan.py, and the ACGAN, for the same number of epochs, each
in a run folder of its own below --out. With --resume a comparison that was stopped goes on. Leaves:

    labels.json   for each variant: label accuracy and label influence (tinygen/scores/labels.py),
                  whether D can tell how a label looks, seconds of training
    labels.png    the same as bars
"""

from pathlib import Path

from tinygen import plots, scores, train
from tinygen.models import acgan, cdcgan
from tinygen.weights import write_json


def main() -> None:
    p = train.parser(__doc__, acgan, out="runs/compare_labels_mnist", epochs=2, batch=64)
    options = p.parse_args()
    out, rows, net = Path(options.out), {}, None
    for variant in [*cdcgan.HEADS, "acgan"]:
        training = prepared(variant, options, out / variant)
        training.fit()
        if net is None:  # one classifier for all
            net = scores.run_classifier(training.run, training.dataset)
        rows[variant] = row(variant, training, net)
        line = "{:13} label accuracy {accuracy:.1%}, label influence {influence:.2f}"
        print(line.format(variant, **rows[variant]))
        write_json(out / "labels.json", rows)
    bars = {name: [row[name] for row in rows.values()] for name in ("accuracy", "influence")}
    plots.save(plots.bars(list(rows), bars), out / "labels.png")
    print(out / "labels.png")


def prepared(variant, options, folder):
    """The training of one variant, gone on with if its folder holds a run."""
    module = acgan if variant == "acgan" else cdcgan
    p = train.parser(__doc__, module, out=str(folder), epochs=options.epochs, batch=options.batch)
    argv = ["--out", str(folder), "--epochs", str(options.epochs)]
    if (folder / "config.json").exists() and options.resume:
        return train.prepare(p, [*argv, "--resume"])
    flags = {name: getattr(options, name) for name in ("data", "device", "seed", "batch", "lr")}
    argv += [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    return train.prepare(p, argv if variant == "acgan" else [*argv, "--variant", variant])


def row(variant, training, net):
    """What became of a variant."""
    heard = scores.hears_labels(net, training.model, training.generator(5))
    return {
        "accuracy": heard.accuracy,
        "influence": heard.influence,
        "by class": heard.by_class.tolist(),
        "D can tell how a label looks": variant not in cdcgan.ADDITIVE,
        "seconds": training.run.read_metrics()["seconds"][-1],
    }


if __name__ == "__main__":
    train.report_errors(main)
