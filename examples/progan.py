"""Train a ProGAN, whose networks grow with the images: python examples/progan.py

The schedule and the losses are in tinygen/models/progan.py, the networks in progan_networks.py.
--data cifar10, or a folder of your own, is learned as MNIST is. The first line printed says how
long it will take as measured here: some nine minutes on two idle cores. Leaves:

    samples/level_008.png …    what the networks draw at the end of each level, of the same noise
    walk.png, walk.gif         along great circles through z, as a strip and moving
    swd.json                   the sliced Wasserstein distance between samples and test images, at
                               each level of their Laplacian pyramids, beside that of real images

--growing no trains the full-size networks from the start, on the same losses; what that costs,
examples/compare_growing.py measures.
"""

import copy
from collections import Counter

import numpy as np

from tinygen import plots, scores, train
from tinygen.models import progan
from tinygen.scores.evaluator import some
from tinygen.train.checkpoint import read_position
from tinygen.weights import write_json

SAMPLES = 1000  # at most, that are compared with as many real images
WALKS, STATIONS, EACH = 8, 6, 8  # side by side; places that each comes through; frames to the next


def main() -> None:
    p = train.parser(__doc__, progan, out="runs/progan", epochs=2, batch=16)
    training = train.prepare(p)
    print(announced(training), flush=True)
    training.fit(step=step_of(training))
    draw_walk(training)
    print(report_swd(training))
    print(training.run.last_grid())


def announced(training):
    """How many steps there are of each level, and how long they will take as measured here."""
    model, checkpoint = training.model, training.run.checkpoint
    steps = training.options.epochs * (len(training.dataset) // training.options.batch)
    done = read_position(checkpoint).step if checkpoint.exists() else 0
    levels, seconds = Counter(), 0.0
    for t in range(done, steps):
        levels[stage_at(model, t).level] += 1
    for level, count in levels.items():
        trial = copy.deepcopy(model)
        first = next(t for t in range(steps) if stage_at(model, t).level == level)
        trial.opts_G[0].t = first + trial.config.fade * (level > 0)
        seconds += count * training.seconds_a_step(trial)
    each = ", ".join(f"{n} at {4 * 2**level}×{4 * 2**level}" for level, n in levels.items())
    return f"about {max(round(seconds / 60), 1)} min: {each} steps" if each else "no steps are left"


def stage_at(model, t):
    """The stage after t steps."""
    if model.config.growing == "no":
        return model.stage
    return progan.stage(t, model.frame.levels, fade=model.config.fade, rest=model.config.rest)


def step_of(training):
    """A step that leaves a grid where it is the last one of a level."""
    model = training.model

    def step(chosen, rng):
        level = model.stage.level
        numbers = training.step(chosen, rng)
        if model.stage.level > level:
            images, columns = model.grid(training.generator(1))
            side = 4 * 2**level
            path = training.run.grid_path(0).with_name(f"level_{side:03}.png")
            training.save_grid(images, path, columns=columns)
        return numbers

    return step


def walk(stations, each):
    """Points from station to station (K, d) along great circles of one sphere and back to the
    first: (K · each, d)."""
    u = stations / np.linalg.norm(stations, axis=1, keepdims=True)
    points = []
    for a, b in zip(u, np.roll(u, -1, axis=0), strict=True):
        angle = np.arccos(np.clip(a @ b, -1, 1))
        for s in np.arange(each) / each:
            points.append((np.sin((1 - s) * angle) * a + np.sin(s * angle) * b) / np.sin(angle))
    return np.array(points)


def draw_walk(training):
    """walk.png: the first walks from left to right, two frames a station; walk.gif: all of them."""
    model, rng = training.model, training.generator(6)
    z = np.stack([walk(progan.noise(STATIONS, rng), EACH) for _ in range(WALKS)])
    images = training.pixels(model.generate(z.reshape(-1, z.shape[-1])))
    images = images.reshape(WALKS, STATIONS * EACH, *images.shape[1:])
    strip = images[:4, :: EACH // 2].reshape(-1, *images.shape[2:])
    plots.save(plots.grid(strip, columns=2 * STATIONS), training.run.folder / "walk.png")
    plots.animate(images.swapaxes(0, 1), training.run.folder / "walk.gif", columns=WALKS // 2)


def report_swd(training):
    """Writes swd.json; returns it as lines."""
    validation, test = (training.load(split) for split in ("validation", "test"))
    n = min(SAMPLES, len(validation), len(test))
    of_test, held_out = (d.images[some(d, n)] for d in (test, validation))
    samples = training.pixels(training.model.sample(n, training.generator(2)))
    found = {
        name: scores.sliced_wasserstein_by_level(images, of_test, training.generator(4))
        for name, images in (("samples", samples), ("real images", held_out))
    }
    write_json(training.run.folder / "swd.json", {"images": n, **found})
    head = f"sliced Wasserstein distance × 1000 to {n:,} test images, by level, finest first"
    rows = (
        f"  {name:12}" + "".join(f"{side:6}: {1000 * d:6.1f}" for side, d in row.items())
        for name, row in found.items()
    )
    return "\n".join([head, *rows])


if __name__ == "__main__":
    train.report_errors(main)
