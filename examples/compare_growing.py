"""Does it help to grow? python examples/compare_growing.py

Trains a ProGAN that grows, and the same networks at full size from the start, on the same losses,
for --budget seconds each: about ten minutes. What was stopped goes on with --resume. The distances
of samples to test images are taken four times on the way; the clock stands still meanwhile. Leaves:

    growing.json   for each run and mark: steps, the side of the images that D sees, and the sliced
                   Wasserstein distance at each level of the Laplacian pyramids
    growing.md     the table, after the whole budget, beside that of validation images
    growing.png    distance against seconds, a panel a level
    samples.png    what both draw in the end

--fade and --rest are a level's steps: the growth should have ended by the middle of the budget.
"""

import numpy as np

from tinygen import plots, scores, train
from tinygen.models import progan
from tinygen.models.config import COUNT, POSITIVE
from tinygen.report import table
from tinygen.scores.evaluator import some
from tinygen.weights import read_json, write_json

RUNS = {"growing": "yes", "full size": "no"}  # name -> the model's option
WIDTHS = (64, 32, 16, 8, 8)  # half of progan's: the budget is minutes
MARKS = (0.25, 0.5, 0.75, 1.0)  # of the budget
SAMPLES = 1000  # at most, that are compared with as many real images


def main() -> None:
    p = train.parser(__doc__, out="runs/compare_growing", epochs=1000, batch=16)
    p.add_argument("--budget", type=train.argument(POSITIVE), default=300.0, help="seconds a run")
    count = train.argument(COUNT)
    for name in ("fade", "rest"):
        p.add_argument(f"--{name}", type=count, default=200, help="steps a level")
    p.add_argument("--widths", type=count, nargs="+", default=WIDTHS, help="channels a level")
    series = train.Series.of(p)
    o, rows, samples = series.options, {}, {}
    for name, growing in RUNS.items():
        options = {"growing": growing, "fade": o.fade, "rest": o.rest, "widths": o.widths}
        with series.training(name.replace(" ", "_"), progan, **options) as training:
            rows[name] = train_and_measure(training, o.budget)
            samples[name] = training.run.folder / "samples.png"
            training.save_grid(training.model.sample(64, training.generator(1)), samples[name])
        print(f"{name}: {line(rows[name][-1])}", flush=True)
    report(series.run.folder, rows, real(training), o.budget)
    plots.save(plots.panels(samples), series.run.folder / "samples.png", dpi=70)
    print(series.run.folder / "growing.png")


def train_and_measure(training, budget):
    """Trains for the budget. Returns a row a mark; marks.json of the run keeps them."""
    path = training.run.folder / "marks.json"
    rows, test = read_json(path) if path.exists() else [], compared(training, "test")
    for mark in MARKS[len(rows) :]:
        training.fit(lambda epoch: None, seconds=mark * budget)
        samples = training.pixels(training.model.sample(len(test), training.generator(2)))
        model = training.model
        side = 4 * 2**model.stage.level
        rows.append(
            {"steps": model.t, "side": side, "distance": distances(training, samples, test)}
        )
        write_json(path, rows)
    training.fit(lambda epoch: None, seconds=budget)  # with all marks there, this loads the end
    return rows


def compared(training, split):
    """The images of a split that are compared: as many of each."""
    splits = {s: training.load(s) for s in ("validation", "test")}
    n = min(SAMPLES, *map(len, splits.values()))
    return splits[split].images[some(splits[split], n)]


def distances(training, images, test):
    """To test images; the heights of the levels as words, as in JSON."""
    found = scores.sliced_wasserstein_by_level(images, test, training.generator(4))
    return {str(height): value for height, value in found.items()}


def real(training):
    validation, test = (compared(training, split) for split in ("validation", "test"))
    return distances(training, validation, test)


def line(row):
    shown = ", ".join(f"{height}: {1000 * d:.1f}" for height, d in row["distance"].items())
    return f"{row['steps']} steps, distance × 1000 by level {shown}"


def report(folder, rows, of_real, budget):
    """growing.json, growing.md and growing.png."""
    write_json(folder / "growing.json", {"budget": budget, "real": of_real, "runs": rows})
    text = as_table(rows, of_real)
    table.save(text, folder / "growing.md")
    print(text)
    seconds = [budget * mark for mark in MARKS]
    curves = {
        name: (seconds, [[[1000 * d for d in row["distance"].values()] for row in marks]])
        for name, marks in rows.items()
    }
    curves["real images"] = seconds, [[[1000 * d for d in of_real.values()]] * len(MARKS)]
    panels = [f"sliced Wasserstein distance × 1000, level of {height} rows" for height in of_real]
    figure = plots.progress(curves, panels, axis="seconds of training")
    plots.save(figure, folder / "growing.png")


def as_table(rows, of_real):
    """A row a run, as Markdown."""
    head, out = ["", "steps", *(f"level of {height}" for height in of_real), "mean"], []
    last = {name: (str(marks[-1]["steps"]), marks[-1]["distance"]) for name, marks in rows.items()}
    for name, (steps, distance) in {"real images": ("", of_real), **last}.items():
        values = [1000 * d for d in distance.values()]
        out.append([name, steps, *(f"{v:.1f}" for v in (*values, np.mean(values)))])
    return table.markdown(head, out)


if __name__ == "__main__":
    train.report_errors(main)
