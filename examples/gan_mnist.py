"""Train a GAN on MNIST and watch digits appear: python examples/gan_mnist.py

The objective and the networks are in tinygen/models/gan.py. Every epoch leaves a grid of the same
64 noise vectors in the run folder; the last line printed is the path of the newest.

A long run of the fully connected networks, `--arch mlp --epochs 300`, takes hours on two cores;
samples/ then holds the grids of epochs 1, 5, 10, 20, 50, 100, 200 and 300, among all others.

`--histogram` trains a classifier first and draws classes.png, the share of each digit among 1,000
samples after each epoch. A generator that moves too far for each step of the discriminator ends in
one digit, and jumps to another when that one is found out:

    python examples/gan_mnist.py --arch mlp --generator-steps 5 --lr 2e-3 --beta1 0.9 --histogram
"""

import sys

import numpy as np
from tqdm.auto import tqdm

from tinygen import data, plots, scores, train
from tinygen.models import gan

PANELS = [("loss (nats)", ("loss_D", "loss_G")), ("probability", ("D_x", "D_Gz"))]


def options() -> train.Options:
    p = train.parser(__doc__, out="runs/gan_mnist", epochs=3, batch=64)
    p.add_argument("--arch", choices=tuple(gan.NETWORKS), default="dcgan", help="the networks")
    p.add_argument("--loss", choices=gan.LOSSES, default=gan.LOSSES[0], help="what G descends")
    p.add_argument("--lr", type=train.positive_float, default=4e-4, help="Adam's learning rate")
    p.add_argument("--beta1", type=train.fraction, default=0.5, help="Adam's β₁")
    p.add_argument(
        "--generator-steps", type=train.positive, default=1, help="steps of G for each of D"
    )
    p.add_argument("--histogram", action="store_true", help="watch the classes of the samples")
    return train.parse(p, model="gan")


def main() -> None:
    opt = options()
    if opt.arch == "dcgan" and opt.batch < 2:
        raise train.UsageError("--batch 1: batch norm, in dcgan, wants 2 or more images a step")
    dataset = data.load(opt.data, split="train")
    rng = np.random.default_rng(opt.seed)
    model = gan.build({**vars(opt), "shape": dataset.images.shape[1:]}, rng)
    run = train.start(opt, dataset)
    histogram = scores.ClassHistogram(run, dataset) if opt.histogram else None
    z = gan.noise(64, np.random.default_rng([opt.seed, 1]))

    def step(chosen, rng):
        return model.step(dataset.batch(chosen, *gan.RANGE, opt.device), rng)

    def each_epoch(epoch: int) -> None:
        pictures = data.unscale(model.generate(z), *gan.RANGE)
        plots.save(plots.grid(pictures), run.grid_path(epoch))
        plots.save(plots.curves(run.read_metrics(), PANELS), run.curves)
        if histogram:
            drawn = model.sample(1000, np.random.default_rng([opt.seed, 2]))
            alarm = histogram.add(epoch, data.unscale(drawn, *gan.RANGE))
            if alarm:
                tqdm.write(alarm, file=sys.stderr)

    train.fit(
        *(run, model.parts(), step, len(dataset), rng),
        epochs=opt.epochs,
        batch=opt.batch,
        each_epoch=each_epoch,
    )
    print(run.last_grid())


if __name__ == "__main__":
    train.report_errors(main)
