"""Train a Wasserstein GAN on MNIST: python examples/wgan_gp_mnist.py

--lipschitz gp      by the gradient penalty (tinygen/models/wgan_gp.py)
--lipschitz clip    by clipped weights (tinygen/models/wgan.py), with the same networks

A step is n_critic steps of the critic, each on --batch images of its own, and one of the generator.
The critic's estimate in curves.png is of W(P_r, P_g) with gp, of an unknown multiple of it with
clip: the two belong on axes of their own.

--arch conv draws smoother strokes; a step takes seven times as long, so try it with --epochs 5. It
is for gp: clipped to [-c, c], the layer norms of its critic saturate, and G learned nothing.
"""

import numpy as np

from tinygen import data, plots, train
from tinygen.models import gan, wgan, wgan_gp

PANELS = {
    "gp": [("estimate of W(P_r, P_g)", ("W",)), ("mean (‖∇D(x̂)‖ - 1)²", ("penalty",))],
    "clip": [("estimate of K · W(P_r, P_g), K unknown", ("KW",))],
}
LR = {"gp": 1e-3, "clip": 2e-4}  # for some thousand steps; the papers have 1e-4 and 5e-5


def options() -> train.Options:
    p = train.parser(__doc__, out="runs/wgan_gp_mnist", epochs=26, batch=64)
    p.add_argument("--arch", choices=tuple(wgan.NETWORKS), default="mlp", help="the networks")
    p.add_argument("--lipschitz", choices=wgan_gp.LIPSCHITZ, default="gp", help="how D is held")
    usual = ", ".join(f"{lr:g} for {name}" for name, lr in LR.items())
    p.add_argument("--lr", type=train.positive_float, help=f"learning rate; {usual}")
    p.add_argument("--n-critic", type=train.positive, default=5, help="steps of D to one of G")
    p.add_argument("--penalty", type=train.positive_float, default=10.0, help="λ, of gp")
    p.add_argument("--clip", type=train.positive_float, default=0.01, help="c, of clip")
    opt = train.parse(p, model="wgan_gp")
    opt.lr = opt.lr or LR[opt.lipschitz]
    return opt


def main() -> None:
    opt = options()
    if opt.arch == "conv" and opt.batch < 2:
        raise train.UsageError("--batch 1: batch norm, in conv's G, wants 2 or more images a step")
    dataset = data.load(opt.data, split="train")
    images = opt.batch * opt.n_critic
    if images > len(dataset):
        raise train.UsageError(
            f"wanted --batch times --n-critic of at most {len(dataset)} images, got {images}"
        )
    rng = np.random.default_rng(opt.seed)
    model = wgan_gp.build({**vars(opt), "shape": dataset.images.shape[1:]}, rng)
    run = train.start(opt, dataset)
    z = gan.noise(64, np.random.default_rng([opt.seed, 1]))

    def step(chosen, rng):
        return model.step(dataset.batch(chosen, *wgan.RANGE, opt.device), rng)

    def each_epoch(epoch: int) -> None:
        pictures = data.unscale(model.generate(z), *wgan.RANGE)
        plots.save(plots.grid(pictures), run.grid_path(epoch))
        plots.save(plots.curves(run.read_metrics(), PANELS[opt.lipschitz]), run.curves)

    train.fit(
        *(run, model.parts(), step, len(dataset), rng),
        epochs=opt.epochs,
        batch=images,
        each_epoch=each_epoch,
    )
    print(run.last_grid())


if __name__ == "__main__":
    train.report_errors(main)
