"""Which model draws best in the same time? python examples/compare_mnist.py

Trains ten models for --budget seconds each, from three seeds: about an hour. Each run has a folder
of its own below --out; what was stopped goes on with --resume. Samples are scored after a quarter,
a half, three quarters and the whole of the budget; the clock stands still meanwhile. Leaves:

    compare.json   the scores of every run at each of these times, and what each score depends on
    compare.md     the table: mean ± standard deviation over the seeds, beside validation images
    compare.png    quality against seconds
    samples.png    what each model draws in the end, from the first seed

The models' options are their own defaults. The VAE and the CVAE alone, which are to draw and not to
show a plane, have those of 2, 5 and 20 latent dimensions that came closest to the validation split.
"""

import numpy as np

from tinygen import plots, scores, train
from tinygen.models import aae, acgan, cgan, cvae, gan, infogan, vae, wgan, wgan_gp
from tinygen.models.conditional import Conditional
from tinygen.models.config import COUNT, POSITIVE
from tinygen.report import table
from tinygen.weights import read_json, write_json

MODELS = {  # with what draws best in a minute or two, where their defaults want five
    "GAN": (gan, {"arch": "mlp"}),
    "DCGAN": (gan, {"arch": "dcgan"}),
    "CGAN": (cgan, {}),
    "ACGAN": (acgan, {}),
    "InfoGAN": (infogan, {"warp": 0.0, "wait": 800, "wait_u": 2400}),
    "WGAN": (wgan, {}),
    "WGAN-GP": (wgan_gp, {"arch": "mlp", "n_critic": 5, "penalty": 10.0, "beta2": 0.9}),
    "VAE": (vae, {"latent": 5}),
    "CVAE": (cvae, {"latent": 2}),
    "AAE": (aae, {}),
}
MARKS = (0.25, 0.5, 0.75, 1.0)  # of the budget, when samples are scored
COLUMNS = {  # of the table: the score, its heading, digits behind the point
    "inception_score": ("Inception", 2),
    "diversity_score": ("diversity", 2),
    "class_balance": ("class balance", 3),
    "mode_score": ("mode score", 2),
    "least_share": ("rarest class", 3),
    "frechet_distance": ("Fréchet", 2),
    "precision": ("precision", 2),
    "recall": ("recall", 2),
    "label_accuracy": ("label accuracy", 3),
}
DRAWN = ("inception_score", "frechet_distance")  # in the figure


def main() -> None:
    p = train.parser(__doc__, out="runs/compare_mnist", epochs=1000, batch=64)
    p.add_argument(
        "--budget",
        type=train.argument(POSITIVE),
        default=90.0,
        help="seconds a run; for another, begin anew",
    )
    p.add_argument("--seeds", type=train.argument(COUNT), default=3, help="runs of each model")
    p.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS), help="which")
    series, evaluator = train.Series.of(p), None
    scores.check_comparable(series.load)
    for model in series.options.models:
        module, options = MODELS[model]
        series.check(module, **options)
    first, budget = series.options.seed, series.options.budget
    runs, samples = {model: [] for model in series.options.models}, {}
    for seed in range(first, first + series.options.seeds):
        for model in runs:
            module, options = MODELS[model]
            with series.training(f"{model}-{seed}", module, seed=seed, **options) as training:
                evaluator = evaluator or scores.Evaluator.of(series.run)
                runs[model].append(train_and_score(training, evaluator, budget))
            samples.setdefault(model, grid(training))
            print(f"{model}, seed {seed}:", line(runs[model][-1][-1]), flush=True)
    report(series.run.folder, runs, evaluator, series.options)
    plots.save(plots.panels(samples, columns=5), series.run.folder / "samples.png", dpi=60)
    print(series.run.folder / "compare.png")


def train_and_score(training, evaluator, budget):
    """Trains for the budget. Returns the scores at each mark; marks.json of the run keeps them."""
    path = training.run.folder / "marks.json"
    rows = read_json(path) if path.exists() else []
    for mark in MARKS[len(rows) :]:
        training.fit(lambda epoch: None, seconds=mark * budget)
        pictures = training.pixels(training.model.sample(evaluator.samples, training.generator(2)))
        row = values(evaluator.scores(pictures))
        if isinstance(training.model, Conditional):
            heard = scores.hears_labels(evaluator.net, training.model, training.generator(5))
            row["label_accuracy"] = heard.accuracy
        rows.append(row)
        write_json(path, rows)
    training.fit(lambda epoch: None, seconds=budget)  # with all marks there, this loads the end
    return rows


def grid(training):
    """The picture of samples that is left in the run's folder."""
    images, columns = training.model.grid(training.generator(1))
    path = training.run.folder / "samples.png"
    training.save_grid(images, path, columns=columns)
    return path


def values(found):
    return {name: score.value for name, score in found.items()}


def line(row):
    shown = {heading: f"{row[n]:.{d}f}" for n, (heading, d) in COLUMNS.items() if n in row}
    return ", ".join(f"{heading} {number}" for heading, number in shown.items())


def report(folder, runs, evaluator, options):
    """compare.json, compare.md and compare.png."""
    real, budget = evaluator.real_scores(evaluator.samples), options.budget
    titles = {name: score.title for name, score in real.items()}
    titles["label_accuracy"] = f"label accuracy ({evaluator.by}, 1,000 samples)"
    about = {"budget": budget, "titles": titles, "real": values(real)}
    write_json(folder / "compare.json", {**about, "runs": runs})
    text = as_table(runs, values(real))
    names = "\n".join(f"* {titles[name]}" for name in COLUMNS)
    count = len(next(iter(runs.values())))
    head = (
        f"Models after {budget:g} seconds of training, or {options.epochs} epochs if these end "
        f"before. Seeds: {count}. Real: the validation split."
    )
    table.save(f"{head} The scores:\n\n{names}\n\n{text}", folder / "compare.md")
    print(text)

    seconds = [budget * mark for mark in MARKS]
    curves = {
        model: (seconds, [[[row[name] for name in DRAWN] for row in marks] for marks in several])
        for model, several in runs.items()
    }
    panels = [f"{real[name].name}\n{real[name].depends}" for name in DRAWN]
    figure = plots.progress(curves, panels, axis="seconds of training", logarithmic=panels[1:])
    plots.save(figure, folder / "compare.png")


def as_table(runs, real):
    """A row for each model, as Markdown."""
    head = ["", "Inception / real", *(heading for heading, _ in COLUMNS.values())]
    rows = [cells(model, [m[-1] for m in marks], real) for model, marks in runs.items()]
    return table.markdown(head, [cells("real images", [real], real), *rows])


def cells(title, several, real):
    """The mean over the seeds ± its standard deviation, of each score."""
    share = np.mean([row["inception_score"] for row in several]) / real["inception_score"]
    out = [title, f"{share:.2f}"]
    for name, (_, digits) in COLUMNS.items():
        numbers = [row[name] for row in several if name in row]
        out.append(table.mean_and_sd(numbers, f".{digits}f"))
    return out


if __name__ == "__main__":
    train.report_errors(main)
